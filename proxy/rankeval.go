package proxy

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/rerankd/rerankd/retriever"
)

// evaluationTail is the end of the path of an evaluation.
const evaluationTail = "_rank_eval"

// rankEval answers an evaluation of rankings that holds a reranker. The searches
// with one are executed here, each like any other; the cluster then computes the
// metric over searches that find their hits again in the order they have.
func (p *Proxy) rankEval(w http.ResponseWriter, r *http.Request) {
	q, ok := p.inquire(w, r, false)
	if !ok {
		return
	}
	if !retriever.MayHold(q.body) {
		q.pass(w)
		return
	}
	e, err := retriever.ParseEvaluation(q.body)
	x := &evaluation{p: p, r: q.r, e: e, found: map[int]retriever.Hits{}, failed: map[int][]byte{}}
	if err == nil {
		err = cmp.Or(x.parse(), q.fault)
	}
	switch {
	case errors.Is(err, retriever.ErrNotOurs):
		q.pass(w)
		return
	case err != nil:
		p.fail(w, q.r, err)
		return
	}
	admitted, leave, ok := p.admit(w, q.r, q.body)
	if !ok {
		return
	}
	defer leave()
	x.r = admitted
	answer, header, err := x.run() //nolint:contextcheck // it stands in the request
	if err != nil {
		p.failUpstream(w, q.r, err)
		return
	}
	copyAnswerHeader(w.Header(), header)
	deliver(w, q.r, answer)
}

// evaluation is one on its way.
type evaluation struct {
	p        *Proxy
	r        *http.Request
	e        *retriever.Evaluation
	query    url.Values
	searches []multi
	numbers  []int // of the request that each search is that of
	found    map[int]retriever.Hits
	failed   map[int][]byte
}

// evaluationParameters are those of an evaluation's URL that its searches take.
var evaluationParameters = []string{"ignore_unavailable", "allow_no_indices", "expand_wildcards", "search_type"}

// parse reads the searches that hold a reranker; ErrNotOurs: there is none. As in
// Elasticsearch a request that can't be read fails the whole, and one that isn't
// valid fails alone.
func (x *evaluation) parse() (err error) {
	if x.query, err = url.ParseQuery(x.r.URL.RawQuery); err != nil {
		return retriever.BadRequest("illegal_argument_exception", "malformed URL parameters")
	}
	if _, err := retriever.Formatted(nil, x.query); err != nil {
		return err
	}
	own := url.Values{"size": {strconv.Itoa(x.e.Cutoff)}, "_source": {"false"}, "track_total_hits": {"false"}}
	for _, name := range evaluationParameters {
		if x.query.Has(name) {
			own[name] = x.query[name]
		}
	}
	index := chi.URLParam(x.r, "index")
	if decoded, err := url.PathUnescape(index); err == nil {
		index = decoded
	}
	for i, rated := range x.e.Requests {
		if rated.Body == nil {
			continue
		}
		s, err := retriever.Parse(retriever.Request{Body: rated.Body, Query: own, Indexed: index != ""}, x.p.o.Retriever)
		fault, faulty := errors.AsType[*retriever.RequestError](err)
		switch {
		case errors.Is(err, retriever.ErrNotOurs):
			continue
		case faulty && fault.Cause.Type == "action_request_validation_exception":
			x.failed[i], _ = retriever.Failure(fault.Body())
			continue
		case err != nil:
			return err
		}
		x.searches = append(x.searches, multi{search: s, index: index, query: own})
		x.numbers = append(x.numbers, i)
	}
	if len(x.searches)+len(x.failed) == 0 {
		return retriever.ErrNotOurs
	}
	return nil
}

// run executes the searches and has the cluster compute the metric.
func (x *evaluation) run() ([]byte, http.Header, error) {
	if err := x.p.runMulti(x.r, x.query, x.searches); err != nil {
		return nil, nil, err
	}
	for n, s := range x.searches {
		if failure, failed := failureOf(s); failed {
			x.failed[x.numbers[n]] = failure
			continue
		}
		hits, err := retriever.ReadHits(s.answer)
		if err != nil {
			return nil, nil, err
		}
		x.found[x.numbers[n]] = hits
	}
	body, left := x.e.Replay(x.found, x.failed)
	if left == 0 {
		answer, err := retriever.Formatted(x.e.NoneLeft(x.failed), x.query)
		return answer, http.Header{productHeader: {product}, "Content-Type": {answerType(x.r)}}, err
	}
	rest := url.Values{}
	for name, values := range x.query {
		if name != "filter_path" && name != "pretty" {
			rest[name] = values
		}
	}
	target := &url.URL{Path: x.r.URL.Path, RawPath: x.r.URL.RawPath, Opaque: rawPath(x.r), RawQuery: rest.Encode()}
	answer, header, err := x.p.ask(x.r.Context(), x.r, x.r.Method, target, body)
	if err != nil {
		return nil, nil, err
	}
	if answer, err = x.e.Answer(answer, x.found, x.failed); err != nil {
		return nil, nil, err
	}
	answer, err = retriever.Formatted(answer, x.query)
	return answer, header, err
}

// failureOf is the failure of a search; false: there is none. One that was not
// reranked, or not all of it, is a failure too, unless the request wants that: its
// figures would be those of another ranking.
func failureOf(s multi) ([]byte, bool) {
	lenient := s.search.Lenient != nil && *s.search.Lenient
	how, reason, _ := strings.Cut(s.outcome, "; ")
	if (how == "degraded" || how == "partial") && !lenient {
		return retriever.Failure(newError(http.StatusBadRequest, "status_exception",
			"rerankd could not score the documents: %s", reason).Body())
	}
	return retriever.Failure(s.answer)
}
