package detect

import "math"

// dispersion learns how much more the counts of normal ticks vary than independent calls would
// make them, relative to their mean: so it holds while traffic comes and goes with the day. It
// also learns how much successive ticks resemble each other.
type dispersion struct {
	excess, information   float64 // weighted moving sums of the variance beyond that of independent calls
	mean, square, product float64 // moving means of the score, its square and neighbours' product
	last                  float64
	n                     float64
}

const dispersionMemory = 500 // ticks

// variance returns the variance relative to the squared mean that normal ticks have beyond that
// of independent calls.
func (d *dispersion) variance() float64 {
	if d.information <= 0 {
		return 0
	}
	return min(max(0, d.excess/d.information), 4)
}

func (d *dispersion) correlation() float64 {
	center := d.mean * d.mean
	return min(max((d.product-center)/max(1, d.square-center), 0), 0.95)
}

// centered takes off what the baseline lags behind: a season's rise or fall is no deviation.
func (d *dispersion) centered(z float64) float64 { return z - max(0, d.mean) }

// learn takes a tick that counted more than the expected mean by surplus, or less if that is
// the direction that matters, with a score of z. Both are clamped, so that an outlier does not
// widen what counts as normal. A weight below 1 is for ticks that are suspect.
func (d *dispersion) learn(surplus, mean, z, weight float64) {
	d.n++
	a := weight * max(1/dispersionMemory, 1/(d.n+10))
	z = min(max(z, -3), 3) + max(0, d.mean)
	d.mean += a * (z - d.mean)
	d.square += a * (z*z - d.square)
	d.product += a * (z*d.last - d.product)
	d.last = z
	if mean <= 0 {
		return
	}
	known := d.variance()
	limit := 4 * math.Sqrt(known+1/mean)
	x := min(max(surplus/mean, -limit), limit)
	square := x * x
	// The side that matters stands for both: shares that vary have one tail that is longer. Of
	// few expected events the other side cannot show.
	if mean >= 1 {
		square = 2 * max(x, 0) * x
	}
	w := mean / (1 + mean*known)
	d.excess += a * (w*(square-1/mean) - d.excess)
	d.information += a * (w - d.information)
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
