package foundation_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
)

// onePool is a configuration with a pool of the given size, full from the start.
func onePool(size int) *config.Config {
	return &config.Config{Pools: map[string]config.Pool{"p": {Worker: "test", Config: pool.Config{Size: size, MinIdle: size}}}}
}

func TestPoolHandleLendsNoWorkerAgainThatWasBrokenOff(t *testing.T) {
	var made factory
	f := open(t, foundation.Options{Kinds: made.kinds(), Config: onePool(1)})
	h, err := foundation.PoolOf[*worker](f, "p")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var broken *worker
	err = h.With(ctx, func(ctx context.Context, w *worker) error {
		broken = w
		cancel()
		return ctx.Err()
	})
	if err == nil {
		t.Error("the error of the function is lost")
	}
	err = h.With(t.Context(), func(_ context.Context, w *worker) error {
		if w == broken {
			t.Error("a worker whose caller gave up in the middle is lent again")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := h.With(t.Context(), nil); !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("without a function: %v", err)
	}
}

// driftingLayer is a layer over a file, and how to write that file.
func driftingLayer(t *testing.T) (*foundation.Foundation, func(text string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "foundation.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("version: 1\nbreakers: {a: {}}\n")
	return open(t, foundation.Options{ConfigFile: path}), write
}

func TestDriftIsWhatDiffersFromTheFileAndNotWhoSetIt(t *testing.T) {
	f, write := driftingLayer(t)
	expect := func(drifted bool, after string, err error) {
		t.Helper()
		if s := f.Status(); err != nil || s.Drifted != drifted {
			t.Errorf("after %s: error %v, drifted %v, source %s", after, err, s.Drifted, s.Source)
		}
	}
	expect(false, "the start", nil)
	expect(true, "adding", addBreaker(t.Context(), f, "b", config.Breaker{}))
	expect(false, "removing again", removeBreaker(t.Context(), f, "b"))
	now := f.Config().Current().Config
	next := now.Clone()
	next.Breakers["z"] = config.Breaker{Config: breaker.Config{FailureThreshold: 2}}
	_, err := f.Config().Apply(t.Context(), next, config.By{})
	expect(true, "applying a changed clone of what the file said", err)
	write("version: 1\nbreakers: {a: {}, z: {failure_threshold: 2}}\n")
	expect(false, "the file caught up", reload(t, f))
}

// foreign returns a section whose Prepare is the given one.
func foreign(prepare func() (config.Transition, error)) []config.Section {
	return []config.Section{{
		Name: "motto", New: func() any { return new(motto) },
		Prepare: func(context.Context, *config.Config, *config.Config, func(string) (*guard.Guard, error)) (config.Transition, error) {
			return prepare()
		},
	}}
}

func TestAChangeThatEndsEarlyLeavesNothingOpen(t *testing.T) {
	for name, prepare := range map[string]func() (config.Transition, error){
		"panic":   func() (config.Transition, error) { panic("as told") },
		"goexit":  func() (config.Transition, error) { runtime.Goexit(); return config.Transition{}, nil },
		"refusal": func() (config.Transition, error) { return config.Transition{}, errBoom },
		"commit panic": func() (config.Transition, error) {
			return config.Transition{Commit: func(config.Revision) { panic("as told") }}, nil
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { endEarly(t, prepare) }) })
	}
}

// endEarly applies a configuration whose foreign section ends as told, then one
// without pools, and looks for workers that are still there.
func endEarly(t *testing.T, prepare func() (config.Transition, error)) {
	var made factory
	calm := true
	f := open(t, foundation.Options{Kinds: made.kinds(), Sections: foreign(func() (config.Transition, error) {
		if calm {
			return config.Transition{}, nil
		}
		return prepare()
	})})
	attempt := func(cfg *config.Config) {
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() { _ = recover() }()
			_, _ = f.Config().Apply(t.Context(), cfg, config.By{})
		})
		wg.Wait()
	}
	calm = false
	attempt(onePool(2))
	attempt(&config.Config{Guards: map[string]config.Guard{"other": {}}})
	calm = true
	attempt(&config.Config{})
	synctest.Wait()
	if live := made.live.Load(); live != 0 {
		t.Errorf("%d workers live on in pools that nobody knows", live)
	}
}

func TestAChangeThatWasGivenUpIsAbandoned(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var committed, aborted int
	f := open(t, foundation.Options{Sections: foreign(func() (config.Transition, error) {
		if committed > 0 { // not at the start
			cancel()
		}
		return config.Transition{Commit: func(config.Revision) { committed++ }, Abort: func() { aborted++ }}, nil
	})})
	_, err := f.Config().Apply(ctx, &config.Config{Guards: map[string]config.Guard{"g": {}}}, config.By{})
	if !errors.Is(err, fault.Canceled) || committed != 1 || aborted != 1 {
		t.Errorf("error %v, committed %d, aborted %d", err, committed, aborted)
	}
}

func TestAGuardWhoseSettingsStayGetsThePartsThatWereMadeAnew(t *testing.T) {
	var made factory
	layer := func(members, label string) *config.Config {
		return parse(t, "breakers: {b: {per: key, max_members: "+members+"}}\n"+
			"pools: {p: {worker: test, options: {label: "+label+"}}}\nguards: {a: {breaker: b}, c: {pool: p}}\n", made.kinds())
	}
	f := open(t, foundation.Options{Kinds: made.kinds(), Config: layer("8", "x")})
	for _, next := range []*config.Config{layer("9", "x"), layer("9", "y")} {
		if _, err := f.Config().Apply(t.Context(), next, config.By{}); err != nil {
			t.Fatal(err)
		}
		a, _ := f.Guard("a")
		c, _ := f.Guard("c")
		group, _ := f.BreakerGroup("b")
		if p, _ := f.Pool("p"); a.Config().Breakers != group || c.Config().Pool != p {
			t.Error("a guard has the part that was replaced")
		}
	}
}
