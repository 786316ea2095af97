package eventstore_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// mute is a store that tells nobody of its commits.
type mute struct{ eventstore.Store }

func add(t *testing.T, s eventstore.Store, kind string) {
	t.Helper()
	if _, err := s.Append(context.WithoutCancel(t.Context()), eventstore.Event{Type: kind}); err != nil {
		t.Error(err)
	}
}

// follow returns what one reader sees, and when.
func follow(t *testing.T, f *eventstore.Feed, q eventstore.Query) (<-chan string, func()) {
	t.Helper()
	seen := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(seen)
		for e, err := range f.Tail(ctx, q) {
			if err != nil {
				if !errors.Is(err, fault.Canceled) || !errors.Is(err, context.Canceled) {
					t.Errorf("tail ended with %v", err)
				}
				return
			}
			seen <- e.Type
		}
	}()
	return seen, cancel
}

func TestFeed_HearsWhatPassesThroughIt(t *testing.T) {
	for name, quiet := range map[string]bool{"a store that notifies": false, "a store that does not": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newMemory(t, eventstore.MemoryOptions{})
				if quiet {
					store = mute{store}
				}
				f := eventstore.NewFeed(store, 0)
				add(t, f, "old")
				seen, stop := follow(t, f, eventstore.Query{Type: "?*", Limit: 1})
				synctest.Wait()
				begin := time.Now()
				add(t, f, "one")
				add(t, f, "two")
				synctest.Wait()
				stop()
				synctest.Wait()
				for _, want := range []string{"old", "one", "two", ""} {
					if got := <-seen; got != want {
						t.Errorf("saw %q, want %q", got, want)
					}
				}
				if time.Since(begin) > 0 {
					t.Error("it was waited for")
				}
			})
		})
	}
}

func TestFeed_HearsWhatTheStoreSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory(t, eventstore.MemoryOptions{})
		f := eventstore.NewFeed(store, 0)
		seen, stop := follow(t, f, eventstore.Query{})
		synctest.Wait()
		add(t, store, "beside")
		synctest.Wait()
		if len(seen) != 1 {
			t.Errorf("%d events seen, want 1", len(seen))
		}
		stop()
	})
}

func TestFeed_LooksForWhatNobodySays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory(t, eventstore.MemoryOptions{})
		f := eventstore.NewFeed(mute{store}, time.Second)
		seen, stop := follow(t, f, eventstore.Query{})
		time.Sleep(10 * time.Second)
		begin := time.Now()
		add(t, store, "beside")
		<-seen
		if took := time.Since(begin); took > time.Second {
			t.Errorf("seen after %v, want 1s at most", took)
		}
		stop()
	})
}

func TestFeed_ASlowReaderHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := eventstore.NewFeed(newMemory(t, eventstore.MemoryOptions{}), 0)
		n := 0
		add(t, f, "first")
		for _, err := range f.Tail(t.Context(), eventstore.Query{Limit: 2}) {
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				for range 50 { // while the reader stands still
					add(t, f, "more")
				}
			}
			if n++; n == 51 {
				break
			}
		}
	})
}
