package yamlx_test

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/config/internal/yamlx"
)

type kinds struct {
	Wait    time.Duration     `yaml:"wait"`
	Pause   time.Duration     `yaml:"pause"   config:"allowzero"`
	Count   int               `yaml:"count"`
	None    int               `yaml:"none"    config:"zero"`
	Small   uint8             `yaml:"small"`
	Body    int64             `yaml:"body"    config:"size"`
	Ratio   float64           `yaml:"ratio"`
	On      bool              `yaml:"on"`
	Text    string            `yaml:"text"`
	Secret  string            `yaml:"secret"  config:"secret"`
	Headers map[string]string `yaml:"headers"`
	List    []string          `yaml:"list"`
	Hidden  int
}

func decode(t *testing.T, text string, from yamlx.Sources) (kinds, []yamlx.Fault) {
	t.Helper()
	var out kinds
	n, faults := yamlx.Parse([]byte(text))
	if n == nil {
		return out, faults
	}
	faults = append(faults, yamlx.Expand(n, from)...)
	var d yamlx.Decoder
	d.Decode("", n, &out)
	faults = append(faults, d.Faults...)
	yamlx.Sort(faults)
	return out, faults
}

func TestDecodesEveryKindOfValue(t *testing.T) {
	got, faults := decode(t, `
wait: 1d12h
pause: 0s
count: 3
none: 0
small: 255
body: 64KiB
ratio: 0.5
on: true
text: "3"
headers: {A: b}
list: [x, 'y']
`, yamlx.Sources{})
	want := kinds{
		Wait: 36 * time.Hour, Count: 3, None: -1, Small: 255, Body: 64 << 10, Ratio: 0.5, On: true, Text: "3",
		Headers: map[string]string{"A": "b"}, List: []string{"x", "y"},
	}
	if len(faults) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, faults %v", got, faults)
	}
}

func TestRefusesWithPosition(t *testing.T) {
	for _, c := range []struct{ name, text, pos, message string }{
		{"bare duration", "wait: 3", "1:7", "3 of what? write 3s"},
		{"zero duration", "wait: 0s", "1:7", "must not be 0"},
		{"plain zero", "wait: 0", "1:7", "must not be 0"},
		{"negative duration", "wait: -3s", "1:7", "must not be negative"},
		{"no duration", "wait: soon", "1:7", "invalid duration"},
		{"days too long", "wait: 200000d", "1:7", "longer than 292 years"},
		{"no value", "wait:", "1:6", "has no value"},
		{"bare size", "body: 10", "1:7", "10 of what? write 10MiB"},
		{"no size", "body: 10MB2", "1:7", "invalid size"},
		{"zero count", "count: 0", "1:8", "must not be 0; remove the key"},
		{"negative none", "none: -1", "1:7", "write 0 for none"},
		{"fraction", "count: 1.5", "1:8", "whole number"},
		{"hexadecimal", "count: 0x10", "1:8", "whole number"},
		{"huge", "count: 99999999999999999999", "1:8", "at most 9223372036854775807"},
		{"quoted number", "count: '3'", "1:8", "remove the quotes"},
		{"small", "small: 256", "1:8", "too large"},
		{"percent", "ratio: 50%", "1:8", "write 50% as 0.5"},
		{"nan", "ratio: .nan", "1:8", "must be a number"},
		{"yes", "on: yes", "1:5", "true or false"},
		{"list for value", "count: [1]", "1:8", "must be a value, not a list"},
		{"value for list", "list: x", "1:7", "must be a list, not a value"},
		{"unknown key", "\n cuont: 3", "2:2", `did you mean "count"?`},
		{"Go field", "Hidden: 3", "1:1", "unknown key"},
		{"duplicate", "count: 1\ncount: 2", "2:1", "the first is in line 1"},
		{"duplicate in flow", "headers: {a: b, a: c}", "1:17", "twice"},
		{"tab", "headers:\n\ta: b", "2:1", "a tab cannot indent"},
		{"two documents", "count: 1\n---\ncount: 2", "3:1", "second document"},
		{"tag", "count: !!str 1", "1:8", "the tag !!str is not supported"},
		{"not UTF-8", "text: \xff", "1:7", "not UTF-8"},
		{"control", "text: \"ä\x01\"", "1:9", "control characters"},
		{"complex key", "? [a]\n: b", "1:3", "plain word"},
		{"unknown alias", "count: *x", "1:8", "unknown anchor"},
		{"open bracket", "list: [a\ncount: 3", "2:6", "flow sequence"},
		{"empty", "", "1:1", "empty"},
		{"comment only", "# nothing\n", "1:1", "empty"},
		{"unset", "text: ${NOPE}", "1:7", "NOPE is not set"},
		{"unclosed", "text: \"${NOPE\"", "1:7", "never closed"},
		{"bad variable", "text: \"${a b}\"", "1:7", "invalid variable name"},
		{"no file", "text: \"${file:/nope}\"", "1:7", "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, faults := decode(t, c.text, yamlx.Sources{
				LookupEnv: func(string) (string, bool) { return "", false },
				ReadFile:  func(string) ([]byte, error) { return nil, fmt.Errorf("no such file") },
			})
			if len(faults) == 0 || fmt.Sprintf("%d:%d", faults[0].Pos.Line, faults[0].Pos.Column) != c.pos || !strings.Contains(faults[0].Message, c.message) {
				t.Errorf("got %+v, want %s at %s", faults, c.message, c.pos)
			}
			if len(faults) > 1 {
				t.Errorf("one mistake is reported %d times: %+v", len(faults), faults)
			}
		})
	}
}

