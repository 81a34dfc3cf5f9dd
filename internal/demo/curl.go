package demo

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/rerankd/rerankd/internal/localcluster"
)

// curlQuestion is in the curl line that the reader gets to try. It holds
// nothing that a shell or JSON would want escaped.
const curlQuestion = "stop a program when the user presses ctrl-c"

// curlLine renders a search to paste into a shell. For a cluster with security
// it names the user alone: curl asks for the password.
func curlLine(e *elastic, esURL string, cluster *localcluster.Cluster) string {
	var b strings.Builder
	fmt.Fprintf(&b, "curl -s '%s/%s/_search?pretty&filter_path=hits.hits._score,hits.hits._source.name'", e.base, e.index)
	if cluster.Authorization != "" {
		if u, err := url.Parse(esURL); err == nil {
			fmt.Fprintf(&b, " -u '%s'", strings.ReplaceAll(u.User.Username(), "'", `'\''`))
		}
	}
	fmt.Fprintf(&b, ` -H 'Content-Type: application/json' -d '{
  "retriever": {"text_similarity_reranker": {
    "retriever": {"standard": {"query": {"match": {"text": "%[1]s"}}}},
    "field": "text", "inference_text": "%[1]s", "rank_window_size": %[2]d}},
  "size": %[3]d}'`, curlQuestion, window, shown)
	return b.String()
}
