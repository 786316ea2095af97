package foundation_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/registry"
	"github.com/elixirscope/foundation/supervise"
)

// callers are calls through a guard that follow one another until they are stopped.
type callers struct {
	wg             sync.WaitGroup
	done           chan struct{}
	passed, closed atomic.Int64
}

func startCallers(t *testing.T, f *foundation.Foundation) *callers {
	t.Helper()
	g, err := f.Guard("g")
	if err != nil {
		t.Fatal(err)
	}
	c := &callers{done: make(chan struct{})}
	for range 8 {
		c.wg.Go(func() {
			for {
				err := g.Do(context.Background(), func(context.Context) error { time.Sleep(5 * time.Millisecond); return nil })
				switch {
				case err == nil:
					c.passed.Add(1)
				case errors.Is(err, fault.Closed):
					c.closed.Add(1)
				default:
					t.Errorf("a call was lost: %v", err)
				}
				select {
				case <-c.done:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	return c
}

func (c *callers) stop() {
	close(c.done)
	c.wg.Wait()
}

const guarded = path + "breakers: {b: {}}\nguards: {g: {breaker: b, timeout: 1s}}\n"

// Scenario 106: whichever service of the layer is stopped, calls, changes and the other
// services go on, and the record is complete after a restart.
func TestScenario106_AStoppedServiceStopsNoOther(t *testing.T) {
	for _, stopped := range []string{"recorder", "retention", "history", "recorder and history"} {
		synctest.Test(t, func(t *testing.T) {
			d := newDisk(t)
			f, err := foundation.Open(t.Context(), d.options(guarded))
			if err != nil {
				t.Fatal(err)
			}
			tree, err := registry.Lookup[*supervise.Tree](f.Registry(), "foundation", "services")
			if err != nil {
				t.Fatal(err)
			}
			calls := startCallers(t, f)
			time.Sleep(time.Second)
			for name := range strings.SplitSeq(stopped, " and ") {
				if err := tree.Remove(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			before := calls.passed.Load()
			b, _ := f.Breaker("b")
			_ = b.Force(breaker.StateClosed, breaker.Override{Actor: "a", Reason: "r"})
			if _, err := f.Config().Patch(t.Context(), []byte(`{"guards":{"g":{"timeout":"2s"}}}`), config.By{API: true}); err != nil {
				t.Errorf("without %s: %v", stopped, err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if calls.passed.Load() == before {
				t.Errorf("without %s no call passes", stopped)
			}
			for _, s := range f.Status().Services {
				if s.State != supervise.Running && s.State != supervise.Completed {
					t.Errorf("without %s: %+v", stopped, s)
				}
			}
			calls.stop()
			if err := f.Close(t.Context()); err != nil {
				t.Errorf("without %s: %v", stopped, err)
			}
			d.isComplete(t, f, 2)
		})
	}
}

// isComplete checks what a layer that was closed has left on the disk.
func (d *disk) isComplete(t *testing.T, f *foundation.Foundation, revision uint64) {
	t.Helper()
	if r := f.Status().Storage.Recorder; r.Dropped != 0 || r.Waiting != 0 || r.Emitted != r.Stored || int(r.Stored) != len(d.recorded(t)) {
		t.Errorf("%+v, and %d are stored", r, len(d.recorded(t)))
	}
	last, err := d.history.List(context.Background(), 0, 1)
	if err != nil || len(last) != 1 || last[0].Revision != revision || last[0].Outcome != config.OutcomeApplied {
		t.Errorf("%+v, %v", last, err)
	}
}

// Scenario 107: a layer that is closed under load ends its services in reverse order,
// lets the calls in flight end, refuses the others, and stores what was emitted.
func TestScenario107_CloseUnderLoadLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		f, err := foundation.Open(t.Context(), d.options(guarded))
		if err != nil {
			t.Fatal(err)
		}
		feed, err := registry.Lookup[*eventstore.Feed](f.Registry(), "foundation", "events")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		acknowledged := 0
		for i := range 3 {
			name := fmt.Sprint("worker-", i)
			err := f.Supervise(name, supervise.Func(func(ctx context.Context) error {
				<-ctx.Done()
				_, err := feed.Append(context.Background(), eventstore.Event{Type: "bye", Name: name}) // its last work
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
				if err == nil {
					acknowledged++
				}
				return err
			}))
			if err != nil {
				t.Fatal(err)
			}
		}
		calls := startCallers(t, f)
		time.Sleep(time.Second)
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(100 * time.Millisecond)
		calls.stop()
		if want := []string{"worker-2", "worker-1", "worker-0"}; !slices.Equal(order, want) || acknowledged != len(want) {
			t.Errorf("stopped in the order %q, %d have recorded their end", order, acknowledged)
		}
		if calls.passed.Load() == 0 || calls.closed.Load() == 0 {
			t.Errorf("%d calls passed, %d were refused because of the end", calls.passed.Load(), calls.closed.Load())
		}
		got := d.recorded(t)
		for i := range 3 {
			if want := fmt.Sprint("bye worker-", i); !slices.Contains(got, want) {
				t.Errorf("%q was acknowledged and is lost", want)
			}
		}
		if r := f.Status().Storage.Recorder; r.Dropped != 0 || r.Waiting != 0 || r.Emitted != r.Stored {
			t.Errorf("%+v", r)
		}
	})
}
