package ratelimit_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

func TestEventsTellWhatHappened(t *testing.T) {
	bus := telemetry.NewBus()
	var got []string
	var l *ratelimit.Limiter
	_, err := bus.SubscribePrefix(telemetry.Prefix+"rate_limiter.", "all", func(_ context.Context, e telemetry.Event) {
		name := strings.TrimPrefix(e.EventName(), telemetry.Prefix+"rate_limiter.")
		switch e := e.(type) {
		case ratelimit.RequestAllowed:
			name += fmt.Sprint(" ", e.Key, e.Cost, e.Remaining, e.WouldRefuse)
		case ratelimit.RequestDenied:
			name += fmt.Sprint(" ", e.Key, e.By, e.RetryAfter, e.WouldRefuse)
		case ratelimit.KeyReset:
			name += " " + e.Key + " by " + e.Actor
		case ratelimit.KeysOverflowed:
			name += fmt.Sprint(" ", e.MaxKeys)
		}
		got = append(got, name)
		_ = l.Peek(user) // a handler may use the limiter
	})
	if err != nil {
		t.Fatal(err)
	}
	l = must(t, ratelimit.Config{Limit: 1, Per: 1 << 62, MaxKeys: 1}, ratelimit.WithBus(bus))
	l.Allow(user)
	l.Allow(user)
	_ = l.Reset(user, "ops@example.com")
	l.Allow(user)
	l.Allow(ratelimit.KeyOf("new"))
	l.Allow(ratelimit.KeyOf("newer"))
	if len(got) != 7 || !strings.HasPrefix(got[1], "request_denied user/42rule") {
		t.Fatalf("%q", got)
	}
	want := []string{
		"request_allowed user/421 0 false", got[1], "key_reset user/42 by ops@example.com", "request_allowed user/421 0 false",
		"keys_overflowed 1", "request_allowed new1 0 false", "request_allowed newer1 0 false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A table that had room again and is full again is told of again, and once each time.
func TestEveryOverflowIsToldOfOnce(t *testing.T) {
	bus := telemetry.NewBus()
	told := 0
	if _, err := telemetry.Subscribe(bus, "told", func(context.Context, ratelimit.KeysOverflowed) { told++ }); err != nil {
		t.Fatal(err)
	}
	l := must(t, ratelimit.Config{Limit: 1, Per: time.Hour, MaxKeys: 1}, ratelimit.WithBus(bus))
	for round := 1; round <= 3; round++ {
		in := ratelimit.KeyOf("in", round)
		l.Allow(in)
		for n := range 3 {
			l.Allow(ratelimit.KeyOf("over", round, n))
		}
		if told != round {
			t.Errorf("told %d times of %d overflows", told, round)
		}
		_ = l.Reset(in, "")
	}
}

func TestSeriesExistFromTheStart(t *testing.T) {
	l := must(t, ratelimit.Config{Limit: 1, Per: time.Hour})
	collect := func() map[string]float64 {
		got := map[string]float64{}
		l.Collect(func(s telemetry.Sample) { got[s.Desc.Name+fmt.Sprint(s.Labels)] = s.Value })
		return got
	}
	if n := len(collect()); n != 8 {
		t.Errorf("%d series", n)
	}
	take(l, user, 3)
	got := collect()
	for name, want := range map[string]float64{
		"foundation_limiter_decisions_total[rule allowed]":      1,
		"foundation_limiter_decisions_total[rule denied]":       2,
		"foundation_limiter_decisions_total[rule would_refuse]": 0,
		"foundation_limiter_tracked_keys[rule]":                 1,
		"foundation_limiter_evictions_total[rule]":              0,
		"foundation_limiter_overflowed_total[rule]":             0,
		"foundation_limiter_max_keys[rule]":                     1_000_000,
		"foundation_limiter_waiting[rule]":                      0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
}
