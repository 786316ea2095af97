package detect

import (
	"math"
	"testing"
)

func TestDeviations_InvertTheNormalTail(t *testing.T) {
	for z := -6.0; z < 36; z += 0.25 {
		p := 0.5 * math.Erfc(z/math.Sqrt2)
		if got := deviations(p); math.Abs(got-z) > 1e-6*max(1, math.Abs(z)) {
			t.Errorf("deviations(%v) = %v, want %v", p, got, z)
		}
	}
	for p, want := range map[float64]float64{0: maxZ, 1: -maxZ, 2: -maxZ, 1e-320: maxZ} {
		if got := deviations(p); got != want {
			t.Errorf("deviations(%v) = %v, want %v", p, got, want)
		}
	}
}

// The tails are compared with sums of every term by recurrences of their own.
func TestTails_AreThoseOfTheDistributions(t *testing.T) {
	for _, n := range []uint64{1, 2, 7, 40, 300} {
		for _, p := range []float64{1e-4, 0.01, 0.1, 0.5, 0.9} {
			pmf := binomialTerms(int(n), p)
			want := 0.0
			for k := int(n); k >= 0; k-- {
				want += pmf[k]
				if got := binomialTail(float64(n), float64(k), p); math.Abs(got-want) > 1e-9*want+1e-300 {
					t.Errorf("P(X >= %d) of %d at %v = %v, want %v", k, n, p, got, want)
				}
			}
		}
	}
}

// Without variance of the rate a count is as of Poisson.
func TestMixedTails_OfTheEdges(t *testing.T) {
	if got, want := mixedBelow(2, 3, 1e-6), math.Exp(-3)*(1+3+4.5); math.Abs(got-want) > 1e-5 {
		t.Errorf("P(X <= 2) at 3 = %v, want %v", got, want)
	}
	for _, variance := range []float64{0.01, 0.3, 1} {
		for k := 1.0; k < 20; k++ {
			if below, above := mixedBelow(k-1, 5, variance), mixedTail(k, 5, variance); math.Abs(below+above-1) > 1e-4 {
				t.Errorf("P(X < %v) + P(X >= %v) = %v at %v, want 1", k, k, below+above, variance)
			}
		}
	}
}

// binomialTerms convolves n single trials.
func binomialTerms(n int, p float64) []float64 {
	pmf := make([]float64, n+1)
	pmf[0] = 1
	for i := 1; i <= n; i++ {
		for k := i; k > 0; k-- {
			pmf[k] = pmf[k]*(1-p) + pmf[k-1]*p
		}
		pmf[0] *= 1 - p
	}
	return pmf
}

func TestScores_OfTheEdges(t *testing.T) {
	for _, tt := range []struct {
		k, n, p, variance float64
		least, most       float64
	}{
		{0, 0, 0.1, 0, 0, 0},
		{0, 1, 0.1, 0, -1, 0},
		{1, 1, 0.1, 0, 1.2, 1.3}, // one call in ten is slow
		{10, 10, 1e-4, 0, 12, 14},
		{10, 10, 1e-4, 1, 3, 14},
		{1e6, 1e6, 1e-4, 0, maxZ, maxZ},
		{1e8, 1e9, 0.1, 0, -0.01, 0.01},
		{200, 1000, 0.1, 0.25, 1, 2}, // twice the mean, which varies by half
	} {
		if z := excess(tt.k, tt.n, tt.n*tt.p, tt.variance); z < tt.least || z > tt.most {
			t.Errorf("excess(%v of %v at %v, %v) = %v, want %v to %v", tt.k, tt.n, tt.p, tt.variance, z, tt.least, tt.most)
		}
	}
	for _, tt := range []struct{ k, mean, variance, least, most float64 }{
		{0, 0, 0, 0, 0},
		{0, 3, 0, 1.6, 1.7},
		{0, 1e6, 0, maxZ, maxZ},
		{50, 100, 0.04, 2, 4},
		{200, 100, 0.04, -5, -2},
	} {
		if z := shortfall(tt.k, tt.mean, tt.variance); z < tt.least || z > tt.most {
			t.Errorf("shortfall(%v of %v, %v) = %v, want %v to %v", tt.k, tt.mean, tt.variance, z, tt.least, tt.most)
		}
	}
}
