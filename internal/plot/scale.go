package plot

import (
	"math"
	"strconv"
)

// scale takes values to pixels.
type scale struct {
	min, max    float64
	log         bool
	first, last float64 // the pixels of min and max
}

func (s scale) at(v float64) float64 {
	share := (v - s.min) / (s.max - s.min)
	if s.log {
		share = math.Log(v/s.min) / math.Log(s.max/s.min)
	}
	return s.first + share*(s.last-s.first)
}

// within draws what lies outside of the axis on its edge.
func (s scale) within(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return math.NaN()
	}
	return min(max(v, s.min), s.max)
}

func (a Axis) scale(lines []Line, of func(*Line) []float64, first, last int) scale {
	s := scale{a.Min, a.Max, a.Log, float64(first), float64(last)}
	if s.max > s.min {
		return s
	}
	s.min, s.max = 0, 0
	for i := range lines {
		for _, v := range of(&lines[i]) {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				s.min, s.max = min(s.min, v), max(s.max, v)
			}
		}
	}
	if s.max <= s.min {
		s.max = s.min + 1
	}
	step := stepFor(s.max-s.min, 5)
	s.min, s.max = math.Floor(s.min/step)*step, math.Ceil(s.max/step)*step
	return s
}

// ticks are about n round values.
func (s scale) ticks(n int) (all []float64) {
	if s.log {
		for decade := math.Pow(10, math.Floor(math.Log10(s.min))); decade <= s.max; decade *= 10 {
			for _, m := range []float64{1, 2, 5} {
				if v := m * decade; v >= s.min*0.999 && v <= s.max*1.001 {
					all = append(all, v)
				}
			}
		}
		return all
	}
	step := stepFor(s.max-s.min, max(n, 2))
	for i := math.Ceil(s.min/step - 1e-9); i*step <= s.max+step*1e-9; i++ {
		all = append(all, i*step)
	}
	return all
}

// stepFor is the smallest of 1, 2 and 5 times a power of ten that takes at most n steps.
func stepFor(span float64, n int) float64 {
	power := math.Pow(10, math.Floor(math.Log10(span/float64(n))))
	for _, m := range []float64{1, 2, 5} {
		if m*power*float64(n) >= span*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func (a Axis) text(v float64) string {
	if a.Percent {
		return number(v*100) + " %"
	}
	return number(v)
}

// number writes a tick without the dust of binary fractions, and 0 without the sign it may have.
func number(v float64) string { return strconv.FormatFloat(v+0, 'g', 6, 64) }
