package plot_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/internal/plot"
)

// draw checks that the document is well-formed and draws nothing at a place that is no number.
func draw(t *testing.T, f interface{ SVG() string }) string {
	t.Helper()
	svg := f.SVG()
	for _, bad := range []string{"NaN", "Inf"} {
		if strings.Contains(svg, bad) {
			t.Errorf("%s in\n%s", bad, svg)
		}
	}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return svg
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
	}
}

func contains(t *testing.T, svg string, times int, part string) {
	t.Helper()
	if n := strings.Count(svg, part); n != times {
		t.Errorf("%d times, not %d, %s in\n%s", n, times, part, svg)
	}
}

func TestFigure_PutsValuesWhereTheAxesSay(t *testing.T) {
	svg := draw(t, &plot.Figure{Title: "a < b", Alt: "two & more", Charts: []plot.Chart{{
		Title: "c", X: plot.Axis{Label: "load", Max: 2}, Y: plot.Axis{Label: "share", Max: 1, Percent: true},
		Lines: []plot.Line{
			{Name: "measured", X: []float64{0, 1, 2}, Y: []float64{0, 0.5, 7}},
			{Name: "ideal", X: []float64{0, 2}, Y: []float64{1, 1}, Reference: true},
		},
		Marks: []plot.Mark{{At: 1, Text: "here"}},
	}}})
	for _, want := range []string{
		">a &lt; b</text>", "two &amp; more", ">40 %<", ">0 %<", ">1.4<", ">measured<", ">ideal<", ">here<", "prefers-color-scheme:dark",
		`class="line c0" d="M62.0 294.0L402.0 194.0L742.0 94.0"`, // 7 is drawn at the edge
		`class="ref" d="M62.0 94.0L742.0 94.0"`,
	} {
		contains(t, svg, 1, want)
	}
}

func TestChart_LogarithmicAxis(t *testing.T) {
	svg := draw(t, &plot.Chart{
		X: plot.Axis{Min: 1, Max: 100, Log: true}, Y: plot.Axis{Max: 1},
		Lines: []plot.Line{{Name: "a", X: []float64{0, 1, 10, 100}, Y: []float64{1, 0, 1, 0}}}, // 0 has no place
		Bands: []plot.Band{{Name: "alert", From: 10, To: 100}},
	})
	contains(t, svg, 1, `d="M62.0 294.0L402.0 94.0L742.0 294.0"`)
	contains(t, svg, 1, `<rect class="band" x="402.0" y="94" width="340.0"`)
	contains(t, svg, 1, ">alert<")
	contains(t, svg, 1, ">50<")
}

func TestChart_InterruptsALineWhereNothingIsKnown(t *testing.T) {
	svg := draw(t, &plot.Chart{Lines: []plot.Line{
		{Name: "a", X: []float64{0, 1, 2, 3, 4}, Y: []float64{1, math.NaN(), 1, 2, math.Inf(1)}},
		{Name: "b", X: []float64{1, 2}, Y: []float64{1}, Dots: true},
	}})
	_, path, _ := strings.Cut(svg, `class="line c0" d="M62.0 `)
	path, _, _ = strings.Cut(path, "/>")
	contains(t, path, 1, "M") // a second piece
	contains(t, path, 1, "L")
	contains(t, svg, 1, `<circle class="line c1 dot"`)
}

func TestFigure_GivesOneNameOneColor(t *testing.T) {
	x := []float64{0, 1}
	svg := draw(t, &plot.Figure{Charts: []plot.Chart{
		{Lines: []plot.Line{{Name: "a", X: x, Y: x}, {Name: "b", X: x, Y: x}}},
		{Lines: []plot.Line{{Name: "b", X: x, Y: x}, {Name: "d", X: x, Y: x, Color: 8}}},
	}})
	contains(t, svg, 1, ">b<")
	contains(t, svg, 3, `class="line c1"`) // two lines and the legend
	contains(t, svg, 2, `class="line c7"`)
}

func TestFigure_NothingToDraw(t *testing.T) {
	for _, f := range []interface{ SVG() string }{
		&plot.Figure{}, &plot.Chart{}, &plot.Chart{Lines: []plot.Line{{X: []float64{3}, Y: []float64{3}}}},
		&plot.Chart{Lines: []plot.Line{{X: []float64{0, 1}, Y: []float64{math.NaN(), math.NaN()}}}},
	} {
		if svg := draw(t, f); !strings.HasSuffix(svg, "</svg>\n") {
			t.Error(svg)
		}
	}
}

func TestChart_ZeroHasNoSign(t *testing.T) {
	c := plot.Chart{Y: plot.Axis{Min: 0, Max: 1}, Lines: []plot.Line{{X: []float64{0, 1}, Y: []float64{0, 1}}}}
	if svg := c.SVG(); strings.Contains(svg, ">-0<") {
		t.Error("an axis has a mark -0")
	}
}
