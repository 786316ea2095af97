package retry_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/retry"
)

const second = clock.Instant(time.Second)

func take(b *retry.Budget, now clock.Instant, n int, share float64) (taken int) {
	for range n {
		if b.Take(now, share) {
			taken++
		}
	}
	return taken
}

func TestBudget_AShareAndOnePerSecond(t *testing.T) {
	for name, start := range map[string]clock.Instant{"late": 1e15, "at zero": 0, "before zero": -1e15, "shortly before": -second / 2} {
		var b retry.Budget
		for i := range clock.Instant(100) {
			b.First(start + i*second/100)
		}
		if got := take(&b, start+second, 100, 0.2); got != 30 {
			t.Errorf("%s: %d retries for 100 first attempts, want 20 and 10", name, got)
		}
		if s := b.Status(start+second, 0.2); s.First != 100 || s.Retries != 30 || s.Left != 0 {
			t.Errorf("%s: status %+v", name, s)
		}
		if s := b.Status(start+second, 0.2); s.Denied != 70 || b.Idle(start+second) {
			t.Errorf("%s: %d denied, want the other 70", name, s.Denied)
		}
		if b.Idle(start + second) {
			t.Errorf("%s: idle in the window", name)
		}
		if !b.Idle(start + 30*second) {
			t.Errorf("%s: not idle after the window", name)
		}
		if got := take(&b, start+30*second, 100, 0.2); got != 10 {
			t.Errorf("%s: %d retries in a window without first attempts, want 10", name, got)
		}
	}
}

func TestBudget_NegativeShareLeavesOnePerSecond(t *testing.T) {
	var b retry.Budget
	for range 1000 {
		b.First(0)
	}
	if got := take(&b, 0, 1000, -1); got != 10 {
		t.Errorf("%d retries, want 10", got)
	}
}

func TestBudget_WhatWasNotUsedIsPutBack(t *testing.T) {
	var b retry.Budget
	take(&b, 0, 10, 0.2)
	b.Return(0, 9*second)
	if got := take(&b, 9*second, 10, 0.2); got != 1 {
		t.Errorf("%d retries, want the one that was put back", got)
	}
	b.Return(0, 12*second) // of a window that is over: nothing to give
	if s := b.Status(12*second, 0.2); s.Retries != 1 || s.Left != 9 {
		t.Errorf("status %+v", s)
	}
}

// model is a budget written the slow and obvious way: it keeps every instant.
type model struct {
	first, retries, refused []clock.Instant
}

// window counts the instants within so many slices.
func (m *model) window(all []clock.Instant, now clock.Instant, slices int64) (n int) {
	floor := func(i clock.Instant) int64 { return int64(i+1000*second)/int64(second) - 1000 }
	for _, at := range all {
		if floor(at) > floor(now)-slices {
			n++
		}
	}
	return n
}

func (m *model) left(now clock.Instant, share float64) float64 {
	within := func(slices int64) float64 {
		return share*float64(m.window(m.first, now, slices)) + float64(slices) - float64(m.window(m.retries, now, slices))
	}
	if m.window(m.refused, now, 2) > 0 {
		return min(within(10), within(1))
	}
	return within(10)
}

