// Package live evaluates an index behind a running proxy, or behind any server
// that answers Elasticsearch's search with text_similarity_reranker: the first
// stage is a match query on one field, the rerankers are the server's inference
// endpoints.
package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rerankd/rerankd/internal/evaluate"
	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
)

const (
	// maxAnswer bounds an answer in bytes; it carries no sources.
	maxAnswer = 64 << 20
	// maxQuoted is how much of an error's body is told.
	maxQuoted = 400
	// outcomeHeader tells of a search that was answered in first-stage order.
	outcomeHeader = "X-Rerankd-Outcome"
)

// Options name what is searched.
type Options struct {
	URL   string // of the proxy; credentials in it are sent as basic authentication
	Index string // an index or an alias of one
	Field string // the text field that is searched and scored
	// HTTP sends the requests.
	HTTP *http.Client
}

// Index is a first stage. It is safe for concurrent use.
type Index struct {
	search string // URL
	field  string
	http   *http.Client
}

// Open checks the options; it sends nothing.
func Open(o Options) (*Index, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		// The URL may hold a password, and so may url.Parse's error.
		return nil, errors.New("open index: want http(s)://host:port for the URL")
	}
	if o.Index == "" || o.Field == "" {
		return nil, errors.New("open index: want the names of an index and of a text field")
	}
	return &Index{search: u.JoinPath(url.PathEscape(o.Index), "_search").String(), field: o.Field, http: o.HTTP}, nil
}

// Search implements [evaluate.FirstStage].
func (x *Index) Search(ctx context.Context, q collection.Query, size int) (relevance.Ranking, error) {
	return x.ask(ctx, object{"retriever": x.match(q), "size": size, "_source": false})
}

// Endpoint returns the reranker with an inference id, or the server's default
// one if that is empty.
func (x *Index) Endpoint(id string) *Endpoint { return &Endpoint{index: x, id: id} }

// Endpoint is a reranker. It is safe for concurrent use.
type Endpoint struct {
	index *Index
	id    string
}

// Rerank implements [evaluate.Reranker] with one search for each depth. A
// server's score cache shortens all but the first search for a query.
func (e *Endpoint) Rerank(ctx context.Context, q collection.Query, first relevance.Ranking, depths []int) ([]relevance.Ranking, []time.Duration, error) {
	rankings, took := make([]relevance.Ranking, len(depths)), make([]time.Duration, len(depths))
	for i, depth := range depths {
		start := time.Now()
		head, err := e.search(ctx, q, depth)
		if err != nil {
			return nil, nil, err
		}
		took[i] = time.Since(start)
		rankings[i] = behind(head, first)
	}
	return rankings, took, nil
}

// Time implements [evaluate.Reranker].
func (e *Endpoint) Time(ctx context.Context, q collection.Query, _ relevance.Ranking, depth int) (time.Duration, error) {
	start := time.Now()
	_, err := e.search(ctx, q, depth)
	return time.Since(start), err
}

func (e *Endpoint) search(ctx context.Context, q collection.Query, depth int) (relevance.Ranking, error) {
	reranker := object{
		"retriever": e.index.match(q), "field": e.index.field, "inference_text": q.Text, "rank_window_size": depth,
	}
	if e.id != "" {
		reranker["inference_id"] = e.id
	}
	return e.index.ask(ctx, object{"retriever": object{"text_similarity_reranker": reranker}, "size": depth, "_source": false})
}

// behind puts the documents of the first stage that head lacks behind it.
func behind(head, first relevance.Ranking) relevance.Ranking {
	in := make(map[string]bool, len(head))
	for _, h := range head {
		in[h.ID] = true
	}
	for _, h := range first {
		if !in[h.ID] {
			head = append(head, h)
		}
	}
	return head
}

type object map[string]any

func (x *Index) match(q collection.Query) object {
	return object{"standard": object{"query": object{"match": object{x.field: q.Text}}}}
}

// answer is what is read of a search's.
type answer struct {
	TimedOut bool `json:"timed_out"`
	Shards   struct {
		Failed int `json:"failed"`
	} `json:"_shards"`
	Hits struct {
		Hits []struct {
			ID    string  `json:"_id"`
			Score float64 `json:"_score"`
		} `json:"hits"`
	} `json:"hits"`
}

// ask refuses every answer that is not whole: a mean over part of an index, or
// over searches that were not reranked, would look like any other number.
func (x *Index) ask(ctx context.Context, body object) (relevance.Ranking, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write search: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, x.search, bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("write search: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := x.http.Do(request)
	if err != nil {
		return nil, err
	}
	found, err := read(response)
	return found, errors.Join(err, response.Body.Close())
}

func read(response *http.Response) (relevance.Ranking, error) {
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	case len(text) > maxAnswer:
		return nil, fmt.Errorf("read answer: it is larger than %d bytes", maxAnswer)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("search: status %d: %q", response.StatusCode, text[:min(maxQuoted, len(text))])
	}
	if outcome := response.Header.Get(outcomeHeader); strings.HasPrefix(outcome, "degraded") {
		return nil, fmt.Errorf("search: the proxy did not rerank: %q", outcome)
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if a.TimedOut || a.Shards.Failed > 0 {
		return nil, fmt.Errorf("search: the answer is partial: timed out %t, %d shards failed", a.TimedOut, a.Shards.Failed)
	}
	ranking := make(relevance.Ranking, len(a.Hits.Hits))
	seen := map[string]bool{}
	for i, h := range a.Hits.Hits {
		if h.ID == "" || seen[h.ID] {
			return nil, fmt.Errorf("read answer: hit %d has no id of its own: %q (an alias of several indices?)", i+1, h.ID)
		}
		seen[h.ID] = true
		ranking[i] = relevance.Hit{ID: h.ID, Score: h.Score}
	}
	return ranking, nil
}

var (
	_ evaluate.FirstStage = (*Index)(nil)
	_ evaluate.Reranker   = (*Endpoint)(nil)
)
