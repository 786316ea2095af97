// Package plot draws line charts as SVG, for the figures of docs/experiments.md. A figure
// follows the reader's light or dark scheme and names its lines where they are drawn in a
// legend, so that it does not depend on colours alone: lines differ in their dashes, too.
package plot

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Chart is a figure with axes, lines and a legend. The zero value is an empty figure.
type Chart struct {
	Title string
	X, Y  Axis
	Lines []Line
	Bands []Band
}

// Axis is one side of a figure. Without a range it holds all that is drawn.
type Axis struct {
	Label    string
	Min, Max float64 // equal for a range that follows from the lines
	Log      bool    // logarithmic: all values are above zero
}

// Line is a line through points, in their order. A point that is not finite interrupts it.
type Line struct {
	Name string
	X, Y []float64
	Dots bool // the points are marked
}

// Band is a stretch of the horizontal axis that is shaded.
type Band struct {
	Name     string
	From, To float64
}

const (
	width, height                    = 760, 380
	left, right, top, bottom float64 = 70, 170, 40, 52
	wanted                           = 6 // marks on an axis, about
)

// The colours are readable on white and on black (Okabe and Ito's palette, darkened).
var (
	colours = []string{"#0072b2", "#d55e00", "#009e73", "#b3579b", "#b8860b", "#5f6fd0"}
	dashes  = []string{"", "7 3", "2 3", "9 3 2 3", "4 4", "12 4"}
)

const styles = `<style>
text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-size:14px;font-weight:600}
.g{stroke:#d0d7de;stroke-width:1}.a{stroke:#57606a;stroke-width:1}.b{fill:#d55e00;fill-opacity:.14}.bg{fill:#fff}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#30363d}.a{stroke:#8b949e}.bg{fill:#0d1117}.b{fill-opacity:.3}}
</style>`

// SVG returns the figure as a document of its own.
func (c *Chart) SVG() string {
	f := frame{x: c.X, y: c.Y}
	f.fit(c.Lines)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n", width, height, html.EscapeString(c.Title))
	fmt.Fprintf(&b, "%s\n"+`<rect class="bg" width="%d" height="%d"/>`+"\n", styles, width, height)
	fmt.Fprintf(&b, `<text class="t" x="%g" y="22">%s</text>`+"\n", left, html.EscapeString(c.Title))
	for _, band := range c.Bands {
		from, to := f.px(band.From), f.px(band.To)
		fmt.Fprintf(&b, `<rect class="b" x="%.1f" y="%g" width="%.1f" height="%g"/>`+"\n", from, top, max(1, to-from), height-top-bottom)
	}
	f.axes(&b)
	for i := range c.Lines {
		f.line(&b, i, &c.Lines[i])
	}
	c.legend(&b)
	b.WriteString("</svg>\n")
	return b.String()
}

func (c *Chart) legend(b *strings.Builder) {
	x, y := width-right+14, top+8
	for i, line := range c.Lines {
		fmt.Fprintf(b, `<line x1="%g" y1="%g" x2="%g" y2="%g" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`, x, y-4, x+24, y-4, colours[i%len(colours)], dashes[i%len(dashes)])
		fmt.Fprintf(b, `<text x="%g" y="%g">%s</text>`+"\n", x+30, y, html.EscapeString(line.Name))
		y += 20
	}
	if len(c.Bands) > 0 {
		fmt.Fprintf(b, `<rect class="b" x="%g" y="%g" width="24" height="12"/><text x="%g" y="%g">%s</text>`+"\n", x, y-10, x+30, y, html.EscapeString(c.Bands[0].Name))
	}
}

// frame maps values to places in the figure.
type frame struct{ x, y Axis }

// fit chooses the ranges that are not given.
func (f *frame) fit(lines []Line) {
	var xs, ys []float64
	for i := range lines {
		xs, ys = append(xs, lines[i].X...), append(ys, lines[i].Y...)
	}
	f.x.fit(xs)
	f.y.fit(ys)
}

func (a *Axis) fit(values []float64) {
	first := true
	if a.Min != a.Max {
		return
	}
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if first {
			a.Min, a.Max, first = v, v, false
		}
		a.Min, a.Max = min(a.Min, v), max(a.Max, v)
	}
	if a.Min == a.Max {
		a.Max = a.Min + 1
	}
}

func (f *frame) px(v float64) float64 { return left + f.x.share(v)*(width-left-right) }
func (f *frame) py(v float64) float64 { return height - bottom - f.y.share(v)*(height-top-bottom) }

// share is where on the axis a value stands, 0 to 1.
func (a *Axis) share(v float64) float64 {
	if a.Log {
		return (math.Log(v) - math.Log(a.Min)) / (math.Log(a.Max) - math.Log(a.Min))
	}
	return (v - a.Min) / (a.Max - a.Min)
}

// marks returns round values on the axis.
func (a *Axis) marks() []float64 {
	var marks []float64
	if a.Log {
		for decade := math.Pow(10, math.Floor(math.Log10(a.Min))); decade <= a.Max; decade *= 10 {
			for _, m := range []float64{1, 2, 5} {
				if v := m * decade; v >= a.Min*0.999 && v <= a.Max*1.001 {
					marks = append(marks, v)
				}
			}
		}
		return marks
	}
	step := math.Pow(10, math.Floor(math.Log10((a.Max-a.Min)/wanted)))
	for _, m := range []float64{1, 2, 5, 10} {
		if (a.Max-a.Min)/(m*step) <= wanted {
			step *= m
			break
		}
	}
	for n := math.Ceil(a.Min/step - 1e-9); n*step <= a.Max+1e-9*step; n++ {
		marks = append(marks, n*step+0) // a negative zero plus zero is zero
	}
	return marks
}

func (f *frame) axes(b *strings.Builder) {
	floor, end := height-bottom, width-right
	for _, v := range f.x.marks() {
		x := f.px(v)
		fmt.Fprintf(b, `<line class="g" x1="%.1f" y1="%g" x2="%.1f" y2="%g"/><text x="%.1f" y="%g" text-anchor="middle">%s</text>`+"\n", x, top, x, floor, x, floor+18, number(v))
	}
	for _, v := range f.y.marks() {
		y := f.py(v)
		fmt.Fprintf(b, `<line class="g" x1="%g" y1="%.1f" x2="%g" y2="%.1f"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`+"\n", left, y, end, y, left-8, y+4, number(v))
	}
	fmt.Fprintf(b, `<line class="a" x1="%g" y1="%g" x2="%g" y2="%g"/><line class="a" x1="%g" y1="%g" x2="%g" y2="%g"/>`+"\n", left, floor, end, floor, left, top, left, floor)
	fmt.Fprintf(b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`+"\n", (left+end)/2, float64(height-12), html.EscapeString(f.x.Label))
	fmt.Fprintf(b, `<text transform="translate(16 %g) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+floor)/2, html.EscapeString(f.y.Label))
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

func (f *frame) line(b *strings.Builder, i int, line *Line) {
	colour := colours[i%len(colours)]
	var path strings.Builder
	pen := "M"
	for j, y := range line.Y {
		if math.IsNaN(y) || math.IsInf(y, 0) {
			pen = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", pen, f.px(line.X[j]), f.py(y))
		pen = "L"
	}
	fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`+"\n", path.String(), colour, dashes[i%len(dashes)])
	if !line.Dots {
		return
	}
	for j, y := range line.Y {
		if !math.IsNaN(y) {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`, f.px(line.X[j]), f.py(y), colour)
		}
	}
	b.WriteString("\n")
}
