package simulate

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/elixirscope/foundation/perf/internal/detect"
)

// Tick is the length of a simulated tick.
const Tick = 10 * time.Second

// Day is the number of ticks in a day.
const Day = int(24 * time.Hour / Tick)

// Profile is what is normal for a service.
type Profile struct {
	Name string

	Calls       float64 // a tick, on average over the day
	Season      float64 // how much of them comes and goes with the day, 0 to below 1
	CallsNoise  float64 // deviation of the logarithm of the rate, beyond that of independent calls
	Median      float64 // seconds
	Sigma       float64 // of the logarithm of a call's duration
	Noise       float64 // deviation of the logarithm of the tick's median
	Correlation float64 // of the noise of successive ticks
	Errors      float64 // share of the calls that fail
	ErrorsNoise float64 // deviation of the logarithm of that share
}

// Profiles are the services of the report.
func Profiles() []Profile {
	return []Profile{
		{Name: "steady", Calls: 1000, CallsNoise: 0.04, Median: 0.02, Sigma: 0.6, Noise: 0.04, Correlation: 0.3, Errors: 0.002, ErrorsNoise: 0.3},
		{Name: "daily season", Calls: 600, Season: 0.7, CallsNoise: 0.06, Median: 0.05, Sigma: 0.5, Noise: 0.05, Correlation: 0.5, Errors: 0.005, ErrorsNoise: 0.3},
		{Name: "noisy", Calls: 300, Season: 0.3, CallsNoise: 0.12, Median: 0.01, Sigma: 0.8, Noise: 0.1, Correlation: 0.7, Errors: 0.01, ErrorsNoise: 0.4},
		{Name: "low traffic", Calls: 8, CallsNoise: 0.1, Median: 0.1, Sigma: 0.7, Noise: 0.05, Correlation: 0.3, Errors: 0.002, ErrorsNoise: 0.3},
	}
}

// Bounds returns the upper bounds of the buckets in seconds: two for each doubling from 100 µs,
// as coarse as the long-term rings of the monitor.
func Bounds() []float64 {
	var upper []float64
	for b := 0.0001; b < 60; b *= math.Sqrt2 {
		upper = append(upper, b)
	}
	return append(upper, math.Inf(1))
}

// Service is a simulated service. Make one with [NewService].
type Service struct {
	Profile
	rand              *rand.Rand
	logs              []float64 // of the bounds
	tick              detect.Tick
	n                 int
	calls, dur, fails noise
}

// noise is a first-order autoregression with a deviation of one.
type noise float64

func (x *noise) next(r *rand.Rand, correlation float64) float64 {
	*x = noise(correlation*float64(*x) + math.Sqrt(1-correlation*correlation)*r.NormFloat64())
	return float64(*x)
}

// Start is when every simulation begins: a Monday at midnight.
func Start() time.Time { return time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC) }

// NewService returns a service at its first tick.
func NewService(p *Profile, seed uint64) *Service {
	upper := Bounds()
	s := &Service{Profile: *p, rand: rand.New(rand.NewPCG(seed, 0)), tick: detect.Tick{Buckets: make([]uint64, len(upper))}}
	for _, u := range upper {
		s.logs = append(s.logs, math.Log(u))
	}
	return s
}

// Load is what an incident does to a tick. The zero value does nothing.
type Load struct {
	Latency float64 // added to the logarithm of every duration
	Errors  float64 // added to the share of failures
	Drop    float64 // share of the calls that do not come
}

// Next returns the next tick, valid until the one after.
func (s *Service) Next(l Load) *detect.Tick {
	phase := 2 * math.Pi * float64(s.n) / float64(Day)
	s.n++
	rate := s.Calls * (1 - s.Season*math.Cos(phase)) * math.Exp(s.CallsNoise*s.calls.next(s.rand, s.Correlation)) * (1 - l.Drop)
	shift := math.Log(s.Median) + s.Noise*s.dur.next(s.rand, s.Correlation) + l.Latency
	failing := min(1, s.Errors*math.Exp(s.ErrorsNoise*s.fails.next(s.rand, s.Correlation))+l.Errors)

	s.tick.At = Start().Add(time.Duration(s.n) * Tick)
	s.tick.Calls, s.tick.Errors = 0, 0
	below := 0.0
	for i, edge := range s.logs {
		share := s.below((edge - shift) / s.Sigma)
		n := s.poisson(rate * (share - below))
		s.tick.Buckets[i], s.tick.Calls, below = n, s.tick.Calls+n, share
	}
	s.tick.Errors = s.binomial(s.tick.Calls, failing)
	return &s.tick
}

// below is the distribution of durations: log-normal, with one call in fifty from a slower one.
func (s *Service) below(x float64) float64 {
	const slow = 0.02
	return (1-slow)*phi(x) + slow*phi(x-2/s.Sigma)
}

func phi(x float64) float64 {
	if math.IsInf(x, 1) {
		return 1
	}
	return 0.5 * math.Erfc(-x/math.Sqrt2)
}

func (s *Service) poisson(mean float64) uint64 {
	if mean < 1e-7 {
		return 0
	}
	if mean > 50 {
		return uint64(max(0, mean+math.Sqrt(mean)*s.rand.NormFloat64()+0.5))
	}
	limit, p, k := math.Exp(-mean), s.rand.Float64(), uint64(0)
	for ; p > limit; k++ {
		p *= s.rand.Float64()
	}
	return k
}

func (s *Service) binomial(n uint64, p float64) uint64 {
	if p >= 1 {
		return n
	}
	if p > 0.5 {
		return n - s.binomial(n, 1-p)
	}
	return min(n, s.poisson(float64(n)*p)) // an upper bound of the variance, exact for few failures
}
