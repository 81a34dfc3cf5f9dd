package chart_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/internal/evaluate/chart"
)

// read returns the attributes of each element of a name, and all text.
func read(t *testing.T, c chart.Chart, name string) (elements []map[string]string, text []string) {
	t.Helper()
	var b strings.Builder
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
		t.Errorf("a number is none:\n%s", b.String())
	}
	decoder := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return elements, text
		}
		if err != nil {
			t.Fatalf("no XML: %v\n%s", err, b.String())
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == name {
				attributes := map[string]string{}
				for _, a := range token.Attr {
					attributes[a.Name.Local] = a.Value
				}
				elements = append(elements, attributes)
			}
		case xml.CharData:
			if s := strings.TrimSpace(string(token)); s != "" {
				text = append(text, s)
			}
		}
	}
}

func TestLinesRunFromCornerToCorner(t *testing.T) {
	c := chart.Chart{Title: "T", X: "across", Y: "up", Lines: []chart.Line{
		{Name: "a", Points: []chart.Point{{0, 0}, {100, 1}}, Marked: true},
		{Name: "b", Points: []chart.Point{{0, 1}, {100, 0}}, Dashed: true},
	}}
	paths, text := read(t, c, "path")
	if got := paths[1]["d"]; got != "M70.0 390.0L700.0 40.0" || paths[1]["stroke-dasharray"] != "" {
		t.Errorf("the first line is %v", paths[1])
	}
	if got := paths[2]["d"]; got != "M70.0 40.0L700.0 390.0" || paths[2]["stroke-dasharray"] == "" || paths[2]["stroke"] == paths[1]["stroke"] {
		t.Errorf("the second line is %v", paths[2])
	}
	if dots, _ := read(t, c, "circle"); len(dots) != 2 {
		t.Errorf("%d dots, want those of one line", len(dots))
	}
	if got := strings.Join(text, " "); got != "T across up 0.0 0.2 0.4 0.6 0.8 1.0 0 20 40 60 80 100 a b" {
		t.Errorf("texts %s", got)
	}
}

func TestOddNumbersStillGiveADrawing(t *testing.T) {
	for name, points := range map[string][]chart.Point{
		"none":          nil,
		"one":           {{3, 3}},
		"level":         {{1, -2}, {2, -2}},
		"tiny":          {{0, 1e-12}, {1e-9, 2e-12}},
		"huge":          {{-1e12, 1e12}, {1e12, 3e12}},
		"around zero":   {{-1, -0.25}, {1, 0.25}},
		"far from zero": {{1, 0.71}, {2, 0.72}},
	} {
		t.Run(name, func(t *testing.T) {
			_, text := read(t, chart.Chart{Lines: []chart.Line{{Name: "line", Points: points}}}, "path")
			if len(text) < 5 || len(text) > 24 {
				t.Errorf("%d labels: %v", len(text), text)
			}
		})
	}
}

func TestNamesAreEscaped(t *testing.T) {
	_, text := read(t, chart.Chart{Title: "<script>&\x00\x1b[31m\xff", Lines: []chart.Line{{Name: `"a"`}}}, "path")
	if text[0] != "<script>&[31m" || text[len(text)-1] != `"a"` {
		t.Errorf("texts %q", text)
	}
}
