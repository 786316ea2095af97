package health_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/health"
)

// How long an outage takes to be found and its end to be seen, by the way in which the check
// fails. The bounds are what the defaults promise; the figures are in docs/health.md.
func TestDetection_ByWayOfFailing(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(ctx context.Context, until <-chan struct{}) error
		// The worst that the schedule allows, from the first moment of the outage, and of its end.
		found, cleared time.Duration
	}{
		{"refuses", func(context.Context, <-chan struct{}) error { return errDown }, 34 * time.Second, 24 * time.Second},
		{"panics", func(context.Context, <-chan struct{}) error { panic("bug") }, 34 * time.Second, 24 * time.Second},
		{"ends its goroutine", func(context.Context, <-chan struct{}) error { runtime.Goexit(); return nil }, 34 * time.Second, 24 * time.Second},
		{"answers with a warning", func(context.Context, <-chan struct{}) error { return health.Warning(errors.New("slow")) }, 34 * time.Second, 24 * time.Second},
		{"does not answer", func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return ctx.Err() }, 36 * time.Second, 26 * time.Second},
		{"ignores its context", func(_ context.Context, until <-chan struct{}) error { <-until; return nil }, 36 * time.Second, 26 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var found, cleared []time.Duration
				for i := range 200 {
					f, c := outage(t, tt.fail, time.Duration(i)*53*time.Millisecond)
					found, cleared = append(found, f), append(cleared, c)
				}
				slices.Sort(found)
				slices.Sort(cleared)
				t.Logf("%s: found after %v (median), %v at most; cleared after %v, %v", tt.name,
					found[100].Round(100*time.Millisecond), found[199].Round(100*time.Millisecond), cleared[100].Round(100*time.Millisecond), cleared[199].Round(100*time.Millisecond))
				if found[199] > tt.found || cleared[199] > tt.cleared {
					t.Errorf("found after %v and cleared after %v at most, want %v and %v", found[199], cleared[199], tt.found, tt.cleared)
				}
			})
		})
	}
}

// outage plants one failure after a while and measures how long it takes to be seen to come
// and go.
func outage(t *testing.T, fail func(context.Context, <-chan struct{}) error, shift time.Duration) (found, cleared time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var down chan struct{}
	a := health.New(health.Options{})
	if err := a.Add(health.Check{Name: "it", Run: func(ctx context.Context) error {
		mu.Lock()
		until := down
		mu.Unlock()
		if until == nil {
			return nil
		}
		return fail(ctx, until)
	}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = a.Serve(ctx) }()
	defer func() { cancel(); <-ended }()
	until := func(well bool) time.Duration {
		began := time.Now()
		for {
			if c, _ := a.Report().Find("it"); (c.Status == health.Pass) == well {
				return time.Since(began)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	time.Sleep(30*time.Second + shift)
	mu.Lock()
	down = make(chan struct{})
	mu.Unlock()
	found = until(false)
	mu.Lock()
	close(down)
	down = nil
	mu.Unlock()
	return found, until(true)
}
