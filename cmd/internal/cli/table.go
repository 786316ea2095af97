package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// table prints rows in aligned columns. It counts runes and colours a cell only
// after padding it, which text/tabwriter cannot: escape sequences would count as
// width and push the columns apart.
type table struct {
	header []string
	right  map[int]bool // columns of numbers
	rows   [][]cell
}

// cell is one value and how it is to be shown on a terminal.
type cell struct {
	text  string
	style style
}

type style string

// The styles. A style never carries meaning alone: the text says the same.
const (
	plain style = ""
	good  style = "\x1b[32m"
	warn  style = "\x1b[33m"
	bad   style = "\x1b[31m"
	faint style = "\x1b[2m"
	bold  style = "\x1b[1m"
)

const resetStyle = "\x1b[0m"

func newTable(header ...string) *table {
	t := &table{right: map[int]bool{}}
	for i, h := range header {
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

// printable replaces what could move the cursor: keys come from traffic.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError {
			return '.'
		}
		return r
	}, s)
}

func (t *table) write(w io.Writer, colour bool) error {
	widths := make([]int, len(t.header))
	for i, h := range t.header {
		widths[i] = utf8.RuneCountInString(h)
	}
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
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
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
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
	if !colour || s == plain {
		return text
	}
	return string(s) + text + resetStyle
}
