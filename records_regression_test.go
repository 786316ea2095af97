package foundation_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/registry"
)

// deaf is a store whose methods ignore their contexts while it is held.
type deaf struct {
	eventstore.Store
	held   atomic.Bool
	leave  chan struct{}
	calls  atomic.Int64 // of Stats
	closed atomic.Int64
}

func (d *deaf) wait() {
	if d.held.Load() {
		<-d.leave
	}
}

func (d *deaf) Append(ctx context.Context, events ...eventstore.Event) ([]eventstore.Event, error) {
	d.wait()
	return d.Store.Append(ctx, events...)
}

func (d *deaf) Stats(ctx context.Context) (eventstore.Stats, error) {
	d.calls.Add(1)
	d.wait()
	return d.Store.Stats(ctx)
}

func (d *deaf) Close() error {
	d.closed.Add(1)
	d.wait()
	return d.Store.Close()
}

func newDeaf(t *testing.T) *deaf {
	t.Helper()
	return &deaf{Store: newDisk(t).events, leave: make(chan struct{})}
}

// opens makes options for a layer whose storage is opened by open.
func opens(t *testing.T, text string, open foundation.Store) foundation.Options {
	t.Helper()
	o := newDisk(t).options(text)
	o.Stores["path"] = open
	return o
}

