package shared_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
	"github.com/elixirscope/foundation/ratelimit/shared/storetest"
)

func TestARuleIsRefusedWithTheGreatestThatFits(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		config ratelimit.Config
		want   []string // of each fault; none for a rule that is right
	}{
		{config: ratelimit.Config{Limit: 1}},
		{config: ratelimit.Config{Limit: -1}},
		{config: ratelimit.Config{Limit: 1_000_000_000_000, Per: time.Microsecond}},
		{config: ratelimit.Config{Limit: 1, Per: 3650 * day}},
		{config: ratelimit.Config{Limit: 33_333, Per: 30 * day, Burst: 4_000_000}},
		{config: ratelimit.Config{Limit: 10_000, Algorithm: ratelimit.SlidingLog}},
		{config: ratelimit.Config{Limit: 1_000_000_000_000, Algorithm: ratelimit.SlidingWindow, Per: 3650 * day}},
		{ratelimit.Config{Limit: 1_000_000_000_001}, []string{"limit 1000000000001: must be at most 1000000000000 in a shared rule"}},
		{ratelimit.Config{Limit: 10_001, Algorithm: ratelimit.SlidingLog}, []string{"limit 10001: must be at most 10000 in a shared sliding_log"}},
		{ratelimit.Config{Limit: 1, Per: 3651 * day}, []string{"per 87624h0m0s: must be at most 87600h0m0s"}},
		{ratelimit.Config{Limit: 1, Per: 1500}, []string{"per 1.5µs: must be a whole number of microseconds"}},
		{ratelimit.Config{Limit: 1, Per: time.Hour, Burst: 87_601}, []string{"burst 87601: must be at most 87600 in a shared rule with this limit"}},
		{ratelimit.Config{Limit: 2, Per: time.Hour, Burst: 175_200}, nil},
		{ratelimit.Config{Limit: math.MaxInt64, Per: 1, Burst: math.MaxInt64}, []string{
			"limit 9223372036854775807", "burst 9223372036854775807: must be at most 1000000000000", "per 1ns",
		}},
		{ratelimit.Config{Limit: 0, Per: -1, Parts: 9, Burst: -1}, []string{"limit: is missing", "per -1ns: must be longer than 0", "burst -1: must be at least 1", "parts 9"}},
	} {
		err := shared.Rule{Name: "rule", Config: test.config}.Validate()
		var f *fault.Error
		if test.want == nil {
			if err != nil {
				t.Errorf("%+v is refused: %v", test.config, err)
			}
			continue
		}
		if !errors.As(err, &f) || f.Code() != fault.InvalidConfig {
			t.Errorf("%+v: %v", test.config, err)
			continue
		}
		ps := f.Problems()
		for i, want := range test.want {
			if i >= len(ps) || !strings.HasPrefix(ps[i].String(), want) {
				t.Errorf("%+v: fault %d of %v, want %q", test.config, i, ps, want)
			}
		}
		if len(ps) != len(test.want) {
			t.Errorf("%+v has %d faults: %v", test.config, len(ps), ps)
		}
	}
	if err := (shared.Rule{Config: ratelimit.Config{Limit: 1}}).Validate(); err == nil || !strings.Contains(err.Error(), "name") {
		t.Errorf("a rule without a name: %v", err)
	}
}

// What the stores refuse of the vectors is what cannot be counted exactly, and nothing else.
func TestTheVectorsThatNoStoreCountsAreKnown(t *testing.T) {
	all, err := storetest.Vectors()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range all {
		if (shared.Rule{Name: "rule", Config: v.Rule.Config()}).Validate() != nil {
			got = append(got, v.Name)
		}
	}
	var want []string
	for _, a := range []string{"gcra", "fixed_window", "sliding_window", "sliding_log", "leaky_bucket"} {
		want = append(want, a+": 3 in 10 ns")
		if a == "sliding_log" {
			want = append(want, a+": 5e7 a second", a+": 999983 a second")
		}
		want = append(want, a+": a great limit")
	}
	if !slices.Equal(got, want) {
		t.Errorf("refused: %q\nwant     %q", got, want)
	}
}
