package foundation_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/supervise"
	"github.com/elixirscope/foundation/telemetry"
)

// switched is a kind of check whose targets are switched off by name.
type switched struct {
	down, runs map[string]*atomic.Int64
	made       atomic.Int64
}

func newSwitched(targets ...string) *switched {
	s := &switched{down: map[string]*atomic.Int64{}, runs: map[string]*atomic.Int64{}}
	for _, t := range targets {
		s.down[t], s.runs[t] = new(atomic.Int64), new(atomic.Int64)
	}
	return s
}

func (s *switched) kinds() map[string]health.Kind {
	return map[string]health.Kind{"test": func(target string) (func(context.Context) error, error) {
		if s.runs[target] == nil {
			return nil, errors.New("there is no such target")
		}
		s.made.Add(1)
		return func(context.Context) error {
			s.runs[target].Add(1)
			if s.down[target].Load() != 0 {
				return errors.New("connection refused")
			}
			return nil
		}, nil
	}}
}

func configOf(t *testing.T, text string, o foundation.Options) *config.Config {
	t.Helper()
	c, err := config.Parse("foundation.yaml", []byte("version: 1\n"+text), config.ParseOptions{Registry: config.Registry{Kinds: o.Kinds, Checks: o.Checks}})
	if err != nil {
		t.Fatal(config.Render(err))
	}
	return c
}

func component(t *testing.T, f *foundation.Foundation, name string) health.Component {
	t.Helper()
	c, ok := f.Health().Report().Find(name)
	if !ok {
		t.Fatalf("health has no %s", name)
	}
	return c
}

func trip(t *testing.T, f *foundation.Foundation, name string) *breaker.Breaker {
	t.Helper()
	b, err := f.Breaker(name)
	if err != nil {
		t.Fatal(err)
	}
	for b.State() == breaker.StateClosed {
		_ = b.Do(t.Context(), boom)
	}
	return b
}

// An open breaker is a warning: the layer does what it is there for. It decides over
// liveness, readiness or the whole only where the configuration says so, and not any more
// once its cooldown is over: without traffic it would get no probe, and never close.
func TestHealth_AnOpenBreakerDecidesOnlyWhereConfigured(t *testing.T) {
	for name, tt := range map[string]struct {
		parts       string
		whole, own  health.Status
		ready, live bool
	}{
		"by default": {"", health.Warn, health.Warn, true, true},
		"readiness":  {"breakers/payments: { readiness: true }", health.Warn, health.Fail, false, true},
		"liveness":   {"breakers/payments: { liveness: true }", health.Warn, health.Fail, true, false},
		"hard":       {"breakers/payments: { criticality: hard }", health.Fail, health.Fail, true, true},
		"optional":   {"breakers/payments: { criticality: optional }", health.Pass, health.Warn, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := open(t, foundation.Options{Config: parse(t, "breakers: { payments: { consecutive_failures: 1, cooldown: 30s } }\nhealth: { parts: { "+tt.parts+" } }", nil)})
				time.Sleep(2 * time.Second)
				if r := f.Health().Report(); r.Status != health.Pass || r.Score != 100 || !r.Ready || !r.Live {
					t.Fatalf("before: %+v", r)
				}
				b := trip(t, f, "payments")
				time.Sleep(2 * time.Second)
				r := f.Health().Report()
				if c := component(t, f, "breakers/payments"); c.Status != tt.own || !strings.Contains(c.Output, "consecutive failures 1 of 1") || c.See != "get breakers payments" {
					t.Errorf("the breaker: %+v", c)
				}
				if r.Status != tt.whole || r.Ready != tt.ready || r.Live != tt.live {
					t.Errorf("open: %v, ready %v, live %v; want %v, %v, %v", r.Status, r.Ready, r.Live, tt.whole, tt.ready, tt.live)
				}
				time.Sleep(30 * time.Second)
				if r := f.Health().Report(); !r.Ready || !r.Live || component(t, f, "breakers/payments").Status != health.Warn {
					t.Errorf("after the cooldown: ready %v, live %v: the probe needs traffic", r.Ready, r.Live)
				}
				if err := b.Do(t.Context(), fine); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Second)
				if r := f.Health().Report(); r.Status != health.Pass {
					t.Errorf("closed again: %v", r.Status)
				}
			})
		})
	}
}

