package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// target is a goal with what was found.
type target struct {
	goal, found string
	met         bool
}

// writeTargets holds the figures against what they should be.
func (r *Report) writeTargets(b *strings.Builder) {
	t := newTable(b, "**Goals**", "goal", "found", "met")
	for _, goal := range slices.Concat(r.rateTargets(), r.latencyTargets(), r.passingTargets()) {
		met := "no"
		if goal.met {
			met = "yes"
		}
		t.row(goal.goal, goal.found, met)
	}
}

// closest is the rival that comes closest to rerankd, and by how much rerankd is
// ahead of it, with the rewritten graph where there is one. Rows of ourModel are
// compared with those of theirs.
func (r *Report) closest(part, ourModel, theirModel string, ahead func(ours, theirs Row) float64) (string, float64) {
	name, least := "nobody", math.Inf(1)
	p := r.Parts[part]
	for _, rival := range r.rivals(theirModel, part) {
		ours := p.ours(rival.Kind, ourModel)
		if ours == nil {
			continue
		}
		if better := p.Row(ours.Name+rewritten, ourModel); better != nil {
			ours = better
		}
		if by := ahead(*ours, rival); by < least {
			name, least = rival.Name, by
		}
	}
	return name, least
}

func faster(ours, theirs Row) float64 { return ratio(ours.Rates, theirs.Rates) }

func sooner(ours, theirs Row) float64 { return Median(theirs.Millis) / Median(ours.Millis) }

func (r *Report) rateTargets() []target {
	var list []target
	add := func(goal, ours, theirs string, least float64) {
		if name, by := r.closest("mixed", ours, theirs, faster); !math.IsInf(by, 0) {
			list = append(list, target{goal, fmt.Sprintf("%.2f × (%s)", by, name), by >= least})
		}
	}
	add("fp32, mixed lengths: 1.3 × the pairs a second of the best peer", "fp32", "fp32", 1.3)
	add("int8, mixed lengths: 1.3 × the pairs a second of the best peer", "int8", "int8", 1.3)
	add("int8, mixed lengths: 2 × the best peer's default, which is fp32", "int8", "fp32", 2)
	add("the built-in model, mixed lengths: 2 × the best peer's default, which is fp32", "built-in", "fp32", 2)
	return list
}

func (r *Report) latencyTargets() []target {
	var list []target
	add := func(goal, ours, theirs string) {
		if name, by := r.closest("latency", ours, theirs, sooner); !math.IsInf(by, 0) {
			list = append(list, target{"a lone request of 30 passages, " + goal, fmt.Sprintf("%.2f × sooner (%s)", by, name), by >= 2})
		}
	}
	add("fp32: half the p50 of the best peer", "fp32", "fp32")
	add("int8: half the p50 of the best peer", "int8", "int8")
	add("int8: half the p50 of the best peer's default, which is fp32", "int8", "fp32")
	add("the built-in model: half the p50 of the best peer's default", "built-in", "fp32")
	part := r.Parts["concurrent"]
	for _, model := range models {
		if row := part.Row(overHTTP, model); row != nil {
			by := part.queueing(*row)
			list = append(list, target{fmt.Sprintf("%d clients at once, %s: p99 within 1.5 × work ÷ capacity", part.Clients, model), fmt.Sprintf("%.2f ×", by), by <= 1.5})
		}
	}
	return list
}

func (r *Report) passingTargets() []target {
	var list []target
	add := func(goal, rival string, least float64) {
		worst, at := math.Inf(1), ""
		for _, name := range workloads {
			part := r.Parts[name]
			if ours, theirs := part.Row(passing, ""), part.Row(rival, ""); ours != nil && theirs != nil {
				if by := faster(*ours, *theirs); by < worst {
					worst, at = by, name
				}
			}
		}
		if at != "" {
			list = append(list, target{goal, fmt.Sprintf("%.2f × (%s)", worst, at), worst >= least})
		}
	}
	add("passed through: 0.7 × nginx's requests a second", "nginx", 0.7)
	add("passed through: as many requests a second as Caddy", "Caddy", 1)
	most, at := math.Inf(-1), ""
	for _, name := range workloads {
		part := r.Parts[name]
		if ours := part.Row(passing, ""); ours != nil {
			if added := part.added(*ours); added > most {
				most, at = added, name
			}
		}
	}
	if at != "" {
		list = append(list, target{"passed through: at most 0.3 ms more for a lone client, p50", fmt.Sprintf("%.3f ms (%s)", most, at), most <= 0.3})
	}
	return list
}
