package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
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

// printable replaces what could move the cursor or show the rest of the line in another
// order: keys come from traffic.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if misleads(r) {
			return '.'
		}
		return r
	}, s)
}

func misleads(r rune) bool {
	return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError || r == 0x2028 || r == 0x2029 || unicode.Is(unicode.Bidi_Control, r)
}

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
		if r >= 0x7f && misleads(r) {
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
			row[column].text = shortened(row[column].text, most)
		} else {
			row[column].text = clipped(row[column].text, most)
		}
	}
}

// clipped leaves the end of a text out that is too long.
func clipped(text string, most int) string {
	if width(text) <= most {
		return text
	}
	runes := []rune(text)
	for len(runes) > 0 && width(string(runes)) > most-1 {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// shortened takes out of the middle of a text what is too much: names differ at both ends.
func shortened(text string, most int) string {
	if width(text) <= most {
		return text
	}
	runes := []rune(text)
	head, tail := most/2, (most-1)/2
	for head+tail > 0 {
		out := string(runes[:min(head, len(runes))]) + "…" + string(runes[max(0, len(runes)-tail):])
		if width(out) <= most {
			return out
		}
		if head > tail {
			head--
		} else {
			tail--
		}
	}
	return "…"
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
	if !colour || s == plain {
		return text
	}
	return string(s) + text + resetStyle
}

// width is how many columns of a terminal s takes: two for each letter of the scripts
// of East Asia and each emoji, none for marks that go with the letter before.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case unicode.Is(wide, r):
			n += 2
		default:
			n++
		}
	}
	return n
}

// wide are the blocks whose letters take two columns (Unicode, UAX #11).
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1},
		{0x2e80, 0x303e, 1},
		{0x3041, 0xa4cf, 1},
		{0xa960, 0xa97c, 1},
		{0xac00, 0xd7a3, 1},
		{0xf900, 0xfaff, 1},
		{0xfe30, 0xfe6f, 1},
		{0xff01, 0xff60, 1},
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{{0x1b000, 0x1b2ff, 1}, {0x1f300, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1}, {0x1f900, 0x1faff, 1}, {0x20000, 0x3fffd, 1}},
}
