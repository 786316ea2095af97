package foundation_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/supervise"
	"github.com/elixirscope/foundation/telemetry"
)

// journal is a log without times.
type journal struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.Write(p)
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// take returns the lines since the last time that hold what.
func (j *journal) take(what string) (lines []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.out.String()) {
		if strings.Contains(line, what) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	j.out.Reset()
	return lines
}

func expectLine(t *testing.T, lines []string, want ...string) {
	t.Helper()
	if len(lines) != 1 {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	for _, w := range want {
		if !strings.Contains(lines[0], w) {
			t.Errorf("%q is not in %s", w, lines[0])
		}
	}
}

func TestEdges_ABreakerIsLoggedOnceAChangeWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		f := open(t, foundation.Options{Logger: log.logger(), Config: &config.Config{
			Breakers: map[string]config.Breaker{"payments": {Config: breaker.Config{FailureThreshold: 3, Cooldown: 10 * time.Second}}},
			Guards:   map[string]config.Guard{"checkout": {Breaker: "payments"}},
		}})
		g, err := f.Guard("checkout")
		if err != nil {
			t.Fatal(err)
		}
		fails := func(context.Context) error { return errors.New("canary: not for the log") }
		log.take("")
		for range 10 {
			_ = g.Do(t.Context(), fails)
		}
		expectLine(t, log.take(""), "level=WARN", `msg="breaker is open"`, "breaker=payments", "from=closed", "cause=failure_threshold", `evidence="failures 3 of 3, window 10 seconds`, `errors="*errors.errorString ×3"`, "retry_at=")
		time.Sleep(11 * time.Second)
		if err := g.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Fatal(err)
		}
		lines := log.take("")
		if len(lines) != 2 || !strings.Contains(lines[0], "breaker is half-open") {
			t.Fatalf("%q", lines)
		}
		expectLine(t, lines[1:], "level=INFO", `msg="breaker is closed"`, "cause=probes_succeeded", "lasted=11s", "refused=7")
		b, _ := f.Breaker("payments")
		if err := b.Force(breaker.StateOpen, breaker.Override{Actor: "ops", Reason: "a drill"}); err != nil {
			t.Fatal(err)
		}
		expectLine(t, log.take(""), "breaker is open", "cause=override", "actor=ops", `reason="a drill"`)
	})
}

// Thousands of members that open at once must not fill the log.
func TestEdges_MembersAreSampledWithACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		f := open(t, foundation.Options{Logger: log.logger(), Config: &config.Config{
			Breakers: map[string]config.Breaker{"host": {Config: breaker.Config{FailureThreshold: 1}, Per: "key"}},
			Guards:   map[string]config.Guard{"g": {Breaker: "host"}},
		}})
		g, _ := f.Guard("g")
		log.take("")
		fail := func(key string) {
			_ = g.DoCall(t.Context(), guard.Call{Key: ratelimit.KeyOf(key)}, func(context.Context) error { return errors.New("no") })
		}
		for range 50 {
			fail(strings.Repeat("k", 1+len(log.out.String())%7) + time.Now().String())
			time.Sleep(time.Millisecond)
		}
		expectLine(t, log.take("breaker is open"), "member=")
		time.Sleep(2 * time.Second)
		fail("another")
		expectLine(t, log.take("breaker is open"), "member=another", "omitted=49")
	})
}

func TestEdges_APoolIsLoggedAtItsBeginningAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		var up atomic.Bool
		kind := pool.KindOf(func(struct{}) (pool.Factory[int], error) {
			return pool.Factory[int]{New: func(context.Context) (int, error) {
				if up.Load() {
					return 1, nil
				}
				return 0, errors.New("dial tcp: connection refused")
			}}, nil
		})
		f := open(t, foundation.Options{Logger: log.logger(), Kinds: map[string]pool.Kind{"odd": kind}, Config: &config.Config{
			Pools: map[string]config.Pool{"db": {Worker: "odd", Config: pool.Config{Size: 1}}},
		}})
		p, err := f.Pool("db")
		if err != nil {
			t.Fatal(err)
		}
		call := func() {
			for range 600 {
				if loan, err := p.Checkout(t.Context(), pool.CheckoutOptions{Timeout: time.Second}); err == nil {
					p.Return(loan, pool.Reuse)
				}
				time.Sleep(time.Second)
			}
		}
		call()
		lines := log.take("cannot make a worker")
		if len(lines) == 0 || len(lines) > 12 {
			t.Fatalf("%d lines in ten minutes", len(lines))
		}
		expectLine(t, lines[:1], "level=ERROR", "pool=db", "failures=1", "connection refused")
		up.Store(true)
		call()
		expectLine(t, log.take("pool has recovered"), "level=INFO", "pool=db", "failures=")
	})
}

func TestEdges_ChecksAndServicesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		f := open(t, foundation.Options{Logger: log.logger(), Monitors: true})
		var down atomic.Bool
		if err := f.Health().Add(health.Check{Name: "db", Config: health.Config{Every: time.Second, Criticality: health.Hard}, Run: func(context.Context) error {
			if down.Load() {
				return errors.New("it does not answer")
			}
			return nil
		}}); err != nil {
			t.Fatal(err)
		}
		runs := 0
		if err := f.Supervise("mailer", supervise.Func(func(ctx context.Context) error {
			if runs++; runs == 1 {
				return errors.New("no route to host")
			}
			<-ctx.Done()
			return nil
		})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if lines := log.take("service=mailer"); len(lines) != 2 || !strings.Contains(lines[0], "level=ERROR") || !strings.Contains(lines[0], "service=mailer") ||
			!strings.Contains(lines[0], "no route to host") || !strings.Contains(lines[1], "service was started again") {
			t.Errorf("%q", lines)
		}
		down.Store(true)
		time.Sleep(time.Minute)
		expectLine(t, log.take("component=db"), "level=ERROR", "to=fail", "it does not answer")
		down.Store(false)
		time.Sleep(time.Minute)
		expectLine(t, log.take("component=db"), "level=INFO", "from=fail", "to=pass")
	})
}

// Without a logger nobody listens, and nothing is built for anybody.
func TestEdges_WithoutALoggerNobodyListens(t *testing.T) {
	bus := telemetry.NewBus()
	open(t, foundation.Options{Bus: bus})
	if telemetry.TopicOf[breaker.StateChanged](bus).Active() {
		t.Error("somebody listens")
	}
}

// Of two layers on one bus the first writes, until it is closed.
func TestEdges_TwoLayersOnOneBusWriteEachLineOnce(t *testing.T) {
	bus := telemetry.NewBus()
	var log journal
	cfg := func() *config.Config {
		return &config.Config{Breakers: map[string]config.Breaker{"b": {}}}
	}
	first, err := foundation.Open(t.Context(), foundation.Options{Bus: bus, Logger: log.logger(), Config: cfg()})
	if err != nil {
		t.Fatal(err)
	}
	second := open(t, foundation.Options{Bus: bus, Logger: log.logger(), Config: cfg()})
	b, _ := second.Breaker("b")
	force := func(state breaker.State) {
		if err := b.Force(state, breaker.Override{Actor: "ops"}); err != nil {
			t.Fatal(err)
		}
	}
	log.take("")
	force(breaker.StateOpen)
	expectLine(t, log.take("breaker is open"), "actor=ops")
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if telemetry.TopicOf[breaker.StateChanged](bus).Active() {
		t.Error("a layer that is closed still listens")
	}
}
