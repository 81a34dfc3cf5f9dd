package evaluate

import (
	"math"
	"slices"
	"time"

	"github.com/rerankd/rerankd/internal/relevance"
)

// Values are the means over the queries by measure.
type Values map[string]float64

// Report is what an evaluation found. Its JSON form is one object.
type Report struct {
	Collection     string `json:"collection"`
	Documents      int    `json:"documents,omitempty"`
	Queries        int    `json:"queries"`
	Depth          int    `json:"depth"`
	FirstStageName string `json:"first_stage_name"`

	// Model and Reranked are those of the first system; Model is empty and
	// Reranked nil when there is none.
	Model      string `json:"model,omitempty"`
	FirstStage Values `json:"first_stage"`
	Reranked   Values `json:"reranked,omitempty"`
	Oracle     Values `json:"oracle"`

	// Measure is the one by which systems are compared: the first of Measures.
	Measure  string   `json:"measure"`
	Measures []string `json:"measures"`
	Systems  []System `json:"systems"`

	each eachValue
	runs map[string]relevance.Run // of each system, at Depth
}

// System is a reranker, or a run that was read, against the first stage.
type System struct {
	Model    string `json:"model"`
	Reranked Values `json:"reranked"`

	Gain        float64 `json:"gain"`         // difference to the first stage by Measure
	GainPercent float64 `json:"gain_percent"` // the same relative to the first stage; 0 if that is 0
	OracleShare float64 `json:"oracle_share"` // the same relative to the oracle's gain; 0 if that is 0

	Better int `json:"better"` // queries, by Measure
	Worse  int `json:"worse"`
	Equal  int `json:"equal"`

	// TTestP and RandomisationP are the chances of a difference at least as large,
	// were there none: see [relevance.PairedT] and [relevance.Randomisation].
	TTestP         float64 `json:"t_test_p"`
	RandomisationP float64 `json:"randomisation_p"`

	// Agreement with the first stage, the mean over the queries down to the cut of
	// Measure.
	Agreement relevance.Agreement `json:"agreement"`
	// ScoredShare is what share of the passages the model scored at the greatest
	// depth, of a cascade the second one; 0 for a system that leaves none out.
	ScoredShare float64 `json:"scored_share,omitempty"`
	// Latency at Depth, nil for a run that was read.
	Latency *Latency `json:"latency,omitempty"`

	// Depths is the comparison of depths, empty when none was asked for.
	Depths []DepthPoint `json:"depths,omitempty"`
	// DepthFor90 is the least of Depths with 90 % of the greatest gain among them,
	// 0 when no depth gains anything.
	DepthFor90 int `json:"depth_for_90_percent,omitempty"`
}

// DepthPoint is a system at one depth.
type DepthPoint struct {
	Depth    int      `json:"depth"`
	Reranked float64  `json:"reranked"` // by Measure
	Gain     float64  `json:"gain"`
	Percent  float64  `json:"gain_percent"`
	Oracle   float64  `json:"oracle"`
	Latency  *Latency `json:"latency,omitempty"`
}

// Latency is how long reranking one query takes while nothing else runs.
type Latency struct {
	P50     float64 `json:"p50_ms"`
	P95     float64 `json:"p95_ms"`
	Queries int     `json:"queries"` // measured
}

// Parameters of [relevance.Randomisation]: more rounds than needed to tell 0.01
// from 0.05, in the same order each time.
const (
	randomisationRounds = 10_000
	randomisationSeed   = 1
)

// enough is the share of the greatest gain that a depth must have.
const enough = 0.9

func (e *evaluation) report(systems []*system) *Report {
	r := &Report{
		Collection: e.Collection, Documents: e.Documents, Queries: len(e.Queries), Depth: e.Depth,
		FirstStageName: e.FirstStageName, Measure: e.Measures[0].String(), runs: map[string]relevance.Run{},
	}
	ids := make([]string, len(e.Queries))
	for i, q := range e.Queries {
		ids[i] = q.ID
	}
	for _, m := range e.Measures {
		r.Measures = append(r.Measures, m.String())
	}
	r.each.queries = ids
	r.FirstStage = r.each.add(firstStageRow, e.values(e.first, ids))
	for _, s := range systems {
		values := e.values(s.runs[e.Depth], ids)
		sys := e.compare(s, ids)
		sys.Reranked = r.each.add(s.name, values)
		r.Systems = append(r.Systems, sys)
		r.runs[s.name] = s.runs[e.Depth]
	}
	r.Oracle = r.each.add(oracleRow, e.values(e.oracle(e.Depth), ids))
	if len(r.Systems) > 0 {
		r.Model, r.Reranked = r.Systems[0].Model, r.Systems[0].Reranked
	}
	return r
}

