package memory

import (
	"context"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/priority"
	"github.com/elixirscope/foundation/telemetry"
)

// Manager watches the memory of the process, says how short it is, refuses new work by
// priority, and has what can be given up given up. Make one with [New] and run it with
// [Manager.Serve]: until then, and after, its level is [Unknown] and it refuses nothing. It
// is safe for concurrent use.
type Manager struct {
	options options
	changed telemetry.Topic[PressureChanged]
	cleaned telemetry.Topic[CleanupExecuted]
	shedRow telemetry.Topic[RequestShed]
	wake    chan struct{} // holds one when the settings or the simulation have changed

	// refusing is 0 while nothing is refused; it is all that a guard loads then.
	refusing atomic.Uint32
	view     atomic.Pointer[view]
	turn     atomic.Uint64 // of calls without a key
	shed     [priority.Bulk + 1]atomic.Uint64
	stale    atomic.Bool // refusals ended because the sampler does not answer

	// sampling is held while a sample is taken, and guards what belongs to the sampler. The
	// files may hang: whoever only wants to look takes mu, which is never held meanwhile.
	sampling sync.Mutex
	files    files
	counters counters
	pace     pace
	share    share
	told     [priority.Bulk + 1]uint64 // of shed, when it was last told
	toldAt   time.Time

	mu         sync.Mutex // guards the fields below; nothing is called under it
	config     Config     // with defaults
	thresholds *thresholds
	state      state
	simulation Simulation
	salt       uint64
	last       Sample
	samples    uint64
	running    bool

	cleaning cleaning
}

// view is what admission goes by. It is replaced, never changed.
type view struct {
	at     time.Time // of the sample
	fresh  time.Time // it counts until then
	level  Level
	shares shares
	salt   uint64
	until  time.Time // the level lasts as long at least
	cause  string
	top    Term
	known  bool // top
}

// Sample is what was seen of the memory at one moment.
type Sample struct {
	At   time.Time
	Took time.Duration
	// Terms are the limits that are known; the highest Ratio decides. None is known while
	// it is empty.
	Terms []Term
	// Live, Goal and Objects are the sizes of Go's heap: what the last collection found in
	// use, where the next one ends, and what is there now, garbage included. Mapped is all
	// that Go has from the system.
	Live, Goal, Objects, Mapped uint64
	GCCPU                       float64 // the share of the processors that collecting took lately
	// StallSome and StallFull are the percent of the last ten seconds in which some, or all,
	// tasks waited for memory, where StallsKnown.
	StallSome, StallFull float64
	StallsKnown          bool
	Soon                 time.Duration // until the limit is reached at the present pace; 0 is not foreseen
	// Unread lists what could not be read or understood, and why: it is not known, and not
	// taken to be well.
	Unread []string
}

type options struct {
	bus      *telemetry.Bus
	log      *slog.Logger
	root     fs.FS
	runtime  func() goStats
	collect  func(release bool)
	cleaners []Cleaner
	page     uint64
}

// Option is an option of [New].
type Option func(*options)

// WithBus sends the manager's events to bus; without it they are silent.
func WithBus(bus *telemetry.Bus) Option { return func(o *options) { o.bus = bus } }

// WithLogger tells log what an operator should know; without it nothing is logged.
func WithLogger(log *slog.Logger) Option { return func(o *options) { o.log = log } }

// WithRoot reads the files of the system below root, whose names begin with "proc/" and
// "sys/"; without it those of the machine.
func WithRoot(root fs.FS) Option { return func(o *options) { o.root = root } }

// WithCleaners adds what can be given up when memory is short.
func WithCleaners(cleaners ...Cleaner) Option {
	return func(o *options) { o.cleaners = append(o.cleaners, cleaners...) }
}

// New returns a manager that does not watch yet. All faults of the settings and of the
// cleaners are found at once.
func New(cfg Config, opts ...Option) (*Manager, error) {
	o := options{root: os.DirFS("/"), runtime: newRuntimeReader().read, collect: collect, page: uint64(os.Getpagesize())}
	for _, option := range opts {
		option(&o)
	}
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	if err := faults(cfg, o.cleaners); err != nil {
		return nil, err
	}
	m := &Manager{
		options: o, wake: make(chan struct{}, 1), files: files{root: o.root},
		changed: telemetry.TopicOf[PressureChanged](o.bus), cleaned: telemetry.TopicOf[CleanupExecuted](o.bus), shedRow: telemetry.TopicOf[RequestShed](o.bus),
	}
	m.cleaning.init(o.cleaners)
	m.put(cfg)
	m.view.Store(&view{})
	return m, nil
}

func (m *Manager) put(cfg Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.config = cfg.withDefaults()
	m.thresholds = m.config.thresholds()
}

// Reconfigure gives the manager other settings, which the next sample goes by, at once. The
// level, what is simulated and what was learned of the cleaners stay.
func (m *Manager) Reconfigure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	m.put(cfg)
	m.nudge()
	return nil
}

func (m *Manager) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Serve watches until ctx ends; it is a service for a tree of services. Only one call runs
// at a time, a second one is refused.
func (m *Manager) Serve(ctx context.Context) error {
	if !m.begin() {
		return fault.New(fault.Spec{Code: fault.AlreadyExists, Component: component, Message: "the manager is being served already"})
	}
	defer m.end()
	defer m.files.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-m.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
		m.look(ctx)
		timer.Reset(m.pause())
	}
}

