package memory

import (
	"testing"
	"time"
)

// A cleaner whose pause is longer than any doubled one keeps it, also while it frees little.
func TestCleaners_ALongPauseIsNeverCut(t *testing.T) {
	h := history{}
	for range 3 {
		h = h.after(run{freed: 0}, 1<<20, time.Hour)
		if h.cooldown < time.Hour {
			t.Fatalf("it pauses %v after a run in vain, less than its own hour", h.cooldown)
		}
	}
}
