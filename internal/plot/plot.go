// Package plot draws line charts as SVG, for the figures of docs/experiments.md. A figure
// follows the reader's light or dark scheme. Lines differ in their dashes and not in color
// alone, and a legend names them.
package plot

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Figure is one picture of several charts below one another, with one legend.
type Figure struct {
	Title string
	// Alt tells what is to be seen to a reader who cannot see it.
	Alt    string
	Charts []Chart
}

// Chart has axes and lines. The zero value is an empty chart.
type Chart struct {
	Title  string
	X, Y   Axis
	Lines  []Line
	Bands  []Band
	Marks  []Mark
	Height int // of the plotted area in pixels; 0 means 200
}

// Axis is one side of a chart. Without a range it holds all that is drawn, and 0.
type Axis struct {
	Label    string
	Min, Max float64 // equal for a range that follows from the lines
	Log      bool    // logarithmic: the range is given, and above 0
	Percent  bool    // ticks are shown as percentages: 0.5 is 50 %
}

// Line goes through points, in their order. A value that is not finite interrupts it.
// Lines of one name are drawn alike in all charts of a figure and named once.
type Line struct {
	Name string
	X, Y []float64
	// Color is 1 to 8, to give something the same color in several figures; 0 means the
	// next in order of appearance.
	Color int
	// Dots marks the points.
	Dots bool
	// Reference draws a thin grey line: a bound or an ideal, not something measured.
	Reference bool
}

// Band is a stretch of the horizontal axis that is shaded.
type Band struct {
	Name     string
	From, To float64
}

// Mark is a vertical line at a value of the horizontal axis.
type Mark struct {
	At   float64
	Text string
}

// SVG returns the chart as a figure of its own.
func (c *Chart) SVG() string {
	alone := *c
	alone.Title = ""
	return (&Figure{Title: c.Title, Charts: []Chart{alone}}).SVG()
}

// SVG returns the figure as a document of its own.
func (f *Figure) SVG() string {
	l := f.layout()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="t d">`+"\n",
		width, l.height, width, l.height)
	fmt.Fprintf(&b, "<title id=\"t\">%s</title>\n<desc id=\"d\">%s</desc>\n%s", html.EscapeString(f.Title), html.EscapeString(f.Alt), style)
	fmt.Fprintf(&b, `<rect class="back" width="%d" height="%d"/>`+"\n", width, l.height)
	fmt.Fprintf(&b, `<text class="title" x="%d" y="24">%s</text>`+"\n", left, html.EscapeString(f.Title))
	l.drawLegend(&b)
	for i := range f.Charts {
		l.drawChart(&b, &f.Charts[i], l.tops[i])
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (l *layout) drawChart(b *strings.Builder, c *Chart, top int) {
	x := c.X.scale(c.Lines, func(l *Line) []float64 { return l.X }, left, width-right)
	y := c.Y.scale(c.Lines, func(l *Line) []float64 { return l.Y }, top+c.height(), top)
	fmt.Fprintf(b, `<text class="chart" x="%d" y="%d">%s</text>`+"\n", left, top-8, html.EscapeString(c.Title))
	for _, band := range c.Bands {
		from, to := x.at(band.From), x.at(band.To)
		fmt.Fprintf(b, `<rect class="band" x="%.1f" y="%d" width="%.1f" height="%d"/>`+"\n", from, top, max(1, to-from), c.height())
	}
	c.drawAxes(b, x, y, top)
	for i := range c.Lines {
		l.drawLine(b, &c.Lines[i], x, y)
	}
}

func (c *Chart) drawAxes(b *strings.Builder, x, y scale, top int) {
	bottom := top + c.height()
	for _, v := range y.ticks(c.height() / 40) {
		fmt.Fprintf(b, `<path class="grid" d="M%d %.1fH%d"/><text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, y.at(v), width-right, left-6, y.at(v)+4, c.Y.text(v))
	}
	for _, v := range x.ticks(10) {
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %dV%d"/><text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			x.at(v), top, bottom, x.at(v), bottom+16, c.X.text(v))
	}
	for _, m := range c.Marks {
		fmt.Fprintf(b, `<path class="mark" d="M%.1f %dV%d"/><text class="tick" x="%.1f" y="%d">%s</text>`+"\n",
			x.at(m.At), top, bottom, x.at(m.At)+4, top+12, html.EscapeString(m.Text))
	}
	fmt.Fprintf(b, `<path class="axis" d="M%d %dV%dH%d"/>`+"\n", left, top, bottom, width-right)
	fmt.Fprintf(b, `<text class="label" x="%d" y="%d" text-anchor="end">%s</text>`+"\n", width-right, bottom+32, html.EscapeString(c.X.Label))
	fmt.Fprintf(b, `<text class="label" transform="translate(14 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", top+c.height()/2, html.EscapeString(c.Y.Label))
}

func (l *layout) drawLine(b *strings.Builder, line *Line, x, y scale) {
	class := l.class(line)
	var path, dots strings.Builder
	verb := "M"
	for i := range min(len(line.X), len(line.Y)) {
		px, py := x.at(line.X[i]), y.at(y.within(line.Y[i]))
		if math.IsNaN(px+py) || math.IsInf(px+py, 0) {
			verb = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", verb, px, py)
		verb = "L"
		if line.Dots {
			fmt.Fprintf(&dots, `<circle class="%s dot" cx="%.1f" cy="%.1f" r="3"/>`, class, px, py)
		}
	}
	fmt.Fprintf(b, `<path class="%s" d="%s"/>%s`+"\n", class, path.String(), dots.String())
}

// class is the color and dash of a line.
func (l *layout) class(line *Line) string {
	if line.Reference {
		return "ref"
	}
	color := slices.Index(l.names, line.Name)
	if line.Color > 0 {
		color = line.Color - 1
	}
	return fmt.Sprintf("line c%d", color%colors)
}
