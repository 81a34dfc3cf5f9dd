package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/rerankd/rerankd/internal/rerank"
	"github.com/rerankd/rerankd/retriever"
	"github.com/rerankd/rerankd/scorer"
)

// rerank answers a search of ours: the first stage on the cluster, the order by
// the endpoint's scorer, the answer out of the cluster's own.
func (p *Proxy) rerank(w http.ResponseWriter, r *http.Request, s *retriever.Search) {
	rec := of(w)
	sum := &rec.summary
	sum.endpoint, sum.window = s.InferenceID, s.Window
	var err error
	if sum.limit, err = p.deadline(r); err != nil {
		p.fail(w, r, err)
		return
	}
	if s.Tree() != nil {
		p.rerankTree(w, r, s)
		return
	}
	x := &run{p: p, r: r, s: s}
	start := time.Now()
	release, err := x.firstStage(r.Context())
	defer release()
	sum.upstream = time.Since(start)
	if err != nil {
		p.failUpstream(w, r, err)
		return
	}
	ranked, err := p.order(r, s, x.first.Texts(), s.From+s.Size, sum)
	if err != nil && !p.degrades(r, s, err) {
		p.failRerank(w, r, s, err)
		return
	}
	if err != nil {
		rec.lapse(r, err, ranked != nil)
	}
	var order retriever.Order
	if rec.outcome == OutcomeDegraded {
		order = x.first.FirstStageOrder(s.Lenient != nil)
	} else {
		order = x.settled(r.Context(), x.first.RankedOrder(ranked), sum)
	}
	start = time.Now()
	final, err := x.answer(r.Context(), order, rec.start)
	if s.TwoPhase() {
		sum.upstream += time.Since(start)
	} else {
		sum.splice = time.Since(start)
	}
	if err != nil {
		p.failUpstream(w, r, err)
		return
	}
	p.answer(w, r, x.header, final)
}

// failUpstream answers for a cluster that gave no usable answer: with its own
// refusal as it is, or with the error that its silence is.
func (p *Proxy) failUpstream(w http.ResponseWriter, r *http.Request, err error) {
	var no *refused
	if !errors.As(err, &no) {
		p.fail(w, r, err)
		return
	}
	defer func() { _ = no.res.Body.Close() }() // relayed as far as it goes
	of(w).outcome = OutcomeUpstreamError
	relayAnswer(w, no.res)
}

// order scores texts and gives their final order. The endpoint must exist even if
// there is nothing to score, as in Elasticsearch. With an error there may be an
// order, and best is: see score.
func (p *Proxy) order(r *http.Request, s *retriever.Search, texts []string, best int, sum *summary) ([]retriever.Ranked, error) {
	endpoint, ok := p.o.Endpoint(s.InferenceID)
	if !ok {
		return nil, s.UnknownEndpoint()
	}
	if limited, ok := endpoint.(interface{ TopN() int }); ok && limited.TopN() > 0 && limited.TopN() < s.Window {
		return nil, s.TopNBelowWindow(limited.TopN())
	}
	if len(texts) == 0 {
		return nil, nil
	}
	if s.Query == "" {
		return nil, s.EmptyQuery()
	}
	ctx, cancel := context.WithTimeout(scorer.WithStats(r.Context(), &sum.scoring), sum.limit)
	defer cancel()
	choice, err := rerank.Choose(ctx, texts, chooser(s))
	if err != nil {
		return nil, choiceError(s, err)
	}
	ranking, err := p.score(ctx, endpoint, rerank.Request{Query: s.Query, Passages: choice.Passages, Of: choice.Of, MinScore: s.MinScore}, best, sum)
	return ranked(ranking, choice), err
}

// ranked is an order of documents in the form that answers are written by; nil if
// nothing was scored.
func ranked(ranking rerank.Ranking, choice rerank.Choice) []retriever.Ranked {
	if ranking.Scored == 0 {
		return nil
	}
	list := make([]retriever.Ranked, len(ranking.Ranked))
	passages := make([]retriever.Passage, len(ranking.Ranked))
	for i, one := range ranking.Ranked {
		list[i] = retriever.Ranked{Text: one.Index, Score: one.Score}
		if scored := one.Score == rerank.Shown(one.Logit); scored && one.Passage < len(choice.Ranges) {
			at := choice.Ranges[one.Passage]
			passages[i] = retriever.Passage{Start: at.Start, End: at.End, Logit: one.Logit}
			list[i].Passage = &passages[i]
		}
	}
	return list
}

