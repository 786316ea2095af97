package detect

import "math"

const (
	exactBelow = 10  // expected events below which the tail is summed exactly
	maxZ       = 37  // where the normal tail leaves the range of float64
	maxTerms   = 512 // of a sum; what is left out is below the precision
)

// exceedance returns by how many deviations k of n exceeds what a share of p0 makes
// expected. It is exact where few events are expected; n may be anything.
func exceedance(n, k uint64, p0 float64) float64 {
	if n == 0 {
		return 0
	}
	k = min(k, n)
	mean := float64(n) * p0
	sd := math.Sqrt(mean * (1 - p0))
	if sd <= 0 {
		return 0
	}
	if float64(k) <= mean || min(mean, float64(n)-mean) >= exactBelow {
		return (float64(k) - mean) / sd
	}
	return deviations(binomialTail(n, k, p0))
}

// binomialTail returns P(X >= k) for X binomial with n trials of p.
func binomialTail(n, k uint64, p float64) float64 {
	if k == 0 {
		return 1
	}
	nf, kf := float64(n), float64(k)
	term := math.Exp(logChoose(nf, kf) + kf*math.Log(p) + (nf-kf)*math.Log1p(-p))
	odds, sum := p/(1-p), 0.0
	for i := 0; i < maxTerms && term > 0; i++ {
		sum += term
		if kf >= nf || term < sum*1e-12 {
			break
		}
		term *= (nf - kf) / (kf + 1) * odds
		kf++
	}
	return min(sum, 1)
}

func logChoose(n, k float64) float64 {
	a, _ := math.Lgamma(n + 1)
	b, _ := math.Lgamma(k + 1)
	c, _ := math.Lgamma(n - k + 1)
	return a - b - c
}

// shortfall returns by how many deviations n falls short of a mean; negative if it exceeds it.
func shortfall(n uint64, mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	if mean < exactBelow && float64(n) < mean {
		return max(0, deviations(poissonBelow(n, mean)))
	}
	return 2 * (math.Sqrt(mean+3.0/8) - math.Sqrt(float64(n)+3.0/8))
}

// poissonBelow returns P(X <= n).
func poissonBelow(n uint64, mean float64) float64 {
	term := math.Exp(-mean)
	sum := term
	for i := uint64(1); i <= n; i++ {
		term *= mean / float64(i)
		sum += term
	}
	return min(sum, 1)
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
