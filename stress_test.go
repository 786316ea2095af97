package foundation_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
)

func exit() { runtime.Goexit() }

// Scenario 84c: calls while the configuration changes all the time. No call is
// lost or refused, and each sees the parts of one revision: the pool and the
// timeout of a guard change together.
func TestScenario84c_CallsWhileTheConfigurationChanges(t *testing.T) {
	var made factory
	f := open(t, foundation.Options{Kinds: made.kinds(), Config: revisionConfig(0)})
	withPool, err := f.Guard("db")
	if err != nil {
		t.Fatal(err)
	}
	db, err := guard.Bind[*worker](withPool)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := f.Guard("plain")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var calls, changes atomic.Int64
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for ctx.Err() == nil {
				if err := plain.Do(context.Background(), func(ctx context.Context) error { calls.Add(1); return nil }); err != nil {
					t.Errorf("a call was lost: %v", err)
					return
				}
				if _, err := guard.DoWith(context.Background(), db, guard.Call{}, sameRevision); err != nil {
					t.Errorf("a call with a worker was lost: %v", err)
					return
				}
				calls.Add(1)
			}
		})
	}
	for i := 1; ctx.Err() == nil; i++ {
		if _, err := f.Config().Apply(context.Background(), revisionConfig(i), config.By{}); err != nil {
			t.Errorf("change %d: %v", i, err)
			break
		}
		changes.Add(1)
	}
	running.Wait()
	t.Logf("%d calls during %d changes", calls.Load(), changes.Load())
	if calls.Load() == 0 || changes.Load() == 0 {
		t.Error("nothing happened")
	}
}

// sameRevision checks that the worker and the time limit of a call belong
// together: n hours for workers with the label n.
func sameRevision(ctx context.Context, w *worker) (int64, error) {
	deadline, _ := ctx.Deadline()
	if hours := time.Until(deadline).Round(time.Hour).Hours(); w.label != strconv.Itoa(int(hours)) {
		return 0, fmt.Errorf("a worker of revision %s under a time limit of %v hours", w.label, hours)
	}
	return w.id, nil
}

// revisionConfig differs from its neighbours in every kind of part.
func revisionConfig(i int) *config.Config {
	n := i%2 + 1
	return &config.Config{
		Breakers:   map[string]config.Breaker{"b": {Config: breaker.Config{FailureThreshold: n}}},
		RateLimits: map[string]config.RateLimit{"r": {Config: ratelimit.Config{Limit: int64(n) << 40}}},
		Pools: map[string]config.Pool{"p": {
			Worker: "test", Config: pool.Config{Size: 16 + n, CheckoutTimeout: time.Minute}, Options: &workerOptions{Label: strconv.Itoa(n)},
		}},
		Guards: map[string]config.Guard{
			"plain": {Breaker: "b", RateLimit: "r", Config: guard.Config{Timeout: time.Duration(n) * time.Hour}},
			"db":    {Pool: "p", Breaker: "b", Config: guard.Config{Timeout: time.Duration(n) * time.Hour}},
		},
	}
}

// Scenario 87: random valid and faulty updates, from several sides at once; what
// is in force is always valid and always what the last success said.
func TestScenario87_RandomUpdatesAreAlwaysValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, err := foundation.Open(context.Background(), foundation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close(context.Background()) }()
		updates := rapid.SliceOfN(rapid.Custom(randomConfig), 1, 12).Draw(t, "updates")
		var sides sync.WaitGroup
		for side := range 3 {
			sides.Go(func() {
				for i := side; i < len(updates); i += 3 {
					_, faults := updates[i].Validate(config.Registry{})
					valid := faults == nil
					if _, err := f.Config().Apply(context.Background(), updates[i], config.By{}); (err == nil) != valid {
						t.Errorf("valid is %v, but %v", valid, err)
					}
					cfg := f.Config().Current().Config
					if _, err := cfg.Validate(config.Registry{}); err != nil {
						t.Errorf("what is in force is not valid: %v", err)
					}
				}
			})
		}
		sides.Wait()
		cfg := f.Config().Current().Config
		for name := range cfg.Guards {
			g, err := f.Guard(name)
			if err != nil {
				t.Errorf("guard %s: %v", name, err)
				continue
			}
			if err := g.Do(context.Background(), fine); err != nil && !errors.Is(err, fault.RateLimited) {
				t.Errorf("guard %s: %v", name, err)
			}
		}
		if len(names(f).guards) != len(cfg.Guards) || len(names(f).breakers) != len(cfg.Breakers) || len(names(f).limits) != len(cfg.RateLimits) {
			t.Errorf("the parts are not those of the configuration")
		}
	})
}

func randomConfig(t *rapid.T) *config.Config {
	names := []string{"a", "b", "c"}
	c := &config.Config{Breakers: map[string]config.Breaker{}, RateLimits: map[string]config.RateLimit{}, Guards: map[string]config.Guard{}}
	pick := rapid.SampledFrom(append([]string{""}, names...))
	for _, name := range names {
		if rapid.Bool().Draw(t, "breaker") {
			c.Breakers[name] = config.Breaker{Config: breaker.Config{FailureThreshold: rapid.IntRange(0, 5).Draw(t, "threshold")}}
		}
		if rapid.Bool().Draw(t, "limit") {
			c.RateLimits[name] = config.RateLimit{Config: ratelimit.Config{Limit: rapid.Int64Range(-1, 5).Draw(t, "limit")}, Parent: pick.Draw(t, "parent")}
		}
		if rapid.Bool().Draw(t, "guard") {
			c.Guards[name] = config.Guard{Breaker: pick.Draw(t, "breaker"), RateLimit: pick.Draw(t, "rule")}
		}
	}
	return c
}
