package config_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// awayHistory is a history that may be away.
type awayHistory struct {
	config.History

	away  atomic.Bool // answers with unavailable
	hangs atomic.Bool // does not answer at all
	lies  atomic.Bool // adds, and says that it did not
}

func newAwayHistory() *awayHistory { return &awayHistory{History: config.NewMemoryHistory()} }

func (h *awayHistory) check(ctx context.Context) error {
	if h.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if h.away.Load() {
		return fault.New(fault.Spec{Code: fault.Unavailable, Message: "the storage is away"})
	}
	return nil
}

func (h *awayHistory) Add(ctx context.Context, r config.Record) error {
	if err := h.check(ctx); err != nil {
		return err
	}
	if err := h.History.Add(ctx, r); err != nil || !h.lies.Load() {
		return err
	}
	return fault.New(fault.Spec{Code: fault.Unavailable, Message: "the connection was lost"})
}

func (h *awayHistory) List(ctx context.Context, before uint64, limit int) ([]config.Record, error) {
	if err := h.check(ctx); err != nil {
		return nil, err
	}
	return h.History.List(ctx, before, limit)
}

func (h *awayHistory) Revision(ctx context.Context, number uint64) (config.Record, error) {
	if err := h.check(ctx); err != nil {
		return config.Record{}, err
	}
	return h.History.Revision(ctx, number)
}

func with(h config.History) func(*config.ServerOptions) {
	return func(o *config.ServerOptions) { o.History = h }
}

// served runs the part of a server that waits for the history, until the test ends.
func (f *fromFile) served(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	server := f.Server
	go func() { done <- server.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// records lists what the history has, the oldest first, as "2 api applied".
func records(t *testing.T, h config.History) []string {
	t.Helper()
	all, err := h.List(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(all))
	for i, r := range all {
		source := r.Source
		if strings.HasSuffix(source, ".yaml") {
			source = "file"
		}
		out[len(all)-1-i] = fmt.Sprintf("%d %s %s", r.Revision, source, r.Outcome)
	}
	return out
}

func wantRecords(t *testing.T, h config.History, want ...string) {
	t.Helper()
	if got := strings.Join(records(t, h), ", "); got != strings.Join(want, ", ") {
		t.Errorf("the history has %s, want %s", got, strings.Join(want, ", "))
	}
}

const small, other = "version: 1\nguards: { g: { timeout: 1s } }\n", "version: 1\nguards: { g: { timeout: 7s } }\n"

func (f *fromFile) setTimeout(t *testing.T, text string, by config.By) error {
	t.Helper()
	_, err := f.Update(t.Context(), "/guards/g/timeout", text, by)
	return err
}

func (f *fromFile) timeout() time.Duration { return f.Current().Config.Guards["g"].Timeout }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestScenario103_TheHistoryIsAwayForAWhile: what the file and code change applies at
// once and is recorded later, in its order; what comes through the API is refused.
func TestScenario103_TheHistoryIsAwayForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAwayHistory()
		f := serveFile(t, small, with(h))
		f.served(t)
		must(t, f.setTimeout(t, "2s", api))
		h.away.Store(true)
		began := time.Now()
		must(t, f.setTimeout(t, "3s", config.By{}))
		if err := f.setTimeout(t, "4s", api); !errors.Is(err, fault.Unavailable) || f.timeout() != 3*time.Second {
			t.Errorf("through the API: %v", err)
		}
		f.write(t, "version: 1\nguards: { g: { timeout: 5s } }\n")
		if _, err := f.Reload(t.Context(), config.By{}); err != nil || f.timeout() != 5*time.Second {
			t.Errorf("the file: %v", err)
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("changes waited for %v", waited)
		}
		if s := f.Status(); !strings.Contains(s.Attention, "3 records wait") || !strings.Contains(s.Attention, "the storage is away") {
			t.Errorf("attention: %q", s.Attention)
		}
		time.Sleep(10 * time.Second)
		h.away.Store(false)
		time.Sleep(5 * time.Second)
		if s := f.Status(); s.Attention != "" || s.Pending != 0 || s.Drifted {
			t.Errorf("%+v", s)
		}
		must(t, f.setTimeout(t, "6s", api))
		wantRecords(t, h, "1 file applied", "2 api applied", "3 code applied", "3 api refused", "4 file applied", "5 api applied")
		f.Close()
		if f.open(t); f.timeout() != 6*time.Second || f.Current().Number != 5 {
			t.Errorf("after the restart revision %d says %v", f.Current().Number, f.timeout())
		}
	})
}

