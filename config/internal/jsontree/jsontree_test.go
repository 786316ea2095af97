package jsontree_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/config/internal/jsontree"
)

var limits = jsontree.Limits{Bytes: 1000, Depth: 4, Values: 50, Text: 20}

func parse(t *testing.T, text string) any {
	t.Helper()
	v, err := jsontree.Parse([]byte(text), limits)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// The examples of RFC 7396, but for those that a document of ours never is.
func TestMerge_DoesWhatTheStandardSays(t *testing.T) {
	for _, tt := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		target := parse(t, tt[0])
		if got := jsontree.Merge(target, parse(t, tt[1])); !reflect.DeepEqual(got, parse(t, tt[2])) {
			t.Errorf("%s merged into %s is %v, want %s", tt[1], tt[0], got, tt[2])
		}
		if !reflect.DeepEqual(target, parse(t, tt[0])) {
			t.Errorf("%s was changed in place", tt[0])
		}
	}
}

func object(depth int) *rapid.Generator[map[string]any] {
	leaf := rapid.OneOf(
		rapid.Map(rapid.IntRange(0, 2), func(i int) any { return json.Number(string(rune('0' + i))) }),
		rapid.Map(rapid.SampledFrom([]string{"x", "y"}), func(s string) any { return s }),
		rapid.Map(rapid.SliceOfN(rapid.Bool(), 0, 2), func(l []bool) any {
			out := []any{}
			for _, b := range l {
				out = append(out, b)
			}
			return out
		}),
	)
	value := leaf
	if depth > 0 {
		value = rapid.OneOf(leaf, rapid.Map(object(depth-1), func(m map[string]any) any { return m }))
	}
	return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b/", "~c"}), value, 0, 3)
}

func TestDiff_IsThePatchThatMerges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, next := object(2).Draw(t, "old"), object(2).Draw(t, "next")
		patch := jsontree.Diff(old, next)
		if got := jsontree.Merge(old, patch); !reflect.DeepEqual(got, any(next)) {
			t.Fatalf("%v and %v differ by %v, which makes %v", old, next, patch, got)
		}
		if len(patch) == 0 != reflect.DeepEqual(old, next) {
			t.Fatalf("%v and %v differ by %v", old, next, patch)
		}
	})
}

func TestSet_PutsAndRemovesWhatAPointerNames(t *testing.T) {
	const tree = `{"a":{"b":1,"c/d":{"~":2}},"l":[1,{"x":2}]}`
	for _, tt := range []struct{ pointer, value, want string }{
		{"/a/b", `5`, `{"a":{"b":5,"c/d":{"~":2}},"l":[1,{"x":2}]}`},
		{"/a/c~1d/~0", `5`, `{"a":{"b":1,"c/d":{"~":5}},"l":[1,{"x":2}]}`},
		{"/a/new", `{"x":1}`, `{"a":{"b":1,"c/d":{"~":2},"new":{"x":1}},"l":[1,{"x":2}]}`},
		{"/made/on/the", `1`, `{"a":{"b":1,"c/d":{"~":2}},"l":[1,{"x":2}],"made":{"on":{"the":1}}}`},
		{"/a", ``, `{"l":[1,{"x":2}]}`},
		{"/l/0", ``, `{"a":{"b":1,"c/d":{"~":2}},"l":[{"x":2}]}`},
		{"/l/1/x", `3`, `{"a":{"b":1,"c/d":{"~":2}},"l":[1,{"x":3}]}`},
		{"/l/-", `3`, `{"a":{"b":1,"c/d":{"~":2}},"l":[1,{"x":2},3]}`},
		{"", `{}`, `{}`},
		{"/a/b/c", `1`, "nothing below a single value"},
		{"/a/x", ``, "nothing to remove"},
		{"/forbidden/x", `1`, "nothing here"},
		{"/l/2", `1`, "2 elements"},
		{"/l/01", `1`, "2 elements"},
		{"/l/-", ``, "2 elements"},
		{"/l/x", `1`, "2 elements"},
	} {
		keys, problem := jsontree.Pointer(tt.pointer)
		if problem != "" {
			t.Fatal(problem)
		}
		var value any
		if tt.value != "" {
			value = parse(t, tt.value)
		}
		given := parse(t, tree)
		got, missing := jsontree.Set(given, keys, value, func(depth int) bool { return keys[depth-1] != "forbidden" })
		switch {
		case missing != nil:
			if !strings.Contains(missing.Message, tt.want) {
				t.Errorf("%s: %q, want %q", tt.pointer, missing.Message, tt.want)
			}
		case !reflect.DeepEqual(got, parse(t, tt.want)):
			t.Errorf("%s: %v, want %s", tt.pointer, got, tt.want)
		}
		if !reflect.DeepEqual(given, parse(t, tree)) {
			t.Errorf("%s has changed the tree in place", tt.pointer)
		}
	}
}

func TestPointer_RefusesWhatIsNone(t *testing.T) {
	for _, text := range []string{"a", "a/b", "/~", "/a~2", "/a/~x"} {
		if keys, problem := jsontree.Pointer(text); problem == "" {
			t.Errorf("%q was read as %q", text, keys)
		}
	}
}

func TestParse_IsStrictAndSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "1:1 this is not JSON: it ends too early",
		"{":                                     "1:2 this is not JSON: it ends too early",
		"{} {}":                                 "1:5 something stands behind the end",
		"{} x":                                  "1:4 something stands behind the end",
		"{\n \"ä\": 1, \"ä\": 2}":               "2:13 the key \"ä\" stands here twice",
		"{\"a\": nul}":                          "1:",
		"{\"a\": 1,}":                           "1:",
		"[1 2]":                                 "1:",
		"{\"a\": \"\xff\"}":                     "1:8 this byte is not UTF-8",
		"[[[[[[1]]]]]]":                         "1:7 nested more than 4 levels",
		"[" + strings.Repeat("1,", 60) + "1]":   "more than 50 values",
		`"` + strings.Repeat("x", 21) + `"`:     "this text has 21 bytes",
		`{"` + strings.Repeat("x", 21) + `":1}`: "this key has 21 bytes",
		strings.Repeat(" ", 1001):               "1:1 the document has 1001 bytes",
	} {
		_, err := jsontree.Parse([]byte(text), limits)
		f, ok := errors.AsType[*jsontree.Fault](err)
		if !ok {
			t.Errorf("%.40q: %v", text, err)
			continue
		}
		if got := strings.Join([]string{json.Number(itoa(f.Line)).String(), itoa(f.Column) + " " + f.Error()}, ":"); !strings.Contains(got, want) {
			t.Errorf("%.40q: %s, want %s", text, got, want)
		}
	}
}

func itoa(n int) string { text, _ := json.Marshal(n); return string(text) }

func TestLeaves_ListWhatAPatchNames(t *testing.T) {
	patch := parse(t, `{"b":{"x":1,"y/z":null},"a":[1],"c":{}}`)
	if got := strings.Join(jsontree.Leaves(patch), " "); got != "/a /b/x /b/y~1z /c" {
		t.Error(got)
	}
}
