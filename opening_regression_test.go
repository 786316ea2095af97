package foundation_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// soon is when a call that its context bounds has to be back once that has ended.
const soon = time.Second

// reluctant makes kinds of worker, one more awkward than the other, that open no pool
// in time.
type reluctant struct{ made, live atomic.Int64 }

func (r *reluctant) worker() *worker {
	r.live.Add(1)
	return &worker{id: r.made.Add(1)}
}

func (r *reluctant) functions(construct func(context.Context) error) pool.Factory[*worker] {
	return pool.Factory[*worker]{
		New: func(ctx context.Context) (*worker, error) {
			if err := construct(ctx); err != nil {
				return nil, err
			}
			return r.worker(), nil
		},
		Close: func(*worker) { r.live.Add(-1) },
	}
}

// kinds are a factory that hangs until its context ends, one that ignores its context,
// and a kind that does not even get as far as a pool.
func (r *reluctant) kinds() map[string]pool.Kind {
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	ignores := func(context.Context) error { time.Sleep(time.Hour); return nil }
	at := func(construct func(context.Context) error) pool.Kind {
		return pool.KindOf(func(workerOptions) (pool.Factory[*worker], error) { return r.functions(construct), nil })
	}
	return map[string]pool.Kind{
		"fine": at(func(context.Context) error { return nil }), "hangs": at(hangs), "ignores": at(ignores),
		"stuck": pool.KindOf(func(workerOptions) (pool.Factory[*worker], error) {
			time.Sleep(time.Hour)
			return r.functions(func(context.Context) error { return nil }), nil
		}),
	}
}

// strictPools are a pool that starts and one that does not.
func strictPools(worker string) *config.Config {
	settings := pool.Config{Start: pool.Strict, Size: 1, CreateTimeout: 10 * time.Minute}
	return &config.Config{Pools: map[string]config.Pool{"a": {Worker: "fine", Config: settings}, "b": {Worker: worker, Config: settings}}}
}

