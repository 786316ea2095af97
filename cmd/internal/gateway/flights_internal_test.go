package gateway

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
)

// The lists agree with a plain set, in whatever order requests end.
func TestFlights_KnowTheOldest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, in := new(flights), []*requestInfo{}
		now := clock.Instant(1)
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now = now.Add(time.Second)
			if len(in) == 0 || rapid.Bool().Draw(t, "begins") {
				i := &requestInfo{}
				i.began = now
				f.add(i)
				in = append(in, i)
			} else {
				k := rapid.IntRange(0, len(in)-1).Draw(t, "which")
				f.remove(in[k])
				f.remove(in[k]) // a second time does nothing
				in = append(in[:k], in[k+1:]...)
			}
			want := time.Duration(0)
			for _, i := range in {
				want = max(want, now.Sub(i.began))
			}
			if got := f.oldest(now); got != want {
				t.Fatalf("oldest %v, want %v", got, want)
			}
		}
	})
}