func TestBudget_AgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b retry.Budget
		var m model
		share := rapid.Float64Range(0.01, 1).Draw(t, "share")
		now := clock.Instant(rapid.Int64Range(-100, 100).Draw(t, "start")) * second / 4
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now += clock.Instant(rapid.SampledFrom([]int64{0, 1, 7, 250, 1000, 3000, 9999, 30_000}).Draw(t, "ms")) * second / 1000
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				for range rapid.IntRange(1, 60).Draw(t, "calls") {
					b.First(now)
					m.first = append(m.first, now)
				}
			case 1, 2:
				for range rapid.IntRange(1, 20).Draw(t, "retries") {
					left := m.left(now, share)
					switch got := b.Take(now, share); {
					case got != (left >= 1):
						t.Fatalf("Take says %v where %v are left", got, left)
					case got:
						m.retries = append(m.retries, now)
					default:
						m.refused = append(m.refused, now)
					}
				}
			case 3:
				if n := len(m.retries); n > 0 {
					i := rapid.IntRange(0, n-1).Draw(t, "which")
					b.Return(m.retries[i], now)
					m.retries = append(m.retries[:i:i], m.retries[i+1:]...)
				}
			}
			s := b.Status(now, share)
			if int(s.First) != m.window(m.first, now, 10) || int(s.Retries) != m.window(m.retries, now, 10) || s.Left != uint64(max(0, m.left(now, share))) {
				t.Fatalf("status %+v, want %d and %d, and %v left", s, m.window(m.first, now, 10), m.window(m.retries, now, 10), m.left(now, share))
			}
		}
	})
}

// A dependency that stays dead gets a steady part of its load, and no wave whenever the
// retries of the last one leave the window.
func TestBudget_NoWaveEveryTenSeconds(t *testing.T) {
	var b retry.Budget
	var bySecond []int
	for s := range clock.Instant(60) {
		taken := 0
		for i := range clock.Instant(100) {
			now := s*second + i*second/100
			b.First(now)
			if s >= 20 {
				taken += take(&b, now, 2, 0.2)
			}
		}
		bySecond = append(bySecond, taken)
	}
	if first := bySecond[20]; first < 200 || first > 210 {
		t.Errorf("in the first second of the fault there are %d retries, want the 210 of a window", first)
	}
	for s, n := range bySecond[30:] {
		if n != 21 {
			t.Errorf("in second %d of the fault there are %d retries, want a share of 20 and 1: %v", s+10, n, bySecond)
			break
		}
	}
}

func TestBudget_AnotherClockBeginsAgain(t *testing.T) {
	var b retry.Budget
	b.First(1000 * second)
	take(&b, 1000*second, 10, 0.2)
	b.First(1000*second - 1) // of a goroutine that was held up
	if s := b.Status(1000*second, 0.2); s.First != 2 || s.Retries != 10 {
		t.Errorf("status %+v", s)
	}
	b.First(-1000 * second)
	if s := b.Status(-1000*second, 0.2); s.First != 1 || s.Retries != 0 {
		t.Errorf("under another clock %+v", s)
	}
}

// However many goroutines take, no window holds more than it may.
func TestBudget_Stress(t *testing.T) {
	var b retry.Budget
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				b.First(clock.Now())
				now := clock.Now()
				if b.Take(now, 0.1) {
					if taken.Add(1)%10 == 0 {
						taken.Add(-1)
						b.Return(now, clock.Now())
					}
				}
			}
		})
	}
	wg.Wait()
	s := b.Status(clock.Now(), 0.1)
	if s.First == 8000 && (int64(s.Retries) != taken.Load() || s.Retries > 810) { // else the run was so slow that a window ended
		t.Errorf("%d were taken, the window says %+v", taken.Load(), s)
	}
}

func TestBudget_FollowsVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b retry.Budget
		retries := 0
		for range 1000 { // 100 s of 10 calls per second, which all fail
			b.First(clock.Now())
			retries += take(&b, clock.Now(), 2, 0.2)
			time.Sleep(100 * time.Millisecond)
		}
		if most := 1000/5 + 100; retries > most+10 || retries < most-30 {
			t.Errorf("%d retries for 1000 calls in 100 s, want about %d", retries, most)
		}
	})
}

func BenchmarkBudget_First(b *testing.B) {
	var budget retry.Budget
	now := clock.Now()
	for b.Loop() {
		budget.First(now)
	}
}

func BenchmarkBudget_Take(b *testing.B) {
	var budget retry.Budget
	for b.Loop() {
		budget.Take(clock.Now(), 0.2)
	}
}
