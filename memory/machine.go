package memory

import (
	"fmt"
	"time"
)

// The conditions beside the ratio, and what they mean.
const (
	psiElevated = 5  // percent of the last ten seconds in which some task waited for memory
	psiHigh     = 20 // the same
	psiFullHigh = 5  // percent in which all tasks did
	gcHigh      = 0.25
	soonHigh    = 10 * time.Second // until the limit is reached

	// forget is how long a level is kept while nothing can be read.
	forget = 10 * time.Second
)

// input is what the machine sees of a sample.
type input struct {
	ratio float64
	known bool // the ratio
	// some and full are the shares of pressure stall information, in percent; 0 where there
	// is none.
	some, full float64
	gcCPU      float64       // the share of the processors that collecting took lately
	soon       time.Duration // until the limit is reached at the present pace; 0 is not foreseen
	// hard names what says that memory has run out already, "" if nothing does.
	hard string
}

// state is that of the machine. Its zero value knows nothing.
type state struct {
	level Level
	since time.Time // when the level was entered
	cause string    // why the level is not lower
	// pending is the level above that the sample before asked for, Unknown if it did not.
	pending Level
	below   time.Time // since when the level could be left downwards, zero while it could not
	lost    time.Time // since when nothing can be read, zero while something can
}

// next is the whole machine. Upwards: to critical at once, to other levels when two
// samples in a row ask for them. Downwards: one level at a time, each when it was not asked for
// during the whole dwell, and not before it has been held for as long.
func (s state) next(t *thresholds, in input, now time.Time) state {
	target, cause := t.target(in)
	if target == Unknown {
		return s.blind(now)
	}
	s.lost = time.Time{}
	if s.level == Unknown {
		s = s.enter(Normal, "", now)
	}
	if target > s.level {
		return s.rise(target, cause, now)
	}
	s.pending = Unknown
	if target == s.level || in.known && s.level > Normal && in.ratio >= t.exit[s.level] {
		s.below = time.Time{}
		if target == s.level {
			s.cause = cause
		}
		return s
	}
	return s.fall(t, now)
}

func (s state) enter(l Level, cause string, now time.Time) state {
	return state{level: l, since: now, cause: cause}
}

// rise goes up as far as two samples in a row agree.
func (s state) rise(target Level, cause string, now time.Time) state {
	s.below = time.Time{}
	switch agreed := min(target, s.pending); {
	case target == Critical:
		return s.enter(Critical, cause, now)
	case agreed > s.level:
		s = s.enter(agreed, cause, now)
	}
	s.pending = target
	return s
}

// fall goes down one level once that has been due for the dwell.
func (s state) fall(t *thresholds, now time.Time) state {
	switch {
	case s.level == Normal:
		return s
	case s.below.IsZero():
		s.below = now
	}
	if now.Sub(s.below) < t.dwell || now.Sub(s.since) < t.dwell {
		return s
	}
	s = s.enter(s.level-1, "it was "+s.level.String()+" before", now)
	if s.level == Normal {
		s.cause = ""
	}
	s.below = now // to stay here is asked for by nothing that is known
	return s
}

// blind keeps the level for a while: a file that cannot be read for a moment must not end
// the protection, and one that is gone must not keep it for ever.
func (s state) blind(now time.Time) state {
	s.pending, s.below = Unknown, time.Time{}
	if s.lost.IsZero() {
		s.lost = now
	}
	if s.level != Unknown && now.Sub(s.lost) >= forget {
		lost := s.lost
		s = s.enter(Unknown, "", now)
		s.lost = lost
	}
	return s
}

// left is how long the level will last at least.
func (s state) left(t *thresholds, now time.Time) time.Duration {
	if s.level <= Normal {
		return 0
	}
	due := now
	if !s.below.IsZero() {
		due = s.below
	}
	return max(due.Add(t.dwell).Sub(now), s.since.Add(t.dwell).Sub(now))
}

// thresholds are the settings that the machine goes by, by level.
type thresholds struct {
	enter, exit [levelCount]float64
	dwell       time.Duration
}

// target is the level that a sample asks for, and why.
func (t *thresholds) target(in input) (Level, string) {
	level, cause := Unknown, ""
	if in.known {
		level = Normal
		for l := Elevated; l <= Critical; l++ {
			if in.ratio >= t.enter[l] {
				level, cause = l, fmt.Sprintf("%s of the limit is used, from %s on it is %s", percent(in.ratio), percent(t.enter[l]), l)
			}
		}
	}
	if l, why := t.condition(in); l > level {
		return l, why
	}
	return level, cause
}

// condition is the level that is asked for by something else than the ratio.
func (t *thresholds) condition(in input) (Level, string) {
	switch {
	case in.hard != "":
		return Critical, in.hard
	case in.some > psiHigh:
		return High, fmt.Sprintf("some tasks waited for memory in %.0f %% of the last 10 s, more than %d %%", in.some, psiHigh)
	case in.full > psiFullHigh:
		return High, fmt.Sprintf("all tasks waited for memory in %.0f %% of the last 10 s, more than %d %%", in.full, psiFullHigh)
	case in.gcCPU > gcHigh:
		return High, fmt.Sprintf("garbage collection takes %s of the processors, more than %s", percent(in.gcCPU), percent(gcHigh))
	case in.soon > 0 && in.soon < soonHigh && in.known && in.ratio >= t.enter[Elevated]:
		return High, fmt.Sprintf("at this pace the limit is reached in %.1f s, less than %v", in.soon.Seconds(), soonHigh)
	case in.some > psiElevated:
		return Elevated, fmt.Sprintf("some tasks waited for memory in %.0f %% of the last 10 s, more than %d %%", in.some, psiElevated)
	}
	return Unknown, ""
}
