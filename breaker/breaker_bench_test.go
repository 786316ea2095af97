package breaker_test

import (
	"context"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/outcome"
)

// rulesOf are the configurations whose hot paths differ.
var rulesOf = map[string]breaker.Config{
	"count":       {FailureThreshold: 5},
	"consecutive": {ConsecutiveFailures: 5},
	"ratio":       {FailureRatio: 0.5},
	"slow":        {SlowRatio: 0.5, SlowAfter: time.Second},
}

func BenchmarkSuccessPermit(b *testing.B) {
	for name, cfg := range rulesOf {
		b.Run(name, func(b *testing.B) {
			br := mustNew(b, cfg)
			b.ReportAllocs()
			for b.Loop() {
				p := br.Allow()
				p.Success()
			}
		})
	}
}

func BenchmarkSuccessPermitParallel(b *testing.B) {
	for name, cfg := range rulesOf {
		b.Run(name, func(b *testing.B) {
			br := mustNew(b, cfg)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					p := br.Allow()
					p.Success()
				}
			})
		})
	}
}

func BenchmarkSuccessDo(b *testing.B) {
	br := mustNew(b, breaker.Config{})
	ctx := b.Context()
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		_ = br.Do(ctx, func(context.Context) error { n++; return nil })
	}
}

func BenchmarkSuccessAt(b *testing.B) {
	br := mustNew(b, breaker.Config{})
	now := clock.Now()
	b.ReportAllocs()
	for b.Loop() {
		if l := br.LookAt(now); !l.OK() {
			b.Fatal("refused")
		}
		p := br.AllowAt(now)
		p.SettleAt(now, outcome.Success, nil)
	}
}

func BenchmarkRefusal(b *testing.B) {
	br := mustNew(b, breaker.Config{})
	if err := br.Force(breaker.StateOpen, breaker.Override{Actor: "bench"}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p := br.Allow(); p.OK() {
			b.Fatal("admitted")
		}
	}
}

func BenchmarkRefusalParallel(b *testing.B) {
	br := mustNew(b, breaker.Config{FailureThreshold: 1, Cooldown: time.Hour})
	p := br.Allow()
	p.Failure(nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if p := br.Allow(); p.OK() {
				b.Fatal("admitted")
			}
		}
	})
}

func BenchmarkFailure(b *testing.B) {
	for name, cfg := range map[string]breaker.Config{
		"count of 4096": {FailureThreshold: 4096, Window: time.Millisecond},
		"ratio":         {FailureRatio: 1, MinCalls: 1_000_000, Window: time.Millisecond},
	} {
		b.Run(name, func(b *testing.B) {
			br := mustNew(b, cfg)
			b.ReportAllocs()
			for b.Loop() {
				p := br.Allow()
				p.Failure(errDown)
				if !p.OK() {
					b.StopTimer()
					br.Reset("bench")
					b.StartTimer()
				}
			}
		})
	}
}

func BenchmarkGroupSuccess(b *testing.B) {
	g, err := breaker.NewGroup("hosts", breaker.Config{}, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p := g.For("example.org").Allow()
		p.Success()
	}
}

func BenchmarkClock(b *testing.B) { // the yardstick for the rest
	for b.Loop() {
		_ = clock.Now()
	}
}