func TestHealth_EveryPartContributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(t)
		dir := t.TempDir()
		file := filepath.Join(dir, "foundation.yaml")
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write("version: 1\nstorage: { path: x, wait: 1s }\nhealth: {}\nbreakers: { a: {}, hosts: { per: key, consecutive_failures: 1 } }\npools: { db: { worker: test, size: 1 } }\n")
		o := foundation.Options{ConfigFile: file, Stores: map[string]foundation.Store{"path": d.open}}
		o.Kinds = map[string]pool.Kind{"test": pool.KindOf(func(workerOptions) (pool.Factory[*worker], error) {
			return pool.Factory[*worker]{New: func(context.Context) (*worker, error) { return nil, errors.New("password=hunter2") }}, nil
		})}
		o.Sections = []config.Section{{Name: "mine", New: func() any { return new(struct{}) }, Health: func(emit func(health.Component)) {
			emit(health.Component{Name: "mine/queue", Status: health.Warn, Output: "it is long"})
		}}}
		f := open(t, o)
		if err := f.Supervise("mailer", supervise.Func(func(context.Context) error { return supervise.Permanent(errors.New("no route")) })); err != nil {
			t.Fatal(err)
		}
		p, err := f.Pool("db")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = p.Checkout(t.Context(), pool.CheckoutOptions{Timeout: time.Second})
		group, err := f.BreakerGroup("hosts")
		if err != nil {
			t.Fatal(err)
		}
		_ = group.For("one").Do(t.Context(), boom)
		d.gone.Store(true)
		if err := addBreaker(t.Context(), f, "b", config.Breaker{}); err != nil {
			t.Fatal(err)
		}
		write("version: 1\nbreakers: { c: { nonsense: true } }\n")
		_ = reload(t, f)
		time.Sleep(10 * time.Second)
		for name, want := range map[string]string{
			"pools/db": "cannot make workers", "services/mailer": "no route", "storage/path": "the disk is gone", "config/reload": "refused",
			"config/drift": "not what the file says", "breakers/hosts": "1 of 1 members", "mine/queue": "long",
		} {
			c := component(t, f, name)
			if c.Status != health.Warn || !strings.Contains(c.Output, want) || c.See == "" && name != "mine/queue" {
				t.Errorf("%s: %v, %q, see %q; want a warning with %q", name, c.Status, c.Output, c.See, want)
			}
			if strings.Contains(c.Output, "hunter2") {
				t.Errorf("%s tells a secret: %s", name, c.Output)
			}
		}
		if c := component(t, f, "breakers/a"); c.Status != health.Pass {
			t.Errorf("a part that is well: %+v", c)
		}
		if r := f.Health().Report(); r.Status != health.Warn || !r.Ready || !r.Live {
			t.Errorf("the whole: %v, ready %v, live %v", r.Status, r.Ready, r.Live)
		}
		if shown, ok := f.Health().Report().Group("pools"); !ok || len(shown.Components) != 1 {
			t.Errorf("each section is a group: %v, %+v", ok, shown)
		}
		d.gone.Store(false)
		time.Sleep(10 * time.Second) // what waits is stored
		if c := component(t, f, "storage/path"); c.Status != health.Pass {
			t.Errorf("the storage is back: %+v", c)
		}
	})
}

func TestHealth_ChecksFollowTheConfigurationLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kind := newSwitched("a", "b", "c")
		o := foundation.Options{Checks: kind.kinds()}
		o.Config = configOf(t, "health: { checks: { one: { kind: test, target: a, every: 10s }, two: { kind: test, target: b, every: 10s } } }", o)
		f := open(t, o)
		time.Sleep(45 * time.Second)
		before := component(t, f, "one")
		set := func(change func(h *config.Health)) {
			t.Helper()
			if err := edit(t.Context(), f, func(c *config.Config) { change(c.Health) }); err != nil {
				t.Fatal(err)
			}
		}
		set(func(h *config.Health) {
			one, two := h.Checks["one"], h.Checks["two"]
			one.Criticality, two.Target = health.Hard, "c"
			h.Checks["one"], h.Checks["two"] = one, two
			h.Checks["three"] = config.HealthCheck{Kind: "test", Target: "a", Config: health.Config{DependsOn: []string{"one"}}}
		})
		if c := component(t, f, "one"); c.Check.Runs[health.Passed] != before.Check.Runs[health.Passed] || c.Status != health.Pass || c.Criticality != health.Hard || !c.Since.Equal(before.Since) {
			t.Errorf("the state of a check that goes on was lost: %+v", c)
		}
		time.Sleep(time.Second)
		if c := component(t, f, "two"); c.Check.Runs[health.Passed] != 1 || kind.runs["c"].Load() != 1 {
			t.Errorf("a check with another target begins anew, at once: %+v", c.Check)
		}
		kind.down["a"].Store(1)
		time.Sleep(40 * time.Second)
		if c := component(t, f, "three"); !c.Impacted || f.Health().Report().Status != health.Fail {
			t.Errorf("got %+v", c)
		}
		if err := edit(t.Context(), f, func(c *config.Config) { c.Health = &config.Health{Off: true} }); err != nil {
			t.Fatal(err)
		}
		runs := kind.runs["a"].Load()
		time.Sleep(time.Minute)
		if now := kind.runs["a"].Load(); now != runs {
			t.Errorf("%d runs while health was off", now-runs)
		}
		if r := f.Health().Report(); r.Status != health.Pass {
			t.Errorf("while it is off: %v", r.Status)
		}
		if err := edit(t.Context(), f, func(c *config.Config) {
			c.Health = &config.Health{Checks: map[string]config.HealthCheck{"one": {Kind: "test", Target: "b"}}}
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if c := component(t, f, "one"); c.Status != health.Pass {
			t.Errorf("on again: %+v", c)
		}
		if err := edit(t.Context(), f, func(c *config.Config) {
			delete(c.Health.Checks, "one")
			c.Health.Checks["x"] = config.HealthCheck{Kind: "tset"}
		}); !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), `did you mean "test"`) {
			t.Errorf("an unknown kind: %v", err)
		}
	})
}

// A check that a program has added goes on through changes of the configuration, and its
// name cannot be taken by the file.
func TestHealth_ChecksInCodeStandBesideThoseOfTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kind := newSwitched("a")
		f := open(t, foundation.Options{Checks: kind.kinds(), Config: &config.Config{Health: &config.Health{}}})
		if err := f.Health().Add(health.Check{Name: "mine", Run: fine}); err != nil {
			t.Fatal(err)
		}
		err := edit(t.Context(), f, func(c *config.Config) {
			c.Health.Checks = map[string]config.HealthCheck{"mine": {Kind: "test", Target: "a"}}
		})
		if !errors.Is(err, fault.AlreadyExists) {
			t.Errorf("the file takes the name of a check of the program: %v", err)
		}
		if err := edit(t.Context(), f, func(c *config.Config) {
			c.Health.Checks = map[string]config.HealthCheck{"theirs": {Kind: "test", Target: "a"}}
		}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if component(t, f, "mine").Status != health.Pass || component(t, f, "theirs").Status != health.Pass {
			t.Error("one of them does not run")
		}
	})
}

// pinged is a worker that can be asked whether it is alive.
type pinged struct{ dead *atomic.Bool }

func (p pinged) Ping(context.Context) error {
	if p.dead.Load() {
		return errors.New("server closed the connection")
	}
	return nil
}

