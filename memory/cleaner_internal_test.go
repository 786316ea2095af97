package memory

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// runs lists the cleaners in the order in which they ran.
func runs(events []telemetry.Event) (names []string) {
	for _, e := range events {
		if e, ok := e.(CleanupExecuted); ok {
			names = append(names, e.Cleaner)
		}
	}
	return names
}

func freeing(name string, bytes int64, change ...func(*Cleaner)) Cleaner {
	c := Cleaner{Name: name, Clean: func(context.Context, int64) (int64, error) { return bytes, nil }}
	for _, f := range change {
		f(&c)
	}
	return c
}

func estimating(n int64) func(*Cleaner) {
	return func(c *Cleaner) { c.Estimate = func() int64 { return n } }
}

// The cleaner that is expected to free most for its time runs first, one of which nothing is
// known before those, and the round ends when enough is freed.
func TestCleaners_RunInTheOrderOfTheirYield(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(c *Cleaner) { c.Cost = time.Second }
		machine := &machineOf{used: 80}
		_, told := watched(
			t, machine, Config{}, freeing("small", 10, estimating(1000)), freeing("large", 100, estimating(5000)), freeing("large_and_slow", 100, estimating(9000), slow),
			freeing("unknown", 0), freeing("empty", 0, estimating(0)), freeing("later", 0, func(c *Cleaner) { c.MinLevel = Critical }),
		)
		time.Sleep(time.Second)
		if got := strings.Join(runs(told()), " "); got != "unknown large small large_and_slow" {
			t.Errorf("they ran as %s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		_, told := watched(t, &machineOf{used: 80}, Config{}, freeing("enough", leastTarget, estimating(leastTarget)), freeing("more", 1, estimating(1)))
		time.Sleep(200 * time.Millisecond)
		if got := strings.Join(runs(told()), " "); got != "enough" {
			t.Errorf("they ran as %s", got)
		}
		time.Sleep(time.Second) // it did not help: the next one
		if got := strings.Join(runs(told()), " "); got != "enough more" {
			t.Errorf("they ran as %s", got)
		}
	})
}

// One that frees little pauses twice as long each time, one that frees enough its cooldown.
func TestCleaners_CoolDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, told := watched(t, &machineOf{used: 80}, Config{}, freeing("vain", 1), freeing("worth_it", leastTarget/10, func(c *Cleaner) { c.Cooldown = 20 * time.Second }))
		time.Sleep(75 * time.Second)
		count := map[string]int{}
		for _, name := range runs(told()) {
			count[name]++
		}
		// In vain at 0, 10, 30 and 70 s, worth it at 0, 20, 40 and 60 s.
		if fmt.Sprint(count) != "map[vain:4 worth_it:4]" {
			t.Errorf("they ran %v", count)
		}
		for _, s := range m.Status().Cleaners {
			want := map[string]time.Duration{"vain": 80 * time.Second, "worth_it": 20 * time.Second, heapCleaner: 0}[s.Name]
			if s.Cooldown != want {
				t.Errorf("%s pauses %v, want %v", s.Name, s.Cooldown, want)
			}
		}
	})
}

// Cleaners that panic, end their goroutine, fail or do not return harm nobody.
func TestCleaners_ThatMisbehave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		started, ended := 0, make(chan struct{})
		machine := &machineOf{used: 80}
		m, told := watched(
			t, machine, Config{},
			Cleaner{Name: "panics", Clean: func(context.Context, int64) (int64, error) { panic("no") }},
			Cleaner{Name: "exits", Clean: func(context.Context, int64) (int64, error) { runtime.Goexit(); return 0, nil }},
			Cleaner{Name: "fails", Clean: func(context.Context, int64) (int64, error) { return 0, errors.New("broken") }},
			Cleaner{Name: "hangs", Timeout: 2 * time.Second, Cooldown: time.Second, Clean: func(context.Context, int64) (int64, error) {
				mu.Lock()
				started++
				mu.Unlock()
				<-ended
				return 5, nil
			}},
			Cleaner{Name: "guesses_badly", Estimate: func() int64 { panic("no") }, Clean: func(context.Context, int64) (int64, error) { return 1, nil }},
		)
		time.Sleep(30 * time.Second)
		mu.Lock()
		if started != 1 {
			t.Errorf("one that hangs was started %d times", started)
		}
		mu.Unlock()
		errs := map[string]string{}
		for _, e := range told() {
			if e, ok := e.(CleanupExecuted); ok {
				errs[e.Cleaner] = fmt.Sprint(e.Err)
			}
		}
		for name, want := range map[string]string{"panics": "panicked: no", "exits": "ended its goroutine", "fails": "broken", "hangs": "did not return within 2s", "guesses_badly": "<nil>"} {
			if !strings.Contains(errs[name], want) {
				t.Errorf("%s: %q, want %q", name, errs[name], want)
			}
		}
		for _, s := range m.Status().Cleaners {
			if s.Behind != (s.Name == "hangs") || s.Failures == 0 && s.Name != "guesses_badly" && s.Name != heapCleaner {
				t.Errorf("%+v", s)
			}
		}
		close(ended)
		time.Sleep(30 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		if started < 2 {
			t.Error("one that has returned is not called again")
		}
		if m.Level() != Elevated || m.Status().Samples < 200 {
			t.Errorf("sampling was held up: %d samples", m.Status().Samples)
		}
	})
}

// Collections are forced from high on, each at least the interval after the one before, and
// release what is free at critical.
func TestCollections_AreForcedFromHighOn(t *testing.T) {
	for name, tt := range map[string]struct {
		used    int
		pause   time.Duration
		want    int
		release bool
	}{
		"elevated": {80, 0, 0, false},
		"high":     {90, 0, 3, false}, // at 0.5, 10.5 and 30.5 s: nothing is freed
		"critical": {97, 0, 3, true},
		"none":     {97, -1, 0, false},
		"slower":   {97, time.Minute, 1, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			machine := &machineOf{used: tt.used}
			watched(t, machine, Config{GCInterval: tt.pause})
			time.Sleep(45 * time.Second)
			machine.mu.Lock()
			defer machine.mu.Unlock()
			if len(machine.gcs) != tt.want {
				t.Errorf("%s: %d collections", name, len(machine.gcs))
			}
			for _, release := range machine.gcs {
				if release != tt.release {
					t.Errorf("%s: released %v", name, release)
				}
			}
		})
	}
}

func TestNew_FindsAllFaultsAtOnce(t *testing.T) {
	nothing := func(context.Context, int64) (int64, error) { return 0, nil }
	_, err := New(Config{Dwell: -1}, WithCleaners(
		Cleaner{Name: "Bad Name", Clean: nothing}, Cleaner{Name: "a", Clean: nothing}, Cleaner{Name: "a", Clean: nothing}, Cleaner{Name: "b"},
		Cleaner{Name: heapCleaner, Clean: nothing}, Cleaner{Name: "c", Clean: nothing, Timeout: -1, MinLevel: 9},
	))
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || len(f.Problems()) != 7 {
		t.Errorf("%v", err)
	}
}
