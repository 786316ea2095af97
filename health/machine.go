package health

import "time"

// The life of a check is the functions below: each returns what becomes of a state when
// something happens. They change nothing outside of it and read no clock.

// state is what is known of a check.
type state struct {
	status Status // as the results in a row have confirmed it
	since  time.Time
	recent results

	outcome  Outcome // of the last run
	output   string
	finished time.Time
	took     time.Duration

	row      int // results like the last one, in a row
	flapping bool

	runs [Hung + 1]uint64 // by outcome
	late uint64           // results that came after the check was given up, and were discarded
}

// result is how one run ended.
type result struct {
	outcome Outcome
	output  string
	took    time.Duration
}

// after returns the state after one more result.
func (s state) after(r result, c Config, now time.Time) state {
	found := statusAfter(r.outcome)
	if s.outcome != NotRun && statusAfter(s.outcome) == found {
		s.row++
	} else {
		s.row = 1
	}
	s.outcome, s.output, s.took, s.finished = r.outcome, r.output, r.took, now
	s.runs[r.outcome]++
	s.recent = s.recent.with(found)
	s.flapping = s.recent.flapping(s.flapping)
	if next := s.confirmed(c); next != s.status {
		s.status, s.since = next, now
	}
	return s
}

// confirmed is the status that the recent results allow. While a check flaps it may become
// worse and not better, and is at least a warning.
func (s state) confirmed(c Config) Status {
	next := s.recent.settled(s.status, c.FailAfter, c.PassAfter)
	if s.flapping {
		next = max(next, s.status, Warn)
	}
	return next
}

// reconfigured is the state under other settings: what is known stays.
func (s state) reconfigured(c Config, now time.Time) state {
	if s.outcome == NotRun {
		return s
	}
	if next := s.confirmed(c); next != s.status {
		s.status, s.since = next, now
	}
	return s
}

// staleAfter is how many intervals may pass without a result.
const staleAfter = 3

// stale reports whether the last result is too old to say anything.
func (s state) stale(c Config, now time.Time) bool {
	return s.outcome != NotRun && now.Sub(s.finished) > staleAfter*c.Every+c.Timeout
}

// bad reports whether a check is not well, or is about to be found so: its last result
// counts before others confirm it. A check that fails because of another may be found to
// fail first.
func (s state) bad() bool {
	return s.status >= Warn || statusAfter(s.outcome) >= Warn
}
