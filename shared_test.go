package foundation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// server is what several layers share: counters, instances, and what can be wrong with it.
type server struct {
	shared.Store

	gone     atomic.Bool
	warnings []string
	opened   atomic.Int64
	closed   atomic.Int64

	mu    sync.Mutex // guards what follows
	beats map[string]shared.Instance
	until map[string]time.Time
}

func newServer() *server {
	return &server{Store: shared.NewMemoryStore(nil), beats: map[string]shared.Instance{}, until: map[string]time.Time{}}
}

func (s *server) there() error {
	if s.gone.Load() {
		return away("connection refused")
	}
	return nil
}

func (s *server) Take(ctx context.Context, r shared.Rule, k ratelimit.Key, cost int64) (ratelimit.Decision, error) {
	if err := s.there(); err != nil {
		return ratelimit.Decision{}, err
	}
	if k.Text() == "spoilt" {
		return ratelimit.Decision{}, fault.New(fault.Spec{Code: fault.DataCorrupt, Component: "test", Message: "somebody else's value"})
	}
	return s.Store.Take(ctx, r, k, cost)
}

func (s *server) Beat(_ context.Context, self shared.Instance, ttl time.Duration) (all []shared.Instance, err error) {
	if err := s.there(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	self.Seen = now
	s.beats[self.ID], s.until[self.ID] = self, now.Add(ttl)
	for _, id := range slices.Sorted(maps.Keys(s.beats)) {
		if s.until[id].After(now) {
			all = append(all, s.beats[id])
		}
	}
	return all, nil
}

func (s *server) Leave(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.beats, id)
	return s.there()
}

func (s *server) Inspect(context.Context) (string, []string, error) {
	return "test 1.0", s.warnings, s.there()
}

// instances is how many it has heard of and not left.
func (s *server) instances() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.beats)
}

// open is what a layer opens it by.
func (s *server) open(context.Context, config.Shared, string) (foundation.SharedStore, error) {
	s.opened.Add(1)
	return foundation.SharedStore{Store: s, Close: func() error { s.closed.Add(1); return nil }}, nil
}

const sharedRule = "namespace: shop\nshared: { redis: one }\nrate_limits: { r: { limit: 10, per: 1h, scope: shared } }\n"

// openShared opens a layer that uses the server.
func openShared(t *testing.T, s *server, text string, more ...func(*foundation.Options)) *foundation.Foundation {
	t.Helper()
	cfg, err := config.Parse("f.yaml", []byte("version: 1\n"+text), config.ParseOptions{})
	if err != nil {
		t.Fatal(config.Render(err))
	}
	o := foundation.Options{Config: cfg, Shared: s.open}
	for _, change := range more {
		change(&o)
	}
	f, err := foundation.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return f
}

// admitted is how many of n calls a layer admits, and where the last was decided.
func admitted(t *testing.T, f *foundation.Foundation, n int) (ok int, at ratelimit.Source) {
	t.Helper()
	l, err := f.RateLimit("r")
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		d := l.Allow(ratelimit.KeyOf("k"))
		at = d.Source
		if d.OK {
			ok++
		}
	}
	return ok, at
}

func TestShared_LayersCountTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a, b := openShared(t, s, sharedRule), openShared(t, s, sharedRule)
		first, at := admitted(t, a, 6)
		second, _ := admitted(t, b, 20)
		if first != 6 || second != 4 || at != ratelimit.Shared {
			t.Errorf("%d and %d calls were admitted of a limit of 10, the first decided %v", first, second, at)
		}
	})
}

