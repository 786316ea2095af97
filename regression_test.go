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
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
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
	expect(true, "adding", f.AddBreaker(t.Context(), "b", config.Breaker{}))
	expect(false, "removing again", f.RemoveBreaker(t.Context(), "b"))
	now, _, _ := f.Config()
	next := now.Clone()
	next.Breakers["z"] = config.Breaker{Config: breaker.Config{FailureThreshold: 2}}
	_, err := f.Apply(t.Context(), next)
	expect(true, "applying a changed clone of what the file said", err)
	write("version: 1\nbreakers: {a: {}, z: {failure_threshold: 2}}\n")
	expect(false, "the file caught up", f.Reload(t.Context()))
}

func TestPrepareMayLookAtALayerThatIsBeingOpened(t *testing.T) {
	open(t, foundation.Options{Prepare: func(f *foundation.Foundation, _ *config.Config) (func(), error) {
		f.Collect(func(telemetry.Sample) {})
		if at, err := f.LastReload(); at.IsZero() || err != nil || f.Status().Revision != 0 {
			t.Errorf("read at %v, %v; %+v", at, err, f.Status())
		}
		return func() {}, nil
	}})
}

func TestAChangeThatEndsEarlyLeavesNothingOpen(t *testing.T) {
	for name, guest := range map[string]func() (func(), error){
		"panic":        func() (func(), error) { panic("as told") },
		"goexit":       func() (func(), error) { runtime.Goexit(); return func() {}, nil },
		"refusal":      func() (func(), error) { return nil, errBoom },
		"commit panic": func() (func(), error) { return func() { panic("as told") }, nil },
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { endEarly(t, guest) }) })
	}
}

// endEarly applies a configuration whose guest ends as told, then one without
// pools, and looks for workers that are still there.
func endEarly(t *testing.T, guest func() (func(), error)) {
	var made factory
	calm := true
	f := open(t, foundation.Options{Kinds: made.kinds(), Prepare: func(*foundation.Foundation, *config.Config) (func(), error) {
		if calm {
			return func() {}, nil
		}
		return guest()
	}})
	attempt := func(cfg *config.Config) {
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() { _ = recover() }()
			_, _ = f.Apply(t.Context(), cfg)
		})
		wg.Wait()
	}
	calm = false
	attempt(onePool(2))
	attempt(&config.Config{Namespace: "other"})
	calm = true
	attempt(&config.Config{})
	synctest.Wait()
	if live := made.live.Load(); live != 0 {
		t.Errorf("%d workers live on in pools that nobody knows", live)
	}
}

func TestPrepareIsNotAskedAboutAChangeThatWasGivenUp(t *testing.T) {
	var made factory
	ctx, cancel := context.WithCancel(t.Context())
	kinds := map[string]pool.Kind{"test": pool.KindOf(func(workerOptions) (pool.Factory[*worker], error) {
		cancel()
		return pool.Funcs[*worker]{Make: func(context.Context) (*worker, error) { return &worker{id: made.made.Add(1)}, nil }}, nil
	})}
	asked := false
	f := open(t, foundation.Options{Kinds: kinds, Prepare: func(*foundation.Foundation, *config.Config) (func(), error) {
		asked = true
		return func() {}, nil
	}})
	asked = false
	if _, err := f.Apply(ctx, onePool(1)); !errors.Is(err, fault.Canceled) || asked {
		t.Errorf("error %v, asked %v", err, asked)
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
		if _, err := f.Apply(t.Context(), next); err != nil {
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
