package clock_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
)

func TestNowFollowsVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := clock.Now()
		time.Sleep(90 * time.Second)
		if got := clock.Now().Sub(before); got != 90*time.Second {
			t.Errorf("after 90 s of virtual time the clock moved %v", got)
		}
	})
}

func TestAddAndSubSaturate(t *testing.T) {
	for _, tc := range []struct {
		name      string
		got, want int64
	}{
		{"past the end", int64((clock.Max - 5).Add(10)), int64(clock.Max)},
		{"before the start", int64((clock.Min + 5).Add(-10)), int64(clock.Min)},
		{"in range", int64(clock.Instant(5).Add(10)), 15},
		{"widest difference", int64(clock.Max.Sub(clock.Min)), int64(clock.Max)},
		{"widest negative difference", int64(clock.Min.Sub(clock.Max)), int64(clock.Min)},
		{"plain difference", int64(clock.Instant(7).Sub(10)), -3},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, tc.got, tc.want)
		}
	}
}

func TestTimeIsTheWallTimeOfTheInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := time.Now().Add(time.Minute)
		if got := clock.Now().Add(time.Minute).Time(); !got.Equal(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestOfIsTheInverseOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		want := clock.Now().Add(time.Minute)
		if got := clock.Of(time.Now().Add(time.Minute)); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	})
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !clock.Sleep(t.Context(), time.Second) || time.Since(began) != time.Second {
			t.Errorf("it slept %v of a second", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if clock.Sleep(ctx, time.Hour) || time.Since(began) != 2*time.Second {
			t.Errorf("it slept on for %v though the context had ended", time.Since(began))
		}
		if clock.Sleep(ctx, 0) || !clock.Sleep(t.Context(), -1) {
			t.Error("no time has not passed, or has under a context that is over")
		}
	})
}
