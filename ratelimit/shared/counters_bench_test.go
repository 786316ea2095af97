package shared_test

import (
	"context"
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// nothing is a store that costs nothing: what is measured is what stands before it.
type nothing struct {
	shared.Store

	admit bool
}

func (n nothing) Take(_ context.Context, rule shared.Rule, _ ratelimit.Key, cost int64) (ratelimit.Decision, error) {
	d := ratelimit.Decision{OK: n.admit, Limit: rule.Config.Limit, ResetAfter: time.Hour}
	if n.admit {
		d.Taken, d.Remaining = cost, rule.Config.Limit/2
	} else {
		d.RetryAfter = time.Hour
	}
	return d, nil
}

func (nothing) Refund(context.Context, shared.Rule, ratelimit.Key, ratelimit.Decision) error {
	return nil
}

// plenty is a rule that nobody uses up.
var plenty = &ratelimit.Config{Limit: 1e9, Per: time.Second, Burst: 1e9, Parts: 4, MaxKeys: 1_000_000}

// asking makes one call and says where it was decided.
func asking(r ratelimit.Remote) func() ratelimit.Source {
	ctx := context.Background()
	call := ratelimit.RemoteCall{Rule: "rule", Config: plenty, Key: user, Cost: 1}
	return func() ratelimit.Source {
		call.Now = clock.Now()
		d, err := r.Take(ctx, call)
		if err != nil {
			panic(err)
		}
		return d.Source
	}
}

// warm calls until that is where calls are decided.
func warm(tb testing.TB, call func() ratelimit.Source, want ratelimit.Source) {
	tb.Helper()
	inRow := 0
	for range 10_000_000 {
		if inRow++; call() != want {
			inRow = 0
		}
		if inRow == 10_000 {
			return
		}
	}
	tb.Fatalf("calls are not decided %v", want)
}

func bench(b *testing.B, s shared.Store, p shared.Policy, want ratelimit.Source) {
	b.Helper()
	c := shared.New(s, shared.Options{Timeout: time.Minute})
	defer func() { _ = c.Close(context.Background()) }()
	call := asking(c.Rule("rule", p))
	warm(b, call, want)
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

// BenchmarkLocal is what the others are held against: a limiter that counts by itself.
func BenchmarkLocal(b *testing.B) {
	l, err := ratelimit.New("rule", *plenty)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if d := l.Allow(user); !d.OK {
			b.Fatal(d)
		}
	}
}

func BenchmarkShared(b *testing.B) { bench(b, nothing{admit: true}, shared.Policy{}, ratelimit.Shared) }

func BenchmarkDenied(b *testing.B) { bench(b, nothing{}, shared.Policy{}, ratelimit.Cached) }

func BenchmarkPrefetched(b *testing.B) {
	bench(b, nothing{admit: true}, shared.Policy{Prefetch: 1 << 20}, ratelimit.Prefetched)
}

// BenchmarkLimiterPrefetched is BenchmarkPrefetched with the limiter before it, which keeps a
// receipt.
func BenchmarkLimiterPrefetched(b *testing.B) {
	c := shared.New(nothing{admit: true}, shared.Options{Timeout: time.Minute})
	defer func() { _ = c.Close(context.Background()) }()
	l, err := ratelimit.New("rule", *plenty)
	if err != nil {
		b.Fatal(err)
	}
	l.SetRemote(c.Rule("rule", shared.Policy{Prefetch: 1 << 20}))
	call := func() ratelimit.Source { d := l.Allow(user); return d.Source }
	warm(b, call, ratelimit.Prefetched)
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}

func BenchmarkFallback(b *testing.B) {
	f := newFaulty()
	f.fail(errDown)
	bench(b, f, shared.Policy{}, ratelimit.Fallback)
}

// What a hot key and a refusal that is repeated cost is what a local call costs: nothing to
// collect.
func TestRepeatedRefusalsAndTokensAllocateNothing(t *testing.T) {
	if testkit.Race {
		return // the detector allocates
	}
	for want, s := range map[ratelimit.Source]nothing{ratelimit.Cached: {}, ratelimit.Prefetched: {admit: true}} {
		c := counters(t, s, shared.Options{Timeout: time.Minute})
		call := asking(c.Rule("rule", shared.Policy{Prefetch: 1 << 20}))
		warm(t, call, want)
		if n := testing.AllocsPerRun(1_000, func() { call() }); n >= 1 {
			t.Errorf("%v: %v allocations", want, n)
		}
	}
}
