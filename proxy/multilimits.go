package proxy

import (
	"net/http"
	"net/url"

	"github.com/rerankd/rerankd/retriever"
)

const (
	// multiAtOnce is how many searches of one multi search run at a time unless it
	// says, as one client is not to take every place of the scorer's queue.
	multiAtOnce = 4
	// multiAtMost is what a multi search may ask for.
	multiAtMost = 16
	// mostOfMulti is how many searches of one multi search may hold a reranker: each
	// may take as long as one that comes alone, and together they have one place.
	mostOfMulti = 1000
)

// concurrencyParam is how many searches of a multi search may run at a time.
const concurrencyParam = "max_concurrent_searches"

// concurrency is how many searches of a multi search run here at a time. It bounds
// those that the cluster executes by itself there.
func concurrency(query url.Values) (int, error) {
	if !query.Has(concurrencyParam) {
		return multiAtOnce, nil
	}
	n, err := retriever.URLInteger(query, concurrencyParam)
	if err != nil {
		return 0, err
	}
	if n < 1 {
		return 0, retriever.BadRequest("illegal_argument_exception", "maxConcurrentSearchRequests must be positive")
	}
	return min(n, multiAtMost), nil
}

// tooManyOfMulti is the 400 for a multi search that holds more rerankers than one
// may.
func tooManyOfMulti() *retriever.RequestError {
	return newError(http.StatusBadRequest, "illegal_argument_exception",
		"rerankd executes at most [%d] searches with a [%s] in a multi search; send fewer at once", mostOfMulti, retriever.Name)
}
