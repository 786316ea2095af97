package ratelimit

import "github.com/elixirscope/foundation/internal/enum"

// Algorithm says how calls are counted against a limit. The zero value is
// [GCRA], which is right for most rules; docs/rate-limits.md helps to choose.
type Algorithm = enum.Of[algorithms]

const (
	// GCRA is an exact token bucket: Burst calls at once, then one every
	// Per/Limit. It never admits more than Burst + Limit×t/Per calls in any t.
	GCRA Algorithm = iota
	// FixedWindow admits Limit calls in each window of Per. All keys share the
	// moments at which windows change. Around a change up to twice the limit
	// pass within less than a window.
	FixedWindow
	// SlidingWindow counts the present window in full and the one before by the
	// share of it that still lies less than Per back.
	SlidingWindow
	// SlidingLog remembers every call of the last Per and never admits more than
	// Limit in any interval of that length. It needs 16 bytes for each.
	SlidingLog
	// LeakyBucket lets calls pass one by one, Per/Limit apart, and lets up to
	// Burst of them wait ([Limiter.Wait], [Limiter.Reserve]). Without waiting a
	// call is admitted only when the previous one has left its place.
	LeakyBucket
)

type algorithms struct{}

func (algorithms) Names() (string, []string) { return "algorithm", algorithmNames }

var algorithmNames = []string{
	GCRA: "gcra", FixedWindow: "fixed_window", SlidingWindow: "sliding_window", SlidingLog: "sliding_log", LeakyBucket: "leaky_bucket",
}

// paced reports whether the algorithm spaces calls by Per/Limit and so can give
// out places in the future; only these have a burst.
func paced(a Algorithm) bool { return a == GCRA || a == LeakyBucket }
