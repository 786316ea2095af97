package priority_test

import (
	"testing"

	"github.com/elixirscope/foundation/priority"
)

func TestNames(t *testing.T) {
	for p, want := range map[priority.Priority]string{
		0: "normal", priority.Critical: "critical", priority.Normal: "normal", priority.BestEffort: "best_effort", priority.Bulk: "bulk",
	} {
		text, err := p.MarshalText()
		var back priority.Priority
		if err != nil || string(text) != want || p.String() != want || !p.Valid() || back.UnmarshalText(text) != nil || p != 0 && back != p {
			t.Errorf("%d is %q, %v, read back as %d", p, text, err, back)
		}
	}
	odd := priority.Priority(9)
	if odd.Valid() {
		t.Error("9 is a priority")
	}
	p := priority.Bulk
	if err := p.UnmarshalText([]byte("urgent")); err == nil || p != priority.Bulk {
		t.Errorf("urgent is %v, %v", p, err)
	}
}
