package evaluate

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
)

// Names of the rows that are no system.
const (
	firstStageRow = "first stage"
	oracleRow     = "oracle"
)

// eachValue has the values of single queries.
type eachValue struct {
	queries []string
	rows    []eachRow
}

type eachRow struct {
	name   string
	values map[string][]float64 // by measure, in the order of the queries
}

// add records a row and returns its means.
func (e *eachValue) add(name string, values map[string][]float64) Values {
	e.rows = append(e.rows, eachRow{name, values})
	means := Values{}
	for measure, of := range values {
		means[measure] = relevance.Mean(of)
	}
	return means
}

// WriteCSV writes a line for each query and system, the first stage and the
// oracle included: query, system, and a column for each measure.
func (r *Report) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	// The writer keeps its first error and gives it out after Flush.
	_ = out.Write(append([]string{"query", "system"}, r.Measures...))
	for i, query := range r.each.queries {
		for _, row := range r.each.rows {
			fields := []string{query, row.name}
			for _, measure := range r.Measures {
				fields = append(fields, strconv.FormatFloat(row.values[measure][i], 'f', -1, 64))
			}
			_ = out.Write(fields)
		}
	}
	out.Flush()
	return out.Error()
}

// WriteRun writes a system's rankings at Depth as a TREC run; tag goes into its
// last column.
func (r *Report) WriteRun(w io.Writer, model, tag string) error {
	run, ok := r.runs[model]
	if !ok {
		return fmt.Errorf("write run: there is no system %q", model)
	}
	return collection.WriteRun(w, run, tag)
}

// changes returns the system's differences to the first stage by Measure, query
// by query, best first.
func (r *Report) changes(system string) []float64 {
	find := func(name string) []float64 {
		at := slices.IndexFunc(r.each.rows, func(row eachRow) bool { return row.name == name })
		return r.each.rows[at].values[r.Measure]
	}
	before, after := find(firstStageRow), find(system)
	changes := make([]float64, len(before))
	for i := range before {
		changes[i] = after[i] - before[i]
	}
	slices.SortFunc(changes, func(a, b float64) int { return cmp.Compare(b, a) })
	return changes
}