func TestScenario88_BombsAreRefusedWithPosition(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i < 'j'; i++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", i, i, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1)
	}
	for _, c := range []struct{ name, text, message string }{
		{"alias bomb", bomb, "aliases make the file larger"},
		{"depth of 100 in flow", "text: " + strings.Repeat("[", 100) + strings.Repeat("]", 100), "more than 32 levels"},
		{"depth of 100 in blocks", nested(100), "more than 32 levels"},
		{"text of 2 MB", "text: " + strings.Repeat("x", 2<<20), "at most 65536"},
		{"key of 2 MB", "? " + strings.Repeat("x", 2<<20) + "\n: 3", "at most 65536"},
		{"file of 5 MB", strings.Repeat("#xxxxxxx\n", 5<<17), "bytes, at most"},
		{"merge bomb", "a: &a {x: 1}\nb: {<<: [" + strings.Repeat("*a,", 60_000) + "]}", "aliases make the file larger"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, faults := decode(t, c.text, yamlx.Sources{})
			ok := false
			for _, f := range faults {
				ok = ok || strings.Contains(f.Message, c.message) && f.Pos.Line > 0 && f.Pos.Column > 0 && len(f.Value) < 200
			}
			if !ok {
				t.Errorf("got %.500v", faults)
			}
		})
	}
}