// The store that is away at the start holds nothing up, is said, decides over no readiness, and is taken when it comes.
func TestShared_AStoreThatIsAwayHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.gone.Store(true)
		var lines bytes.Buffer
		f := openShared(t, s, sharedRule, func(o *foundation.Options) { o.Logger = slog.New(slog.NewTextHandler(&lines, nil)) })
		<-time.After(5 * time.Second) // without a call
		if ok, at := admitted(t, f, 20); ok != 10 || at != ratelimit.Fallback {
			t.Errorf("%d calls of a limit of 10 were admitted, decided %v", ok, at)
		}
		st, report := f.Status().Shared, f.Health().Report()
		if st == nil || !st.Away || !strings.Contains(st.Cause, "connection refused") || st.Err == nil {
			t.Errorf("its status is %+v", st)
		}
		store, _ := report.Find("shared/store")
		if !report.Ready || !report.Live || store.Status.String() != "warn" || !strings.Contains(store.Output, "calls of 1 of 1 rules are counted by this process alone") {
			t.Errorf("ready %v, live %v, %+v", report.Ready, report.Live, store)
		}
		if own, _ := report.Find("breakers/foundation.shared"); own.Status.String() != "pass" && !own.Impacted {
			t.Errorf("the breaker is a cause of its own: %+v", own)
		}
		s.gone.Store(false)
		<-time.After(5 * time.Second)
		if ok, at := admitted(t, f, 20); ok != 10 || at == ratelimit.Fallback {
			t.Errorf("when it is back %d calls were admitted, decided %v", ok, at)
		}
		if st := f.Status().Shared; st.Away || st.Err != nil || len(st.InstancesStatus.Instances) != 1 || st.Server != "test 1.0" {
			t.Errorf("when it is back its status is %+v", st)
		}
		f.Close(t.Context())
		for text, n := range map[string]int{"the shared store is away": 1, "the shared store is back": 1, "counted_locally=r": 1, "rate limits are shared": 1, "breaker is": 0, "circuit_open": 0} {
			if got := strings.Count(lines.String(), text); got != n {
				t.Errorf("%q is logged %d times:\n%s", text, got, &lines)
			}
		}
	})
}

// A rule that is shared, and is no longer, goes on from what it has counted itself.
func TestShared_ScopeIsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		f := openShared(t, s, strings.Replace(sharedRule, "shared }", "local }", 1))
		scope := func(to config.Scope) {
			t.Helper()
			if err := edit(t.Context(), f, func(c *config.Config) {
				r := c.RateLimits["r"]
				r.Scope = to
				c.RateLimits["r"] = r
			}); err != nil {
				t.Fatal(err)
			}
		}
		for i, step := range []struct {
			to        config.Scope
			calls, ok int
			at        ratelimit.Source
		}{
			{config.ScopeLocal, 7, 7, ratelimit.Local},
			{config.ScopeShared, 4, 4, ratelimit.Shared},
			{config.ScopeLocal, 4, 3, ratelimit.Local},
			{config.ScopeShared, 9, 6, ratelimit.Shared},
		} {
			if i > 0 {
				scope(step.to)
			}
			if ok, at := admitted(t, f, step.calls); ok != step.ok || at != step.at && at != ratelimit.Cached {
				t.Errorf("step %d: %d of %d calls were admitted, decided %v", i+1, ok, step.calls, at)
			}
			if rules := f.Status().Shared.Rules; len(rules) != int(step.to) {
				t.Errorf("step %d: the store counts %v", i+1, rules)
			}
		}
	})
}

