package perf

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/outcome"
)

// After the wall clock was set, or a machine has slept, windows and series are found by the
// time that it says now.
func TestMonitor_IsFoundByTheTimeOfAClockThatWasSet(t *testing.T) {
	for name, by := range map[string]time.Duration{"not": 0, "ahead": 8 * time.Hour, "back": -8 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			m, err := New(Config{}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Unix(1_700_000_000, 0)
			m.begin(start)
			op := m.Operation("x")
			wall := start
			for i := range int64(200) {
				if i == 100 {
					wall = wall.Add(by)
				}
				op.Record(time.Millisecond, outcome.Success)
				wall = wall.Add(time.Second)
				m.step(wall, start.Unix()+i)
			}
			w, err := m.Window("op:x", wall.Add(-time.Minute), wall)
			if err != nil || w.Succeeded < 60 || w.Succeeded > 70 || wall.Sub(w.To) > time.Second {
				t.Errorf("the window has %d calls, to %v, %v; it is %v", w.Succeeded, w.To, err, wall)
			}
			s, err := m.Series("op:x", wall.Add(-time.Minute), wall, time.Second, "calls")
			if err != nil || len(s.Times) != 60 || !s.Times[59].Equal(wall.Add(-time.Second)) || s.Values[0][0] != 1 || s.Values[0][59] != 1 {
				t.Errorf("%+v, %v", s, err)
			}
			status, err := m.OperationStatus("op:x", time.Minute)
			if err != nil || status.Window.Succeeded < 60 || wall.Sub(status.Window.To) > time.Second {
				t.Errorf("%+v, %v", status.Window.Counts, err)
			}
			if ahead := m.ahead(wall); ahead != max(0, -int64(by/time.Second)) {
				t.Errorf("the next run would begin %d seconds ahead", ahead)
			}
		})
	}
}
