package report

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
)

// Names of the rows that the others are compared with.
const (
	inProcess = "rerankd in process"
	overHTTP  = "rerankd over HTTP"
	passing   = "rerankd"
	rewritten = ", rewritten" // behind the first two
)

// Tolerance is how far a score with the same weights may be from rerankd's
// without a note that says why.
const Tolerance = 1e-3

// Parts in the order of the tables.
var (
	lengths   = []string{"20", "50", "128", "256", "512", "mixed"}
	workloads = []string{"GET 1 KB", "GET 11 KB", "search 1 KB", "search 11 KB"}
	models    = []string{"fp32", "int8", "built-in"}
)

// Marks in the page between which the tables stand.
const (
	begin = "<!-- peers: begin -->\n"
	end   = "<!-- peers: end -->\n"
)

// WritePage puts the tables between the marks of a page.
func (r *Report) WritePage(path string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write tables: %w", err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("write tables: %s lacks the marks for them", path)
	}
	if err := os.WriteFile(path, []byte(before+begin+r.Tables()+end+after), 0o644); err != nil { //nolint:gosec // everybody may read it
		return fmt.Errorf("write tables: %w", err)
	}
	return nil
}

// Tables shows everything, as Markdown.
func (r *Report) Tables() string {
	var b strings.Builder
	r.writeHead(&b)
	r.writeTargets(&b)
	for _, model := range models {
		r.writeRates(&b, model)
	}
	r.writeLatency(&b)
	r.writeConcurrent(&b)
	r.writeScores(&b)
	r.writePassing(&b)
	return b.String()
}

func (r *Report) writeHead(b *strings.Builder) {
	m := r.Machine
	fmt.Fprintf(b, "\n%s (%s), %d cores, %s, %s. ", m.Processor, strings.Join(m.Features, ", "), m.Cores, m.Platform, m.Go)
	var versions []string
	for name, version := range r.Versions {
		versions = append(versions, name+" "+version)
	}
	slices.Sort(versions)
	fmt.Fprintf(b, "%s.\n", strings.Join(versions, ", "))
	var shares []float64
	for _, part := range r.Parts {
		shares = append(shares, part.Strangers...)
	}
	if len(shares) > 0 {
		fmt.Fprintf(b, "Other processes used %.1f %% of the machine meanwhile (median of the rounds; at most %.1f %%).\n", 100*Median(shares), 100*slices.Max(shares))
	}
	for _, l := range r.LeftOut {
		fmt.Fprintf(b, "\nLeft out: %s: %s.\n", l.Name, strings.TrimSuffix(l.Reason, "."))
	}
}

// table is written as it grows.
type table struct {
	b       *strings.Builder
	columns int
}

func newTable(b *strings.Builder, title string, columns ...string) table {
	fmt.Fprintf(b, "\n%s\n\n", title)
	t := table{b, len(columns)}
	t.row(columns...)
	t.row(slices.Repeat([]string{"---"}, len(columns))...)
	return t
}

func (t table) row(cells ...string) {
	fmt.Fprintf(t.b, "| %s |\n", strings.Join(cells, " | "))
}

// rivals are the rows of a model that aren't rerankd's, from all parts, in the
// order in which they stand there.
func (r *Report) rivals(model string, parts ...string) []Row {
	var found []Row
	for _, name := range parts {
		for _, row := range r.Parts[name].Rows {
			known := slices.ContainsFunc(found, func(f Row) bool { return f.Name == row.Name })
			if row.Model == model && !strings.HasPrefix(row.Name, passing) && !known {
				found = append(found, row)
			}
		}
	}
	return found
}

// ours is the row of rerankd that is called as a peer of that kind is.
func (p Part) ours(kind Kind, model string) *Row {
	switch kind {
	case Server:
		return p.Row(overHTTP, model)
	case Library:
		return p.Row(inProcess, model)
	default:
		return p.Row(passing, model)
	}
}

// measured are those of the parts that there are.
func (r *Report) measured(parts []string) []string {
	return slices.DeleteFunc(slices.Clone(parts), func(name string) bool { return len(r.Parts[name].Rows) == 0 })
}

func (r *Report) writeRates(b *strings.Builder, model string) {
	lengths := r.measured(lengths)
	if len(lengths) == 0 {
		return
	}
	t := newTable(b, "**Pairs a second, "+model+"**, by tokens a pair, 30 passages a request (at 256 tokens 15, at 512 tokens 7)", append([]string{"peer"}, lengths...)...)
	for _, name := range []string{inProcess, overHTTP, inProcess + rewritten, overHTTP + rewritten} {
		if r.Parts[lengths[0]].Row(name, model) == nil {
			continue
		}
		cells := []string{name}
		for _, length := range lengths {
			cells = append(cells, rate(r.Parts[length].Row(name, model)))
		}
		t.row(cells...)
	}
	for _, rival := range r.rivals(model, lengths...) {
		cells := []string{rival.Name}
		for _, length := range lengths {
			part := r.Parts[length]
			cells = append(cells, times(part.ours(rival.Kind, model), part.Row(rival.Name, model)))
		}
		t.row(cells...)
	}
}

// rate is a cell with a row's rate.
func rate(row *Row) string {
	if row == nil || len(row.Rates) == 0 {
		return "–"
	}
	return fmt.Sprintf("%s ±%.0f %%", number(Median(row.Rates)), 100*spread(row.Rates))
}

