// Package chart draws lines over a plane as SVG, with axes and a legend. It
// knows nothing of what the numbers mean.
package chart

import (
	"fmt"
	"html"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Point is a place in the plane. Its numbers are finite.
type Point struct{ X, Y float64 }

// Line joins its points in their order.
type Line struct {
	Name   string
	Points []Point
	Dashed bool
	Marked bool // a dot at each point
}

// Chart is a drawing. The zero value is an empty one.
type Chart struct {
	Title, X, Y string // X and Y name the axes
	Lines       []Line
}

// Sizes in pixels.
const (
	width, height            = 720, 440
	left, right, top, bottom = 70, 20, 40, 50
	legendGap, legendKey     = 18, 24
	ticks                    = 6
)

// colors are told apart by most people who confuse some (Okabe and Ito's set,
// less yellow). A further line begins again.
var colors = []string{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"}

// Write writes the drawing as one SVG file.
func (c Chart) Write(w io.Writer) error {
	var b strings.Builder
	p := c.plane()
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	b.WriteString(`<rect width="100%" height="100%" fill="#ffffff"/>` + "\n")
	text(&b, width/2, top/2, "middle", c.Title)
	text(&b, (left+width-right)/2, height-12, "middle", c.X)
	fmt.Fprintf(&b, `<text transform="translate(16 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+height-bottom)/2, escape(c.Y))
	p.axes(&b)
	for i, line := range c.Lines {
		p.line(&b, line, colors[i%len(colors)], i)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// plane maps numbers to pixels.
type plane struct{ x, y axis }

type axis struct{ low, high, step float64 }

func (c Chart) plane() plane {
	low, high := Point{math.Inf(1), math.Inf(1)}, Point{math.Inf(-1), math.Inf(-1)}
	for _, line := range c.Lines {
		for _, at := range line.Points {
			low = Point{min(low.X, at.X), min(low.Y, at.Y)}
			high = Point{max(high.X, at.X), max(high.Y, at.Y)}
		}
	}
	return plane{x: newAxis(low.X, high.X), y: newAxis(low.Y, high.Y)}
}

// newAxis rounds a range out to steps of 1, 2 or 5 times a power of ten.
func newAxis(low, high float64) axis {
	if low > high { // no point at all
		low, high = 0, 1
	}
	if low == high {
		low, high = low-0.5, high+0.5
	}
	step := math.Pow(10, math.Floor(math.Log10((high-low)/ticks)))
	for _, factor := range []float64{1, 2, 5, 10} {
		if (high-low)/(step*factor) <= ticks {
			step *= factor
			break
		}
	}
	return axis{low: math.Floor(low/step) * step, high: math.Ceil(high/step) * step, step: step}
}

func (a axis) share(v float64) float64 { return (v - a.low) / (a.high - a.low) }

func (p plane) at(v Point) (x, y float64) {
	return left + p.x.share(v.X)*(width-left-right), height - bottom - p.y.share(v.Y)*(height-top-bottom)
}

func (p plane) axes(b *strings.Builder) {
	for i := 0; ; i++ {
		v := p.y.low + float64(i)*p.y.step
		if v > p.y.high+p.y.step/2 {
			break
		}
		_, y := p.at(Point{p.x.low, v})
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#dddddd"/>`+"\n", left, y, width-right, y)
		text(b, left-8, y+4, "end", label(v, p.y.step))
	}
	for i := 0; ; i++ {
		v := p.x.low + float64(i)*p.x.step
		if v > p.x.high+p.x.step/2 {
			break
		}
		x, _ := p.at(Point{v, p.y.low})
		fmt.Fprintf(b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#888888"/>`+"\n", x, height-bottom, x, height-bottom+5)
		text(b, x, height-bottom+19, "middle", label(v, p.x.step))
	}
	fmt.Fprintf(b, `<path d="M%d %dV%dH%d" fill="none" stroke="#888888"/>`+"\n", left, top, height-bottom, width-right)
}

func (p plane) line(b *strings.Builder, line Line, color string, number int) {
	dash := ""
	if line.Dashed {
		dash = ` stroke-dasharray="6 4"`
	}
	var path strings.Builder
	for i, v := range line.Points {
		x, y := p.at(v)
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", command, x, y)
		if line.Marked {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x, y, color)
		}
	}
	fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", path.String(), color, dash)
	y := height - bottom - 14 - legendGap*number
	fmt.Fprintf(b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="2"%s/>`+"\n", width-right-legendKey-8, y, width-right-8, y, color, dash)
	text(b, width-right-legendKey-14, float64(y+4), "end", line.Name)
}

func text(b *strings.Builder, x, y float64, anchor, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, escape(s))
}

// escape leaves out what XML has no way to write.
func escape(s string) string {
	printable := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	return html.EscapeString(printable)
}

// label writes a tick with as many digits as its step has.
func label(v, step float64) string {
	digits := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	if math.Abs(v) < step/2 {
		v = 0 // not −0
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}
