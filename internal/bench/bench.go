// Package bench measures what a machine does with a scorer: pairs a second by
// length and number, latency by depth, padding, the share of each stage, the
// speed of the cache, and how much of what the machine could do at all is used.
//
// Machines are busy with other things, and their speed changes from second to
// second. So all measures are taken in turns, a short slice of time each, in
// several rounds, and medians of the rounds are shown with how far apart they
// were. The texts are the same in every run.
package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rerankd/rerankd/scorer"
)

const (
	// window is how many passages a search usually has reranked.
	window = 30

	// passageTokens is how long the pairs are by which latencies are measured: a
	// paragraph and a query.
	passageTokens = 120

	// peakTokens and peakPairs are the batch by which a model is compared with the
	// peak: as many pairs as can be shared evenly among few cores.
	peakTokens, peakPairs = 128, 32

	// mostRounds is how many rounds share the time. More make no better median.
	mostRounds = 5

	// mostSamples bounds what one measure gives in a round.
	mostSamples = 1000

	seed = 1
)

// mixedLengths are the tokens of the pairs of a mixed load: a few short ones, many
// paragraphs, some long ones.
var mixedLengths = []int{14, 22, 30, 40, 52, 64, 76, 88, 100, 112, 128, 148, 172, 200, 240, 300, 380, 490}

// Model says what is measured. What isn't known is empty.
type Model struct {
	Name      string `json:"name"`
	ID        string `json:"id,omitempty"`
	Revision  string `json:"revision,omitempty"`
	Precision string `json:"precision,omitempty"`
	Batching  string `json:"batching,omitempty"`
}

// Progress is told how far the measurement is, as evaluate.Progress is.
type Progress interface {
	// Begin announces so many steps. step is called after each, done at the end.
	Begin(what, unit string, total int) (step, done func())
}

// Options say what to measure.
type Options struct {
	// Scorer is asked. It must account for what it does in [scorer.Stats]; what it
	// doesn't tell is 0 in the report. Required.
	Scorer scorer.Scorer
	Model  Model
	// Machine is shown in the report.
	Machine Machine
	// MaxTokens is the longest pair that Scorer takes, at least 1.
	MaxTokens int

	// Lengths are of pairs in tokens, Batches numbers of passages in a call, Depths
	// those of a search: ascending, at least one of each, at least 1 each.
	Lengths, Batches, Depths []int
	// Callers is how many call at the same time in the mixed load, at least 1.
	Callers int
	// Targets are latencies for which a depth is advised, ascending.
	Targets []time.Duration
	// Time is about how long the measurement takes. One round is made in any case.
	Time time.Duration

	// Peak measures floating-point operations a second of the machine, and Work
	// counts those of one pair of so many tokens. nil leaves out the comparison.
	Peak func(ctx context.Context) (float64, error)
	Work func(ctx context.Context, tokens int) (float64, error)

	// Progress is told how far the measurement is. nil: nobody is.
	Progress Progress
}

// bench is a measurement at work.
type bench struct {
	Options

	texts *texts
	scale scale
	start time.Time

	rates, depths               []*measure // rates by Lengths and then Batches
	mixed, known, peak, encoder *measure
	work                        float64 // of a pair of the encoder's
}

// Run measures. It returns soon after ctx ends, with an error that wraps ctx.Err().
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	b := &bench{Options: o, texts: newTexts(seed), start: time.Now()}
	if err := b.calibrate(ctx); err != nil {
		return nil, fmt.Errorf("try the model: %w", err)
	}
	stop, err := b.plan(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	defer func() { err = errors.Join(err, stop()) }()
	rounds, err := b.measure(ctx)
	if err != nil {
		return nil, fmt.Errorf("measure: %w", err)
	}
	return b.report(rounds), nil
}

// calibrate finds out how the tokenizer counts.
func (b *bench) calibrate(ctx context.Context) error {
	const few, many = 1, 101
	var tokens [2]float64
	query := b.texts.query()
	for i, n := range []int{few, many} {
		s, err := score(ctx, b.Scorer, query, []string{b.texts.words(n)})
		if err != nil {
			return err
		}
		tokens[i] = float64(s.tokens)
	}
	b.scale.perWord = (tokens[1] - tokens[0]) / (many - few)
	b.scale.fixed = tokens[0] - b.scale.perWord*few
	return nil
}

// plan lists what is measured. stop frees what it holds.
func (b *bench) plan(ctx context.Context) (stop func() error, err error) {
	for _, tokens := range b.Lengths {
		for _, passages := range b.Batches {
			b.rates = append(b.rates, b.alone(passages, tokens))
		}
	}
	for _, depth := range b.Depths {
		b.depths = append(b.depths, b.alone(depth, b.depthTokens()))
	}
	b.mixed = b.load()
	if b.Peak != nil && b.Work != nil {
		if b.work, err = b.Work(ctx, b.peakTokens()); err != nil {
			return nil, err
		}
		b.peak, b.encoder = b.gauge(), b.alone(peakPairs, b.peakTokens())
	}
	b.known, stop, err = b.cached(ctx)
	return stop, err
}

func (b *bench) depthTokens() int { return min(passageTokens, b.MaxTokens) }

func (b *bench) peakTokens() int { return min(peakTokens, b.MaxTokens) }

// all are the measures in the order in which they take turns: the encoder right
// after the peak.
func (b *bench) all() []*measure {
	list := append([]*measure{}, b.rates...)
	if b.peak != nil {
		list = append(list, b.peak, b.encoder)
	}
	list = append(list, b.depths...)
	return append(list, b.mixed, b.known)
}

// measure runs all in rounds while there is time, after a warm-up of the mixed
// load alone. It returns how many rounds there were.
func (b *bench) measure(ctx context.Context) (rounds int, err error) {
	list := b.all()
	step, done := b.begin(mostRounds * len(list))
	defer done()
	if _, err := b.mixed.run(ctx); err != nil {
		return 0, err
	}
	slice := max(0, b.Time-time.Since(b.start)) / time.Duration(mostRounds*len(list))
	for rounds < mostRounds {
		began := time.Now()
		for _, m := range list {
			if err := m.fill(ctx, slice); err != nil {
				return 0, err
			}
			step()
		}
		rounds++
		if time.Since(b.start)+time.Since(began) > b.Time {
			break
		}
	}
	return rounds, nil
}

// fill runs the measure as often as it fits into a slice of time, once at least.
func (m *measure) fill(ctx context.Context, slice time.Duration) error {
	var round []sample
	for start := time.Now(); len(round) < mostSamples; {
		s, err := m.run(ctx)
		if err != nil {
			return err
		}
		round = append(round, s)
		if time.Since(start)+s.took >= slice {
			break
		}
	}
	m.rounds = append(m.rounds, round)
	return nil
}

func (b *bench) begin(steps int) (step, done func()) {
	if b.Progress == nil {
		return func() {}, func() {}
	}
	return b.Progress.Begin("measuring", "steps", steps)
}
