package detect

import "math"

// dispersion learns how much more the scores of normal ticks vary than independent calls
// would make them, and how much successive ones resemble each other.
type dispersion struct {
	mean, square, product float64 // moving means of the score, its square and neighbours' product
	last                  float64
	n                     float64
}

const dispersionMemory = 500 // ticks

// scale returns the deviation of past scores; never below 1, that of independent calls.
func (d *dispersion) scale() float64 { return math.Sqrt(max(1, d.square)) }

func (d *dispersion) correlation() float64 {
	center := d.mean * d.mean
	return min(max((d.product-center)/max(1, d.square-center), 0), 0.95)
}

// learn takes the unscaled score of a tick, clamped so that an outlier does not widen what
// counts as normal. A weight below 1 is for ticks that are suspect.
func (d *dispersion) learn(z, weight float64) {
	limit := 3 * d.scale()
	z = min(max(z, -limit), limit)
	d.n++
	a := weight * max(1/dispersionMemory, 1/(d.n+10))
	d.mean += a * (z - d.mean)
	d.square += a * (z*z - d.square)
	d.product += a * (z*d.last - d.product)
	d.last = z
}

// weight is how much of a tick the baseline learns: all of what is normal, less the further
// it is from normal and the nearer the alert is.
func weight(z, suspicion float64) float64 {
	w := 1 - suspicion
	if z > 2 {
		w *= 4 / (z * z)
	}
	return max(0, w)
}
