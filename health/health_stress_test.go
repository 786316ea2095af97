package health_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/health"
)

// A thousand probes that ask all the time cause no run of a check: those that are made are
// those of the schedule. SCENARIOS 104 and 105 for health: bounded work under any load.
func TestReport_AThousandScrapesRunNoCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const checks, probes = 20, 1000
		var runs, most, now atomic.Int64
		run := func(context.Context) error {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			runs.Add(1)
			time.Sleep(10 * time.Millisecond)
			return nil
		}
		all := make([]health.Check, 0, checks)
		for i := range checks {
			all = append(all, check("check"+string(rune('a'+i)), run, health.Config{Every: time.Second}))
		}
		s := serve(t, health.Options{}, all...)
		var asking sync.WaitGroup
		var asked atomic.Int64
		for range probes {
			asking.Go(func() {
				for range 60 {
					if r := s.Report(); len(r.Components) != checks {
						t.Errorf("a report of %d components", len(r.Components))
					}
					asked.Add(1)
					time.Sleep(time.Second)
				}
			})
		}
		asking.Wait()
		scheduled := int64(60 * checks)
		if n := runs.Load(); n < scheduled*95/100 || n > scheduled*105/100 {
			t.Errorf("%d runs in 60 s under %d questions, want about %d", n, asked.Load(), scheduled)
		}
		if most.Load() > health.DefaultConcurrency {
			t.Errorf("%d checks ran at once, want at most %d", most.Load(), health.DefaultConcurrency)
		}
		t.Logf("%d runs for %d scheduled under %d questions", runs.Load(), scheduled, asked.Load())
	})
}

// Without a service reports are made by those who ask, one at a time and at most one a
// second.
func TestReport_WithoutAServiceOneIsMadeForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made atomic.Int64
		a := health.New(health.Options{Parts: func(yield func(health.Component)) {
			made.Add(1)
			time.Sleep(time.Millisecond)
			yield(health.Component{Name: "parts/it", Status: health.Pass})
		}})
		var asking sync.WaitGroup
		for range 1000 {
			asking.Go(func() {
				for range 100 {
					a.Report()
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		asking.Wait()
		if n := made.Load(); n < 5 || n > 13 {
			t.Errorf("%d reports were made in 10 s", n)
		}
	})
}

// Everything at once, with the race detector.
func TestAggregator_ChangesUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, health.Options{})
		var working sync.WaitGroup
		for worker := range 8 {
			working.Go(func() {
				name := "check" + string(rune('a'+worker))
				it := &script{}
				for round := range 50 {
					if err := s.Add(check(name, it.run, health.Config{Every: 100 * time.Millisecond})); err != nil {
						t.Error(err)
					}
					if round%2 == 0 {
						it.set(errDown)
					} else {
						it.set(nil)
					}
					time.Sleep(time.Duration(100+37*worker) * time.Millisecond)
					if _, ok := s.Report().Find(name); !ok {
						t.Errorf("%s was added and is not there", name)
					}
					if !s.Remove(name) {
						t.Errorf("%s was not there", name)
					}
					if _, ok := s.Report().Find(name); ok {
						t.Errorf("%s was removed and is there", name)
					}
				}
			})
		}
		working.Wait()
	})
}