func TestTheContextOfOpenBoundsTheOpeningOfPools(t *testing.T) {
	for _, worker := range []string{"hangs", "ignores", "stuck"} {
		t.Run(worker, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r reluctant
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				begun := time.Now()
				_, err := foundation.Open(ctx, foundation.Options{Config: strictPools(worker), Kinds: r.kinds()})
				if took := time.Since(begun); took < 5*time.Second || took > 5*time.Second+soon {
					t.Errorf("it took %v", took)
				}
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"b"`) {
					t.Errorf("it says %v", err)
				}
				if worker == "hangs" && r.live.Load() != 0 {
					t.Errorf("%d workers are open", r.live.Load())
				}
				time.Sleep(2 * time.Hour) // until what ignores its context has returned
				if r.live.Load() != 0 {
					t.Errorf("%d workers were left open", r.live.Load())
				}
			})
		})
	}
}

func TestTheContextOfApplyBoundsTheOpeningOfPools(t *testing.T) {
	for _, worker := range []string{"hangs", "ignores", "stuck"} {
		t.Run(worker, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r reluctant
				f := open(t, foundation.Options{Kinds: r.kinds()})
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				begun := time.Now()
				applied, err := f.Config().Apply(ctx, strictPools(worker), config.By{})
				if took := time.Since(begun); took > 5*time.Second+soon {
					t.Errorf("it took %v", took)
				}
				if applied.Revision != 1 || !errors.Is(err, context.DeadlineExceeded) || len(names(f).pools) != 0 {
					t.Errorf("revision %d, pools %v: %v", applied.Revision, names(f).pools, err)
				}
				if _, err := f.Config().Apply(t.Context(), strictPools("fine"), config.By{}); err != nil {
					t.Errorf("the next change: %v", err)
				}
				time.Sleep(2 * time.Hour)
				if r.live.Load() != 2 {
					t.Errorf("%d workers are open, 2 of them ours", r.live.Load())
				}
			})
		})
	}
}

// Close does not wait for an opening that ignores its context, and ends a change that
// waits for a pool.
func TestCloseWaitsForNoOpening(t *testing.T) {
	for _, worker := range []string{"hangs", "ignores", "stuck"} {
		t.Run(worker, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r reluctant
				f, err := foundation.Open(t.Context(), foundation.Options{Kinds: r.kinds()})
				if err != nil {
					t.Fatal(err)
				}
				changes := make(chan error, 2)
				for range 2 { // one opens the pool, the other waits for its turn
					go func() {
						_, err := f.Config().Apply(context.Background(), strictPools(worker), config.By{})
						changes <- err
					}()
				}
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				begun := time.Now()
				if err := f.Close(ctx); err != nil || time.Since(begun) > 5*time.Second+soon {
					t.Errorf("it took %v: %v", time.Since(begun), err)
				}
				for range 2 {
					if err := <-changes; !errors.Is(err, fault.Closed) {
						t.Errorf("the change: %v", err)
					}
				}
				time.Sleep(2 * time.Hour)
				if r.live.Load() != 0 {
					t.Errorf("%d workers were left open", r.live.Load())
				}
			})
		})
	}
}

// strange is a kind of worker that ends Open as it is told to.
type strange struct {
	pool.Kind
	open func() (pool.Managed, error)
}

func (s strange) Open(context.Context, string, pool.Config, any, ...pool.Option) (pool.Managed, error) {
	return s.open()
}

func TestAKindThatMisbehavesChangesNothing(t *testing.T) {
	var r reluctant
	base := r.kinds()["fine"]
	for about, end := range map[string]func() (pool.Managed, error){
		"panics":   func() (pool.Managed, error) { panic("as told") },
		"exits":    func() (pool.Managed, error) { runtime.Goexit(); return nil, nil },
		"nothing":  func() (pool.Managed, error) { return nil, nil },
		"an error": func() (pool.Managed, error) { return nil, errBoom },
	} {
		t.Run(about, func(t *testing.T) {
			kinds := map[string]pool.Kind{"fine": base, "strange": strange{base, end}}
			f := open(t, foundation.Options{Kinds: kinds})
			var err error
			var caught any
			var wg sync.WaitGroup
			wg.Go(func() {
				defer func() { caught = recover() }()
				_, err = f.Config().Apply(t.Context(), strictPools("strange"), config.By{})
			})
			wg.Wait()
			switch about {
			case "panics":
				if caught != "as told" {
					t.Errorf("the panic became %v", caught)
				}
			case "nothing":
				if !errors.Is(err, fault.InvalidArgument) || !strings.Contains(err.Error(), "strange") {
					t.Errorf("it says %v", err)
				}
			case "an error":
				if !errors.Is(err, errBoom) {
					t.Errorf("it says %v", err)
				}
			}
			if left := names(f).pools; len(left) != 0 {
				t.Errorf("it has %v", left)
			}
			apply(t, f, strictPools("fine"))
		})
	}
}

// Nil kinds and options are refused with the name of the pool, in every entry point.
func TestNilKindsAndOptionsAreRefused(t *testing.T) {
	var none *kindOfNothing
	var made factory
	kinds := map[string]pool.Kind{"nil": nil, "pointer": none, "test": made.kinds()["test"]}
	for about, p := range map[string]config.Pool{
		"a nil kind": {Worker: "nil"}, "a nil pointer to a kind": {Worker: "pointer"},
		"nil options": {Worker: "test", Options: (*workerOptions)(nil)},
	} {
		cfg := &config.Config{Pools: map[string]config.Pool{"orders": p}}
		if _, err := foundation.Open(t.Context(), foundation.Options{Kinds: kinds, Config: cfg}); !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), "pools.orders") {
			t.Errorf("Open with %s: %v", about, err)
		}
		f := open(t, foundation.Options{Kinds: kinds})
		if _, err := f.Config().Plan(cfg); !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("Plan with %s: %v", about, err)
		}
		if err := edit(t.Context(), f, func(c *config.Config) { c.Pools["orders"] = p }); !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("Edit with %s: %v", about, err)
		}
	}
}

type kindOfNothing struct{ pool.Kind }