// TestScenario103_TheHistoryIsAwayAtTheStart: the file is in force, and what the API had
// changed waits until somebody decides.
func TestScenario103_TheHistoryIsAwayAtTheStart(t *testing.T) {
	for name, tt := range map[string]struct {
		meanwhile func(*testing.T, *fromFile) // while it is away
		after     func(*testing.T, *fromFile) // when it is back
		pending   uint64
		discarded int
		restarted time.Duration
	}{
		"nothing happens":        {nil, nil, 2, 0, 2 * time.Second},
		"code changes something": {func(t *testing.T, f *fromFile) { must(t, f.setTimeout(t, "3s", config.By{})) }, nil, 2, 0, 2 * time.Second},
		"code does so later":     {nil, func(t *testing.T, f *fromFile) { must(t, f.setTimeout(t, "3s", config.By{})) }, 2, 0, 2 * time.Second},
		"the file changes":       {func(t *testing.T, f *fromFile) { f.reload(t, other) }, nil, 0, 1, 7 * time.Second},
		"the file was elsewhere": {func(t *testing.T, f *fromFile) { f.reload(t, other); f.reload(t, small) }, nil, 0, 1, time.Second},
		"a comment changes":      {func(t *testing.T, f *fromFile) { f.reload(t, small+"# a comment\n") }, nil, 2, 0, 2 * time.Second},
		"the file changes later": {nil, func(t *testing.T, f *fromFile) { f.reload(t, other) }, 0, 1, 7 * time.Second},
		"the API changes it":     {nil, func(t *testing.T, f *fromFile) { must(t, f.setTimeout(t, "9s", api)) }, 0, 0, 9 * time.Second},
		"it is rolled back to":   {nil, func(t *testing.T, f *fromFile) { _, err := f.Rollback(t.Context(), 2, api); must(t, err) }, 0, 0, 2 * time.Second},
		"it is discarded": {nil, func(t *testing.T, f *fromFile) {
			_, err := f.Reload(t.Context(), config.By{DiscardDrift: true})
			must(t, err)
		}, 0, 1, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, bus := newAwayHistory(), telemetry.NewBus()
				discarded := 0
				_, err := telemetry.Subscribe(bus, "test", func(_ context.Context, e config.DriftDiscarded) {
					if discarded++; e.Discarded != 2 || e.Why == "" {
						t.Errorf("%+v", e)
					}
				})
				must(t, err)
				f := serveFile(t, small, with(h), func(o *config.ServerOptions) { o.Bus = bus })
				must(t, f.setTimeout(t, "2s", api))
				f.Close()
				h.away.Store(true)
				f.open(t)
				f.served(t)
				if s := f.Status(); f.timeout() != time.Second || f.Current().Number != 1 || s.Attention == "" || s.Pending != 0 {
					t.Errorf("%v, %+v", f.timeout(), s)
				}
				if tt.meanwhile != nil {
					tt.meanwhile(t, f)
				}
				inForce := f.timeout()
				time.Sleep(10 * time.Second)
				h.away.Store(false)
				time.Sleep(5 * time.Second)
				if f.timeout() != inForce || f.Current().Number < 3 || f.Status().Attention != "" {
					t.Errorf("revision %d says %v, attention %q", f.Current().Number, f.timeout(), f.Status().Attention)
				}
				if tt.after != nil {
					tt.after(t, f)
				}
				if got := f.Status().Pending; got != tt.pending || discarded != tt.discarded {
					t.Errorf("revision %d is pending, want %d; %d were discarded, want %d", got, tt.pending, discarded, tt.discarded)
				}
				number := f.Current().Number
				if newest, err := f.Recorded(t.Context(), number); err != nil || newest.Text != f.Current().Config.String() {
					t.Errorf("recorded is %q, %v", newest.Text, err)
				}
				f.Close()
				if f.open(t); f.timeout() != tt.restarted || f.Current().Number < number || discarded != tt.discarded {
					t.Errorf("after the restart revision %d says %v, want %v", f.Current().Number, f.timeout(), tt.restarted)
				}
			})
		})
	}
}

func (f *fromFile) reload(t *testing.T, text string) {
	t.Helper()
	f.write(t, text)
	_, err := f.Reload(t.Context(), config.By{})
	must(t, err)
}

