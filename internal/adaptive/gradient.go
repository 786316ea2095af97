package adaptive

import "math"

// Gradient2 moves a fifth of the way to the limit times the gradient plus what may queue.
// Calls that run out of time lower the gradient, too, by their share: where the time limit is
// shorter than the latency that is tolerated, nothing else would.
func Gradient2(target float64, x Measured) (float64, Reason) {
	const smoothing, least = 0.2, 0.2
	if !x.Limited {
		return target, Headroom
	}
	latency, inTime := min(1, Tolerance*float64(x.Baseline)/float64(x.Latency)), 1-x.TimedOut
	next := target + smoothing*(target*max(least, latency*inTime)+2*math.Sqrt(target)-target)
	switch {
	case next >= target:
		return next, Headroom
	case inTime < latency:
		return next, TimedOut
	default:
		return next, LatencyRose
	}
}
