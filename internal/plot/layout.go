package plot

import (
	"cmp"
	"fmt"
	"html"
	"strings"
)

// The picture in pixels.
const (
	width         = 760
	left          = 62
	right         = 18
	legendTop     = 48
	legendRow     = 20
	aboveAChart   = 34
	belowAChart   = 40
	defaultHeight = 200
	letter        = 6.6 // the width of one in the legend, about
	key           = 28  // the width of the stroke in the legend, with its gap
)

// colors is how many lines can be told apart: by a color that the color-blind can tell
// apart too (Okabe and Ito), and by their dashes.
const colors = 8

const style = `<style>
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-size:12px;fill:#1f2328}
.title{font-size:15px;font-weight:600}.chart{font-size:13px;font-weight:600}.tick,.label{font-size:11px;fill:#57606a}
.back{fill:#fff}.grid{stroke:#d0d7de;stroke-width:.6;fill:none}.axis{stroke:#57606a;fill:none}.mark{stroke:#57606a;stroke-dasharray:2 3;fill:none}
.band{fill:#d55e00;fill-opacity:.16}.line{fill:none;stroke-width:2;stroke-linejoin:round}.dot{stroke:none}.ref{fill:none;stroke:#8c959f;stroke-width:1.4;stroke-dasharray:1 3;stroke-linecap:round}
.c0{stroke:#1f2328}.c1{stroke:#d55e00;stroke-dasharray:7 3}.c2{stroke:#0072b2}.c3{stroke:#56a0d3;stroke-dasharray:4 3}
.c4{stroke:#009e73}.c5{stroke:#b35a94}.c6{stroke:#b58900;stroke-dasharray:5 3}.c7{stroke:#7f7f7f;stroke-dasharray:12 4}
.dot.c0{fill:#1f2328}.dot.c1{fill:#d55e00}.dot.c2{fill:#0072b2}.dot.c3{fill:#56a0d3}.dot.c4{fill:#009e73}.dot.c5{fill:#b35a94}.dot.c6{fill:#b58900}.dot.c7{fill:#7f7f7f}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.tick,.label{fill:#9198a1}.back{fill:#0d1117}.grid{stroke:#30363d}.axis,.mark{stroke:#9198a1}.band{fill-opacity:.3}.ref{stroke:#6e7681}
.c0{stroke:#e6edf3}.c1{stroke:#ff8a3d}.c2{stroke:#4aa8ff}.c3{stroke:#8cc8f5}.c4{stroke:#2fd6a3}.c5{stroke:#e08cc0}.c6{stroke:#e3c04a}.c7{stroke:#a0a0a0}
.dot.c0{fill:#e6edf3}.dot.c1{fill:#ff8a3d}.dot.c2{fill:#4aa8ff}.dot.c3{fill:#8cc8f5}.dot.c4{fill:#2fd6a3}.dot.c5{fill:#e08cc0}.dot.c6{fill:#e3c04a}.dot.c7{fill:#a0a0a0}}
</style>
`

// layout is where the parts of a figure go.
type layout struct {
	names  []string // of the lines, in the order of their colors
	legend []entry
	tops   []int // of the plotted areas
	height int
}

// entry is one name in the legend: of a line, or of a band.
type entry struct {
	name string
	line *Line
	x, y int
}

func (c *Chart) height() int { return cmp.Or(c.Height, defaultHeight) }

func (f *Figure) layout() *layout {
	l := &layout{}
	bottom := l.arrange(f.names())
	for i := range f.Charts {
		l.tops = append(l.tops, bottom+aboveAChart)
		bottom += aboveAChart + f.Charts[i].height() + belowAChart
	}
	l.height = bottom + 4
	return l
}

// names lists what the legend names, each once.
func (f *Figure) names() (all []entry) {
	seen := map[string]bool{"": true}
	add := func(name string, line *Line) {
		if !seen[name] {
			seen[name] = true
			all = append(all, entry{name: name, line: line})
		}
	}
	for i := range f.Charts {
		for k := range f.Charts[i].Lines {
			add(f.Charts[i].Lines[k].Name, &f.Charts[i].Lines[k])
		}
		for _, band := range f.Charts[i].Bands {
			add(band.Name, nil)
		}
	}
	return all
}

// arrange puts the legend into rows and returns where it ends.
func (l *layout) arrange(names []entry) (bottom int) {
	x, y := left, legendTop
	for _, e := range names {
		if e.line != nil && !e.line.Reference {
			l.names = append(l.names, e.name)
		}
		wide := key + int(letter*float64(len([]rune(e.name)))) + 18
		if x+wide > width-right && x > left {
			x, y = left, y+legendRow
		}
		e.x, e.y = x, y
		l.legend = append(l.legend, e)
		x += wide
	}
	return y + legendRow - 8
}

func (l *layout) drawLegend(b *strings.Builder) {
	for _, e := range l.legend {
		if e.line == nil {
			fmt.Fprintf(b, `<rect class="band" x="%d" y="%d" width="22" height="12"/>`, e.x, e.y-10)
		} else {
			fmt.Fprintf(b, `<path class="%s" d="M%d %dh22"/>`, l.class(e.line), e.x, e.y-4)
		}
		fmt.Fprintf(b, `<text x="%d" y="%d">%s</text>`+"\n", e.x+key, e.y, html.EscapeString(e.name))
	}
}