func (m *Manager) begin() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running {
		return false
	}
	m.running = true
	return true
}

// end lets every call through: a manager that does not watch refuses nothing.
func (m *Manager) end() {
	m.cleaning.wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running, m.state = false, state{}
	m.view.Store(&view{})
	m.refusing.Store(0)
}

// pause is how long until the next sample.
func (m *Manager) pause() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.state.pending > m.state.level: // the second sample that a level needs comes soon
		return min(m.config.Interval, confirmInterval)
	case m.state.level >= High:
		return min(m.config.Interval, fastInterval)
	default:
		return m.config.Interval
	}
}

// levelOf is how loudly a change is logged.
func levelOf(e PressureChanged) slog.Level {
	switch _, severity := e.Edge(); severity {
	case fault.SeverityError:
		return slog.LevelError
	case fault.SeverityWarning:
		return slog.LevelWarn
	case fault.SeverityInfo:
	}
	return slog.LevelInfo
}

// look takes a sample, goes by it, and tells what has changed.
func (m *Manager) look(ctx context.Context) {
	changes := m.observe(time.Now())
	for _, e := range changes {
		m.options.log.LogAttrs(ctx, levelOf(e), "memory pressure changed", slog.String("from", e.From.String()), slog.String("to", e.To.String()),
			slog.String("cause", e.Cause), slog.String("source", e.Source), slog.Uint64("used", e.Used), slog.Uint64("limit", e.Limit), slog.Bool("simulated", e.Simulated))
		m.changed.Emit(ctx, e)
	}
	m.tellShed(ctx, time.Now())
	m.clean(ctx)
}

// observe takes a sample and publishes what follows from it.
func (m *Manager) observe(now time.Time) []PressureChanged {
	m.sampling.Lock()
	defer m.sampling.Unlock()
	m.mu.Lock()
	configured, t := m.config.Limit, m.thresholds
	m.mu.Unlock()
	s, in := m.sample(configured, t, now)
	return m.publish(s, in, now)
}

// sample reads everything. REQUIRES: m.sampling.
func (m *Manager) sample(configured int64, t *thresholds, now time.Time) (Sample, input) {
	began := time.Now()
	g := m.options.runtime()
	sys := m.files.sample(now, configured > 0)
	s := Sample{
		At: now, Terms: sys.terms(&g, configured, m.options.page), Live: g.live, Goal: g.goal, Objects: g.objects, Mapped: g.mapped,
		StallSome: sys.stalls.some, StallFull: sys.stalls.full, StallsKnown: sys.stalls.ok, Unread: sys.unread,
	}
	if !sys.stalls.ok {
		s.StallSome, s.StallFull = 0, 0
	}
	top, known := highest(s.Terms)
	in := input{ratio: top.Ratio, known: known, some: s.StallSome, full: s.StallFull}
	in.gcCPU = m.share.add(&g, now)
	if known {
		in.soon = m.pace.add(top.Ratio, now)
	}
	in.hard, m.counters = m.counters.hard(&sys, &g, known && top.Ratio >= t.enter[Elevated])
	s.GCCPU, s.Soon = in.gcCPU, in.soon
	s.Took = time.Since(began)
	return s, in
}

// publish goes by a sample and makes what follows visible to admission.
func (m *Manager) publish(s Sample, in input, now time.Time) []PressureChanged {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.view.Load()
	m.state = m.state.next(m.thresholds, in, now)
	m.last, m.samples = s, m.samples+1
	if before.level <= Normal {
		m.salt = rand.Uint64() // another episode refuses other keys first
	}
	next := m.viewLocked(in, now)
	m.view.Store(next)
	refusing := uint32(0)
	if next.shares.any() {
		refusing = 1
	}
	m.refusing.Store(refusing)
	from := before.level
	if m.stale.Swap(false) {
		from = Unknown // as was told meanwhile
	}
	if from == next.level || before.at.IsZero() && next.level == Normal {
		return nil // to find out at the start that all is well is no news
	}
	return []PressureChanged{{
		From: from, To: next.level, Cause: next.cause, Ratio: next.top.Ratio, Used: next.top.Used, Limit: next.top.Limit, Source: next.top.Source,
		Simulated: next.level != m.state.level,
	}}
}

// viewLocked is what admission goes by now: the worse of what is measured and what is
// simulated.
func (m *Manager) viewLocked(in input, now time.Time) *view {
	v := &view{at: now, fresh: now.Add(max(forget, 3*m.config.Interval)), level: m.state.level, salt: m.salt, cause: m.state.cause, until: now.Add(m.state.left(m.thresholds, now))}
	v.top, v.known = highest(m.last.Terms)
	ratio := in.ratio
	if m.simulation.Level != Unknown && !now.Before(m.simulation.Until) {
		m.simulation = Simulation{}
	}
	if sim := m.simulation; sim.Level > v.level {
		v.level, v.until = sim.Level, now.Add(min(m.thresholds.dwell, sim.Until.Sub(now)))
		v.cause = "simulated by " + sim.Actor + ": " + sim.Reason
		ratio = m.thresholds.middle(sim.Level)
	}
	v.shares = shed(m.thresholds, v.level, ratio)
	return v
}

// middle is a ratio in the middle of a level.
func (t *thresholds) middle(l Level) float64 {
	if l >= Critical {
		return 1
	}
	return (t.enter[l] + t.enter[l+1]) / 2
}