// A store that does not answer holds up neither the status nor the end of the layer.
func TestAStoreThatNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf(t)
		f, err := foundation.Open(t.Context(), opens(t, path+"breakers: {b: {}}\n", func(context.Context, string) (foundation.Storage, error) {
			return foundation.Storage{Events: d}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		before := f.Status().Storage.Events.Events
		d.held.Store(true)
		d.calls.Store(0)
		b, _ := f.Breaker("b")
		_ = b.Force(breaker.StateOpen, breaker.Override{Actor: "a", Reason: "r"})
		var all sync.WaitGroup
		began := time.Now()
		for range 20 {
			all.Go(func() {
				if s := f.Status().Storage; s.Events.Events != before {
					t.Errorf("%+v, want the last answer, %d", s, before)
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took > time.Second || d.calls.Load() != 1 {
			t.Errorf("the status took %v and asked the store %d times", took, d.calls.Load())
		}
		began = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		err = f.Close(ctx)
		if took := time.Since(began); !errors.Is(err, fault.Unavailable) || took > 10*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		if s := f.Status().Storage.Recorder; s.Waiting != 0 || s.Stored+s.Dropped != s.Emitted {
			t.Errorf("%+v", s)
		}
		close(d.leave)
	})
}

// A kind of storage that ignores its context holds up neither the opening of the layer, nor
// its start for longer than the configuration says. What it opens too late is taken, or
// closed if there is nobody to take it.
func TestAStorageThatTakesForEverToOpen(t *testing.T) {
	for name, given := range map[string]bool{"Open gives up": true, "Open starts without": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, leave := newDeaf(t), make(chan struct{})
				o := opens(t, path, func(context.Context, string) (foundation.Storage, error) {
					<-leave
					return foundation.Storage{Events: d}, nil
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if !given {
					ctx = t.Context()
				}
				began := time.Now()
				f, err := foundation.Open(ctx, o)
				took := time.Since(began)
				if given {
					if !errors.Is(err, fault.Canceled) || took > 2*time.Second {
						t.Errorf("%v after %v", err, took)
					}
					close(leave)
					synctest.Wait()
					if d.closed.Load() != 1 {
						t.Error("what came too late is still open")
					}
					return
				}
				if err != nil || took > 11*time.Second {
					t.Fatalf("%v after %v", err, took)
				}
				time.Sleep(time.Minute)
				if s := f.Status().Storage; !errors.Is(s.Err, fault.Unavailable) {
					t.Errorf("%+v", s)
				}
				close(leave)
				time.Sleep(10 * time.Second)
				if s := f.Status().Storage; s.Err != nil || s.Recorder.Waiting != 0 || s.Recorder.Dropped != 0 {
					t.Errorf("%+v", s)
				}
				if err := f.Close(t.Context()); err != nil || d.closed.Load() != 1 {
					t.Errorf("%v, closed %d times", err, d.closed.Load())
				}
			})
		})
	}
}

// Close while the storage is being opened again.
func TestCloseWhileTheStorageIsBeingOpened(t *testing.T) {
	for _, obeys := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			d, leave := newDeaf(t), make(chan struct{})
			first := true
			f, err := foundation.Open(t.Context(), opens(t, "storage: {path: ./data, wait: 1ms}\n", func(ctx context.Context, _ string) (foundation.Storage, error) {
				if first {
					first = false
					return foundation.Storage{}, away("not yet")
				}
				if obeys {
					<-ctx.Done()
					return foundation.Storage{}, ctx.Err()
				}
				<-leave
				return foundation.Storage{Events: d}, nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			began := time.Now()
			err = f.Close(t.Context())
			if took := time.Since(began); took > 6*time.Second || !errors.Is(err, fault.Unavailable) { // what waits is lost
				t.Errorf("%v after %v", err, took)
			}
			close(leave)
			synctest.Wait()
			if want := map[bool]int64{false: 1}[obeys]; d.closed.Load() != want {
				t.Errorf("closed %d times, want %d", d.closed.Load(), want)
			}
		})
	}
}

func TestAStorageThatFailsToOpenInOtherWays(t *testing.T) {
	for name, open := range map[string]foundation.Store{
		"boom":                func(context.Context, string) (foundation.Storage, error) { panic("boom") },
		"ended the goroutine": func(context.Context, string) (foundation.Storage, error) { runtime.Goexit(); panic("unreachable") },
		"opened nothing":      func(context.Context, string) (foundation.Storage, error) { return foundation.Storage{}, nil },
		"of the test, refused": func(context.Context, string) (foundation.Storage, error) {
			return foundation.Storage{}, errors.New(" of the test, refused")
		},
	} {
		if _, err := foundation.Open(t.Context(), opens(t, path, open)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever closes the feed that the registry knows closes the storage, once.
func TestTheStorageIsClosedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, closed := newDeaf(t), 0
		f, err := foundation.Open(t.Context(), opens(t, path, func(context.Context, string) (foundation.Storage, error) {
			return foundation.Storage{Events: d, Close: func() error { closed++; return nil }}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		feed, err := registry.Lookup[*eventstore.Feed](f.Registry(), "foundation", "events")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := feed.Close(); err != nil {
				t.Error(err)
			}
		}
		_ = f.Close(t.Context())
		if d.closed.Load() != 1 || closed != 1 {
			t.Errorf("closed %d and %d times", d.closed.Load(), closed)
		}
	})
}

// A Close whose time is used up, by pools or by its caller, still stores what waits.
func TestCloseInHasteStoresWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		f, err := foundation.Open(t.Context(), d.options(path+"breakers: {b: {}}\n"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		b, _ := f.Breaker("b")
		_ = b.Force(breaker.StateOpen, breaker.Override{Actor: "a", Reason: "r"})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = f.Close(ctx) // the services may not have ended at once
		if got := d.recorded(t); !slices.Contains(got, "circuit_breaker.state_change b") {
			t.Errorf("recorded %q", got)
		}
	})
}

// A store that answers only when its context ends opens the breaker in front of it, and is
// said in the status.
func TestAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		f, err := foundation.Open(t.Context(), opens(t, path, func(context.Context, string) (foundation.Storage, error) {
			return foundation.Storage{Events: hangs{d.events}}, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		own, _ := f.Breaker("foundation.events")
		if s := f.Status().Storage; s.Err == nil || own.Status().State == breaker.StateClosed {
			t.Errorf("%+v, %+v", s, own.Status())
		}
		_ = f.Close(t.Context())
	})
}

type hangs struct{ eventstore.Store }

func (hangs) Append(ctx context.Context, _ ...eventstore.Event) ([]eventstore.Event, error) {
	<-ctx.Done()
	return nil, fault.New(fault.Spec{Code: fault.Canceled, Component: "test", Cause: ctx.Err()})
}
