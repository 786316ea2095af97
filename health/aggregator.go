package health

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/suggest"
	"github.com/elixirscope/foundation/telemetry"
)

const (
	// DefaultConcurrency is how many checks run at once.
	DefaultConcurrency = 4
	// fresh is how old a report may be that is not made by a running service.
	fresh = time.Second
)

// Aggregator keeps checks, and makes one report of them and of what the parts of a program
// say of themselves. Make one with [New] and run [Aggregator.Serve] as a supervised service:
// without it no check runs, and [Aggregator.Report] tells of the parts alone. It is safe for
// concurrent use.
type Aggregator struct {
	changed     telemetry.Topic[StatusChanged]
	parts       func(yield func(Component))
	log         *slog.Logger
	concurrency int
	random      func() float64

	draining  atomic.Bool
	version   atomic.Uint64 // rises with every change that a report must show at once
	published atomic.Pointer[published]
	making    chan struct{} // holds one while a report is made outside of Serve
	wake      chan struct{} // holds one while there is something to start
	news      chan struct{} // holds one while there is something to report

	// mu guards the fields below. No code of the user runs under it.
	mu      sync.Mutex
	checks  map[string]*entry
	calls   map[string]*call // that run, by check; also those that were given up
	serving bool
	told    map[string]seen // by check, and under the empty name of the whole
}

// entry is one check and what is known of it.
type entry struct {
	check Check // with defaults
	state state
	due   time.Time
}

// published is a report and the end of its being the newest.
type published struct {
	*Report

	version uint64        // of what it is of
	newer   chan struct{} // closed when there is another
	served  bool          // it was made by Serve, which makes the next
}

// Options say what an [Aggregator] does. The zero value is ready.
type Options struct {
	// Bus receives the events; nil is silent.
	Bus *telemetry.Bus
	// Logger is told of checks that ignore their context; nil discards that.
	Logger *slog.Logger
	// Parts yields what the parts of the program say of themselves. It must not block. It may
	// panic, which the report says. Nil is none.
	Parts func(yield func(Component))
	// Concurrency is how many checks run at once; 0 means [DefaultConcurrency]. A run that was
	// given up does not count.
	Concurrency int
}

