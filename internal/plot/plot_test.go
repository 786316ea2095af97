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

func chart() plot.Chart {
	return plot.Chart{
		Title: "a < b & c", X: plot.Axis{Label: "x", Log: true}, Y: plot.Axis{Label: "y"},
		Lines: []plot.Line{{Name: "one", X: []float64{1, 10, 100}, Y: []float64{5, math.NaN(), -5}, Dots: true}, {Name: "two", X: []float64{1, 100}, Y: []float64{0, 1}}},
		Bands: []plot.Band{{Name: "alert", From: 2, To: 20}},
	}
}

func TestChart_IsWellFormedAndComplete(t *testing.T) {
	c := chart()
	svg := c.SVG()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"a &lt; b &amp; c", ">one<", ">two<", ">alert<", ">x<", ">y<", ">100<", ">-4<", "prefers-color-scheme:dark"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the figure does not hold %q", want)
		}
	}
	for _, bad := range []string{"NaN", "Inf"} {
		if strings.Contains(svg, bad) {
			t.Errorf("the figure holds %s", bad)
		}
	}
}

func TestChart_PlacesPointsWithinTheFrame(t *testing.T) {
	c := plot.Chart{Lines: []plot.Line{{X: []float64{0, 4}, Y: []float64{0, 8}}}}
	if svg := c.SVG(); !strings.Contains(svg, `d="M70.0 328.0L590.0 40.0"`) {
		t.Errorf("the diagonal is elsewhere:\n%s", svg)
	}
}

func TestChart_NothingToDraw(t *testing.T) {
	for name, c := range map[string]plot.Chart{"empty": {}, "point": {Lines: []plot.Line{{X: []float64{3}, Y: []float64{3}}}}} {
		if svg := c.SVG(); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || !strings.HasSuffix(svg, "</svg>\n") {
			t.Errorf("%s:\n%s", name, svg)
		}
	}
}

func TestChart_ZeroHasNoSign(t *testing.T) {
	c := plot.Chart{Y: plot.Axis{Min: 0, Max: 1}, Lines: []plot.Line{{X: []float64{0, 1}, Y: []float64{0, 1}}}}
	if svg := c.SVG(); strings.Contains(svg, ">-0<") {
		t.Error("an axis has a mark -0")
	}
}
