package foundation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

func apply(t *testing.T, f *foundation.Foundation, cfg *config.Config) {
	t.Helper()
	if _, err := f.Config().Apply(t.Context(), cfg, config.By{}); err != nil {
		t.Fatal(err)
	}
}

func TestUnchangedNamesKeepTheirState(t *testing.T) {
	var made factory
	f := open(t, foundation.Options{Config: parse(t, allParts, made.kinds()), Kinds: made.kinds()})
	g, _ := f.Guard("checkout")
	r, _ := f.RateLimit("client")
	p, _ := f.Pool("db")
	for range 3 {
		_ = g.Do(t.Context(), boom)
	}
	text := strings.NewReplacer("failure_threshold: 3", "failure_threshold: 30", "limit: 5", "limit: 6", "size: 2", "size: 1", "timeout: 2s", "timeout: 3s").Replace(allParts)
	apply(t, f, parse(t, text, made.kinds()))
	if b, _ := f.Breaker("payments"); b.State() != breaker.StateOpen || b.Status().Config.FailureThreshold != 30 {
		t.Errorf("the breaker is %v with %+v", b.State(), b.Status().Config)
	}
	if d := r.Peek(ratelimit.Key{}); d.Remaining != 3 || d.Limit != 6 {
		t.Errorf("of 6, 3 used, remain %d of %d", d.Remaining, d.Limit)
	}
	if now, _ := f.Pool("db"); now != p || p.Config().Size != 1 {
		t.Errorf("the pool is another, or has size %d", p.Config().Size)
	}
	if again, _ := f.Guard("checkout"); again != g {
		t.Error("the guard's handle is another")
	}
}

// PEERS 16: editing any threshold closes an open breaker (sentinel-golang).
func TestPeer16_EditingAThresholdLeavesAnOpenBreakerOpen(t *testing.T) {
	f := open(t, foundation.Options{Config: parse(t, "breakers: { b: { failure_threshold: 1, cooldown: 1h } }\nguards: { g: { breaker: b } }", nil)})
	g, _ := f.Guard("g")
	_ = g.Do(t.Context(), boom)
	for _, setting := range []string{"failure_threshold: 9", "window: 1m", "probes: 3", "failure_ratio: 0.5", "cooldown: 2h"} {
		apply(t, f, parse(t, "breakers: { b: { "+setting+" } }\nguards: { g: { breaker: b } }", nil))
		if err := g.Do(t.Context(), fine); !errors.Is(err, fault.CircuitOpen) {
			t.Errorf("after %s: %v", setting, err)
		}
	}
}

func TestHandlesFollowTheirName(t *testing.T) {
	f := open(t, foundation.Options{Config: parse(t, "guards: { g: {}, other: {} }", nil)})
	g, err := f.Guard("g")
	if err != nil {
		t.Fatal(err)
	}
	apply(t, f, parse(t, "guards: { other: {} }", nil))
	if err := g.Do(t.Context(), fine); !errors.Is(err, fault.NotFound) {
		t.Errorf("a removed guard: %v", err)
	}
	if _, err := f.Guard("g"); !errors.Is(err, fault.NotFound) {
		t.Errorf("asking for it: %v", err)
	}
	apply(t, f, parse(t, "breakers: { b: { failure_threshold: 1 } }\nguards: { other: {}, g: { breaker: b } }", nil))
	_ = g.Do(t.Context(), boom)
	if err := g.Do(t.Context(), fine); !errors.Is(err, fault.CircuitOpen) {
		t.Errorf("the name is back with a breaker: %v", err)
	}
}

