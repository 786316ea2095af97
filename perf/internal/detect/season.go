package detect

import (
	"math"
	"slices"
)

const (
	historyBlocks = 1024 // of the past, to look for a period in
	maxSlots      = 2048 // of one period
	leastPeriod   = 6    // blocks
	hourSeconds   = 3600.0
)

// season looks for a period in what has been seen, and once one is evident keeps a profile of
// it. Nothing that comes later has a part in it.
type season struct {
	block [historyBlocks]float64 // means of size rows each, oldest first
	n     int
	size  int // rows in a block
	sum   float64
	clean float64 // the last row that was
	rows  int     // in sum
	seen  int     // rows in all

	interval float64 // seconds between rows
	check    int     // rows at which a period is looked for next

	period  float64 // rows; 0 if none is evident
	version int     // of the period: how often it has changed
	slots   int
	profile [maxSlots]float64
	filled  [maxSlots]bool
	offset  float64 // the level that the profile is on
	level   float64 // what would be expected without a profile, following as fast
	phase   float64 // rows since the beginning of the period

	errWith, errWithout float64 // moving means of the residuals with the profile and without
	judged              int     // rows in them
}

// expected returns what the profile says of the next row.
func (s *season) expected() (value float64, ok bool) {
	if s.period == 0 {
		return 0, false
	}
	i := s.slot()
	return s.offset + s.profile[i], s.filled[i] && float64(s.judged) > s.period && s.useful()
}

func (s *season) slot() int {
	return min(s.slots-1, int(s.phase/s.period*float64(s.slots)))
}

// advance moves on by a number of rows, more than one over a gap.
func (s *season) advance(rows float64) {
	if s.period > 0 {
		s.phase = math.Mod(s.phase+rows, s.period)
	}
}

// learn takes a row. The profile follows clean ones only.
func (s *season) learn(x float64, clean bool) {
	if s.period > 0 {
		s.learnProfile(x, clean)
	}
	if clean {
		s.clean = x
	}
	s.seen++
	s.sum += s.clean // a profile that begins from the past begins without its incidents
	if s.rows++; s.rows < s.size {
		return
	}
	s.push(s.sum / float64(s.rows))
	s.sum, s.rows = 0, 0
	if s.seen >= s.check {
		s.check = s.seen + max(64, s.seen/4)
		s.search()
	}
}

func (s *season) learnProfile(x float64, clean bool) {
	i := s.slot()
	if !s.filled[i] {
		s.profile[i], s.filled[i] = x-s.offset, true
		return
	}
	r := x - s.offset - s.profile[i]
	limit := 5 * (s.errWith + 1e-9*math.Abs(x))
	bounded := min(max(r, -limit), limit)
	s.judged++
	a := 1 / max(1, min(float64(s.judged), 2*s.period))
	s.errWith += a * (min(math.Abs(r), 5*s.errWith+s.errWithout) - s.errWith)
	s.errWithout += a * (math.Abs(x-s.level) - s.errWithout)
	if clean {
		s.profile[i] += 0.2 * bounded
		s.offset += bounded / max(50, s.period)
		s.level += (x - s.level) / max(50, s.period)
	}
}

// push appends a block; a full history is halved by pairing its blocks.
func (s *season) push(mean float64) {
	if s.n == historyBlocks {
		for i := range historyBlocks / 2 {
			s.block[i] = (s.block[2*i] + s.block[2*i+1]) / 2
		}
		s.n /= 2
		s.size *= 2
	}
	s.block[s.n] = mean
	s.n++
}

// search looks for the shortest lag at which the past repeats itself.
func (s *season) search() {
	lag := s.evident()
	if lag == 0 {
		return
	}
	period := s.snapped(lag * float64(s.size))
	times := math.Round(period / s.period)
	switch {
	case s.period == 0 || !s.useful() && float64(s.judged) > 2*s.period:
		s.adopt(period)
	case float64(s.size) > s.period/8: // too coarse by now to know better
	case math.Abs(period-s.period) < 0.1*s.period:
		if math.Abs(period-s.period) > 0.004*s.period {
			s.repeat(period, 1)
		}
	case times >= 2 && math.Abs(period-times*s.period) < 0.02*period:
		s.repeat(times*s.period, times)
	}
}

// useful reports whether the profile predicts better than the level alone.
func (s *season) useful() bool { return s.errWith < 0.75*s.errWithout }