// A history that hangs holds up one change, for a while, and no other.
func TestScenario103_AHistoryThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAwayHistory()
		f := serveFile(t, small, with(h))
		f.served(t)
		h.hangs.Store(true)
		began := time.Now()
		must(t, f.setTimeout(t, "2s", config.By{}))
		if waited := time.Since(began); waited != 5*time.Second {
			t.Errorf("the first change waited for %v", waited)
		}
		must(t, f.setTimeout(t, "3s", config.By{}))
		if err := f.setTimeout(t, "4s", api); !errors.Is(err, fault.Unavailable) {
			t.Errorf("through the API: %v", err)
		}
		if waited := time.Since(began); waited != 5*time.Second {
			t.Errorf("others waited, too: %v", waited)
		}
		h.hangs.Store(false)
		time.Sleep(15 * time.Second)
		wantRecords(t, h, "1 file applied", "2 code applied", "3 code applied", "3 api refused")
	})
}

// A change that was refused because it could not be recorded does not come back at the
// next start, also if it was recorded in truth.
func TestScenario103_ARecordThatWasWrittenAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAwayHistory()
		f := serveFile(t, small, with(h))
		f.served(t)
		h.lies.Store(true)
		if err := f.setTimeout(t, "2s", api); !errors.Is(err, fault.Unavailable) || f.timeout() != time.Second {
			t.Fatalf("%v, %v", f.timeout(), err)
		}
		time.Sleep(time.Minute)
		h.lies.Store(false)
		time.Sleep(time.Minute)
		f.Close()
		if f.open(t); f.timeout() != time.Second {
			t.Errorf("a refused change is in force after the restart: %v", records(t, h))
		}
	})
}

// A change in force whose record was written all the same is not recorded a second time.
func TestScenario103_WhatWasWrittenAllTheSameIsNotWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAwayHistory()
		f := serveFile(t, small, with(h))
		h.lies.Store(true)
		must(t, f.setTimeout(t, "2s", config.By{}))
		h.lies.Store(false)
		must(t, f.setTimeout(t, "3s", config.By{})) // waits behind it
		f.served(t)
		time.Sleep(time.Minute)
		wantRecords(t, h, "1 file applied", "2 code applied", "3 code applied")
		if s := f.Status(); s.Attention != "" {
			t.Errorf("attention: %q", s.Attention)
		}
	})
}

func TestScenario103_WhatWaitsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAwayHistory()
		f := serveFile(t, small, with(h))
		h.away.Store(true)
		for i := range 2 * config.HistoryKept {
			must(t, f.setTimeout(t, fmt.Sprintf("%ds", i+2), config.By{}))
			if err := f.setTimeout(t, "1s", api); err == nil {
				t.Fatal("it was not refused")
			}
		}
		if s := f.Status(); !strings.Contains(s.Attention, "200 records wait") || !strings.Contains(s.Attention, "600 records were lost") {
			t.Errorf("attention: %q", s.Attention)
		}
		f.served(t)
		h.away.Store(false)
		time.Sleep(10 * time.Second)
		all := records(t, h)
		if len(all) != config.HistoryKept || all[0] != "202 code applied" || all[len(all)-1] != "401 code applied" {
			t.Errorf("%d records, from %s to %s", len(all), all[0], all[len(all)-1])
		}
		if s := f.Status(); !strings.Contains(s.Attention, "600 records were lost") || strings.Contains(s.Attention, "away") {
			t.Errorf("attention: %q", s.Attention)
		}
	})
}

func TestAHistoryThatIsNotAwayAndFailsRefusesTheStart(t *testing.T) {
	corrupt := &failing{config.NewMemoryHistory(), fault.New(fault.Spec{Code: fault.DataCorrupt, Message: "restore the backup"})}
	o := config.ServerOptions{Applier: anything{}, Config: &config.Config{}, History: corrupt}
	if _, err := config.NewServer(t.Context(), o); !errors.Is(err, fault.DataCorrupt) || !strings.Contains(err.Error(), "restore the backup") {
		t.Errorf("%v", err)
	}
}

// failing is a history that cannot be read.
type failing struct {
	config.History

	err error
}

func (f *failing) List(context.Context, uint64, int) ([]config.Record, error) { return nil, f.err }

func TestServe_RunsOnceAndEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAwayHistory()
		f := serveFile(t, small, with(h))
		done := make(chan error, 1)
		go func() { done <- f.Serve(t.Context()) }()
		synctest.Wait()
		if err := f.Serve(t.Context()); !errors.Is(err, fault.InvalidArgument) {
			t.Errorf("a second one: %v", err)
		}
		h.away.Store(true)
		must(t, f.setTimeout(t, "2s", config.By{}))
		time.Sleep(time.Minute)
		h.away.Store(false)
		f.Close() // what waits is written at the end
		if err := <-done; err != nil {
			t.Error(err)
		}
		wantRecords(t, h, "1 file applied", "2 code applied")
	})
}
