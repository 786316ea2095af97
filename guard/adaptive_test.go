package guard_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/retry"
	"github.com/elixirscope/foundation/telemetry"
)

// server works on so many calls at once, and lets the others wait, first come, first served.
type server struct {
	mu    sync.Mutex
	free  []time.Time // when each place is free
	takes time.Duration
}

func newServer(places int, takes time.Duration) *server {
	return &server{free: make([]time.Time, places), takes: takes}
}

func (s *server) serve(ctx context.Context) error {
	s.mu.Lock()
	place := 0
	for i := range s.free {
		if s.free[i].Before(s.free[place]) {
			place = i
		}
	}
	ends := time.Now()
	if s.free[place].After(ends) {
		ends = s.free[place]
	}
	ends = ends.Add(s.takes)
	s.free[place] = ends
	s.mu.Unlock()
	timer := time.NewTimer(time.Until(ends))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// load makes a call each so often, whatever becomes of those before, and waits for all.
func load(g *guard.Guard, every, lasts time.Duration, op func(context.Context) error) {
	var pending sync.WaitGroup
	for begin := time.Now(); time.Since(begin) < lasts; time.Sleep(every) {
		pending.Go(func() { _ = g.DoCall(context.Background(), guard.Call{Idempotent: true}, op) })
	}
	pending.Wait()
}

func adapting(lowest, highest int) guard.Config {
	return guard.Config{AdaptiveConcurrency: &guard.AdaptiveConcurrency{Min: lowest, Max: highest}}
}

func TestAdaptive_FollowsTheLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := adapting(2, 500)
		cfg.Timeout = time.Second
		g := newGuard(t, cfg)
		s := newServer(10, 10*time.Millisecond)
		begin := time.Now()
		load(g, 500*time.Microsecond, 10*time.Second, s.serve) // twice what it can do
		st := g.Status()
		c := st.Concurrency
		// A probe that finds what it expects ends the search: with up to 1/0.7 of the calls that
		// the server works on at once in flight.
		if c.Limit < 10 || c.Limit > 60 || c.Baseline < 9*time.Millisecond || c.Baseline > 15*time.Millisecond || c.Latency < c.Baseline {
			t.Errorf("with 10 places of 10 ms: %+v", c)
		}
		if c.Reason == "initial" || c.Since.Before(begin) || c.Since.After(time.Now()) {
			t.Errorf("it moved because of %q at %v", c.Reason, c.Since)
		}
		if good := st.Results[guard.Succeeded]; good < 9000 {
			t.Errorf("answered %d of the 10,000 calls that it could do, refused %v", good, st.Refused)
		}
		if st.SlotsTaken != 0 {
			t.Errorf("%d slots taken", st.SlotsTaken)
		}
	})
}

// Quick failures are no sign of headroom, and slow ones none of load.
func TestAdaptive_FailuresSayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, adapting(2, 500))
		for _, op := range []func(context.Context) error{
			fail,
			func(context.Context) error { time.Sleep(time.Second); return errDown },
			func(context.Context) error { return guard.Neutral(errDown) },
			func(context.Context) error { return context.Canceled },
		} {
			load(g, time.Millisecond, time.Second, op)
		}
		if c := g.Status().Concurrency; c.Reason != "initial" || c.Latency != 0 || c.Baseline != 0 {
			t.Errorf("got %+v", c)
		}
	})
}

// adaptingRetries is a guard whose attempts are cut off after 30 ms and tried again a second later.
func adaptingRetries(t *testing.T) *guard.Guard {
	t.Helper()
	cfg := adapting(200, 500)
	cfg.Retry = &retry.Config{Attempts: 2, Backoff: time.Second, BackoffMax: time.Second, AttemptTimeout: 30 * time.Millisecond, Budget: 1}
	return newGuard(t, cfg)
}

// The latency is that of attempts, the last one and those before: the wait between two does not count.
func TestAdaptive_LatencyIsThatOfAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := adaptingRetries(t)
		var pending sync.WaitGroup
		for range 200 {
			pending.Go(func() {
				attempt := 0
				err := g.DoCall(t.Context(), guard.Call{Idempotent: true, Priority: guard.Critical}, func(ctx context.Context) error {
					if attempt++; attempt == 1 {
						<-ctx.Done()
						return ctx.Err()
					}
					time.Sleep(10 * time.Millisecond)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			time.Sleep(20 * time.Millisecond)
		}
		if c := g.Status().Concurrency; c.Latency < 14*time.Millisecond || c.Latency > 26*time.Millisecond {
			t.Errorf("as many attempts of 30 as of 10 ms have a mean of %v", c.Latency)
		}
		pending.Wait()
	})
}

// A call whose caller leaves between two attempts ends then, and its last attempt did before.
func TestAdaptive_WaitingForAnAttemptIsNoLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := adaptingRetries(t)
		var pending sync.WaitGroup
		for range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(40*time.Millisecond, cancel)
			pending.Go(func() {
				_ = g.DoCall(ctx, guard.Call{Idempotent: true, Priority: guard.Critical}, func(ctx context.Context) error {
					<-ctx.Done()
					return ctx.Err()
				})
			})
			time.Sleep(20 * time.Millisecond)
		}
		pending.Wait()
		if c := g.Status().Concurrency; c.Latency != 30*time.Millisecond {
			t.Errorf("attempts of 30 ms have a mean of %v", c.Latency)
		}
	})
}

