package suggest_test

import (
	"strings"
	"testing"

	"github.com/elixirscope/foundation/internal/suggest"
)

func TestFor(t *testing.T) {
	known := []string{"window", "cooldown", "failure_threshold"}
	for word, want := range map[string]string{
		"windw": "window", "Window": "window", "failure_treshold": "failure_threshold", "wnidow": "window", "zzz": "known: cooldown, failure_threshold, window",
	} {
		if got := suggest.For(word, known); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
