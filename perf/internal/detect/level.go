package detect

import "math"

// follower predicts the next value by the best of a few moving means: the last value for a
// series that wanders, a slow mean for one that is noisy about a level. What is best is known
// from the past errors alone.
type follower struct {
	mean  [len(followerWeights)]float64
	err   [len(followerWeights)]float64
	ready bool
}

var followerWeights = [...]float64{1, 0.4, 0.1}

const followerMemory = 100 // rows

func (f *follower) predict() float64 {
	best := 0
	for i, e := range f.err {
		if e < f.err[best] {
			best = i
		}
	}
	return f.mean[best]
}

func (f *follower) learn(x float64) {
	if !f.ready {
		f.restart(x)
		return
	}
	for i, a := range followerWeights {
		f.err[i] += (math.Abs(x-f.mean[i]) - f.err[i]) / followerMemory
		f.mean[i] += a * (x - f.mean[i])
	}
}

// restart follows from another value on.
func (f *follower) restart(x float64) {
	f.ready = true
	for i := range f.mean {
		f.mean[i] = x
	}
}

// recent holds the last few rows.
type recent struct {
	value [recentRows]float64
	n     int
}

const (
	recentRows = 64
	shortRows  = 5 // whose median is the present level
)

func (r *recent) add(x float64) {
	r.value[r.n%recentRows] = x
	r.n++
}

// level is the median of the last rows: two outliers among them do not move it.
func (r *recent) level() float64 {
	var last [shortRows]float64
	k := min(shortRows, r.n)
	for i := range k {
		x := r.value[(r.n-1-i)%recentRows]
		j := i
		for ; j > 0 && last[j-1] > x; j-- {
			last[j] = last[j-1]
		}
		last[j] = x
	}
	if k == 0 {
		return 0
	}
	return last[k/2]
}
