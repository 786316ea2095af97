package adaptive

import "math"

// Gradient2 moves a fifth of the way to the limit times the gradient plus what may queue.
func Gradient2(target float64, x Measured) (float64, Reason) {
	const smoothing = 0.2
	if !x.Limited {
		return target, Headroom
	}
	gradient := min(1, max(0.2, Tolerance*float64(x.Baseline)/float64(x.Latency)))
	next := target + smoothing*(target*gradient+2*math.Sqrt(target)-target)
	return next, direction(target, next)
}

// Vegas goes up or down by a step.
func Vegas(target float64, x Measured) (float64, Reason) {
	if x.TimedOut > 0 {
		return target - math.Sqrt(target), TimedOut
	}
	if !x.Limited {
		return target, Headroom
	}
	queue := target * (1 - float64(x.Baseline)/float64(x.Latency))
	switch low, high := target/2, 2*target/3; {
	case queue < low/2:
		return target + math.Sqrt(target), Headroom
	case queue < low:
		return target + 1, Headroom
	case queue > high:
		return target - math.Sqrt(target), LatencyRose
	}
	return target, Headroom
}

// AIMD looks at calls that ran out of time, and not at the latency.
func AIMD(target float64, x Measured) (float64, Reason) {
	switch {
	case x.TimedOut > 0:
		return 0.9 * target, TimedOut
	case x.Limited:
		return target + 1, Headroom
	}
	return target, Headroom
}

func direction(from, to float64) Reason {
	if to < from {
		return LatencyRose
	}
	return Headroom
}
