package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/elixirscope/foundation/cmd/internal/cells"
)

// table prints rows in aligned columns. It counts columns and colours a cell only
// after padding it, which text/tabwriter cannot: escape sequences would count as
// width and push the columns apart.
type table struct {
	header []string
	right  map[int]bool // columns of numbers
	flex   map[int]flex // columns that may be cut to fit
	rows   [][]cell
}

// flex says how a column may be cut: not at all, names in the middle, texts at their end.
type flex uint8

const (
	flexNone flex = iota
	flexName
	flexText
)

// cell is one value and how it is to be shown on a terminal.
type cell struct {
	text  string
	style style
}

type style = cells.Style

const (
	plain = cells.Plain
	good  = cells.Good
	warn  = cells.Warn
	bad   = cells.Bad
	faint = cells.Faint
	bold  = cells.Bold
)

func newTable(header ...string) *table {
	t := &table{right: map[int]bool{}, flex: map[int]flex{}}
	for i, h := range header {
		if name, ok := strings.CutPrefix(h, "~"); ok {
			t.flex[i] = flexName
			h = name
		}
		if name, ok := strings.CutPrefix(h, "…"); ok {
			t.flex[i] = flexText
			h = name
		}
		if name, ok := strings.CutPrefix(h, ">"); ok {
			t.right[i] = true
			h = name
		}
		t.header = append(t.header, h)
	}
	return t
}

// row adds a row; a value is a cell or anything that prints. Empty becomes "-".
func (t *table) row(values ...any) {
	cells := make([]cell, 0, len(values))
	for _, v := range values {
		c, ok := v.(cell)
		if !ok {
			c = cell{text: fmt.Sprint(v)}
		}
		c.text = printable(c.text)
		if c.text == "" {
			c.text = "-"
		}
		cells = append(cells, c)
	}
	t.rows = append(t.rows, cells)
}

// printable is [cells.Printable].
func printable(s string) string { return cells.Printable(s) }

// printableLines is printable for a text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		parts := strings.Split(line, "\t")
		for j := range parts {
			parts[j] = printable(parts[j])
		}
		lines[i] = strings.Join(parts, "\t")
	}
	return strings.Join(lines, "\n")
}

// escaped writes what would mislead a terminal as JSON and quoted YAML do. What is below a
// space they have escaped themselves.
func escaped(raw []byte) string {
	var b strings.Builder
	for _, r := range string(raw) {
		if r >= 0x7f && cells.Misleads(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// pageWidth is how wide a page for people may be.
const pageWidth = 100

// fit cuts columns that may be cut until the table is no wider than most: names to a length
// that still tells them apart, then texts, then both to what is left. It does what it can.
func (t *table) fit(most int) *table {
	for _, pass := range []struct {
		kind  flex
		least int
	}{{flexName, 30}, {flexText, 24}, {flexName, 12}, {flexText, 12}} {
		widths := t.widths()
		over := 2*(len(widths)-1) - most
		for _, w := range widths {
			over += w
		}
		for i, w := range widths {
			if limit := max(pass.least, width(t.header[i]), w-over); over > 0 && t.flex[i] == pass.kind && w > limit {
				t.cut(i, limit)
				over -= w - limit
			}
		}
	}
	return t
}

func (t *table) cut(column, most int) {
	for _, row := range t.rows {
		if t.flex[column] == flexName {
			row[column].text = cells.Shorten(row[column].text, most)
		} else {
			row[column].text = cells.Clip(row[column].text, most)
		}
	}
}

func (t *table) widths() []int {
	widths := make([]int, len(t.header))
	for i, h := range t.header {
		widths[i] = width(h)
	}
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], width(c.text))
		}
	}
	return widths
}

func (t *table) write(w io.Writer, colour bool) error {
	widths := t.widths()
	var b strings.Builder
	head := make([]cell, len(t.header))
	for i, h := range t.header {
		head[i] = cell{h, bold}
	}
	t.writeRow(&b, head, widths, colour)
	for _, row := range t.rows {
		t.writeRow(&b, row, widths, colour)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *table) writeRow(b *strings.Builder, row []cell, widths []int, colour bool) {
	var line strings.Builder
	for i, c := range row {
		if i > 0 {
			line.WriteString("  ")
		}
		pad := strings.Repeat(" ", widths[i]-width(c.text))
		text := paint(c.text, c.style, colour)
		if t.right[i] {
			line.WriteString(pad + text)
		} else {
			line.WriteString(text + pad)
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

func paint(text string, s style, colour bool) string {
	if !colour {
		return text
	}
	return s.Paint(text)
}

// width is [cells.Width].
func width(s string) int { return cells.Width(s) }