// New returns an aggregator without checks.
func New(o Options) *Aggregator {
	a := &Aggregator{
		changed: telemetry.TopicOf[StatusChanged](o.Bus), parts: o.Parts, log: o.Logger, concurrency: cmp.Or(max(o.Concurrency, 0), DefaultConcurrency), random: randomShare,
		making: make(chan struct{}, 1), wake: make(chan struct{}, 1), news: make(chan struct{}, 1), checks: make(map[string]*entry), calls: make(map[string]*call),
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	return a
}

// Add adds checks, all or none. A name that is taken is refused with
// [fault.AlreadyExists]; settings that make no sense, a dependency on a check that is not
// there, and a cycle of dependencies with [fault.InvalidConfig], which lists all faults. The
// first run of each is at once.
func (a *Aggregator) Add(checks ...Check) error {
	commit, err := a.Prepare(nil, checks)
	if err == nil {
		commit()
	}
	return err
}

// Remove removes a check and reports whether it was there. A run of it goes on, and its
// result is discarded. What depends on it depends on it no longer.
func (a *Aggregator) Remove(name string) bool {
	a.mu.Lock()
	_, was := a.checks[name]
	delete(a.checks, name)
	a.cancelLocked(name)
	a.mu.Unlock()
	a.touch()
	return was
}

// Prepare plans the replacement of the checks named before by those of next, and refuses
// what [Aggregator.Add] refuses. The returned function makes it, and cannot fail. A check
// of next whose Run is nil is one of before that goes on with other settings: what is known
// of it stays. So does the name of a check that was given up and has not returned.
func (a *Aggregator) Prepare(before []string, next []Check) (commit func(), err error) {
	fresh := make([]Check, 0, len(next))
	for _, c := range next {
		fresh = append(fresh, c.clone())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.checkLocked(before, fresh); err != nil {
		return nil, err
	}
	return func() { a.replace(before, fresh) }, nil
}

func (a *Aggregator) checkLocked(before []string, next []Check) error {
	after := make(map[string][]string, len(a.checks)+len(next))
	for name, e := range a.checks {
		if !slices.Contains(before, name) {
			after[name] = e.check.DependsOn
		}
	}
	var ps fault.Problems
	for _, c := range next {
		if _, taken := after[c.Name]; taken {
			return fault.New(fault.Spec{Code: fault.AlreadyExists, Component: component, Name: c.Name, Message: "there is a check with this name; remove it first or choose another"})
		}
		after[c.Name] = c.DependsOn
		if c.Run == nil && slices.Contains(before, c.Name) && a.checks[c.Name] != nil {
			c.Run = a.checks[c.Name].check.Run
		}
		for _, p := range c.problems() {
			p.Field = "checks." + c.Name + "." + p.Field
			ps = append(ps, p)
		}
	}
	for _, c := range next {
		ps = append(ps, unknownDependencies(c.Name, c.DependsOn, after)...)
	}
	if way := cycle(after); way != nil {
		ps.Add("checks."+way[0]+".depends_on", "", "%s", cycleText(way))
	}
	return ps.Err(component, "")
}

// CheckGraph returns what is wrong with the dependencies of checks: names that are not
// there, and cycles. Names of parts, which have a slash, are not looked at.
func CheckGraph(dependsOn map[string][]string) (ps fault.Problems) {
	for _, name := range slices.Sorted(maps.Keys(dependsOn)) {
		ps = append(ps, unknownDependencies(name, dependsOn[name], dependsOn)...)
	}
	if way := cycle(dependsOn); way != nil {
		ps.Add("checks."+way[0]+".depends_on", "", "%s", cycleText(way))
	}
	return ps
}

func unknownDependencies(name string, dependsOn []string, known map[string][]string) (ps fault.Problems) {
	for _, d := range dependsOn {
		if _, ok := known[d]; !ok && !isPart(d) {
			ps.Add("checks."+name+".depends_on", d, "there is no check %q%s", d, suggest.For(d, slices.Collect(maps.Keys(known))))
		}
	}
	return ps
}

func (a *Aggregator) replace(before []string, next []Check) {
	now := time.Now()
	a.mu.Lock()
	old := make(map[string]*entry, len(before))
	for _, name := range before {
		if e := a.checks[name]; e != nil {
			old[name] = e
			delete(a.checks, name)
		}
	}
	for _, c := range next {
		was := old[c.Name]
		c.Config = c.withDefaults()
		if c.Run == nil && was != nil {
			c.Run = was.check.Run
			was.state = was.state.reconfigured(c.Config, now)
			if was.check.Every != c.Every {
				was.due = earlier(was.due, now.Add(c.Every))
			}
			was.check = c
			a.checks[c.Name] = was
			delete(old, c.Name)
			continue
		}
		if c.Run == nil {
			continue // removed since the change was prepared: there is nothing that goes on
		}
		a.checks[c.Name] = &entry{check: c, due: now, state: state{since: now}}
	}
	for name := range old {
		a.cancelLocked(name)
	}
	a.mu.Unlock()
	a.touch()
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// cancelLocked gives up the run of a check that is no more. REQUIRES: a.mu.
func (a *Aggregator) cancelLocked(name string) {
	if c := a.calls[name]; c != nil {
		c.discard = true
		c.cancel()
	}
}

// touch says that what the newest report is of has changed.
func (a *Aggregator) touch() {
	a.version.Add(1)
	a.nudge()
}

// nudge makes a running Serve look for what there is to do.
func (a *Aggregator) nudge() {
	for _, c := range []chan struct{}{a.wake, a.news} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Drain says that the instance is to get no more work: it is not ready from now on, and
// stays alive. It cannot be taken back.
func (a *Aggregator) Drain() {
	a.draining.Store(true)
	a.touch()
}

// Report returns the newest report, which is at most a second old. It never runs a check,
// and waits for nothing but, where no service runs, the parts. Nobody may change what it
// returns.
func (a *Aggregator) Report() *Report { return a.newest().Report }

// Changes returns the newest report and a channel that is closed when there is another, as
// long as the service runs.
func (a *Aggregator) Changes() (*Report, <-chan struct{}) {
	p := a.newest()
	return p.Report, p.newer
}

// servedFor is how long the report of a running service is taken for the newest.
const servedFor = 3 * time.Second

func (a *Aggregator) newest() *published {
	for {
		p := a.published.Load()
		if a.usable(p) {
			return p
		}
		select {
		case a.making <- struct{}{}:
			if now := a.published.Load(); now != p && a.usable(now) { // made meanwhile
				<-a.making
				return now
			}
			return a.make()
		default:
		}
		if p != nil && p.version == a.version.Load() {
			return p // another makes the next one: nobody waits for that
		}
		a.making <- struct{}{} // what is changing must be seen by whoever has changed it
		<-a.making
	}
}

func (a *Aggregator) usable(p *published) bool {
	if p == nil || p.version != a.version.Load() {
		return false
	}
	limit := fresh
	if p.served {
		limit = servedFor
	}
	return time.Since(p.At) < limit
}

// make makes a report outside of Serve. REQUIRES: a.making.
func (a *Aggregator) make() *published {
	defer func() { <-a.making }()
	return a.publish(false)
}

// publish makes a report and puts it in the place of the newest.
func (a *Aggregator) publish(served bool) *published {
	next := &published{version: a.version.Load(), newer: make(chan struct{}), served: served}
	components, last := a.snapshot(time.Now())
	next.Report = evaluate(append(components, a.fromParts()...), last, time.Now(), a.draining.Load())
	for {
		before := a.published.Load()
		if a.published.CompareAndSwap(before, next) {
			if before != nil {
				close(before.newer)
			}
			return next
		}
	}
}

// snapshot is what is known of all checks, and which of them had a bad result last.
func (a *Aggregator) snapshot(now time.Time) (components []Component, last map[string]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last = make(map[string]bool)
	for name, e := range a.checks {
		components = append(components, e.component(now, a.calls[name]))
		last[name] = e.state.bad()
	}
	slices.SortFunc(components, func(x, y Component) int { return cmp.Compare(x.Name, y.Name) })
	return components, last
}

// fromParts asks the parts. Their code is not ours: a panic is one more component.
func (a *Aggregator) fromParts() (components []Component) {
	if a.parts == nil {
		return nil
	}
	defer func() {
		if cause := recover(); cause != nil {
			components = append(components, Component{Name: "health/parts", Status: Warn, Output: readable(fmt.Sprintf("a part panicked when it was asked: %v", cause))})
		}
	}()
	a.parts(func(c Component) {
		c.Output, c.Check, c.Impacted, c.Causes = readable(c.Output), nil, false, nil
		components = append(components, c)
	})
	return components
}

func (e *entry) component(now time.Time, running *call) Component {
	s, c := &e.state, &e.check
	stale := s.stale(c.Config, now)
	out := Component{
		Name: c.Name, Status: s.status, Since: s.since, Criticality: c.Criticality, Readiness: c.Readiness, Liveness: c.Liveness,
		DependsOn: c.DependsOn, Groups: c.Groups, Output: e.words(stale), See: "get health " + c.Name,
		Check: &CheckStatus{
			Every: c.Every, Timeout: c.Timeout, Outcome: s.outcome, At: s.finished, Took: s.took, Row: s.row,
			Flapping: s.flapping, Changed: s.recent.changed(), Stale: stale, Hanging: running != nil && running.left,
			Runs: make(map[Outcome]uint64), Late: s.late,
		},
	}
	for o, n := range s.runs {
		if Outcome(o) != NotRun {
			out.Check.Runs[Outcome(o)] = n
		}
	}
	if stale {
		out.Status, out.Since = Unknown, s.finished.Add(staleAfter*c.Every+c.Timeout)
	}
	return out
}

// words says why a check is not well.
func (e *entry) words(stale bool) string {
	s := &e.state
	text := s.output
	switch {
	case s.outcome == NotRun:
		return "it has not been checked yet"
	case stale:
		text = "the last result is too old"
		if s.output != "" {
			text += ": " + s.output
		}
	case statusAfter(s.outcome) == Pass && s.status > Pass:
		text = "the last result was good, and has to be confirmed"
	case statusAfter(s.outcome) > s.status:
		text += " (to be confirmed)"
	}
	if s.flapping {
		text = fmt.Sprintf("it flaps, %.0f %% of its results are changes; ", s.recent.changed()) + text
	}
	return text
}
