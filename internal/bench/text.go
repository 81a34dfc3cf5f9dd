package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteText writes the report as tables for a person.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	r.writeHead(&b)
	r.writeRates(&b)
	r.writeLatency(&b)
	s := r.Stages
	fmt.Fprintf(&b, "\nOf the time of a call of %d passages: %s tokenising, %s waiting for a worker, %s in the model, %s elsewhere.\n",
		s.Depth, percent(s.Tokenize), percent(s.Queue), percent(s.Infer), percent(s.Other))
	if p := r.Peak; p != nil {
		fmt.Fprintf(&b, "Of the machine's peak in fp32 products, %.1f GFLOP/s, the model uses %s: %.1f GFLOP/s at %.0f tokens (%.2f GFLOP a pair%s).\n",
			p.Machine, percent(r.FractionOfPeak), p.Model, p.Tokens, p.Pair, prefix(", ", r.apart(p.Spread)))
	}
	fmt.Fprintf(&b, "The cache gives %.0f known scores a second to one caller.\n", r.CacheHitsPerSecond)
	r.writeAdvice(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeHead(b *strings.Builder) {
	fmt.Fprintf(b, "Model    %s\n", join(", ", r.Model.Name, r.Model.ID, r.Model.Revision, r.Model.Precision, prefix("pairs run ", r.Model.Batching)))
	m := r.Machine
	fmt.Fprintf(b, "Machine  %s; %d cores, %d workers\n", join(", ", m.Processor, strings.Join(m.Features, " "), m.Platform, m.Go, prefix("ONNX Runtime ", m.Runtime)), m.Cores, m.Workers)
	fmt.Fprintf(b, "Measured in %.0f s: medians of %s, ± half of what lies between the lowest and the highest.\n", r.Seconds, count(r.Rounds, "round"))
	if r.Rounds == 1 {
		b.WriteString("There was time for one round only, which tells nothing of the spread: give it a longer --time.\n")
	}
	fmt.Fprintf(b, "\nUnder load, %s at once with %d passages of mixed lengths each:\n", count(r.Callers, "caller"), window)
	fmt.Fprintf(b, "  %.1f pairs/s%s, %.0f tokens/s, padding ratio %.3f\n", r.PairsPerSecond, prefix(" ", r.apart(r.Spread)), r.TokensPerSecond, r.PaddingRatio)
}

// writeRates has a line for each length and a column for each batch.
func (r *Report) writeRates(b *strings.Builder) {
	b.WriteString("\nPairs a second of a lone caller, by the tokens of a pair and the passages in a call:\n\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	columns := 0
	for columns < len(r.Rates) && (columns == 0 || r.Rates[columns].Batch > r.Rates[columns-1].Batch) {
		columns++
	}
	_, _ = fmt.Fprint(t, "tokens\t") // a Builder takes everything
	for _, rate := range r.Rates[:columns] {
		_, _ = fmt.Fprintf(t, "%d\t\t", rate.Batch)
	}
	_, _ = fmt.Fprint(t, "tokens/s\t\n")
	for i := 0; i < len(r.Rates); i += columns {
		_, _ = fmt.Fprintf(t, "%.0f\t", r.Rates[i].Tokens)
		best := 0.0
		for _, rate := range r.Rates[i : i+columns] {
			_, _ = fmt.Fprintf(t, "%.1f\t%s\t", rate.PairsPerSecond, r.apart(rate.Spread))
			best = max(best, rate.TokensPerSecond)
		}
		_, _ = fmt.Fprintf(t, "%.0f\t\n", best)
	}
	_ = t.Flush()
}

func (r *Report) writeLatency(b *strings.Builder) {
	fmt.Fprintf(b, "\nLatency of a lone call, passages of about %d tokens:\n\n", passageTokens)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(t, "depth\tp50\tp95\tcalls\t\n")
	for _, l := range r.Latency {
		_, _ = fmt.Fprintf(t, "%d\t%.1f ms\t%.1f ms\t%d\t\n", l.Depth, l.P50, l.P95, l.Samples)
	}
	_ = t.Flush()
}

func (r *Report) writeAdvice(b *strings.Builder) {
	if len(r.Advice) == 0 {
		return
	}
	b.WriteString("\nHow deep a search can be reranked within a time, by p95, nothing cached and nothing else running;\nthe cluster's own search comes on top:\n\n")
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, a := range r.Advice {
		note := ""
		switch {
		case a.Depth == 0:
			note = "not even one passage"
		case !a.Measured:
			note = "beyond what was measured"
		}
		_, _ = fmt.Fprintf(t, "%.0f ms\tdepth %d\t%s\n", a.TargetMillis, a.Depth, prefix("  ", note))
	}
	_ = t.Flush()
}

// apart shows a spread, where there is more than one round to have one.
func (r *Report) apart(spread float64) string {
	if r.Rounds < 2 {
		return ""
	}
	return "±" + percent(spread/2)
}

func percent(share float64) string {
	if share > 0 && share < 0.095 {
		return fmt.Sprintf("%.1f %%", 100*share)
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// join puts a separator between those of the parts that aren't empty.
func join(separator string, parts ...string) string {
	var there []string
	for _, part := range parts {
		if part != "" {
			there = append(there, part)
		}
	}
	return strings.Join(there, separator)
}

// prefix puts something before a text unless that is empty.
func prefix(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}