// Where the time limit is below twice the latency without load, late calls are the only sign.
func TestAdaptive_LateCallsLowerTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := adapting(2, 500)
		cfg.Timeout = 15 * time.Millisecond
		g := newGuard(t, cfg)
		load(g, 500*time.Microsecond, 10*time.Second, newServer(4, 10*time.Millisecond).serve)
		if c := g.Status().Concurrency; c.Limit > 30 {
			t.Errorf("with 4 places of 10 ms and a time limit of 15 ms: %+v", c)
		}
	})
}

func TestAdaptive_EachPriorityHasItsShare(t *testing.T) {
	g := newGuard(t, adapting(20, 20))
	var open []*guard.Token
	for _, tc := range []struct {
		p    guard.Priority
		most int
	}{{guard.Bulk, 10}, {guard.BestEffort, 14}, {guard.Normal, 18}, {0, 18}, {guard.Critical, 20}} {
		for {
			tok, err := g.Enter(t.Context(), guard.Call{Priority: tc.p})
			if err != nil {
				break
			}
			open = append(open, tok)
		}
		if len(open) != tc.most {
			t.Errorf("%v fills up to %d of 20 places, want %d", tc.p, len(open), tc.most)
		}
	}
	for _, tok := range open {
		tok.Close()
	}
	if st := g.Status(); st.SlotsTaken != 0 {
		t.Errorf("%d slots taken", st.SlotsTaken)
	}
	one := newGuard(t, adapting(1, 1))
	if err := one.DoCall(t.Context(), guard.Call{Priority: guard.Bulk}, succeed); err != nil {
		t.Errorf("with one place, bulk gets none: %v", err)
	}
}

func TestAdaptive_ARefusalSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, adapting(2, 500))
		load(g, time.Millisecond, 3*time.Second, newServer(10, 20*time.Millisecond).serve)
		var open []*guard.Token
		var err error
		for err == nil {
			var tok *guard.Token
			if tok, err = g.Enter(t.Context(), guard.Call{Priority: guard.Critical}); err == nil {
				open = append(open, tok)
			}
		}
		for _, tok := range open {
			tok.Close()
		}
		f, _ := errors.AsType[*fault.Error](err)
		c := g.Status().Concurrency
		want := []fault.Fact{
			fault.Against("in_flight", float64(c.Limit), float64(c.Limit), ""), fault.Measure("limit", float64(c.Limit), ""),
			fault.Measure("latency", c.Latency.Seconds(), "seconds"), fault.Measure("latency_without_load", c.Baseline.Seconds(), "seconds"),
		}
		if f.Code() != fault.ConcurrencyLimited || !slices.Equal(f.Evidence(), want) || f.Error() == "" {
			t.Errorf("got %v with %v, want %v", err, f.Evidence(), want)
		}
	})
}

// A live change keeps what was learnt; also one to a fixed bound and back.
func TestAdaptive_ALiveChangeKeepsWhatWasLearnt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, adapting(2, 500))
		load(g, time.Millisecond, 5*time.Second, newServer(10, 20*time.Millisecond).serve)
		before := *g.Status().Concurrency
		if before.Reason == "initial" {
			t.Fatalf("nothing was learnt: %+v", before)
		}
		wait(time.Minute)
		for _, tc := range []struct {
			cfg    guard.Config
			limit  int
			reason string
		}{
			{adapting(3, 600), before.Limit, before.Reason},
			{adapting(1, before.Limit-2), before.Limit - 2, "bounds"},
			{adapting(100, 200), 100, "bounds"},
		} {
			if err := errors.Join(g.Reconfigure(guard.Config{Concurrency: 7}), g.Reconfigure(tc.cfg)); err != nil {
				t.Fatal(err)
			}
			c := g.Status().Concurrency
			if c.Limit != tc.limit || c.Reason != tc.reason || c.Baseline != before.Baseline || c.Latency != before.Latency {
				t.Errorf("%+v: %+v, before %+v", *tc.cfg.AdaptiveConcurrency, c, before)
			}
			if moved := tc.reason == "bounds"; moved == c.Since.Equal(before.Since) {
				t.Errorf("%+v: since %v, before %v", *tc.cfg.AdaptiveConcurrency, c.Since, before.Since)
			}
		}
		if err := g.Reconfigure(guard.Config{}); err != nil || g.Status().Concurrency != nil {
			t.Errorf("without the setting: %v, %+v", err, g.Status().Concurrency)
		}
	})
}