func (e *evaluation) values(run relevance.Run, ids []string) map[string][]float64 {
	values := map[string][]float64{}
	for _, m := range e.Measures {
		values[m.String()] = m.Each(run, e.Qrels, ids)
	}
	return values
}

func (e *evaluation) oracle(depth int) relevance.Run {
	run := make(relevance.Run, len(e.first))
	for id, ranking := range e.first {
		run[id] = ranking.Oracle(depth, e.Qrels[id])
	}
	return run
}

func (e *evaluation) compare(s *system, ids []string) System {
	m := e.Measures[0]
	run := s.runs[e.Depth]
	before, after := m.Each(e.first, e.Qrels, ids), m.Each(run, e.Qrels, ids)
	base := relevance.Mean(before)
	sys := System{Model: s.name, Gain: relevance.Mean(after) - base, Latency: latency(s.took[e.Depth]), ScoredShare: s.scored}
	sys.GainPercent = percent(sys.Gain, base)
	sys.OracleShare = ratio(sys.Gain, relevance.Mean(m.Each(e.oracle(e.Depth), e.Qrels, ids))-base)
	for i := range before {
		switch {
		case after[i] > before[i]:
			sys.Better++
		case after[i] < before[i]:
			sys.Worse++
		default:
			sys.Equal++
		}
	}
	sys.TTestP = relevance.PairedT(before, after).P
	sys.RandomisationP = relevance.Randomisation(before, after, randomisationRounds, randomisationSeed)
	sys.Agreement = e.agreement(run, ids)
	if len(e.Depths) > 0 && s.took != nil {
		sys.Depths = e.depthPoints(s, ids, base)
		sys.DepthFor90 = depthFor(enough, sys.Depths)
	}
	return sys
}

func (e *evaluation) agreement(run relevance.Run, ids []string) relevance.Agreement {
	var rbo, jaccard, tau []float64
	for _, id := range ids {
		a := relevance.Compare(e.first[id], run[id], e.Measures[0].Cut())
		rbo, jaccard, tau = append(rbo, a.RBO), append(jaccard, a.Jaccard), append(tau, a.Tau)
	}
	return relevance.Agreement{RBO: relevance.Mean(rbo), Jaccard: relevance.Mean(jaccard), Tau: relevance.Mean(tau)}
}

func (e *evaluation) depthPoints(s *system, ids []string, base float64) []DepthPoint {
	m := e.Measures[0]
	points := make([]DepthPoint, 0, len(e.depths))
	for _, depth := range e.depths {
		value := relevance.Mean(m.Each(s.runs[depth], e.Qrels, ids))
		points = append(points, DepthPoint{
			Depth: depth, Reranked: value, Gain: value - base, Percent: percent(value-base, base),
			Oracle:  relevance.Mean(m.Each(e.oracle(depth), e.Qrels, ids)),
			Latency: latency(s.took[depth]),
		})
	}
	return points
}

// depthFor returns the least depth with the share of the greatest gain. points
// are ascending by depth.
func depthFor(share float64, points []DepthPoint) int {
	best := 0.0
	for _, p := range points {
		best = max(best, p.Gain)
	}
	for _, p := range points {
		if best > 0 && p.Gain >= share*best {
			return p.Depth
		}
	}
	return 0
}

func latency(took []time.Duration) *Latency {
	if len(took) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(took))
	at := func(share float64) float64 { // the nearest rank
		place := max(int(math.Ceil(share*float64(len(sorted))))-1, 0)
		return float64(sorted[place].Microseconds()) / 1000
	}
	return &Latency{P50: at(0.5), P95: at(0.95), Queries: len(sorted)}
}

func percent(part, whole float64) float64 { return 100 * ratio(part, whole) }

func ratio(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}
