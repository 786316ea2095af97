package detect

import (
	"math"
	"time"
)

// Series watches a series of plain numbers, of which nothing is known beforehand. Make one with
// [NewSeries]. It may not be used concurrently.
//
// Several features are compared with their own past, each with the tail of its own
// distribution: the step from the row before, the level of the last rows against that of the
// rows before, the noise, and where a season is evident the distance from it. So a feature
// that a series makes useless, as the level is for one that wanders, becomes quiet by itself.
type Series struct {
	rule  Rule
	state State

	rows     int
	at       time.Time
	interval float64 // seconds between rows, as usual

	fast       follower
	deseasoned int // version of the season that is taken off what it follows; 0 for none
	recent     recent
	slow       tail // rows whose median is the normal level
	season     season

	step     tail // x less the prediction
	shift    tail // present level less the normal one
	noise    tail // logarithm of the present noise over the normal one
	seasonal tail // x less the season
	drift    tail // the same over some rows

	loudness float64 // moving mean of the size of steps
	away     float64 // moving mean of the distance from the season
	stray    int     // rows in a row that the follower did not believe
}

const (
	seriesWarmUp = 60
	noiseRows    = 10
	levelRows    = 128 // whose median is the normal level
	believe      = 3   // strange rows after which they are followed
	features     = 5
)

// DefaultSeriesRule returns the thresholds for a series of which nothing is known.
func DefaultSeriesRule() Rule {
	return Rule{
		WarmUp: seriesWarmUp,
		High:   3.6, HighTicks: 3, Window: 5,
		Extreme: 4.1, // one row in 50,000
		Calm:    2, CalmTicks: 3, Keep: 1, AcceptAfter: 100,
	}
}

// NewSeries returns a detector that has seen nothing.
func NewSeries(rule *Rule) *Series {
	s := &Series{rule: *rule}
	s.season.size, s.season.check = 1, 64
	s.slow.most = levelRows
	return s
}

// State returns what the alert core remembers.
func (s *Series) State() State { return s.state }

// reading is what the features say of one row.
type reading struct {
	x, expected         float64
	plain               float64 // x without its season
	step, shift, noise  float64
	drift               float64
	hasSeason, hasNoise bool
	hasLevel            bool
	p                   float64
}

// Observe takes the next row. A value that is no finite number says nothing.
func (s *Series) Observe(at time.Time, x float64) Decision {
	e := Evidence{At: at, Usable: !math.IsNaN(x) && !math.IsInf(x, 0), Calls: 1}
	if !e.Usable {
		return s.decide(&e)
	}
	gap := s.elapse(at)
	var r reading
	s.read(&r, x, gap)
	e.Z, e.Seen, e.Expected = deviations(min(1, r.p)), x, r.expected
	d := s.decide(&e)
	s.learn(&r, &d, gap)
	return d
}

func (s *Series) decide(e *Evidence) Decision {
	var d Decision
	s.state, d = s.rule.Step(s.state, e)
	return d
}

// elapse learns the usual interval, and returns whether rows are missing before this one.
func (s *Series) elapse(at time.Time) (gap bool) {
	passed := at.Sub(s.at).Seconds()
	known := s.rows > 0
	s.at = at
	s.rows++
	if !known {
		return false
	}
	if s.interval <= 0 || s.rows < 10 && passed < s.interval {
		s.interval = max(passed, 0)
	}
	rows := 1.0
	if s.interval > 0 {
		rows = max(1, math.Round(passed/s.interval))
		if rows < 2 {
			s.interval += (max(passed, 0) - s.interval) / 50
		}
	}
	s.season.interval = s.interval
	s.season.advance(rows)
	return rows > believe
}

// read computes the features of a row and how probable the least probable of them is.
func (s *Series) read(r *reading, x float64, gap bool) {
	r.x, r.p = x, 1
	normal := s.slow.quantile(0.5)
	r.expected = normal
	coarse := s.coarse(x, normal)
	season, ok := s.season.expected()
	version := s.season.version
	if r.hasSeason = ok; !ok {
		season, version = 0, 0
	}
	r.plain = x - season
	if s.deseasoned != version || !s.fast.ready {
		s.deseasoned = version
		s.fast.restart(r.plain)
	}
	r.step = r.plain - s.fast.predict()
	if !gap {
		r.worse(&s.step, r.step, coarse)
	}
	s.recent.add(x)
	r.shift = s.recent.level() - normal
	if r.hasLevel = s.slow.n == levelRows; r.hasLevel {
		r.worse(&s.shift, r.shift, coarse)
	}
	s.readNoise(r)
	if ok {
		s.readSeason(r, season, coarse)
	}
	r.p *= features
}

