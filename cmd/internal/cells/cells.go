// Package cells measures and cuts texts by the columns that they take on a terminal.
package cells

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable replaces what could move the cursor or show the rest of the line in another
// order: keys come from traffic.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if Misleads(r) {
			return '.'
		}
		return r
	}, s)
}

// Misleads reports whether a letter could do that.
func Misleads(r rune) bool {
	return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == utf8.RuneError || r == 0x2028 || r == 0x2029 || unicode.Is(unicode.Bidi_Control, r)
}

// Clip leaves the end of a text out that is too long.
func Clip(text string, most int) string {
	if Width(text) <= most {
		return text
	}
	runes := []rune(text)
	for len(runes) > 0 && Width(string(runes)) > most-1 {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// Shorten takes out of the middle of a text what is too much: names differ at both ends.
func Shorten(text string, most int) string {
	if Width(text) <= most {
		return text
	}
	runes := []rune(text)
	head, tail := most/2, (most-1)/2
	for head+tail > 0 {
		out := string(runes[:min(head, len(runes))]) + "…" + string(runes[max(0, len(runes)-tail):])
		if Width(out) <= most {
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

// Wrap breaks a text between its words. A word that is longer than a line has one.
func Wrap(text string, most int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && Width(line)+1+Width(word) > most {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// Width is how many columns of a terminal s takes: two for each letter of the scripts
// of East Asia and each emoji, none for marks that go with the letter before.
func Width(s string) int {
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
