package ratelimit_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
)

func keyNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "user-" + strconv.Itoa(i)
	}
	return names
}

// BenchmarkAllow reads the clock, makes the key and decides, as callers do.
func BenchmarkAllow(b *testing.B) {
	for _, n := range []int{1, 1024, 100_000} {
		l, names := must(b, ratelimit.Config{Limit: 1_000_000_000, Per: time.Hour}), keyNames(n)
		for _, name := range names {
			l.Allow(ratelimit.KeyOf(name))
		}
		run := func(next func() bool, i int) {
			for next() {
				i = (i + 7919) % n
				if d := l.Allow(ratelimit.KeyOf(names[i])); !d.OK {
					b.Error("refused")
				}
			}
		}
		b.Run("serial/keys="+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			run(b.Loop, 0)
		})
		b.Run("parallel/keys="+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			var start atomic.Int64
			b.RunParallel(func(pb *testing.PB) { run(pb.Next, int(start.Add(1))*31337%n) })
		})
	}
}

func BenchmarkAllowAt(b *testing.B) {
	for _, a := range algorithms {
		b.Run(a.String(), func(b *testing.B) {
			l, now := must(b, ratelimit.Config{Algorithm: a, Limit: 1_000_000, Per: time.Second}), clock.Now()
			b.ReportAllocs()
			for b.Loop() {
				now += 1000
				l.AllowAt(now, user, 1)
			}
		})
	}
}

func BenchmarkRefused(b *testing.B) {
	for _, a := range algorithms {
		b.Run(a.String(), func(b *testing.B) {
			l := must(b, ratelimit.Config{Algorithm: a, Limit: 10, Per: time.Hour})
			take(l, user, 11)
			b.ReportAllocs()
			for b.Loop() {
				l.Allow(user)
			}
		})
	}
}

func BenchmarkNewKeys(b *testing.B) {
	l, i := must(b, ratelimit.Config{Limit: 10, Per: time.Hour, MaxKeys: 1 << 27}), 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		l.Allow(ratelimit.KeyOf(i))
	}
}

func BenchmarkRefusedKeys(b *testing.B) {
	for _, n := range []int{64, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			l, names := must(b, ratelimit.Config{Limit: 1, Per: time.Hour}), keyNames(n)
			for _, name := range names {
				l.Allow(ratelimit.KeyOf(name))
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i = (i + 7919) % n
				l.Allow(ratelimit.KeyOf(names[i]))
			}
		})
	}
}
