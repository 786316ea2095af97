package ratelimit_test

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/internal/model"
)

// Whatever a Config holds, it is refused or works at every moment.
func FuzzConfig(f *testing.F) {
	f.Add(uint8(0), int64(5), int64(time.Minute), int64(0), 0, 0, uint8(0), int64(0), int64(1))
	f.Add(uint8(4), int64(-1), int64(-1), int64(7), -1, 1<<30, uint8(2), int64(-1)<<63, int64(-5))
	f.Add(uint8(2), int64(1)<<62, int64(1)<<62, int64(0), 4, 3, uint8(1), int64(1)<<62, int64(1)<<61)
	f.Fuzz(func(t *testing.T, algorithm uint8, limit, per, burst int64, parts, maxKeys int, how uint8, at, cost int64) {
		c := ratelimit.Config{
			Algorithm: ratelimit.Algorithm(algorithm), Limit: limit, Per: time.Duration(per), Burst: burst,
			Parts: parts, MaxKeys: min(maxKeys, 1<<20), Mode: mode.Mode(how),
		}
		l, err := ratelimit.New("rule", c)
		if (err != nil) != (c.Validate() != nil) {
			t.Fatalf("New says %v and Validate %v", err, c.Validate())
		}
		if err != nil {
			return
		}
		now := clock.Instant(at)
		for i := range 6 {
			d := l.AllowAt(now, user, cost)
			if d.Remaining < 0 || d.Remaining > d.Limit || d.RetryAfter < 0 || d.ResetAfter < 0 || d.OK != (d.Err() == nil) {
				t.Fatalf("%+v answers %+v", c, d)
			}
			if i%3 == 2 {
				d.RefundAt(now)
			}
			now = now.Add(d.RetryAfter)
		}
		if p := l.PeekAt(now, user, 1); p.Remaining < 0 || p.Taken != 0 {
			t.Fatalf("%+v answers %+v to a peek", c, p)
		}
	})
}

// Each byte is a step in time and a cost; the answer is the model's.
func FuzzAgainstTheModels(f *testing.F) {
	f.Add(uint8(0), uint16(5), uint32(60), []byte("\x01\x11\x21\x00\xf1"))
	f.Add(uint8(2), uint16(7), uint32(1), []byte("\x01\x02\x03\x04\x85\x06"))
	f.Fuzz(func(t *testing.T, algorithm uint8, limit uint16, per uint32, calls []byte) {
		c := ratelimit.Config{Algorithm: algorithms[int(algorithm)%len(algorithms)], Limit: int64(limit) + 1, Per: time.Duration(per) + 1}
		l, m, now := must(t, c), model.New(c), clock.Instant(0)
		for i, b := range calls[:min(len(calls), 200)] {
			now = now.Add(c.Per / 16 * time.Duration(b>>4))
			cost := min(int64(b&15), c.Limit)
			d, want := l.AllowAt(now, user, cost), m.Allow(now, cost)
			if d.OK != want.OK || d.Remaining != want.Remaining || d.RetryAfter != want.RetryAfter || d.ResetAfter != want.ResetAfter {
				t.Fatalf("%+v, call %d: got %+v, want %+v", c, i, d, want)
			}
		}
	})
}
