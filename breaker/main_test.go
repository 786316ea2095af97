package breaker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("down")

func mustNew(tb testing.TB, cfg breaker.Config, opts ...breaker.Option) *breaker.Breaker {
	tb.Helper()
	b, err := breaker.New("payments", cfg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// bubble runs fn under virtual time, which moves only when fn sleeps.
func bubble(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, fn)
}

func succeed(context.Context) error { return nil }
func fail(context.Context) error    { return errDown }

// failures makes n calls fail.
func failures(b *breaker.Breaker, n int) {
	for range n {
		_ = b.Do(context.Background(), fail)
	}
}

func wantState(t *testing.T, b *breaker.Breaker, want breaker.State) {
	t.Helper()
	if got := b.State(); got != want {
		t.Fatalf("state is %v, want %v; %+v", got, want, b.Status())
	}
}

// wantRefused fails unless a call is refused as an open breaker must: with the
// code, the name, and the numbers that decided.
func wantRefused(t *testing.T, b *breaker.Breaker) *fault.Error {
	t.Helper()
	ran := false
	err := b.Do(t.Context(), func(context.Context) error { ran = true; return nil })
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.CircuitOpen || f.Name() != b.Name() || len(f.Evidence()) == 0 || ran {
		t.Fatalf("not refused as it should: %v, ran %v", err, ran)
	}
	return f
}

func wantAdmitted(t *testing.T, b *breaker.Breaker) {
	t.Helper()
	if err := b.Do(t.Context(), succeed); err != nil {
		t.Fatalf("refused: %v", err)
	}
}

// open makes a breaker with the default rule open.
func open(t *testing.T, b *breaker.Breaker) {
	t.Helper()
	failures(b, max(b.Status().Config.FailureThreshold, b.Status().Config.ConsecutiveFailures))
	wantState(t, b, breaker.StateOpen)
}

// watch collects the state changes that bus carries.
func watch(t *testing.T, bus *telemetry.Bus) *[]breaker.StateChanged {
	t.Helper()
	seen := new([]breaker.StateChanged)
	_, err := telemetry.Subscribe(bus, "watch", func(_ context.Context, e breaker.StateChanged) { *seen = append(*seen, e) })
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func edgesOf(events []breaker.StateChanged) string {
	text := ""
	for _, e := range events {
		text += e.From.String() + "→" + e.To.String() + " "
	}
	return text
}

const second = time.Second