// times is a cell that leads with how many times our rate is theirs.
func times(ours, theirs *Row) string {
	if ours == nil || theirs == nil {
		return "–"
	}
	return fmt.Sprintf("**%.2f ×** (%s)", ratio(ours.Rates, theirs.Rates), rate(theirs))
}

func (r *Report) writeLatency(b *strings.Builder) {
	if len(r.measured([]string{"latency"})) == 0 {
		return
	}
	t := newTable(b, "**A lone request of 30 passages** of 90 to 150 tokens a pair", "model", "peer", "their p50 by ours", "p50", "p95")
	part := r.Parts["latency"]
	for _, row := range byModel(part.Rows) {
		by := "–"
		if ours := part.ours(row.Kind, row.Model); ours != nil && !strings.HasPrefix(row.Name, passing) {
			by = fmt.Sprintf("**%.2f ×**", Median(row.Millis)/Median(ours.Millis))
		}
		t.row(row.Model, row.Name, by, number(Median(row.Millis))+" ms", number(quantile(row.Millis, 0.95))+" ms")
	}
}

func (r *Report) writeConcurrent(b *strings.Builder) {
	part := r.Parts["concurrent"]
	if len(part.Rows) == 0 {
		return
	}
	t := newTable(b, fmt.Sprintf("**%d clients at once**, mixed lengths, 30 passages a request", part.Clients),
		"model", "peer", "pairs a second", "p50", "p99", "p99 by work ÷ capacity")
	for _, row := range byModel(part.Rows) {
		cell := rate(&row)
		if ours := part.ours(row.Kind, row.Model); ours != nil && !strings.HasPrefix(row.Name, passing) {
			cell = times(ours, &row)
		}
		t.row(row.Model, row.Name, cell, number(Median(row.Millis))+" ms", number(quantile(row.Millis, 0.99))+" ms",
			fmt.Sprintf("%.2f", part.queueing(row)))
	}
}

// queueing is the p99 of a row over the time that all requests which are inside
// at once take together.
func (p Part) queueing(row Row) float64 {
	const window = 30
	return quantile(row.Millis, 0.99) / (1000 * float64(p.Clients*window) / Median(row.Rates))
}

func (r *Report) writeScores(b *strings.Builder) {
	if len(r.measured([]string{"mixed"})) == 0 {
		return
	}
	t := newTable(b, fmt.Sprintf("**The same work?** Scores of 30 pairs of mixed lengths against those of rerankd in process with the same weights (within %g unless said), and the most memory a process held", Tolerance),
		"model", "peer", "furthest apart", "why", "MiB")
	for _, row := range byModel(r.Parts["mixed"].Rows) {
		far, why := "–", ""
		if row.Apart != nil {
			far = fmt.Sprintf("%.2g (%s)", *row.Apart, row.Scores)
			if *row.Apart > Tolerance {
				why = row.Note
			}
		}
		t.row(row.Model, row.Name, far, why, number(row.Memory))
	}
}

func (r *Report) writePassing(b *strings.Builder) {
	workloads := r.measured(workloads)
	if len(workloads) == 0 {
		return
	}
	head := append([]string{"proxy"}, workloads...)
	t := newTable(b, "**Passed through**, requests a second of 16 clients; first how many times as many rerankd passes", head...)
	r.passingRows(t, workloads, func(part Part, row Row) string {
		if row.Kind == Proxy && row.Name != passing {
			return times(part.ours(Proxy, ""), &row)
		}
		return rate(&row)
	})
	for _, name := range workloads {
		for _, row := range r.Parts[name].Rows {
			if row.Failed > 0 {
				fmt.Fprintf(b, "\n%s broke off %d requests (%s).\n", row.Name, row.Failed, name)
			}
		}
	}
	t = newTable(b, "**Processor time** of a request in the proxy", head...)
	r.passingRows(t, workloads, func(_ Part, row Row) string {
		if len(row.Processor) == 0 {
			return "–"
		}
		return number(Median(row.Processor)) + " µs"
	})
	t = newTable(b, "**What a lone client waits longer** for than without a proxy, p50", head...)
	r.passingRows(t, workloads, func(part Part, row Row) string {
		added := part.added(row)
		if math.IsNaN(added) {
			return "–"
		}
		return fmt.Sprintf("%.3f ms", added)
	})
}

// passingRows has a row for each proxy, and a column for each workload.
func (r *Report) passingRows(t table, workloads []string, cell func(Part, Row) string) {
	for _, first := range r.Parts[workloads[0]].Rows {
		cells := []string{first.Name}
		for _, name := range workloads {
			part := r.Parts[name]
			if row := part.Row(first.Name, ""); row != nil {
				cells = append(cells, cell(part, *row))
			} else {
				cells = append(cells, "–")
			}
		}
		t.row(cells...)
	}
}

// added is what a proxy adds to the p50 of a lone client, in milliseconds: the
// median of the rounds.
func (p Part) added(row Row) float64 {
	bare := p.Row("no proxy", "")
	if bare == nil || row.Kind != Proxy {
		return math.NaN()
	}
	each := make([]float64, min(len(row.Millis), len(bare.Millis)))
	for i := range each {
		each[i] = row.Millis[i] - bare.Millis[i]
	}
	return Median(each)
}

// byModel sorts rows by model, rerankd first.
func byModel(rows []Row) []Row {
	return slices.SortedStableFunc(slices.Values(rows), func(a, b Row) int {
		return slices.Index(models, a.Model) - slices.Index(models, b.Model)
	})
}

// number shows as many digits as say something.
func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v >= 1000:
		return fmt.Sprintf("%d,%03d", int(v)/1000, int(v)%1000)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