func TestAdaptive_ShadowRefusesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := adapting(2, 20)
		cfg.Mode = mode.Shadow
		g := newGuard(t, cfg)
		load(g, time.Millisecond, 3*time.Second, newServer(10, 20*time.Millisecond).serve)
		st := g.Status()
		if st.Results[guard.Succeeded] != 3000 || st.WouldRefuse[fault.ConcurrencyLimited] == 0 || st.SlotsTaken != 0 {
			t.Errorf("succeeded %d, would refuse %v, %d slots", st.Results[guard.Succeeded], st.WouldRefuse, st.SlotsTaken)
		}
	})
}

func TestAdaptive_IsInTheMetrics(t *testing.T) {
	got := map[string]float64{}
	newGuard(t, adapting(30, 40)).Collect(func(s telemetry.Sample) { got[s.Desc.Name] = s.Value })
	if got["foundation_guard_concurrency_limit"] != 30 {
		t.Errorf("got %v", got)
	}
}

func TestAdaptive_Bounds(t *testing.T) {
	for _, tc := range []struct {
		set, want guard.AdaptiveConcurrency
	}{
		{guard.AdaptiveConcurrency{}, guard.AdaptiveConcurrency{Min: 4, Max: 1000}},
		{guard.AdaptiveConcurrency{Max: 2}, guard.AdaptiveConcurrency{Min: 2, Max: 2}},
		{guard.AdaptiveConcurrency{Min: 5000}, guard.AdaptiveConcurrency{Min: 5000, Max: 5000}},
		{guard.AdaptiveConcurrency{Min: 1, Max: 256}, guard.AdaptiveConcurrency{Min: 1, Max: 256}},
	} {
		g := newGuard(t, guard.Config{AdaptiveConcurrency: &tc.set})
		if got := *g.Config().AdaptiveConcurrency; got != tc.want {
			t.Errorf("%+v stands for %+v, want %+v", tc.set, got, tc.want)
		}
		if got := g.Status().Protections; !slices.Equal(got, []string{"concurrency"}) {
			t.Errorf("protections %v", got)
		}
	}
	for _, tc := range []struct {
		cfg    guard.Config
		fields []string
	}{
		{guard.Config{Concurrency: 5, AdaptiveConcurrency: &guard.AdaptiveConcurrency{}}, []string{"adaptive_concurrency"}},
		{adapting(-1, -1), []string{"adaptive_concurrency.min", "adaptive_concurrency.max"}},
		{adapting(1<<31, 1<<31), []string{"adaptive_concurrency.min", "adaptive_concurrency.max"}},
		{adapting(20, 10), []string{"adaptive_concurrency.min"}},
	} {
		f, _ := errors.AsType[*fault.Error](tc.cfg.Validate())
		var fields []string
		for _, p := range f.Problems() {
			fields = append(fields, p.Field)
		}
		if !slices.Equal(fields, tc.fields) {
			t.Errorf("%+v: faults in %v, want %v", tc.cfg.AdaptiveConcurrency, fields, tc.fields)
		}
	}
}

// Calls, changes of the settings and looks at the status meet without a race.
func TestAdaptive_StressOfChanges(t *testing.T) {
	g := newGuard(t, adapting(2, 100))
	var all sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := g.DoCall(context.Background(), guard.Call{Priority: guard.Priority(1 + i)}, succeed)
				if err != nil && !errors.Is(err, fault.ConcurrencyLimited) {
					t.Error(err)
				}
			}
		})
	}
	for i := range 300 {
		cfg := adapting(1+i%7, 1+i%7+i%50)
		if i%10 == 0 {
			cfg = guard.Config{Concurrency: 3}
		}
		if err := g.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		if c := g.Status().Concurrency; c != nil && (c.Limit < cfg.AdaptiveConcurrency.Min || c.Limit > cfg.AdaptiveConcurrency.Max) {
			t.Fatalf("%+v out of %+v", c, cfg.AdaptiveConcurrency)
		}
	}
	close(stop)
	all.Wait()
	if st := g.Status(); st.SlotsTaken != 0 || st.InFlight != 0 {
		t.Errorf("%d slots taken, %d in flight", st.SlotsTaken, st.InFlight)
	}
}
