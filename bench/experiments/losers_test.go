package experiments_test

import (
	"math"

	"github.com/elixirscope/foundation/internal/adaptive"
)

// The algorithms that were not chosen, in the frame of the one that was.

// stepVegas is TCP Vegas (Brakmo and Peterson, 1995) as VegasLimit.java of Netflix concurrency-limits has
// it: the limit goes up or down by a step, as the estimated queue is below or above a bound. The
// bounds are wider than there, where 3 to 6 calls may queue before 10 places.
func stepVegas(target float64, x adaptive.Measured) (float64, adaptive.Reason) {
	if x.TimedOut > 0 {
		return target - math.Sqrt(target), adaptive.TimedOut
	}
	if !x.Limited {
		return target, adaptive.Headroom
	}
	queue := target * (1 - float64(x.Baseline)/float64(x.Latency))
	switch low, high := target/2, 2*target/3; {
	case queue < low/2:
		return target + math.Sqrt(target), adaptive.Headroom
	case queue < low:
		return target + 1, adaptive.Headroom
	case queue > high:
		return target - math.Sqrt(target), adaptive.LatencyRose
	}
	return target, adaptive.Headroom
}

// stepAIMD is additive increase and multiplicative decrease (Chiu and Jain, 1989) as AIMDLimit.java there has
// it. It looks at calls that ran out of time, and not at the latency.
func stepAIMD(target float64, x adaptive.Measured) (float64, adaptive.Reason) {
	switch {
	case x.TimedOut > 0:
		return 0.9 * target, adaptive.TimedOut
	case x.Limited:
		return target + 1, adaptive.Headroom
	}
	return target, adaptive.Headroom
}
