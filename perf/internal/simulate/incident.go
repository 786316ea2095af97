package simulate

import (
	"math"
	"math/rand/v2"

	"github.com/elixirscope/foundation/perf/internal/detect"
)

// Kind is the shape of an incident.
type Kind uint8

// The kinds.
const (
	Step Kind = iota
	Ramp
	Spike
	ErrorBurst
	ThroughputDrop
	DeployShift
	kinds
)

// AllKinds returns every kind.
func AllKinds() []Kind {
	all := make([]Kind, kinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// String returns the kind in words.
func (k Kind) String() string {
	return [...]string{"step", "ramp", "spike", "error burst", "throughput drop", "deploy shift"}[k]
}

// shape says how long and how large incidents of a kind are.
type shape struct {
	watched       detect.Kind
	short, long   int     // ticks
	small, large  float64 // deviations
	leastRelative float64 // effect below which nobody wants an alert
	leastAbsolute float64
}

var shapes = [kinds]shape{
	Step:           {detect.KindLatency, 30, 240, 2, 12, 0.3, 0},
	Ramp:           {detect.KindLatency, 90, 360, 3, 12, 0.4, 0},
	Spike:          {detect.KindLatency, 4, 12, 5, 20, 0.4, 0},
	ErrorBurst:     {detect.KindErrors, 6, 90, 3, 30, 0, 0.01},
	ThroughputDrop: {detect.KindThroughput, 30, 240, 2, 12, 0.3, 0},
	DeployShift:    {detect.KindLatency, 700, 1400, 2, 6, 0.3, 0},
}

// Incident is something that goes wrong.
type Incident struct {
	Kind   Kind
	Start  int     // first tick
	Ticks  int     // how long
	Size   float64 // at its height, in deviations of normal ticks
	effect float64 // at its height, in the unit of Load
	onset  float64 // share of the height at which it is worth an alert
}

// Watched is the kind of alert that the incident calls for.
func (i *Incident) Watched() detect.Kind { return shapes[i.Kind].watched }

// Onset is the first tick at which the effect is twice the normal deviation and worth an alert.
func (i *Incident) Onset() int {
	if i.Kind != Ramp {
		return i.Start
	}
	return i.Start + int(i.onset*float64(i.Ticks)/2)
}

// End is the first tick after it.
func (i *Incident) End() int { return i.Start + i.Ticks }

// At returns what the incident does to a tick.
func (i *Incident) At(tick int) Load {
	if tick < i.Start || tick >= i.End() {
		return Load{}
	}
	height := 1.0
	if i.Kind == Ramp {
		height = min(1, 2*float64(tick-i.Start+1)/float64(i.Ticks))
	}
	switch i.Watched() {
	case detect.KindErrors:
		return Load{Errors: i.effect * height}
	case detect.KindThroughput:
		return Load{Drop: i.effect * height}
	default:
		return Load{Latency: math.Log1p(i.effect * height)}
	}
}

// Plan returns incidents of the kinds in turn, with hours between them, for a number of days.
// The first day is left for learning.
func Plan(p *Profile, days int, seed uint64, of ...Kind) []Incident {
	r := rand.New(rand.NewPCG(seed, 1))
	var plan []Incident
	at := Day + r.IntN(Day/24)
	for n := 0; ; n++ {
		i := draw(p, of[n%len(of)], at, r)
		if i.End()+Day/12 > days*Day {
			return plan
		}
		plan = append(plan, i)
		at = i.End() + Day/12 + r.IntN(Day/12) // two to four hours later
	}
}

func draw(p *Profile, kind Kind, at int, r *rand.Rand) Incident {
	s := shapes[kind]
	size := s.small * math.Exp(r.Float64()*math.Log(s.large/s.small))
	deviation := p.Deviation(s.watched)
	effect := max(size*deviation, s.leastRelative, s.leastAbsolute)
	least := max(2*deviation, s.leastRelative*0.8, s.leastAbsolute*0.8)
	if s.watched == detect.KindThroughput || s.watched == detect.KindErrors {
		effect = min(effect, 1)
	}
	return Incident{
		Kind: kind, Start: at, Ticks: s.short + r.IntN(s.long-s.short+1),
		Size: effect / deviation, effect: effect, onset: min(1, least/effect),
	}
}

// Deviation is that of a normal tick: of the logarithm of its p90, of its error ratio, of its
// number of calls relative to their mean.
func (p *Profile) Deviation(of detect.Kind) float64 {
	switch of {
	case detect.KindErrors:
		return math.Sqrt(p.Errors/p.Calls + p.Errors*p.Errors*p.ErrorsNoise*p.ErrorsNoise)
	case detect.KindThroughput:
		return math.Hypot(p.CallsNoise, math.Sqrt(1/p.Calls))
	default:
		return math.Hypot(p.Noise, 1.71*p.Sigma/math.Sqrt(p.Calls))
	}
}