// chooser chooses the passages that documents are rated by, nil for their texts as
// they are.
func chooser(s *retriever.Search) rerank.Chooser {
	if s.Chunks == nil {
		return nil
	}
	return rerank.Best(s.Query, s.Chunks.Settings, s.Chunks.Size)
}

// choiceError is the failure to choose passages: the client's fault, whose settings
// can't be followed, or the end of the time.
func choiceError(s *retriever.Search, err error) error {
	var choice *rerank.ChoiceError
	if !errors.As(err, &choice) {
		return fmt.Errorf("rerank: %w", err)
	}
	return s.RerankFailure(http.StatusBadRequest, &retriever.Cause{Type: "illegal_argument_exception", Reason: choice.Error()})
}

// score has a scorer order documents, in the time of the context. When that ends
// with some of the passages scored, the order of all comes with the error. best is
// how many hits the caller gets to see, 0 for what nobody can tell.
func (p *Proxy) score(ctx context.Context, endpoint scorer.Scorer, q rerank.Request, best int, sum *summary) (rerank.Ranking, error) {
	sum.passages += len(q.Passages)
	ranking, err := rerank.Rank(scorer.WithBest(ctx, best), endpoint, q)
	sum.scored += ranking.Scored
	if errors.Is(ranking.Cut, scorer.ErrEnough) {
		sum.spared += len(q.Passages) - ranking.Scored
		return ranking, nil
	}
	if err == nil {
		err = ranking.Cut
	}
	if err != nil {
		err = fmt.Errorf("rerank: %w", modelError(ctx, err))
	}
	return ranking, err
}

// modelError sorts an error of a scorer: a full queue, the end of the time, or
// else the model's own failure.
func modelError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, scorer.ErrOverloaded), errors.Is(err, context.DeadlineExceeded): // the endpoint's own, perhaps
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return fmt.Errorf("%w: %w", errModel, err)
}

// degrades decides whether a search whose rerank step failed is answered with what
// was scored, or in first-stage order. The request's own allow_rerank_failures comes first; without
// it a mistake of the client fails, and trouble of the reranker follows the
// configured policy.
func (p *Proxy) degrades(r *http.Request, s *retriever.Search, err error) bool {
	var mistake *retriever.RequestError
	switch {
	case r.Context().Err() != nil:
		return false
	case s.Lenient != nil:
		return *s.Lenient
	case errors.As(err, &mistake):
		return false
	}
	return !p.o.FailOnRerank
}

// failRerank answers with the failure of the rerank step, in the form that
// Elasticsearch wraps one in.
func (p *Proxy) failRerank(w http.ResponseWriter, r *http.Request, s *retriever.Search, err error) {
	f := classify(r, err)
	var mistake *retriever.RequestError // has its form already
	if f.answer != nil && !errors.As(err, &mistake) {
		f.answer = s.RerankFailure(f.answer.Status, f.answer.Cause)
	}
	p.answerFailure(w, r, err, f)
}

// answer writes the final answer under the headers of the cluster's.
func (p *Proxy) answer(w http.ResponseWriter, r *http.Request, header http.Header, body []byte) {
	rec := of(w)
	h := w.Header()
	copyAnswerHeader(h, header)
	if rec.wrap != nil {
		body = rec.wrap(body)
	}
	total := time.Since(rec.start)
	rec.summary.tell(h, total)
	deliver(w, r, body)
	rec.summary.observe(p.o.Observer, total)
}

// deliver writes the body of an answer whose headers are set.
func deliver(w http.ResponseWriter, r *http.Request, body []byte) {
	h := w.Header()
	body = of(w).form.written(h, body)
	if len(body) >= compressFrom && acceptsGzip(r.Header) {
		body = compress(body)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(body); err != nil {
		rec := of(w)
		rec.outcome, rec.status, rec.err = OutcomeClientGone, statusClientGone, err
	}
}
