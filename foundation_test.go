package foundation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

// worker is what the pools of the tests lend.
type worker struct {
	id    int64
	label string
}

// workerOptions are the options of the kind "test".
type workerOptions struct {
	// Fail makes the kind refuse to open.
	Fail bool `yaml:"fail"`
	// Label is only there to be changed.
	Label string `yaml:"label"`
}

// factory counts the workers that live.
type factory struct{ made, live atomic.Int64 }

func (f *factory) kinds() map[string]pool.Kind {
	return map[string]pool.Kind{"test": pool.KindOf(func(o workerOptions) (pool.Factory[*worker], error) {
		if o.Fail {
			return pool.Factory[*worker]{}, errors.New("this kind was told to fail")
		}
		return pool.Factory[*worker]{
			New: func(context.Context) (*worker, error) {
				f.live.Add(1)
				return &worker{f.made.Add(1), o.Label}, nil
			},
			Close: func(*worker) { f.live.Add(-1) },
		}, nil
	})}
}

func open(t *testing.T, o foundation.Options) *foundation.Foundation {
	t.Helper()
	f, err := foundation.Open(t.Context(), o)
	if err != nil {
		t.Fatal(config.Render(err))
	}
	t.Cleanup(func() {
		if err := f.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

func parse(t *testing.T, text string, kinds map[string]pool.Kind) *config.Config {
	t.Helper()
	c, err := config.Parse("foundation.yaml", []byte("version: 1\n"+text), config.ParseOptions{Registry: config.Registry{Kinds: kinds}})
	if err != nil {
		t.Fatal(config.Render(err))
	}
	return c
}

func fine(context.Context) error { return nil }

var errBoom = errors.New("boom")

func boom(context.Context) error { return errBoom }

func TestZeroOptionsOpenAnEmptyLayer(t *testing.T) {
	f := open(t, foundation.Options{})
	if n := fmt.Sprint(names(f)); n != "{[] [] [] [] []}" {
		t.Errorf("it has %s", n)
	}
	if now := f.Config().Current(); now.Number != 1 || time.Since(now.At) > time.Minute {
		t.Errorf("revision %d, applied %v", now.Number, now.At)
	}
	if s := f.Status(); s.Namespace != "default" || s.Drifted || s.LastReloadError != nil {
		t.Errorf("status %+v", s)
	}
	if err := reload(t, f); !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("reload without a file: %v", err)
	}
}

const allParts = `
breakers: { payments: { failure_threshold: 3, window: 10s }, tenants: { per: key } }
rate_limits: { all: { limit: 1000, per: 1s, parts: 0 }, client: { limit: 5, per: 1m, parent: all } }
pools: { db: { worker: test, size: 2 } }
guards:
  checkout: { breaker: payments, rate_limit: client, timeout: 2s }
  orders: { pool: db, breaker: tenants }
`

func TestPartsAreFoundByName(t *testing.T) {
	var made factory
	f := open(t, foundation.Options{Config: parse(t, allParts, made.kinds()), Kinds: made.kinds()})
	if got := fmt.Sprint(names(f)); got != "{[checkout orders] [payments] [tenants] [all client] [db]}" {
		t.Errorf("names: %s", got)
	}
	g, err := f.Guard("checkout")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Do(t.Context(), fine); err != nil {
		t.Errorf("a call: %v", err)
	}
	for range 3 {
		if err := g.Do(t.Context(), boom); !errors.Is(err, errBoom) {
			t.Errorf("a failing call: %v", err)
		}
	}
	if err := g.Do(t.Context(), fine); !errors.Is(err, fault.CircuitOpen) {
		t.Errorf("after three failures: %v", err)
	}
	b, err := f.Breaker("payments")
	if err != nil || b.State() != breaker.StateOpen {
		t.Errorf("the breaker: %v, %v", b.State(), err)
	}
	p, err := foundation.PoolOf[*worker](f, "db")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.With(t.Context(), func(_ context.Context, w *worker) error { return nil }); err != nil || made.made.Load() != 1 {
		t.Errorf("the pool: %v, %d workers made", err, made.made.Load())
	}
	s := f.Status()
	if len(s.Guards) != 2 || len(s.Breakers) != 1 || len(s.BreakerGroups) != 1 || len(s.RateLimits) != 2 || len(s.Pools) != 1 {
		t.Errorf("status: %+v", s)
	}
}

func TestScenario80_UnknownNamesAreRefused(t *testing.T) {
	var made factory
	f := open(t, foundation.Options{Config: parse(t, allParts, made.kinds()), Kinds: made.kinds()})
	ask := map[string]func(string) error{
		"guard":           func(n string) error { _, err := f.Guard(n); return err },
		"circuit_breaker": func(n string) error { _, err := f.Breaker(n); return err },
		"group":           func(n string) error { _, err := f.BreakerGroup(n); return err },
		"rate_limiter":    func(n string) error { _, err := f.RateLimit(n); return err },
		"connection_pool": func(n string) error { _, err := f.Pool(n); return err },
	}
	near := map[string]string{"guard": "chekout", "circuit_breaker": "payment", "group": "tenant", "rate_limiter": "clint", "connection_pool": "dbs"}
	for kind, by := range ask {
		err := by(near[kind])
		if !errors.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "did you mean") {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := f.Breaker("tenants"); !errors.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "BreakerGroup") {
		t.Errorf("a group asked for as a breaker: %v", err)
	}
	if _, err := foundation.PoolOf[int](f, "db"); !errors.Is(err, fault.InvalidArgument) || !strings.Contains(err.Error(), "*foundation_test.worker") {
		t.Errorf("a pool of another type: %v", err)
	}
	for _, bad := range []string{
		"guards: { g: { breaker: nope } }", "guards: { g: { rate_limit: nope } }", "guards: { g: { pool: nope } }",
		"rate_limits: { r: { limit: 1, per: 1s, parent: nope } }", "pools: { p: { worker: nope } }",
	} {
		_, err := config.Parse("x.yaml", []byte("version: 1\n"+bad), config.ParseOptions{Registry: config.Registry{Kinds: made.kinds()}})
		if !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), `"nope"`) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, cfg := range []*config.Config{
		{Guards: map[string]config.Guard{"g": {Breaker: "nope"}}},
		{Pools: map[string]config.Pool{"p": {Worker: "nope"}}},
		{Breakers: map[string]config.Breaker{"b": {Config: breaker.Config{Window: -1}}}},
		{Guards: map[string]config.Guard{"Bad Name": {}}},
	} {
		if _, err := foundation.Open(t.Context(), foundation.Options{Config: cfg}); !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
		if _, err := f.Config().Apply(t.Context(), cfg, config.By{}); !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestScenario77_OpenTwiceCloseTwice(t *testing.T) {
	var made factory
	cfg := parse(t, allParts, made.kinds())
	a := open(t, foundation.Options{Config: cfg, Kinds: made.kinds()})
	b := open(t, foundation.Options{Config: cfg, Kinds: made.kinds()})
	if applied, err := a.Config().Apply(t.Context(), cfg.Clone(), config.By{}); applied.Revision != 1 || err != nil {
		t.Errorf("the same configuration again is revision %d, %v", applied.Revision, err)
	}
	g, err := a.Guard("checkout")
	if err != nil {
		t.Fatal(err)
	}
	o, err := a.Guard("orders")
	if err != nil {
		t.Fatal(err)
	}
	orders, err := guard.Bind[*worker](o)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := a.Close(t.Context()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if err := g.Do(t.Context(), fine); !errors.Is(err, fault.Closed) {
		t.Errorf("a guard of a closed layer: %v", err)
	}
	if _, err := guard.DoWith(t.Context(), orders, guard.Call{}, useWorker); !errors.Is(err, fault.Closed) {
		t.Errorf("a guard with a pool: %v", err)
	}
	for name, err := range map[string]error{
		"apply": second(a.Config().Apply(t.Context(), &config.Config{}, config.By{})), "add": addGuard(t.Context(), a, "x", config.Guard{}), "remove": edit(t.Context(), a, func(c *config.Config) { delete(c.Guards, "checkout") }),
	} {
		if !errors.Is(err, fault.Closed) {
			t.Errorf("%s after the end: %v", name, err)
		}
	}
	other, err := b.Guard("checkout")
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Do(t.Context(), fine); err != nil {
		t.Errorf("the other layer: %v", err)
	}
}

func useWorker(_ context.Context, w *worker) (int64, error) { return w.id, nil }

func second[T any](_ T, err error) error { return err }

func TestOpenRefusesBothSources(t *testing.T) {
	_, err := foundation.Open(t.Context(), foundation.Options{ConfigFile: "a", Config: &config.Config{}})
	if !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("got %v", err)
	}
	if _, err := foundation.Open(t.Context(), foundation.Options{ConfigFile: filepath.Join(t.TempDir(), "none.yaml")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestOpenReleasesWhatItOpenedWhenItFails(t *testing.T) {
	var made factory
	cfg := parse(t, "pools: { a: { worker: test, start: strict, size: 1 }, b: { worker: test, options: { fail: true } } }", made.kinds())
	if _, err := foundation.Open(t.Context(), foundation.Options{Config: cfg, Kinds: made.kinds()}); err == nil || !strings.Contains(err.Error(), "told to fail") {
		t.Fatalf("got %v", err)
	}
	if made.made.Load() != 1 || made.live.Load() != 0 {
		t.Errorf("%d workers made, %d alive", made.made.Load(), made.live.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := foundation.Open(ctx, foundation.Options{}); !errors.Is(err, fault.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
}

func TestCollectHasEverySeriesFromTheStart(t *testing.T) {
	var made factory
	f := open(t, foundation.Options{Config: parse(t, allParts, made.kinds()), Kinds: made.kinds()})
	seen := make(map[string]bool)
	values := make(map[string]float64)
	f.Collect(func(s telemetry.Sample) {
		series := s.Desc.Name + fmt.Sprint(s.Labels)
		if seen[series] {
			t.Errorf("%s is emitted twice", series)
		}
		if len(s.Labels) != len(s.Desc.Labels) {
			t.Errorf("%s has labels %v", s.Desc.Name, s.Desc.Labels)
		}
		seen[series] = true
		values[s.Desc.Name] = s.Value
	})
	for _, name := range []string{
		"foundation_config_last_reload_successful", "foundation_config_info", "foundation_build_info", "foundation_breaker_state", "foundation_calls_total",
		"foundation_limiter_decisions_total", "foundation_pool_resources",
	} {
		if _, ok := values[name]; !ok {
			t.Errorf("there is no %s", name)
		}
	}
	if values["foundation_config_last_reload_successful"] != 1 || values["foundation_config_last_reload_success_timestamp_seconds"] < 1 {
		t.Errorf("reload metrics: %v", values)
	}
}

func TestLoggerAndBusAreOptional(t *testing.T) {
	var out strings.Builder
	bus := telemetry.NewBus()
	cfg := &config.Config{RateLimits: map[string]config.RateLimit{"nothing": {Config: ratelimit.Config{Limit: -1}}}}
	f := open(t, foundation.Options{Bus: bus, Config: cfg, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	if f.Bus() != bus || !strings.Contains(out.String(), "refuses every call") || !strings.Contains(out.String(), "configuration applied") {
		t.Errorf("bus %v, log %q", f.Bus() == bus, out.String())
	}
	if g := open(t, foundation.Options{}); g.Bus() == nil {
		t.Error("no bus")
	}
}

func TestRateLimitHandleCounts(t *testing.T) {
	f := open(t, foundation.Options{Config: parse(t, allParts, (&factory{}).kinds()), Kinds: (&factory{}).kinds()})
	r, err := f.RateLimit("client")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		r.Allow(ratelimit.KeyOf("a"))
	}
	if d := r.Allow(ratelimit.KeyOf("a")); d.OK {
		t.Error("a sixth call of five is allowed")
	}
	if p := r.Status().Parent; p != "all" {
		t.Errorf("the parent is %q", p)
	}
}