// repeat makes the period so many times as long, of the same profile over and over: the days
// of a week are all alike until they are known to differ.
func (s *season) repeat(period, times float64) {
	old, oldSlots, known := s.profile, s.slots, s.filled
	s.slots = slotsOf(period)
	for i := range s.slots {
		_, part := math.Modf((float64(i) + 0.5) / float64(s.slots) * times)
		from := min(oldSlots-1, int(part*float64(oldSlots)))
		s.profile[i], s.filled[i] = old[from], known[from]
	}
	s.phase = math.Mod(s.phase*period/(times*s.period), period)
	s.period = period
	s.version++
}

func slotsOf(period float64) int { return min(maxSlots, max(1, int(math.Round(period)))) }

// snapped returns the period of the calendar that one is near to, or else whole rows.
func (s *season) snapped(period float64) float64 {
	near := max(0.02, 0.25*period/float64(s.seen)) // few repetitions tell the period badly
	for _, usual := range [...]float64{hourSeconds, 24 * hourSeconds, 7 * 24 * hourSeconds} {
		if rows := usual / s.interval; s.interval > 0 && math.Abs(period-rows) < near*rows {
			return rows
		}
	}
	return math.Round(period)
}

// evident returns the lag, in blocks, at which the autocorrelation has a high peak after a
// trough, seen three times at least; 0 if there is none.
func (s *season) evident() float64 {
	if s.n < 3*leastPeriod {
		return 0
	}
	x := s.detrended()
	variance := dot(x[:s.n], x[:s.n])
	if variance <= 0 {
		return 0
	}
	var r [historyBlocks / 3]float64
	most := min(len(r)-1, s.n/3)
	for lag := 1; lag <= most; lag++ {
		r[lag] = dot(x[lag:s.n], x[:s.n-lag]) / variance * float64(s.n) / float64(s.n-lag)
	}
	least := max(0.4, 4/math.Sqrt(float64(s.n)))
	trough, best := 1.0, 0
	for lag := 1; lag < most; lag++ {
		trough = min(trough, r[lag])
		peak := lag >= leastPeriod && r[lag] >= r[lag-1] && r[lag] >= r[lag+1] //nolint:gosec // lag+1 <= most < len(r)
		if peak && r[lag] > least && r[lag]-trough > 0.3 && (best == 0 || r[lag] > 1.1*r[best]) {
			best = lag
		}
	}
	if best == 0 {
		return 0
	}
	return float64(best) + vertex(r[best-1], r[best], r[best+1]) //nolint:gosec // 0 < best < most
}

// vertex returns where the parabola through three equidistant points peaks.
func vertex(left, middle, right float64) float64 {
	bend := left - 2*middle + right
	if bend >= 0 {
		return 0
	}
	return min(max(0.5*(left-right)/bend, -0.5), 0.5)
}

// detrended returns the history without its line and with its outliers cut.
func (s *season) detrended() *[historyBlocks]float64 {
	var x, sorted [historyBlocks]float64
	n := float64(s.n)
	mx, my, sxy, sxx := (n-1)/2, 0.0, 0.0, 0.0
	for _, v := range s.block[:s.n] {
		my += v / n
	}
	for i, v := range s.block[:s.n] {
		d := float64(i) - mx
		sxy += d * (v - my)
		sxx += d * d
	}
	for i, v := range s.block[:s.n] {
		x[i] = v - my - sxy/sxx*(float64(i)-mx)
	}
	copy(sorted[:], x[:s.n])
	slices.Sort(sorted[:s.n])
	low, high := sorted[s.n/20], sorted[s.n-1-s.n/20]
	for i := range s.n {
		x[i] = min(max(x[i], low-(high-low)/2), high+(high-low)/2)
	}
	return &x
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

// adopt begins a profile with a period, from the past blocks.
func (s *season) adopt(period float64) {
	s.period, s.slots = period, slotsOf(period)
	s.version++
	s.errWith, s.errWithout, s.judged, s.offset = 0, 0, 0, 0
	s.level = s.block[0]
	clear(s.filled[:])
	clear(s.profile[:])
	rows := float64(s.n * s.size)
	var count [maxSlots]float64
	for i, v := range s.block[:s.n] {
		// The newest row has the phase 0: those before are counted back from it.
		for j := range s.size {
			s.phase = math.Mod(float64(i*s.size+j)+period*math.Ceil(rows/period)-rows+1, period)
			at := s.slot()
			count[at]++
			s.profile[at] += (v - s.profile[at]) / count[at]
			s.level += (v - s.level) / max(50, period)
			s.filled[at] = true
		}
	}
	s.phase = 0
}
