package memory

import (
	"math"
	"time"
)

// Term is one limit and what is used of it. The highest share of all terms decides.
type Term struct {
	// Source says whose limit it is: "go" (GOMEMLIMIT), "configured" (the limit of the
	// settings), "cgroup" with the group's directory, or "machine".
	Source string
	// Used is what counts as used, in bytes: without page cache that can be dropped, and
	// without garbage that the runtime collects before the limit is reached.
	Used, Limit uint64
	Ratio       float64
}

// terms returns what is known of the limits. configured is the limit of the settings, 0 for
// none, and page the size of a page.
func (s *system) terms(g *goStats, configured int64, page uint64) []Term {
	var all []Term
	add := func(source string, used, limit uint64) {
		if limit > 0 {
			all = append(all, Term{source, used, limit, float64(used) / float64(limit)})
		}
	}
	if g.limit.ok {
		add("go", g.used(), g.limit.n)
	}
	if configured > 0 {
		used := g.mapped
		if s.resident.ok {
			used = s.resident.n * page
		}
		add("configured", g.afterCollection(used, uint64(configured)), uint64(configured))
	}
	for i := range s.groups {
		u := &s.groups[i]
		if used, ok := u.workingSet(); ok {
			add("cgroup /"+u.dir, g.afterCollection(used, u.limit), u.limit)
		}
	}
	// What others leave of the machine is what there is where nothing else bounds the process.
	if configured == 0 && s.total.ok && s.available.ok && s.available.n <= s.total.n {
		add("machine", s.total.n-s.available.n, s.total.n)
	}
	return all
}

// workingSet is what a group uses without page cache that can be dropped at once.
func (u *groupUse) workingSet() (uint64, bool) {
	if !u.current.ok {
		return 0, false
	}
	if !u.inactive.ok || u.inactive.n > u.current.n { // read at another moment: nothing is deducted
		return u.current.n, true
	}
	return u.current.n - u.inactive.n, true
}

// afterCollection deducts garbage from what is used, if GOMEMLIMIT makes the runtime collect
// it before the limit is reached: beside what is not Go's there is room for all that Go may use.
func (g *goStats) afterCollection(used, limit uint64) uint64 {
	foreign := used - min(used, g.mapped)
	if !g.limit.ok || g.limit.n > limit || foreign > limit-g.limit.n {
		return used
	}
	return used - min(used, g.garbage())
}

// highest returns the term with the highest share; false if there is none.
func highest(all []Term) (Term, bool) {
	var top Term
	for i, t := range all {
		if i == 0 || t.Ratio > top.Ratio {
			top = t
		}
	}
	return top, len(all) > 0
}

// counters are those whose advance says that memory has run out.
type counters struct {
	limiter  uint64
	ran, out map[string]uint64 // by the group's directory
}

// hard says what has advanced since before, and returns the counters as they are now. That
// a group was at its limit counts only while little can be reclaimed: page cache alone brings
// it there all the time.
func (c *counters) hard(s *system, g *goStats, short bool) (why string, now counters) {
	now = counters{limiter: g.limiter, ran: make(map[string]uint64), out: make(map[string]uint64)}
	for i := range s.groups {
		u := &s.groups[i]
		if u.ran.ok {
			now.ran[u.dir] = u.ran.n
			if before, ok := c.ran[u.dir]; ok && u.ran.n > before && short {
				why = "the control group /" + u.dir + " reached its limit"
			}
		}
		if u.out.ok {
			now.out[u.dir] = u.out.n
			if before, ok := c.out[u.dir]; ok && u.out.n > before {
				why = "the control group /" + u.dir + " ran out of memory"
			}
		}
	}
	if c.ran != nil && g.limiter > c.limiter {
		why = "collecting garbage takes so much processor time that the runtime holds it back"
	}
	return why, now
}

// window is how long a minimum or a mean is taken over.
const window = 2500 * time.Millisecond

// pace foresees when the limit is reached. It compares the minima of windows, and takes the
// smaller of the last two rises: what a garbage collection gives back is no change of pace,
// and neither is one step.
type pace struct {
	begun        time.Time
	least, prior float64 // the minimum of the window, and of the one before
	last, rise   float64 // of the minima, in a second: the last one, and the smaller of the last two
	seen         int     // windows that are complete
}

func (p *pace) add(ratio float64, now time.Time) (soon time.Duration) {
	switch took := now.Sub(p.begun); {
	case p.begun.IsZero() || took < 0:
		*p = pace{begun: now, least: ratio}
	case took < window:
		p.least = min(p.least, ratio)
	default:
		if p.seen++; p.seen > 1 {
			rise := (p.least - p.prior) / took.Seconds()
			p.rise, p.last = min(rise, p.last), rise
		}
		p.begun, p.prior, p.least = now, p.least, ratio
	}
	if left := (1 - ratio) / p.rise; p.rise > 0 && left > 0 && left < math.MaxInt32 {
		return time.Duration(left * float64(time.Second))
	}
	return 0
}

// share is how much of the processors collecting took over the last window or two.
type share struct {
	begun        time.Time
	gc, cpu      float64 // at the beginning of the window
	gc0, cpu0    float64 // at the beginning of the one before
	begunEarlier bool
}

func (s *share) add(g *goStats, now time.Time) float64 {
	switch {
	case s.begun.IsZero() || now.Before(s.begun):
		*s = share{begun: now, gc: g.gcCPU, cpu: g.cpu}
		return 0
	case now.Sub(s.begun) >= window:
		s.begun, s.gc0, s.cpu0, s.gc, s.cpu, s.begunEarlier = now, s.gc, s.cpu, g.gcCPU, g.cpu, true
	}
	if !s.begunEarlier || g.cpu <= s.cpu0 {
		return 0
	}
	return min(1, max(0, (g.gcCPU-s.gc0)/(g.cpu-s.cpu0)))
}
