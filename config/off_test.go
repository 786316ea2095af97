package config_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/memory"
)

// What a section that can be off says, in the file and in Go.
var offCases = map[string]struct {
	text string
	want *config.Memory
}{
	"left out":          {"", nil},
	"without content":   {"memory:", nil},
	"off":               {"memory: off", &config.Memory{Off: true}},
	"off in quotes":     {`memory: "off"`, &config.Memory{Off: true}},
	"off by a variable": {"memory: ${MEMORY:-off}", &config.Memory{Off: true}},
	"with defaults":     {"memory: {}", &config.Memory{}},
	"with settings":     {"memory: {interval: 100ms}", &config.Memory{Config: memory.Config{Interval: 100 * time.Millisecond}}},
}

func TestOff_IsReadWrittenClonedAndCompared(t *testing.T) {
	for name, tt := range offCases {
		t.Run(name, func(t *testing.T) {
			c := parse(t, "version: 1\n"+tt.text)
			if !sameMemory(c.Memory, tt.want) {
				t.Fatalf("got %+v, want %+v", c.Memory, tt.want)
			}
			again := parse(t, c.String())
			if !sameMemory(again.Memory, tt.want) {
				t.Errorf("%q is read back as %+v", c.String(), again.Memory)
			}
			if text := c.String(); strings.Contains(tt.text, "$") && !strings.Contains(text, "${MEMORY:-off}") {
				t.Errorf("the variable is not shown as it was written:\n%s", text)
			}
			clone := c.Clone()
			if !sameMemory(clone.Memory, tt.want) || clone.Memory != nil && clone.Memory == c.Memory {
				t.Errorf("the clone has %+v, at the same place: %v", clone.Memory, clone.Memory == c.Memory)
			}
			for other, o := range offCases {
				changes := config.Diff(c, parse(t, "version: 1\n"+o.text))
				if same := sameMemory(tt.want, o.want); same != (len(changes) == 0) {
					t.Errorf("the difference to %s is %v", other, changes)
				}
			}
		})
	}
}

func sameMemory(a, b *config.Memory) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

func TestOff_RefusesWhatIsNeither(t *testing.T) {
	for text, want := range map[string]string{
		"memory: on":                             "must be a mapping, or the word off",
		"memory: false":                          "must be a mapping, or the word off",
		"memory: 5":                              "must be a mapping, or the word off",
		"memory: [off]":                          "must be a mapping, not a list",
		"memory: {off: true}":                    "unknown key",
		"memory: {interval: 0}":                  "must not be 0",
		"memory: {interval: 1ns, intervall: 1s}": "did you mean",
	} {
		_, err := config.Parse("foundation.yaml", []byte("version: 1\n"+text), options)
		if err == nil || !strings.Contains(config.Render(err), want) || !strings.Contains(config.Render(err), "foundation.yaml:2:") {
			t.Errorf("%s: %v", text, config.Render(err))
		}
	}
	both := &config.Config{Memory: &config.Memory{Off: true, Config: memory.Config{Interval: time.Second}}}
	if _, err := both.Validate(config.Registry{}); err == nil || !strings.Contains(err.Error(), "is off and has settings") {
		t.Errorf("off with settings: %v", err)
	}
}

func TestOff_DiffSaysWhatBecomesOfTheSection(t *testing.T) {
	for _, tt := range []struct{ old, next, want string }{
		{"", "memory: {}", "memory changed: default → on; runs from now on"},
		{"memory: {}", "", "memory changed: on → default; runs or not, as the program has it by default"},
		{"memory: off", "memory: {interval: 1s}", "memory changed: off → on, interval default → 1s; runs from now on"},
		{"memory: {interval: 1s}", "memory: off", "memory changed: on → off, interval 1s → default; is stopped, and forgets what it knows"},
		{"memory: {}", "memory: {interval: 1s}", "memory changed: interval default → 1s; keeps what it knows"},
	} {
		changes := config.Diff(parse(t, "version: 1\n"+tt.old), parse(t, "version: 1\n"+tt.next))
		if len(changes) != 1 || changes[0].String() != tt.want {
			t.Errorf("from %q to %q: %v, want %s", tt.old, tt.next, changes, tt.want)
		}
	}
}

// A patch can switch a section off and on again, and a rollback finds what was there.
func TestOff_ChangesByPatchAndPointer(t *testing.T) {
	f := serveFile(t, "version: 1\nmemory: {interval: 1s}\n")
	for _, step := range []struct {
		change func() (config.Applied, error)
		want   *config.Memory
	}{
		{func() (config.Applied, error) { return f.Patch(t.Context(), []byte(`{"memory":"off"}`), api) }, &config.Memory{Off: true}},
		{func() (config.Applied, error) { return f.Patch(t.Context(), []byte(`{"memory":{}}`), api) }, &config.Memory{}},
		{func() (config.Applied, error) { return f.Update(t.Context(), "/memory", "off", api) }, &config.Memory{Off: true}},
		{func() (config.Applied, error) { return f.Rollback(t.Context(), 1, api) }, &config.Memory{Config: memory.Config{Interval: time.Second}}},
		{func() (config.Applied, error) { return f.Patch(t.Context(), []byte(`{"memory":null}`), api) }, nil},
		{func() (config.Applied, error) { return f.Update(t.Context(), "/memory/interval", "2s", api) }, &config.Memory{Config: memory.Config{Interval: 2 * time.Second}}},
	} {
		before := f.Current().Number
		if _, err := step.change(); err != nil {
			t.Fatal(err)
		}
		if got := f.Current(); got.Number != before+1 || !sameMemory(got.Config.Memory, step.want) {
			t.Errorf("revision %d has %+v, want %+v", got.Number, got.Config.Memory, step.want)
		}
	}
}

func TestOff_SchemaOffersBothForms(t *testing.T) {
	text, err := config.JSONSchema(config.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Properties struct {
			Memory struct {
				Description string
				OneOf       []struct {
					Const      string
					Properties map[string]any
				}
			}
		}
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	m := s.Properties.Memory
	if m.Description == "" || len(m.OneOf) != 3 || m.OneOf[0].Const != "off" || m.OneOf[2].Properties["interval"] == nil {
		t.Errorf("%+v", m)
	}
}
