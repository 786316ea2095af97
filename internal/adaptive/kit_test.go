package adaptive_test

import (
	"math"
	"time"

	"github.com/elixirscope/foundation/internal/adaptive"
)

// dependency works on so many calls at once, each of which takes as long; further ones wait.
type dependency struct {
	places  int
	service time.Duration
	delay   time.Duration // on the way, which takes no place
	timeout time.Duration // 0 means none
}

// took is the latency of a call with so many in flight.
func (d dependency) took(inFlight int) (time.Duration, bool) {
	took := d.delay + time.Duration(float64(d.service)*max(1, float64(inFlight)/float64(d.places)))
	if d.timeout > 0 && took > d.timeout {
		return d.timeout, true
	}
	return took, false
}

// world feeds a machine with the samples of a dependency.
type world struct {
	m   adaptive.Machine
	s   adaptive.State
	now time.Duration
	// lowest and highest are the limits seen.
	lowest, highest int
}

func newWorld(lowest, highest int) *world {
	w := &world{m: adaptive.Machine{Min: lowest, Max: highest, Step: adaptive.Gradient2}}
	w.s = w.m.Start(w.now)
	w.forget()
	return w
}

func (w *world) forget() { w.lowest, w.highest = math.MaxInt, 0 }

// run lets so many windows full of calls come; wanted is how many would be in flight if
// nothing was refused. Of very many calls only a part are samples.
func (w *world) run(d dependency, wanted, windows int) {
	for range 50 * windows {
		w.one(d, wanted)
	}
}

// one lets one call come.
func (w *world) one(d dependency, wanted int) {
	inFlight := min(wanted, w.s.Limit)
	took, late := d.took(inFlight)
	w.now += max(2*time.Millisecond, took/time.Duration(inFlight))
	w.s = w.m.Next(w.s, adaptive.Sample{Took: took, InFlight: inFlight, TimedOut: late}, w.now)
	w.lowest, w.highest = min(w.lowest, w.s.Limit), max(w.highest, w.s.Limit)
}
