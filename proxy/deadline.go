package proxy

import (
	"net/http"
	"time"

	"github.com/rerankd/rerankd/retriever"
)

// deadlineHeader is how long a caller gives the rerank step of its search.
const deadlineHeader = "X-Rerankd-Deadline"

// deadline is how long the rerank step of a search may take: what the caller
// says, but never longer than what is configured.
func (p *Proxy) deadline(r *http.Request) (time.Duration, error) {
	text := r.Header.Get(deadlineHeader)
	if text == "" {
		return p.o.RerankTimeout, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, retriever.BadRequest("illegal_argument_exception",
			"failed to parse header [%s] with value [%s]: want a time such as [200ms] or [1.5s]", deadlineHeader, clip(text))
	}
	return min(d, p.o.RerankTimeout), nil
}

// lapse records that the rerank step failed and the search is answered all the
// same: partially, with the passages that were scored first, or in first-stage
// order.
func (w *recorder) lapse(r *http.Request, err error, partially bool) {
	w.err = err
	if partially {
		w.outcome = OutcomePartial
		return
	}
	w.outcome, w.summary.reason = OutcomeDegraded, classify(r, err).outcome
}
