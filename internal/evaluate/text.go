package evaluate

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteText writes the report for people: a table of all measures, what is to be
// said of each system, and the comparison of depths.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", r.Collection)
	if r.Documents > 0 {
		fmt.Fprintf(&b, "%d documents, ", r.Documents)
	}
	fmt.Fprintf(&b, "%d queries with judgements; the first stage is %s, its top %d are reranked\n\n", r.Queries, r.FirstStageName, r.Depth)
	r.writeTable(&b)
	for i := range r.Systems {
		b.WriteString("\n")
		r.Systems[i].write(&b, r.Measure)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) writeTable(b *strings.Builder) {
	t := table{}
	t.add(append([]string{""}, r.Measures...)...)
	row := func(name string, values Values) {
		cells := []string{name}
		for _, m := range r.Measures {
			cells = append(cells, fmt.Sprintf("%.4f", values[m]))
		}
		t.add(cells...)
	}
	row(firstStageRow, r.FirstStage)
	for _, s := range r.Systems {
		row(s.Model, s.Reranked)
	}
	row(oracleRow, r.Oracle)
	t.write(b)
}

func (s *System) write(b *strings.Builder, measure string) {
	fmt.Fprintf(b, "%s: %+.4f %s (%+.1f %%), %.0f %% of what the oracle gains\n", s.Model, s.Gain, measure, s.GainPercent, 100*s.OracleShare)
	fmt.Fprintf(b, "  queries: %d better, %d worse, %d equal; t test p %s, randomisation p %s\n",
		s.Better, s.Worse, s.Equal, chance(s.TTestP), chance(s.RandomisationP))
	fmt.Fprintf(b, "  agreement with the first stage: RBO %.2f, Jaccard %.2f, tau %.2f\n", s.Agreement.RBO, s.Agreement.Jaccard, s.Agreement.Tau)
	if s.ScoredShare > 0 {
		fmt.Fprintf(b, "  the model scored %.0f %% of the passages\n", 100*s.ScoredShare)
	}
	if s.Latency != nil {
		fmt.Fprintf(b, "  latency: %s, one query at a time (%d queries)\n", s.Latency, s.Latency.Queries)
	}
	if len(s.Depths) == 0 {
		return
	}
	b.WriteString("\n")
	t := table{}
	t.add("  depth", measure, "gain", "oracle", "latency p50", "p95")
	for _, p := range s.Depths {
		t.add(fmt.Sprintf("  %d", p.Depth), fmt.Sprintf("%.4f", p.Reranked), fmt.Sprintf("%+.1f %%", p.Percent), fmt.Sprintf("%.4f", p.Oracle),
			p.Latency.milliseconds(func(l *Latency) float64 { return l.P50 }), p.Latency.milliseconds(func(l *Latency) float64 { return l.P95 }))
	}
	t.write(b)
	if s.DepthFor90 > 0 {
		fmt.Fprintf(b, "  depth %d has 90 %% of the greatest gain\n", s.DepthFor90)
	} else {
		b.WriteString("  no depth gains anything\n")
	}
}

// chance writes a p value; what four digits can't tell from 0 is not 0.
func chance(p float64) string {
	const least = 0.0001
	if p < least {
		return fmt.Sprintf("< %g", least)
	}
	return fmt.Sprintf("= %.4f", p)
}

// String returns both percentiles.
func (l *Latency) String() string {
	return fmt.Sprintf("p50 %.1f ms, p95 %.1f ms", l.P50, l.P95)
}

func (l *Latency) milliseconds(of func(*Latency) float64) string {
	if l == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", of(l))
}

// table aligns cells: the first column to the left, the others to the right.
type table struct {
	rows   [][]string
	widths []int
}

func (t *table) add(cells ...string) {
	for i, cell := range cells {
		if i == len(t.widths) {
			t.widths = append(t.widths, 0)
		}
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cell))
	}
	t.rows = append(t.rows, cells)
}

func (t *table) write(b *strings.Builder) {
	for _, row := range t.rows {
		for i, cell := range row {
			gap := strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				b.WriteString(cell + gap)
			} else {
				b.WriteString("  " + gap + cell)
			}
		}
		b.WriteString("\n")
	}
}
