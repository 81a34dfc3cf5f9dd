package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/rerankd/rerankd/e2e/peers/report"
)

// clients is how many callers there are at the same time where several ask.
const clients = 8

// running is a peer with its worker and the row that it fills.
type running struct {
	peer
	worker

	row  report.Row
	last []float64 // scores of the last call
}

// mix is a part that measures pairs a second, and a lone caller's latency.
type mix struct {
	name     string
	draw     lengths
	calls    int // in a round
	passages int // in a call
}

// mixes are the lengths that are measured, in calls of a few seconds at most.
func mixes() []mix {
	return []mix{
		{"20", always(20), 4, window},
		{"50", always(50), 2, window},
		{"128", always(128), 1, window},
		{"256", always(256), 1, window / 2},
		{"512", always(mostTokens), 1, window / 4},
		{"mixed", mixed, 1, window},
		{"latency", about120, 2, window},
	}
}

// startPeers starts all, each in a process of its own that lives to the end. Who
// can't start is left out, with the reason.
func (cmp *comparison) startPeers(ctx context.Context) []*running {
	all := cmp.allPeers()
	workers, failures := make([]worker, len(all)), make([]error, len(all))
	var group sync.WaitGroup
	for i, p := range all {
		group.Go(func() { workers[i], failures[i] = p.start(ctx) })
	}
	group.Wait()
	var list []*running
	for i, p := range all {
		if failures[i] != nil {
			cmp.leaveOut(p.name+", "+p.model, failures[i].Error())
			continue
		}
		cmp.report.Join(p.name + ", " + p.model)
		maps.Copy(cmp.report.Versions, workers[i].versions())
		list = append(list, &running{peer: p, worker: workers[i]})
	}
	return list
}

// rounds has all peers score the same calls, in turns; who is first changes with
// every round.
func (cmp *comparison) rounds(ctx context.Context, peers []*running, m mix) (report.Part, error) {
	part := cmp.newPart()
	pairs, tokens := 0, 0
	for _, p := range peers {
		p.row = report.Row{Name: p.name, Model: p.model, Kind: p.kind}
	}
	for round := range cmp.roundCount + 1 { // the first warms up
		watch := watchStrangers()
		calls := make([]call, m.calls)
		for i := range calls {
			var err error
			if calls[i], err = cmp.texts.call(m.draw, m.passages); err != nil {
				return part, err
			}
			pairs, tokens = pairs+len(calls[i].passages), tokens+calls[i].tokens
		}
		for i := range peers {
			p := peers[(i+round)%len(peers)]
			if err := p.take(ctx, calls, round > 0); err != nil {
				return part, fmt.Errorf("%s, %s: %w", p.name, p.model, err)
			}
		}
		cmp.endRound(&part, m.name, round, watch)
	}
	part.Tokens = fourDigits(float64(tokens) / float64(pairs))
	part.Rows = finish(peers)
	return part, nil
}

// endRound notes what share of the machine others used in a round; the first, by
// which all warmed up, doesn't count.
func (cmp *comparison) endRound(part *report.Part, name string, round int, watch strangers) {
	share := watch.share()
	if round > 0 {
		part.Strangers = append(part.Strangers, fourDigits(share))
	}
	cmp.progress("%s: round %d of %d, other processes used %.0f %% of the machine", name, round, cmp.roundCount, 100*share)
}

// take measures the calls of a round.
func (p *running) take(ctx context.Context, calls []call, counts bool) error {
	pairs := 0
	var took time.Duration
	for _, c := range calls {
		scores, t, err := p.score(ctx, c)
		if err != nil {
			return err
		}
		p.last, took, pairs = scores, took+t, pairs+len(c.passages)
		if counts {
			p.row.Millis = append(p.row.Millis, fourDigits(millis(t)))
		}
	}
	if counts {
		p.row.Rates = append(p.row.Rates, fourDigits(float64(pairs)/took.Seconds()))
	}
	return nil
}

// finish compares the scores of the last call with rerankd's, and returns the rows.
func finish(peers []*running) []report.Row {
	ours := map[string][]float64{}
	for _, p := range peers {
		if p.name == inProcess {
			ours[p.model] = p.last
		}
	}
	rows := make([]report.Row, len(peers))
	for i, p := range peers {
		p.row.Memory = fourDigits(peakMemory(p.pid()))
		if want := ours[p.model]; want != nil && p.name != inProcess {
			far := fourDigits(apart(want, p.last, p.scores))
			p.row.Apart, p.row.Scores, p.row.Note = &far, p.scores, p.note
		}
		rows[i] = p.row
	}
	return rows
}

// apart is the greatest distance between our logits and the scores of another.
func apart(ours, theirs []float64, kind string) float64 {
	far := 0.0
	for i, s := range ours {
		if kind == probabilities {
			s = 1 / (1 + math.Exp(-s))
		}
		far = max(far, math.Abs(s-theirs[i]))
	}
	return far
}

// concurrent has several callers ask each server at the same time.
func (cmp *comparison) concurrent(ctx context.Context, peers []*running) (report.Part, error) {
	part := cmp.newPart()
	part.Clients = clients
	var servers []*running
	for _, p := range peers {
		if p.kind == report.Server {
			p.row = report.Row{Name: p.name, Model: p.model, Kind: p.kind}
			servers = append(servers, p)
		}
	}
	pairs, tokens := 0, 0
	for round := range cmp.roundCount {
		watch := watchStrangers()
		calls := make([]call, clients)
		for i := range calls {
			var err error
			if calls[i], err = cmp.texts.call(mixed, window); err != nil {
				return part, err
			}
			pairs, tokens = pairs+len(calls[i].passages), tokens+calls[i].tokens
		}
		for i := range servers {
			p := servers[(i+round)%len(servers)]
			if err := p.load(ctx, calls); err != nil {
				return part, fmt.Errorf("%s, %s: %w", p.name, p.model, err)
			}
		}
		cmp.endRound(&part, togetherPart, round+1, watch)
	}
	part.Tokens = fourDigits(float64(tokens) / float64(pairs))
	for _, p := range servers {
		p.row.Memory = fourDigits(peakMemory(p.pid()))
		part.Rows = append(part.Rows, p.row)
	}
	return part, nil
}

// load measures callers that ask at the same time.
func (p *running) load(ctx context.Context, calls []call) error {
	took, failures := make([]time.Duration, len(calls)), make([]error, len(calls))
	var group sync.WaitGroup
	start := time.Now()
	for caller := range calls {
		group.Go(func() { _, took[caller], failures[caller] = p.score(ctx, calls[caller]) })
	}
	group.Wait()
	whole := time.Since(start)
	pairs := 0
	for i, t := range took {
		p.row.Millis = append(p.row.Millis, fourDigits(millis(t)))
		pairs += len(calls[i].passages)
	}
	p.row.Rates = append(p.row.Rates, fourDigits(float64(pairs)/whole.Seconds()))
	return errors.Join(failures...)
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// fourDigits keeps four digits: the rest is noise.
func fourDigits(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	short, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64) // it was just written
	return short
}