func (s *Series) readNoise(r *reading) {
	usual := s.usualStep()
	if usual < 0.04*(s.step.quantile(0.99)-s.step.quantile(0.01)) {
		return // hardly ever a step: there is no usual noise
	}
	size := min(math.Abs(r.step), 4*usual)
	s.loudness += (size - s.loudness) / noiseRows
	if usual > 0 {
		r.noise, r.hasNoise = math.Log(s.loudness/usual+0.1), true
		r.worse(&s.noise, r.noise, 0.05)
	}
}

func (s *Series) readSeason(r *reading, expected, coarse float64) {
	r.expected = expected
	limit := 4 * s.season.errWith
	a := 1 / max(shortRows, s.season.period/24)
	s.away += a * (min(max(r.plain, -limit), limit) - s.away)
	r.drift = s.away
	r.worse(&s.seasonal, r.plain, coarse)
	r.worse(&s.drift, r.drift, coarse)
}

// worse lowers the probability to that of a feature.
func (r *reading) worse(t *tail, y, coarse float64) {
	r.p = min(r.p, t.unlikely(y, coarse))
}

// usualStep is the typical size of a step.
func (s *Series) usualStep() float64 { return (s.step.quantile(0.75) - s.step.quantile(0.25)) / 2 }

// coarse is the scale of a feature that has never varied: that of the series itself, or for
// one that has been constant a share of its size.
func (s *Series) coarse(x, normal float64) float64 {
	spread := (s.slow.quantile(0.99) - s.slow.quantile(0.01)) / 6
	return max(spread, 0.005*max(math.Abs(normal), math.Abs(x)))
}

// learn takes the row into what is normal, unless an alert is on.
func (s *Series) learn(r *reading, d *Decision, gap bool) {
	if d.Change == Accepted {
		s.accept(r)
		return
	}
	s.follow(r, d)
	clean := d.Phase != Alerting
	s.season.learn(r.x, clean)
	if d.Change == Triggered {
		s.shift.forget()
		s.noise.forget()
		s.drift.forget()
	}
	if !clean && d.Ticks > believe {
		return
	}
	if !gap {
		s.step.add(bounded(&s.step, r.step))
	}
	if r.hasSeason {
		s.seasonal.add(bounded(&s.seasonal, r.plain))
	}
	if clean {
		s.slow.add(r.x)
		s.learnSlowly(r)
		s.crossings(r)
	}
}

func (s *Series) crossings(r *reading) {
	s.step.cross(r.step)
	if r.hasLevel {
		s.shift.cross(r.shift)
	}
	if r.hasNoise {
		s.noise.cross(r.noise)
	}
	if r.hasSeason {
		s.seasonal.cross(r.plain)
		s.drift.cross(r.drift)
	}
}

// learnSlowly takes the features that change slowly, from rows that are apart: neighbours
// would be the same value twice.
func (s *Series) learnSlowly(r *reading) {
	switch s.rows % shortRows {
	case 0:
		if r.hasLevel {
			s.shift.addLater(bounded(&s.shift, r.shift))
		}
	case 1:
		if r.hasNoise {
			s.noise.addLater(bounded(&s.noise, r.noise))
		}
	case 2:
		if r.hasSeason {
			s.drift.addLater(bounded(&s.drift, r.drift))
		}
	}
}

// follow moves the prediction on. A row that triggers or keeps an alert is not believed until
// several in a row say the same: a spike is not where the series will be next.
func (s *Series) follow(r *reading, d *Decision) {
	if d.Phase == Alerting && d.Z >= s.rule.Calm && s.stray < believe {
		s.stray++
		return
	}
	if s.stray >= believe {
		s.fast.restart(r.plain)
	}
	if d.Z < s.rule.Calm || s.stray >= believe {
		s.stray = 0
	}
	s.fast.learn(r.plain)
}

// accept makes what the last rows were the new normal.
func (s *Series) accept(r *reading) {
	s.slow = tail{most: levelRows}
	for range levelRows / recentRows {
		for _, x := range s.recent.value {
			s.slow.add(x)
		}
	}
	s.noise = tail{}
	s.season.offset += s.away
	s.away = 0
	s.fast.restart(r.plain)
}

// bounded limits what an outlier teaches a tail: it may come again, but not as large at once.
func bounded(t *tail, y float64) float64 {
	if t.n < 20 {
		return y
	}
	low, high := t.sorted[0], t.sorted[t.n-1]
	width := t.quantile(0.9) - t.quantile(0.1)
	if width <= 0 {
		return y
	}
	return min(max(y, low-2*width), high+2*width)
}