func TestHealth_ADatabaseIsAskedThroughItsPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dead atomic.Bool
		o := foundation.Options{Kinds: map[string]pool.Kind{"test": pool.KindOf(func(workerOptions) (pool.Factory[pinged], error) {
			return pool.Factory[pinged]{New: func(context.Context) (pinged, error) { return pinged{&dead}, nil }}, nil
		})}}
		o.Config = configOf(t, "pools: { db: { worker: test, size: 1, checkout_timeout: 500ms } }\nhealth: { checks: { db: { sql: db, every: 10s, criticality: hard } } }", o)
		f := open(t, o)
		time.Sleep(time.Second)
		if c := component(t, f, "db"); c.Status != health.Pass {
			t.Fatalf("%+v", c)
		}
		p, err := f.Pool("db")
		if err != nil {
			t.Fatal(err)
		}
		loan, err := p.Checkout(t.Context(), pool.CheckoutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(45 * time.Second)
		if c := component(t, f, "db"); c.Status != health.Warn || !strings.Contains(c.Output, "no connection of the pool was free") {
			t.Errorf("all connections are borrowed: %v, %q", c.Status, c.Output)
		}
		p.Return(loan, pool.Reuse)
		dead.Store(true)
		time.Sleep(45 * time.Second)
		if c := component(t, f, "db"); c.Status != health.Fail || c.Output != "server closed the connection" {
			t.Errorf("the server is away: %v, %q", c.Status, c.Output)
		}
		if s := p.Status(); s.CheckedOut != 0 {
			t.Errorf("%d connections were not given back", s.CheckedOut)
		}
	})
}

// Readiness goes off first of all when the layer ends, and liveness stays.
func TestHealth_DrainsWithTheLayer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, foundation.Options{Config: &config.Config{Health: &config.Health{}}})
		var ready, live bool
		if err := f.Supervise("slow", supervise.Func(func(ctx context.Context) error {
			<-ctx.Done()
			r := f.Health().Report()
			ready, live = r.Ready, r.Live
			return nil
		})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if !f.Health().Report().Ready {
			t.Fatal("it is not ready")
		}
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ready || !live {
			t.Errorf("while services stop: ready %v, live %v", ready, live)
		}
	})
}

// Without the section nothing runs, and what the parts say can be asked all the same.
func TestHealth_WithoutTheSectionNothingRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, foundation.Options{Config: parse(t, "breakers: { payments: { consecutive_failures: 1 } }", nil)})
		trip(t, f, "payments")
		if len(f.Status().Services) != 0 {
			t.Error("a service runs")
		}
		if c := component(t, f, "breakers/payments"); c.Status != health.Warn {
			t.Errorf("got %+v", c)
		}
		f.Collect(func(s telemetry.Sample) {
			if strings.HasPrefix(s.Desc.Name, "foundation_health") {
				t.Errorf("series %s", s.Desc.Name)
			}
		})
	})
}

// SCENARIOS 84, as far as health goes: memory that is critical sheds load, and neither
// liveness nor readiness changes.
func TestScenario84_CriticalMemoryStaysAliveAndReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, foundation.Options{Config: &config.Config{Health: &config.Health{}, Memory: &config.Memory{}}})
		m, err := f.Memory()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the manager runs
		for _, tt := range []struct {
			level memory.Level
			whole health.Status
		}{{memory.Elevated, health.Pass}, {memory.High, health.Warn}, {memory.Critical, health.Warn}} {
			if err := m.Simulate(tt.level, time.Minute, "test", "to see health"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			r := f.Health().Report()
			c := component(t, f, "memory/level")
			if c.Status != health.Warn || !strings.Contains(c.Output, tt.level.String()) || r.Status != tt.whole || !r.Ready || !r.Live {
				t.Errorf("%v: %v, %q; the whole %v, ready %v, live %v", tt.level, c.Status, c.Output, r.Status, r.Ready, r.Live)
			}
		}
		time.Sleep(2 * time.Minute)
		if c := component(t, f, "memory/level"); c.Status != health.Pass {
			t.Errorf("after it: %+v", c)
		}
	})
}