// Scenario 10: what is created again under a name starts closed.
func TestScenario10_ABreakerThatComesBackIsNew(t *testing.T) {
	f := open(t, foundation.Options{Config: parse(t, "breakers: { b: { failure_threshold: 1 } }", nil)})
	b, _ := f.Breaker("b")
	stale := b.Allow()
	b.Force(breaker.StateOpen, breaker.Override{Actor: "ops", Reason: "test"})
	if err := removeBreaker(t.Context(), f, "b"); err != nil {
		t.Fatal(err)
	}
	if err := addBreaker(t.Context(), f, "b", config.Breaker{Config: breaker.Config{FailureThreshold: 1}}); err != nil {
		t.Fatal(err)
	}
	stale.Failure(errBoom)
	if now, _ := f.Breaker("b"); now.State() != breaker.StateClosed {
		t.Errorf("it is %v", now.State())
	}
}

func TestPoolIsOpenedAnewForOtherWorkers(t *testing.T) {
	var made factory
	f := open(t, foundation.Options{Config: parse(t, allParts, made.kinds()), Kinds: made.kinds()})
	old, _ := f.Pool("db")
	h, err := foundation.PoolOf[*worker](f, "db")
	if err != nil {
		t.Fatal(err)
	}
	lease, err := h.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	apply(t, f, parse(t, strings.Replace(allParts, "size: 2", "size: 2, options: { label: new }", 1), made.kinds()))
	if now, _ := f.Pool("db"); now == old {
		t.Fatal("it is the same pool")
	}
	if err := h.With(t.Context(), func(_ context.Context, w *worker) error {
		if w.id != 2 {
			t.Errorf("the handle lends worker %d", w.id)
		}
		return nil
	}); err != nil {
		t.Errorf("the handle: %v", err)
	}
	lease.Release() // the old pool waits for it
}

func TestScenario86_ARefusedChangeChangesNothing(t *testing.T) {
	var made factory
	f := open(t, foundation.Options{Config: parse(t, allParts, made.kinds()), Kinds: made.kinds()})
	bad := parse(t, strings.Replace(allParts, "pools: {", "pools: { a: { worker: test, start: strict }, z: { worker: test, options: { fail: true } },", 1)+"  new: {}\n", made.kinds())
	before := fmt.Sprint(names(f).guards, names(f).pools)
	applied, err := f.Config().Apply(t.Context(), bad, config.By{})
	if err == nil || applied.Revision != 1 || fmt.Sprint(names(f).guards, names(f).pools) != before {
		t.Errorf("revision %d, %v; has %v %v", applied.Revision, err, names(f).guards, names(f).pools)
	}
	if now := f.Config().Current().Number; now != 1 {
		t.Errorf("revision %d", now)
	}
	if applied, err := f.Config().Apply(t.Context(), parse(t, "guards: { g: {} }", nil), config.By{}); applied.Revision != 2 || err != nil {
		t.Errorf("the next valid one: %d, %v", applied.Revision, err)
	}
}

func TestPlanSaysWhatApplyWouldDo(t *testing.T) {
	var made factory
	f := open(t, foundation.Options{Config: parse(t, allParts, made.kinds()), Kinds: made.kinds()})
	planned, err := f.Config().Plan(parse(t, strings.Replace(allParts, "size: 2", "size: 1", 1), made.kinds()))
	if err != nil || len(planned.Changes) != 1 || planned.Changes[0].Effect != "shrinks 2 → 1 by attrition" || planned.Revision != 1 {
		t.Errorf("%v, %v", planned, err)
	}
	if _, err := f.Config().Plan(&config.Config{Guards: map[string]config.Guard{"g": {Pool: "nope"}}}); !errors.Is(err, fault.InvalidConfig) {
		t.Errorf("a faulty one: %v", err)
	}
	if _, err := f.Config().Plan(nil); !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("nil: %v", err)
	}
	if _, err := f.Config().Apply(t.Context(), nil, config.By{}); !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("nil: %v", err)
	}
}

