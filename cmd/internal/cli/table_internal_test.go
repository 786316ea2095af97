package cli

import (
	"errors"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/elixirscope/foundation/cmd/internal/cells"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func TestTable_ColumnsLineUpWhateverTheyHold(t *testing.T) {
	tab := newTable("NAME", ">COUNT", "STATE")
	tab.row("a", 5, cell{"● closed", good})
	tab.row("payments-äöü", 12345, cell{"○ OPEN", bad})
	tab.row("", 0, "")
	const want = `NAME          COUNT  STATE
a                 5  ● closed
payments-äöü  12345  ○ OPEN
-                 0  -
`
	var out strings.Builder
	if err := tab.write(&out, false); err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestTable_WideLettersTakeTwoColumns(t *testing.T) {
	tab := newTable("NAME", ">COUNT", "STATE")
	tab.row("決済サービス", 5, "closed")
	tab.row("LLM Service 🙂", 12, "open")
	tab.row("cafe\u0301", 7, "open")
	const want = "NAME            COUNT  STATE\n" +
		"決済サービス        5  closed\n" +
		"LLM Service 🙂     12  open\n" +
		"cafe\u0301                7  open\n"
	var out strings.Builder
	if err := tab.write(&out, false); err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestTable_ColourDoesNotMoveColumns(t *testing.T) {
	tab := newTable("A", "B")
	tab.row(cell{"x", bad}, "1")
	tab.row("long", "2")
	var coloured, plainText strings.Builder
	if tab.write(&coloured, true) != nil || tab.write(&plainText, false) != nil {
		t.Fatal("cannot write")
	}
	stripped := coloured.String()
	for _, s := range []style{good, warn, bad, faint, bold, cells.ResetStyle} {
		stripped = strings.ReplaceAll(stripped, string(s), "")
	}
	if stripped == coloured.String() || stripped != plainText.String() {
		t.Errorf("with colour:\n%q\nwithout:\n%q", coloured.String(), plainText.String())
	}
}

func TestScenario110_KeysCannotMoveTheCursor(t *testing.T) {
	tab := newTable("KEY")
	tab.row("a\x1b[2Jb\nc\u009bd")
	var out strings.Builder
	if err := tab.write(&out, false); err != nil || out.String() != "KEY\na.[2Jb.c.d\n" {
		t.Errorf("%v %q", err, out.String())
	}
}

func TestSeconds(t *testing.T) {
	for in, want := range map[float64]string{
		0: "", -1: "", 0.0000421: "42µs", 0.0123456: "12.3ms", 1.26: "1.3s", 90: "1m30s", 60: "1m", 600: "10m", 3600.4: "1h", 3660: "1h1m",
	} {
		if got := seconds(in); got != want {
			t.Errorf("seconds(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestPrintable_NoTextReordersTheLine(t *testing.T) {
	if got := printable("a\u202eb\u2066c\u200fd\u2028e"); got != "a.b.c.d.e" {
		t.Errorf("%q", got)
	}
}

func TestOutput_NoFormatMisleadsATerminal(t *testing.T) {
	const hostile = "a\u009b2Jb\u202ec\x7fd\x1b[2Je"
	for _, format := range []string{"json", "yaml"} {
		var out, errs strings.Builder
		a := &app{env: Env{Stdout: &out, Stderr: &errs}, output: format}
		if err := a.print(map[string]string{"name": hostile, "plain": "é"}, nil); err != nil {
			t.Fatal(err)
		}
		if err := a.printOne(adminapi.Event{Name: hostile}); err != nil {
			t.Fatal(err)
		}
		a.report(errors.New(hostile))
		for _, text := range []string{out.String(), errs.String()} {
			if printableLines(text) != text || !strings.Contains(text, "2J") {
				t.Errorf("%s: %q", format, text)
			}
		}
		var back map[string]string
		first, _, _ := strings.Cut(out.String(), "---")
		if format == "json" {
			first, _, _ = strings.Cut(out.String(), "{\"id\"")
		}
		if err := yaml.Unmarshal([]byte(first), &back); err != nil || back["name"] != hostile || back["plain"] != "é" {
			t.Errorf("%s is read back as %q, %v", format, back, err)
		}
	}
}

// A page has a hundred columns: names are cut in the middle, texts at the end, numbers never.
func TestTable_FitsAndKeepsNumbers(t *testing.T) {
	for _, most := range []int{30, 40, 60, 200} {
		table := newTable("~NAME", "N", "…TEXT")
		table.row("a_very_long_name_that_nobody_can_read_in_one_line", 123456, "circuit_open 1170, rate_limited 10, timed out 3, failed 1")
		table.fit(most)
		total := 4
		for _, c := range table.rows[0] {
			total += width(c.text)
		}
		if total > max(most, 34) || table.rows[0][1].text != "123456" {
			t.Errorf("%d columns of %d: %q", total, most, table.rows[0])
		}
		if cut := table.rows[0][0].text != "a_very_long_name_that_nobody_can_read_in_one_line"; cut != (most < 200) {
			t.Errorf("in %d columns: %q", most, table.rows[0])
		}
	}
	wide := newTable("~NAME", "…TEXT")
	wide.row("日本語の長い名前がここにありますよ、とても長い名前です", "what did not succeed, in many words that nobody needs")
	wide.fit(50)
	if got := width(wide.rows[0][0].text) + 2 + width(wide.rows[0][1].text); got > 50 {
		t.Errorf("%d columns: %q", got, wide.rows[0])
	}
}
