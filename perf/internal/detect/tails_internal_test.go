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
				if got := binomialTail(n, uint64(k), p); math.Abs(got-want) > 1e-9*want+1e-300 {
					t.Errorf("P(X >= %d) of %d at %v = %v, want %v", k, n, p, got, want)
				}
			}
		}
	}
	if got, want := poissonBelow(2, 3), math.Exp(-3)*(1+3+4.5); math.Abs(got-want) > 1e-15 {
		t.Errorf("P(X <= 2) at 3 = %v, want %v", got, want)
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

func TestExceedance_OfTheEdges(t *testing.T) {
	for _, tt := range []struct {
		n, k uint64
		p    float64
		ok   func(z float64) bool
	}{
		{0, 0, 0.1, func(z float64) bool { return z == 0 }},
		{1, 0, 0.1, func(z float64) bool { return z < 0 && z > -1 }},
		{1, 1, 0.1, func(z float64) bool { return z > 1.2 && z < 1.3 }}, // one call in ten is slow
		{10, 10, 1e-4, func(z float64) bool { return z > 12 && z < 14 }},
		{1e6, 1e6, 1e-4, func(z float64) bool { return z > 100 }},
		{5, 9, 0.1, func(z float64) bool { return z > 4 && z < 5 }}, // more than there were is all
		{1e9, 1e8, 0.1, func(z float64) bool { return z == 0 }},
	} {
		if z := exceedance(tt.n, tt.k, tt.p); !tt.ok(z) {
			t.Errorf("exceedance(%d, %d, %v) = %v", tt.n, tt.k, tt.p, z)
		}
	}
	if z := shortfall(0, 0); z != 0 {
		t.Errorf("nothing of nothing: %v, want 0", z)
	}
	if z := shortfall(0, 1e6); z < 1000 || math.IsInf(z, 0) {
		t.Errorf("nothing of a million: %v", z)
	}
}