func TestPartsAreAddedAndRemovedAtRunTime(t *testing.T) {
	var made factory
	f := open(t, foundation.Options{Kinds: made.kinds()})
	for i, change := range []func(*config.Config){
		func(c *config.Config) { c.Breakers["b"] = config.Breaker{} },
		func(c *config.Config) { c.RateLimits["r"] = config.RateLimit{Config: ratelimit.Config{Limit: 1}} },
		func(c *config.Config) { c.Pools["p"] = config.Pool{Worker: "test"} },
		func(c *config.Config) { c.Guards["g"] = config.Guard{Breaker: "b", RateLimit: "r", Pool: "p"} },
		func(c *config.Config) { delete(c.Guards, "g") },
		func(c *config.Config) { delete(c.Breakers, "b") },
		func(c *config.Config) { delete(c.RateLimits, "r") },
		func(c *config.Config) { delete(c.Pools, "p") },
	} {
		if err := edit(t.Context(), f, change); err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if now := f.Config().Current(); now.Number != 9 || len(config.Diff(now.Config, &config.Config{})) > 0 {
		t.Errorf("eight changes made revision %d:\n%v", now.Number, now.Config)
	}
}

func TestAPartInUseCannotBeRemoved(t *testing.T) {
	var made factory
	f := open(t, foundation.Options{Config: parse(t, allParts, made.kinds()), Kinds: made.kinds()})
	for what, remove := range map[string]func(*config.Config){
		`breakers; did`: func(c *config.Config) { delete(c.Breakers, "payments") },
		`"client"`:      func(c *config.Config) { delete(c.RateLimits, "client") },
		`"all"`:         func(c *config.Config) { delete(c.RateLimits, "all") },
		`"db"`:          func(c *config.Config) { delete(c.Pools, "db") },
	} {
		if err := edit(t.Context(), f, remove); !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), strings.TrimSuffix(what, "; did")) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestEdit(t *testing.T) {
	f := open(t, foundation.Options{Config: parse(t, "guards: { g: {} }", nil)})
	before := f.Config().Current()
	if _, err := f.Config().Edit(t.Context(), func(c *config.Config) error {
		c.Guards["half"] = config.Guard{}
		return errBoom
	}, config.By{}); !errors.Is(err, errBoom) {
		t.Errorf("the error of the edit: %v", err)
	}
	if now := f.Config().Current(); now.Number != 1 || len(config.Diff(now.Config, before.Config)) > 0 {
		t.Errorf("an edit that failed left revision %d", now.Number)
	}
	applied, err := f.Config().Edit(t.Context(), func(c *config.Config) error {
		c.Guards["new"] = config.Guard{Config: guard.Config{Timeout: time.Second}}
		return nil
	}, config.By{Actor: "alice", Reason: "test", Seen: 1})
	if err != nil || applied.Revision != 2 || applied.Actor != "alice" || applied.Reason != "test" || len(applied.Changes) != 1 {
		t.Errorf("%+v, %v", applied, err)
	}
	if _, shared := before.Config.Guards["new"]; shared {
		t.Error("the edit changed the configuration that others look at")
	}
	if _, err := f.Config().Edit(t.Context(), func(*config.Config) error { return nil }, config.By{Seen: 1}); !errors.Is(err, fault.Conflict) {
		t.Errorf("an edit of a revision that was overtaken: %v", err)
	}
}

func TestAnEditThatPanicsLeavesTheServerUsable(t *testing.T) {
	f := open(t, foundation.Options{})
	func() {
		defer func() { _ = recover() }()
		_ = edit(t.Context(), f, func(*config.Config) { panic("as told") })
	}()
	if err := addGuard(t.Context(), f, "g", config.Guard{}); err != nil {
		t.Error(err)
	}
}

func TestRulesChangeTheirParents(t *testing.T) {
	const rules = "rate_limits: { a: { limit: 9%s }, b: { limit: 9%s }, c: { limit: 9%s } }"
	f := open(t, foundation.Options{Config: parse(t, fmt.Sprintf(rules, "", ", parent: a", ", parent: b"), nil)})
	apply(t, f, parse(t, fmt.Sprintf(rules, ", parent: b", ", parent: c", ""), nil)) // turned round
	for name, want := range map[string]string{"a": "b", "b": "c", "c": ""} {
		r, _ := f.RateLimit(name)
		if got := r.Status().Parent; got != want {
			t.Errorf("the parent of %s is %q, want %q", name, got, want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("version: 1\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// PEERS 26: a bad reload stops reloading for good; a full channel drops the
// newest configuration (Polly, dskit).
func TestPeer26_ABadReloadKeepsTheOldAndTheNextGoodOneWorks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "foundation.yaml")
	write(t, path, "guards: { a: {} }")
	f := open(t, foundation.Options{ConfigFile: path})
	good, err := lastReload(f)
	if err != nil || time.Since(good) > time.Minute {
		t.Errorf("after Open: %v, %v", good, err)
	}
	for range 3 {
		write(t, path, "guards: { b: { breaker: nope } }")
		if err := reload(t, f); !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), "foundation.yaml:2:25") {
			t.Errorf("a bad file: %v", err)
		}
		if _, err := lastReload(f); err == nil || reloaded(f) != 0 {
			t.Errorf("last reload: %v, metric %v", err, reloaded(f))
		}
		if a, err := f.Guard("a"); err != nil || a.Do(t.Context(), fine) != nil {
			t.Errorf("the old configuration is gone: %v", err)
		}
	}
	write(t, path, "guards: { c: {} }")
	if err := reload(t, f); err != nil {
		t.Fatal(err)
	}
	if _, err := lastReload(f); err != nil || reloaded(f) != 1 {
		t.Errorf("last reload: %v", err)
	}
	if got := fmt.Sprint(names(f).guards); got != "[c]" {
		t.Errorf("guards %s", got)
	}
}

func reloaded(f *foundation.Foundation) (value float64) {
	f.Collect(func(s telemetry.Sample) {
		if s.Desc.Name == "foundation_config_last_reload_successful" {
			value = s.Value
		}
	})
	return value
}

func TestReloadOfTheSameFileKeepsChangesMadeSince(t *testing.T) {
	path := filepath.Join(t.TempDir(), "foundation.yaml")
	write(t, path, "guards: { a: {} }")
	f := open(t, foundation.Options{ConfigFile: path})
	if err := addGuard(t.Context(), f, "b", config.Guard{}); err != nil {
		t.Fatal(err)
	}
	if err := reload(t, f); err != nil {
		t.Fatal(err)
	}
	if s := f.Status(); fmt.Sprint(names(f).guards) != "[a b]" || !s.Drifted || s.Revision != 2 {
		t.Errorf("guards %v, drifted %v, revision %d", names(f).guards, s.Drifted, s.Revision)
	}
	write(t, path, "guards: { c: {} }")
	if err := reload(t, f); err != nil {
		t.Fatal(err)
	}
	if s := f.Status(); fmt.Sprint(names(f).guards) != "[c]" || s.Drifted || s.Source != path {
		t.Errorf("guards %v, drifted %v", names(f).guards, s.Drifted)
	}
}

func TestScenario85_OneNotificationPerRevisionInOrder(t *testing.T) {
	bus := telemetry.NewBus()
	f := open(t, foundation.Options{Bus: bus})
	var got []string
	var nested bool
	if _, err := telemetry.Subscribe(bus, "test", func(ctx context.Context, e config.Applied) {
		got = append(got, fmt.Sprint(e.Revision, len(e.Changes)))
		if !nested { // a handler may change the configuration itself
			nested = true
			if err := addGuard(ctx, f, "nested", config.Guard{}); err != nil {
				t.Error(err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	var rejected []config.Rejected
	if _, err := telemetry.Subscribe(bus, "rejected", func(_ context.Context, e config.Rejected) { rejected = append(rejected, e) }); err != nil {
		t.Fatal(err)
	}
	apply(t, f, parse(t, "guards: { a: {}, b: {} }", nil))
	apply(t, f, parse(t, "guards: { a: {} }", nil))
	_, _ = f.Config().Apply(t.Context(), &config.Config{Guards: map[string]config.Guard{"x": {Pool: "nope"}}}, config.By{})
	if want := "[2 2 3 1 4 2]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if len(rejected) != 1 || rejected[0].Revision != 4 || !errors.Is(rejected[0].Err, fault.InvalidConfig) {
		t.Errorf("rejected: %+v", rejected)
	}
}

func TestNotificationsSurviveAHandlerThatEndsItsGoroutine(t *testing.T) {
	bus := telemetry.NewBus()
	f := open(t, foundation.Options{Bus: bus})
	var got []uint64
	for _, id := range []string{"exits", "counts"} {
		if _, err := telemetry.Subscribe(bus, id, func(_ context.Context, e config.Applied) {
			if id == "exits" {
				exit()
			}
			got = append(got, e.Revision)
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = addGuard(context.Background(), f, fmt.Sprint("g", i), config.Guard{})
		}()
		<-done
	}
	if fmt.Sprint(got) != "[2 3 4]" {
		t.Errorf("got %v", got)
	}
}

func TestAForeignSectionHasASayInEveryChange(t *testing.T) {
	var inForce string
	refusal := fault.New(fault.Spec{Code: fault.InvalidConfig, Component: "gateway", Name: "refused"})
	section := config.Section{
		Name: "motto", New: func() any { return new(motto) },
		Prepare: func(_ context.Context, _, next *config.Config, guards func(string) (*guard.Guard, error)) (config.Transition, error) {
			text := config.SectionOf[motto](next, "motto").Text
			if text == "refused" {
				return config.Transition{}, refusal
			}
			return config.Transition{Commit: func(config.Revision) {
				if g, err := guards("g"); err != nil || g.Config().Timeout != next.Guards["g"].Timeout {
					t.Errorf("the new parts are not in force yet: %v", err)
				}
				inForce = text
			}}, nil
		},
	}
	registry := config.Registry{Sections: []config.Section{section}}
	read := func(text string) *config.Config {
		c, err := config.Parse("foundation.yaml", []byte("version: 1\n"+text), config.ParseOptions{Registry: registry})
		if err != nil {
			t.Fatal(config.Render(err))
		}
		return c
	}
	f := open(t, foundation.Options{Config: read("motto: { text: first }\nguards: { g: {} }"), Sections: registry.Sections})
	if inForce != "first" {
		t.Errorf("after Open %q is in force", inForce)
	}
	if _, err := f.Config().Apply(t.Context(), read("motto: { text: refused }\nguards: { g: { timeout: 1s } }"), config.By{}); !errors.Is(err, fault.InvalidConfig) {
		t.Errorf("got %v", err)
	}
	if now := f.Config().Current(); inForce != "first" || now.Number != 1 || now.Config.Guards["g"].Timeout != 0 {
		t.Errorf("a refused change left %q, revision %d", inForce, now.Number)
	}
	apply(t, f, read("motto: { text: second }\nguards: { g: { timeout: 3s } }"))
	if inForce != "second" {
		t.Errorf("%q is in force", inForce)
	}
}

// motto is the settings of a foreign section.
type motto struct {
	Text string `yaml:"text"`
}

// Two operators who look at the same revision and both change it: elsewhere the
// second undoes what the first did, without either noticing.
func TestApply_OfThoseWhoSawTheSameRevisionOneWins(t *testing.T) {
	f := open(t, foundation.Options{Config: parse(t, "guards: { g: {} }", nil)})
	var wg sync.WaitGroup
	var won, lost atomic.Int32
	for i := range 16 {
		cfg := parse(t, fmt.Sprintf("guards: { g: { timeout: %ds } }", i+1), nil)
		wg.Go(func() {
			switch _, err := f.Config().Apply(t.Context(), cfg, config.By{Seen: 1}); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, fault.Conflict):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if revision := f.Config().Current().Number; won.Load() != 1 || lost.Load() != 15 || revision != 2 {
		t.Errorf("%d won, %d lost, revision %d", won.Load(), lost.Load(), revision)
	}
	if _, err := f.Config().Apply(t.Context(), nil, config.By{Seen: 2}); !errors.Is(err, fault.InvalidArgument) {
		t.Error(err)
	}
}
