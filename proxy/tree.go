package proxy

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/rerankd/rerankd/retriever"
)

// tree is one tree of retrievers on its way through the cluster and the models.
type tree struct {
	run
	t   *retriever.Tree
	sum *summary
	// ctx is that of the request: an evaluation calls back and has none to pass.
	ctx context.Context //nolint:containedctx // lives no longer than the evaluation
	// failed is the reranker whose failure ended the evaluation, gaveUp the failure
	// of one that kept the order below it, cut why one scored only some texts.
	failed      *retriever.Search
	gaveUp, cut error
}

// rerankTree answers a search whose retrievers are executed here: one multi
// search for the leaves, the order, one search for the answer, on a point in time
// of the caller's or one that is opened before and closed afterwards.
func (p *Proxy) rerankTree(w http.ResponseWriter, r *http.Request, s *retriever.Search) {
	rec := of(w)
	sum := &rec.summary
	x := &tree{run: run{p: p, r: r, s: s}, t: s.Tree(), sum: sum, ctx: r.Context()}
	release, standing, err := x.evaluate()
	defer release()
	switch {
	case x.failed != nil:
		p.failRerank(w, r, x.failed, err)
		return
	case err != nil:
		p.failUpstream(w, r, err)
		return
	case x.gaveUp != nil:
		rec.lapse(r, x.gaveUp, false)
	case x.cut != nil:
		rec.lapse(r, x.cut, true)
	}
	query, body := standing.FinalSearch()
	answer, err := x.Search(query, body)
	var final []byte
	if err == nil {
		final, err = standing.Finish(answer, time.Since(rec.start))
	}
	if err != nil {
		p.failUpstream(w, r, err)
		return
	}
	p.answer(w, r, x.header, final)
}

// evaluate ranks the documents. release gives the point in time back, if one was
// opened; it is never nil.
func (x *tree) evaluate() (release func(), _ *retriever.Standing, err error) {
	id, release, err := x.pointInTime(x.ctx)
	if err != nil {
		return release, nil, err
	}
	answer, err := x.asked("/_msearch", x.t.LeavesQuery(), x.t.Leaves(id))
	if err != nil {
		return release, nil, reword(err, x.t.Refusal)
	}
	found, err := x.t.Read(answer)
	if err != nil {
		return release, nil, err
	}
	standing, err := found.Evaluate(x)
	return release, standing, err
}

// Search runs a search without an index.
func (x *tree) Search(query url.Values, body []byte) ([]byte, error) {
	return x.asked("/_search", query, body)
}

func (x *tree) asked(path string, query url.Values, body []byte) (answer []byte, err error) {
	start := time.Now()
	answer, x.header, err = x.p.ask(x.ctx, x.r, http.MethodPost, &url.URL{Path: path, RawQuery: query.Encode()}, body)
	x.sum.upstream += time.Since(start)
	return answer, err
}

// Rerank scores texts for one reranker of the tree. All rerankers share the time
// that the rerank step may take.
func (x *tree) Rerank(s *retriever.Search, texts []string) (ranked []retriever.Ranked, degraded bool, err error) {
	start := time.Now()
	defer func() { x.sum.limit = max(0, x.sum.limit-time.Since(start)) }()
	x.sum.endpoint, x.sum.window = s.InferenceID, max(x.sum.window, s.Window)
	ranked, err = x.p.order(x.r, s, texts, 0, x.sum) // others read the whole order
	switch {
	case err == nil:
		return ranked, false, nil
	case x.p.degrades(x.r, s, err) && ranked != nil:
		x.cut = err
		return ranked, false, nil
	case x.p.degrades(x.r, s, err):
		x.gaveUp = err
		return nil, true, nil
	}
	x.failed = s
	return nil, false, err
}
