package evaluate

import (
	"fmt"
	"io"

	"github.com/rerankd/rerankd/internal/evaluate/chart"
)

// WritePlot draws the report as SVG: Measure over the depths where they were
// compared, else what each query gained or lost, best first.
func (r *Report) WritePlot(w io.Writer) error {
	for _, s := range r.Systems {
		if len(s.Depths) > 0 {
			return r.depthChart().Write(w)
		}
	}
	return r.changeChart().Write(w)
}

func (r *Report) depthChart() chart.Chart {
	c := chart.Chart{Title: r.Collection + ": " + r.Measure + " by depth", X: "documents reranked", Y: r.Measure}
	var base, oracle []chart.Point
	for _, s := range r.Systems {
		if len(s.Depths) == 0 {
			continue
		}
		line := chart.Line{Name: s.Model, Marked: true}
		base, oracle = nil, nil // the same for each system
		for _, p := range s.Depths {
			x := float64(p.Depth)
			line.Points = append(line.Points, chart.Point{X: x, Y: p.Reranked})
			base = append(base, chart.Point{X: x, Y: r.FirstStage[r.Measure]})
			oracle = append(oracle, chart.Point{X: x, Y: p.Oracle})
		}
		c.Lines = append(c.Lines, line)
	}
	c.Lines = append(c.Lines, chart.Line{Name: oracleRow, Points: oracle, Dashed: true}, chart.Line{Name: firstStageRow, Points: base, Dashed: true})
	return c
}

func (r *Report) changeChart() chart.Chart {
	c := chart.Chart{
		Title: fmt.Sprintf("%s: what the top %d reranked change", r.Collection, r.Depth),
		X:     "queries, from the greatest gain to the greatest loss",
		Y:     "change of " + r.Measure,
	}
	for _, s := range r.Systems {
		line := chart.Line{Name: s.Model}
		for i, change := range r.changes(s.Model) {
			line.Points = append(line.Points, chart.Point{X: float64(i + 1), Y: change})
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}