func nested(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// The library builds half a kilobyte for each value before we see one: a text of 4 MiB
// could cost 800 MB.
func TestATextWithTooManyValuesIsRefusedBeforeItIsRead(t *testing.T) {
	for name, text := range map[string]string{
		"a list":          "x: [" + strings.Repeat("a,", 2_000_000) + "]",
		"lists":           "x: [" + strings.Repeat("[],", 1_300_000) + "]",
		"keys":            "x: {" + strings.Repeat("a: 1, ", 600_000) + "}",
		"keys in quotes":  "x: {" + strings.Repeat(`"a":1,`, 600_000) + "}",
		"mappings":        "x: [" + strings.Repeat("a:,", 1_300_000) + "]",
		"lines":           strings.Repeat("a:\n", 1_000_000),
		"hyphens":         "x:\n" + strings.Repeat("- - - - - - - - a\n", 200_000),
		"question marks":  "x:\n" + strings.Repeat("? a\n", 1_000_000),
		"carriage return": strings.Repeat("a:\r\n", 800_000),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		root, faults := yamlx.Parse([]byte(text))
		runtime.ReadMemStats(&after)
		if root != nil || len(faults) != 1 || !strings.Contains(faults[0].Message, "more than 100000 values") {
			t.Errorf("%s: %v", name, faults)
		}
		if cost := after.TotalAlloc - before.TotalAlloc; cost > 2*uint64(len(text)) { // one is our copy of it
			t.Errorf("%s: %d bytes cost %d", name, len(text), cost)
		}
	}
}

func TestWhatIsNoValueDoesNotCount(t *testing.T) {
	for name, text := range map[string]string{
		"comments":    strings.Repeat("# a, b: [c], - d\n", 200_000) + "x: 1\n",
		"empty lines": strings.Repeat("\n", 4_000_000) + "x: 1\n",
		"addresses":   "x: [" + strings.Repeat(`"http://[::1]:80/a-b?c=d:e",`, 90_000) + "]",
	} {
		if root, faults := yamlx.Parse([]byte(text)); root == nil || len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

func TestAliasesAndMergeKeys(t *testing.T) {
	n, faults := yamlx.Parse([]byte("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n"))
	if len(faults) > 0 || n.Get("b").Get("x").Text != "1" || n.Get("b").Get("y").Text != "3" || n.Get("c").Get("y").Text != "2" {
		t.Errorf("got %+v, %v", n, faults)
	}
}

func TestExpansion(t *testing.T) {
	from := yamlx.Sources{
		LookupEnv: func(name string) (string, bool) {
			v, ok := map[string]string{"A": "x", "EMPTY": "", "EVIL": "a\ncount: 9", "N": "7", "NEST": "${A}"}[name]
			return v, ok
		},
		ReadFile: func(path string) ([]byte, error) { return []byte("from " + path + "\n"), nil },
	}
	for text, want := range map[string]string{
		"${A}": "x", "a${A}b${A}": "axbx", "${B:-d}": "d", "${EMPTY:-d}": "d", "'${EMPTY}'": "", "${EVIL}": "a\ncount: 9",
		"$${A}": "${A}", "$A": "$A", "${file:/run/s}": "from /run/s", "${NEST}": "${A}", "'${B:-}'": "",
	} {
		got, faults := decode(t, "text: "+text, from)
		if len(faults) > 0 || got.Text != want || got.Count != 0 {
			t.Errorf("%s: got %+v, %v; want %q", text, got, faults, want)
		}
	}
	if got, faults := decode(t, "count: '${N}'", from); got.Count != 7 || len(faults) > 0 {
		t.Errorf("a quoted variable: %+v, %v", got, faults)
	}
}

func TestEncodeIsReadBack(t *testing.T) {
	in := kinds{Wait: 90 * time.Second, None: -1, Body: 3 << 20, Text: "${A} #", Headers: map[string]string{"a: b": "c"}, List: []string{"", "1"}, Ratio: 0.25}
	text, err := yamlx.Encode(in, func(yamlx.Path, reflect.Value, bool) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	out, faults := decode(t, string(text), yamlx.Sources{})
	if len(faults) > 0 || !reflect.DeepEqual(in, out) {
		t.Errorf("%s\ngave %+v, %v", text, out, faults)
	}
	for _, want := range []string{"wait: 1m30s\n", "none: 0\n", "body: 3MiB\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestPaths(t *testing.T) {
	p := yamlx.Path("").Key("breakers").Key("a.b").Key("x/y~").Index(3)
	if p != "/breakers/a.b/x~1y~0/3" || p.String() != `breakers."a.b"."x/y~"[3]` || p.Parent() != "/breakers/a.b/x~1y~0" {
		t.Errorf("%q, %s, %q", string(p), p, string(p.Parent()))
	}
}

func TestALocalFileMayBeLarger(t *testing.T) {
	many := "x:\n" + strings.Repeat("  - {a: 1}\n", 90_000) // 180,000 values and 360,000 marks
	if _, faults := yamlx.Parse([]byte(many)); len(faults) != 1 || !strings.Contains(faults[0].Message, "100000 values") {
		t.Errorf("%v", faults)
	}
	if root, faults := yamlx.Large.Parse([]byte(many)); root == nil || len(faults) > 0 || len(root.Get("x").Items) != 90_000 {
		t.Errorf("%v", faults)
	}
	for what, text := range map[string]string{
		"file has": strings.Repeat("#xxxxxxx\n", 9<<17), "more than 500000 values": strings.Repeat("a:\n", 2_000_000),
	} {
		if root, faults := yamlx.Large.Parse([]byte(text)); root != nil || len(faults) != 1 || !strings.Contains(faults[0].Message, what) {
			t.Errorf("%s: %v", what, faults)
		}
	}
}
