package detect

import "math"

const (
	exactBelow = 10   // expected events below which the tail is summed exactly
	maxZ       = 37   // where the normal tail leaves the range of float64
	maxTerms   = 512  // of a sum; what is left out is below the precision
	poisson    = 1e-6 // relative variance below which a count is as of independent events
)

// excess returns by how many deviations k exceeds a mean, if normal counts vary by a relative
// variance beyond that of independent events; negative if it falls short. Of at most n events,
// k is binomial; beyond, a share that varies makes the count negative binomial.
func excess(k, n, mean, variance float64) float64 {
	if mean <= 0 {
		return 0
	}
	switch {
	case mean >= exactBelow:
		return cubeRoot(k, mean, variance, mean/n)
	case k <= mean:
		return (k - mean) / math.Sqrt(mean*(1-mean/n)+mean*mean*variance)
	case variance < poisson:
		return max(0, deviations(binomialTail(n, k, mean/n)))
	}
	return max(0, deviations(mixedTail(k, mean, variance)))
}

// shortfall returns by how many deviations a count falls short of a mean; negative if it
// exceeds it.
func shortfall(k, mean, variance float64) float64 {
	if mean <= 0 {
		return 0
	}
	switch {
	case mean >= exactBelow:
		return -cubeRoot(k, mean, variance, 0)
	case k >= mean:
		return (mean - k) / math.Sqrt(mean+mean*mean*variance)
	}
	return max(0, deviations(mixedBelow(k, mean, max(variance, poisson))))
}

// cubeRoot is the normal score of a gamma distribution with the mean and the variance of the
// count (Wilson and Hilferty 1931): it has the skew that a share which varies gives to counts.
func cubeRoot(k, mean, variance, share float64) float64 {
	ninth := (variance + (1-share)/mean) / 9
	if ninth <= 0 {
		return 0
	}
	z := (math.Cbrt(k/mean) - (1 - ninth)) / math.Sqrt(ninth)
	return min(max(z, -maxZ), maxZ)
}

// binomialTail returns P(X >= k) for X binomial with n trials of p.
func binomialTail(n, k, p float64) float64 {
	if k <= 0 {
		return 1
	}
	odds := p / (1 - p)
	term := math.Exp(logChoose(n, k) + k*math.Log(p) + (n-k)*math.Log1p(-p))
	sum := term
	for i := 0; i < maxTerms && k < n && term > sum*1e-12; i++ {
		term *= (n - k) / (k + 1) * odds
		sum += term
		k++
	}
	return min(sum, 1)
}

// mixedTail returns P(X >= k) for X negative binomial with a mean and a relative variance of
// its rate.
func mixedTail(k, mean, variance float64) float64 {
	if k <= 0 {
		return 1
	}
	size := 1 / variance
	p := mean / (mean + size)
	term := math.Exp(logChoose(k+size-1, k) + k*math.Log(p) - size*math.Log1p(mean/size))
	sum := term
	for i := 0; i < maxTerms && term > sum*1e-6; i++ {
		term *= (k + size) / (k + 1) * p
		sum += term
		k++
	}
	return min(sum, 1)
}

// mixedBelow returns P(X <= k) of the same distribution, for a mean that is not large.
func mixedBelow(k, mean, variance float64) float64 {
	size := 1 / variance
	p := mean / (mean + size)
	term := math.Exp(-size * math.Log1p(mean/size))
	sum := term
	for i := 0.0; i < k; i++ {
		term *= (i + size) / (i + 1) * p
		sum += term
	}
	return min(sum, 1)
}

// logChoose returns the logarithm of n over k.
func logChoose(n, k float64) float64 {
	a, _ := math.Lgamma(n + 1)
	b, _ := math.Lgamma(k + 1)
	c, _ := math.Lgamma(n - k + 1)
	return a - b - c
}

// deviations returns the z of a normal distribution whose upper tail is p, by Acklam's
// rational approximation (relative error below 2e-9): math.Erfcinv loses the tail, because it
// computes 1-x first.
func deviations(p float64) float64 {
	switch {
	case p >= 1:
		return -maxZ
	case p <= 1e-300:
		return maxZ
	case p > 0.5:
		return -deviations(1 - p)
	case p > 0.02425:
		q := 0.5 - p
		r := q * q
		return q * horner(r, -3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02, 1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00) /
			horner(r, -5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02, 6.680131188771972e+01, -1.328068155288572e+01, 1)
	}
	q := math.Sqrt(-2 * math.Log(p))
	return -horner(q, -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00, -2.549732539343734e+00, 4.374664141464968e+00, 2.938163982698783e+00) /
		horner(q, 0, 7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00, 1)
}

// horner evaluates a polynomial of the fifth degree.
func horner(x, a, b, c, d, e, f float64) float64 {
	return ((((a*x+b)*x+c)*x+d)*x+e)*x + f
}
