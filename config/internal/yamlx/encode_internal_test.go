package yamlx

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// Large sections are written in chunks, as if they had been written as a whole.
func TestEncode_InChunksIsAsAWhole(t *testing.T) {
	for _, entries := range []int{0, 1, chunk, chunk + 1, 3*chunk + 5} {
		section := map[string]any{}
		for i := range entries {
			section[fmt.Sprintf("e%d", i)] = map[string]any{
				"text": "x" + strings.Repeat(" word", i%40), "block": "a\n\n  b\nc\n", "quoted: #": "1", "list": []string{"a", ""}, "none": map[string]string{},
			}
		}
		document := map[string]any{"section": section, "a: key": section, "one": "value", "deep": map[string]any{"before": "x", "within: it": map[string]any{"section": section}, "with": "y"}}
		e := encoder{veil: func(Path, reflect.Value, bool) (string, bool) { return "", false }}
		n := e.node("", reflect.ValueOf(document), tag{})
		want, err := yaml.Dump(n, yaml.WithLineWidth(-1))
		if err != nil {
			t.Fatal(err)
		}
		got, err := dump(n)
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := yaml.Load(got, &a); err != nil {
			t.Fatalf("%v in\n%s", err, got)
		}
		if err := yaml.Load(want, &b); err != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%d entries are not what they were: %v\n%s", entries, err, got)
		}
		if string(got) != string(want) {
			for i, line := range strings.Split(string(want), "\n") {
				if other := strings.Split(string(got), "\n"); i >= len(other) || other[i] != line {
					t.Errorf("%d entries: line %d is %q, want %q", entries, i, other[min(i, len(other)-1)], line)
					break
				}
			}
		}
	}
}
