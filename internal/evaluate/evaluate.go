package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
)

// FirstStage finds documents.
type FirstStage interface {
	// Search returns the best size documents for the query, fewer where there
	// are no more.
	Search(ctx context.Context, q collection.Query, size int) (relevance.Ranking, error)
}

// Reranker reorders what a first stage found.
type Reranker interface {
	// Rerank returns, for each of the depths (ascending, at least one), the first
	// stage with its first depth documents reordered and the rest behind them. took
	// has how long each of them alone would have taken, or 0 where that is not
	// known.
	Rerank(ctx context.Context, q collection.Query, first relevance.Ranking, depths []int) (rankings []relevance.Ranking, took []time.Duration, err error)
	// Time reorders the first depth documents for the sake of its duration.
	Time(ctx context.Context, q collection.Query, first relevance.Ranking, depth int) (time.Duration, error)
}

// Named is a reranker with the name that the report gives it.
type Named struct {
	Name     string
	Reranker Reranker
}

// NamedRun is a finished run that is measured beside the rerankers.
type NamedRun struct {
	Name string
	Run  relevance.Run
}

// Options say what to measure.
type Options struct {
	// Collection is the name in the report.
	Collection string
	Documents  int
	// Queries are those to measure, at least one. All have judgements in Qrels.
	Queries []collection.Query
	Qrels   relevance.Qrels

	FirstStage     FirstStage
	FirstStageName string
	Rerankers      []Named
	Runs           []NamedRun

	// Depth is how many documents are reranked, at least 1.
	Depth int
	// Depths are further depths to compare, in any order; empty means no comparison.
	Depths []int
	// Measures are at least one; differences are tested by the first.
	Measures []relevance.Measure
	// Progress is told how far the work is. nil tells nobody.
	Progress *Progress
}

// minSize is how many documents of the first stage are asked for at least, so
// that measures at 100 and recall have something to look at.
const minSize = 100

// Run evaluates. An error leaves no report; what a [Model] scored until then is
// kept in its file.
func Run(ctx context.Context, o Options) (*Report, error) {
	if len(o.Queries) == 0 {
		return nil, errors.New("evaluate: no query has judgements")
	}
	if err := o.checkNames(); err != nil {
		return nil, err
	}
	e := &evaluation{Options: o, depths: append([]int{o.Depth}, o.Depths...)}
	slices.Sort(e.depths)
	e.depths = slices.Compact(e.depths)
	if err := e.search(ctx); err != nil {
		return nil, err
	}
	var systems []*system
	for _, r := range o.Rerankers {
		s, err := e.rerank(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("rerank with %s: %w", r.Name, err)
		}
		systems = append(systems, s)
	}
	for _, r := range o.Runs {
		systems = append(systems, &system{name: r.Name, runs: map[int]relevance.Run{o.Depth: r.Run}})
	}
	return e.report(systems), nil
}

// checkNames sees to it that a row of the report is one system.
func (o Options) checkNames() error {
	seen := map[string]bool{firstStageRow: true, oracleRow: true}
	check := func(name string) error {
		if seen[name] {
			return fmt.Errorf("evaluate: there are two systems of the name %q", name)
		}
		seen[name] = true
		return nil
	}
	var errs []error
	for _, r := range o.Rerankers {
		errs = append(errs, check(r.Name))
	}
	for _, r := range o.Runs {
		errs = append(errs, check(r.Name))
	}
	return errors.Join(errs...)
}

type evaluation struct {
	Options

	depths []int // ascending, Depth included
	first  relevance.Run
}

// system is what a reranker made of all queries.
type system struct {
	name   string
	runs   map[int]relevance.Run // by depth
	took   map[int][]time.Duration
	scored float64 // share of the passages, of a [Variant]
}

func (e *evaluation) search(ctx context.Context) error {
	size := max(minSize, e.depths[len(e.depths)-1])
	for _, m := range e.Measures {
		size = max(size, m.Cut())
	}
	e.first = relevance.Run{}
	step, done := e.Progress.Begin("searching", "queries", len(e.Queries))
	defer done()
	for _, q := range e.Queries {
		ranking, err := e.FirstStage.Search(ctx, q, size)
		if err != nil {
			return fmt.Errorf("search query %s: %w", q.ID, err)
		}
		e.first[q.ID] = ranking
		step()
	}
	return nil
}

func (e *evaluation) rerank(ctx context.Context, r Named) (*system, error) {
	s := &system{name: r.Name, runs: map[int]relevance.Run{}, took: map[int][]time.Duration{}}
	for _, depth := range e.depths {
		s.runs[depth] = relevance.Run{}
	}
	step, done := e.Progress.Begin("reranking with "+r.Name, "queries", len(e.Queries))
	defer done()
	for _, q := range e.Queries {
		rankings, took, err := r.Reranker.Rerank(ctx, q, e.first[q.ID], e.depths)
		if err != nil {
			return nil, fmt.Errorf("query %s: %w", q.ID, err)
		}
		for i, depth := range e.depths {
			s.runs[depth][q.ID] = rankings[i]
			if took[i] > 0 {
				s.took[depth] = append(s.took[depth], took[i])
			}
		}
		step()
	}
	done()
	if v, ok := r.Reranker.(*Variant); ok {
		s.scored = v.ScoredShare()
	}
	return s, e.time(ctx, r, s)
}

// timedQueries is how many durations make a latency worth telling.
const timedQueries = 20

// time measures a sample of queries, spread evenly, at the depths whose duration
// the reranking did not show.
func (e *evaluation) time(ctx context.Context, r Named, s *system) error {
	sample := min(timedQueries, len(e.Queries))
	var missing []int
	for _, depth := range e.depths {
		if len(s.took[depth]) < sample {
			missing = append(missing, depth)
		}
	}
	step, done := e.Progress.Begin("timing "+r.Name, "queries", len(missing)*sample)
	defer done()
	for _, depth := range missing {
		s.took[depth] = nil
		for i := range sample {
			q := e.Queries[i*len(e.Queries)/sample]
			took, err := r.Reranker.Time(ctx, q, e.first[q.ID], depth)
			if err != nil {
				return fmt.Errorf("time query %s: %w", q.ID, err)
			}
			s.took[depth] = append(s.took[depth], took)
			step()
		}
	}
	return nil
}