// The section comes, names another store, and goes, while local rules keep what they know and every
// store that was opened is closed, and only after this process has left it.
func TestShared_TheSectionIsLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newServer(), newServer()
		f := openShared(t, one, "namespace: shop\nrate_limits: { r: { limit: 10, per: 1h } }\n", func(o *foundation.Options) {
			o.Shared = func(ctx context.Context, s config.Shared, namespace string) (foundation.SharedStore, error) {
				if namespace != "shop" {
					t.Errorf("opened for the namespace %q", namespace)
				}
				return map[config.Secret]*server{"one": one, "two": two}[s.Redis].open(ctx, s, namespace)
			}
		})
		admitted(t, f, 4)
		change := func(redis config.Secret, timeout time.Duration) {
			t.Helper()
			if err := edit(t.Context(), f, func(c *config.Config) {
				c.Shared = &config.Shared{Redis: redis, Timeout: timeout}
				if redis == "" {
					c.Shared = nil
				}
			}); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
		state := func() string {
			return fmt.Sprint(one.opened.Load(), one.closed.Load(), one.instances(), " ", two.opened.Load(), two.closed.Load(), two.instances())
		}
		for _, step := range []struct {
			redis   config.Secret
			timeout time.Duration
			want    string
		}{
			{"one", 0, "1 0 1 0 0 0"}, {"one", 20 * time.Millisecond, "1 0 1 0 0 0"}, {"two", 0, "1 1 0 1 0 1"}, {"", 0, "1 1 0 1 1 0"}, {"one", 0, "2 1 1 1 1 0"},
		} {
			change(step.redis, step.timeout)
			if got := state(); got != step.want {
				t.Errorf("%+v: opened, closed, instances are %s", step, got)
			}
		}
		if ok, at := admitted(t, f, 20); ok != 6 || at != ratelimit.Local {
			t.Errorf("the local rule admits %d more, decided %v", ok, at)
		}
	})
}

func TestShared_WhatWasOpenedForARefusedChangeIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		f := openShared(t, s, "namespace: shop\n", func(o *foundation.Options) {
			o.Sections = []config.Section{{Name: "late", New: func() any { return new(struct{}) }, Prepare: func(_ context.Context, old, _ *config.Config, _ func(string) (*guard.Guard, error)) (config.Transition, error) {
				if old.Version != 0 {
					return config.Transition{}, errors.New("no")
				}
				return config.Transition{}, nil
			}}}
		})
		err := edit(t.Context(), f, func(c *config.Config) { c.Shared = &config.Shared{Redis: "one"} })
		if err == nil || s.opened.Load() != 1 || s.closed.Load() != 1 || f.Status().Shared != nil {
			t.Errorf("%v; opened %d, closed %d", err, s.opened.Load(), s.closed.Load())
		}
	})
}

func TestShared_AProgramWithoutAStoreRefusesTheSection(t *testing.T) {
	_, err := foundation.Open(t.Context(), foundation.Options{Config: &config.Config{Namespace: "shop", Shared: &config.Shared{Redis: "x"}}})
	if !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), "Options.Shared") {
		t.Error(err)
	}
}

// What the store cannot do counts against it; a key that somebody else has spoilt, and a caller without time, do not.
func TestShared_TheGuardOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		f := openShared(t, s, sharedRule)
		state := func() breaker.State {
			b := f.Status().Breakers
			return b[slices.IndexFunc(b, func(b breaker.Status) bool { return b.Name == "foundation.shared" })].State
		}
		l, err := f.RateLimit("r")
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			l.Allow(ratelimit.KeyOf("spoilt"))
		}
		if state() != breaker.StateClosed || f.Status().Shared.Away {
			t.Errorf("a spoilt key: %v, %+v", state(), f.Status().Shared)
		}
		s.gone.Store(true)
		admitted(t, f, 20)
		<-time.After(5 * time.Second)
		if state() == breaker.StateClosed || !f.Status().Shared.Away {
			t.Errorf("away: %v, %+v", state(), f.Status().Shared)
		}
	})
}

func TestShared_WarningsAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.warnings = []string{"maxmemory-policy is allkeys-lru: counters may be dropped"}
		var lines bytes.Buffer
		f := openShared(t, s, sharedRule, func(o *foundation.Options) { o.Logger = slog.New(slog.NewTextHandler(&lines, nil)) })
		<-time.After(time.Minute)
		if c, _ := f.Health().Report().Find("shared/store"); c.Status.String() != "warn" || !strings.Contains(c.Output, "allkeys-lru") {
			t.Errorf("health: %+v", c)
		}
		f.Close(t.Context())
		if n := strings.Count(lines.String(), "allkeys-lru"); n != 1 {
			t.Errorf("logged %d times:\n%s", n, &lines)
		}
	})
}
