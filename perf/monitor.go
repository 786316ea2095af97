package perf

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/suggest"
	"github.com/elixirscope/foundation/perf/internal/detect"
	"github.com/elixirscope/foundation/telemetry"
)

// Monitor watches operations. Make one with [New], let it follow parts with
// [Monitor.Follow], and run [Monitor.Serve]; what does not run keeps nothing and judges
// nothing, while the program's own operations go on counting. It is safe for concurrent use.
type Monitor struct {
	topics  topics
	webhook *webhook

	// serving admits one Serve at a time; what it owns belongs to whoever has put a value
	// into it.
	serving chan struct{}
	pulled  telemetry.Calls
	second  delta

	// mu guards the fields below. Neither sources nor event handlers are called under it.
	mu       sync.Mutex
	config   Config // with defaults
	detector detect.Config
	known    map[string]*operation
	order    []*operation // parents before those within them; replaced, never changed
	followed map[string][]string
	own      map[string]*Operation
	silences []Silence
	past     []Alert // that have ended, the newest last
	counts   [kindCount]uint64
	running  bool
	began    int64 // the second in which it began to run
	now      int64 // the second that was last pulled, in Unix time
	offset   int64 // what the wall clock says more than now, since it was set
	last     int64 // number of the tick that was last judged
	partial  bool  // the tick under way was not watched from its beginning
	nothing  open
	judged   judgement
	buckets  [detectorLength]uint64
}

// Options attach a monitor to its surroundings.
type Options struct {
	// Bus receives the events; nil is legal.
	Bus *telemetry.Bus
	// Send delivers a message to the webhook; nil means that there is none, whatever
	// [Monitor.SetWebhook] says. It must return when ctx ends. What it returns with an error
	// is tried again, a few times.
	Send func(ctx context.Context, url string, body []byte) error
}

// pastAlerts is how many alerts that have ended are remembered.
const pastAlerts = 200

// New returns a monitor, or a [fault.InvalidConfig] with every fault of c.
func New(c Config, o Options) (*Monitor, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m := &Monitor{
		topics: topicsOf(o.Bus), webhook: newWebhook(o.Send), serving: make(chan struct{}, 1),
		known: make(map[string]*operation), followed: make(map[string][]string), own: make(map[string]*Operation),
	}
	m.configureLocked(c) // nobody else knows m yet
	return m, nil
}

// Reconfigure replaces the settings. What was learned and counted stays, and so do alerts
// whose reason is not taken away; another tick begins to learn anew, because what is normal
// is counted by ticks. On an error everything stays as it was.
func (m *Monitor) Reconfigure(c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.configureLocked(c)
	return nil
}

func (m *Monitor) configureLocked(c Config) {
	relearn := m.config.Tick != 0 && m.config.Tick != c.withDefaults().Tick
	m.config = c.withDefaults()
	m.detector = m.config.detector()
	if relearn {
		m.last, m.partial = 0, true
	}
	for _, o := range m.known {
		if relearn {
			o.watches.forget()
			if o.data != nil {
				o.data.tick = open{}
			}
		}
		o.watches.configure(o.Name, &m.config, &m.detector)
	}
}

// detector returns the rules of the detectors.
func (c *Config) detector() detect.Config {
	d := detect.DefaultConfig(c.Tick)
	for _, r := range []*detect.Rule{&d.Latency, &d.Errors, &d.Throughput} {
		r.WarmUp, r.MinRelative, r.Keep = int(c.WarmUp/c.Tick), c.MinEffect, int(c.Hold/c.Tick)
	}
	return d
}

// Config returns the settings in force, defaults filled in.
func (m *Monitor) Config() Config {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.config
}

// SetWebhook names where alerts are sent; "" means nowhere.
func (m *Monitor) SetWebhook(url string) { m.webhook.set(url) }

// Follow replaces the operations of a group by sources, as the parts of one revision of a
// configuration. An operation whose part is the same keeps all that is known of it; the
// alerts of one that is gone end. A name that another group has stays with that one.
func (m *Monitor) Follow(group string, sources []Source) {
	m.mu.Lock()
	ended := m.followLocked(group, sources)
	m.mu.Unlock()
	m.tell(ended)
}

func (m *Monitor) followLocked(group string, sources []Source) (ended []Alert) {
	was := m.followed[group]
	names := make([]string, 0, len(sources))
	for i := range sources {
		s := &sources[i]
		o, known := m.known[s.Name]
		if known && !slices.Contains(was, s.Name) {
			continue
		}
		names = append(names, s.Name)
		if !known {
			m.addLocked(*s, true)
			continue
		}
		if o.Part != s.Part {
			m.replaceLocked(o, *s)
		}
		m.known[s.Name].Within = s.Within
	}
	slices.Sort(names)
	for _, name := range was {
		if _, stays := slices.BinarySearch(names, name); !stays {
			ended = append(ended, m.removeLocked(name)...)
		}
	}
	m.followed[group] = names
	m.arrangeLocked()
	return ended
}

func (m *Monitor) addLocked(s Source, rebase bool) {
	o := &operation{Source: s, rebase: rebase}
	o.watches.configure(s.Name, &m.config, &m.detector)
	m.known[s.Name] = o
}

// replaceLocked makes an operation count from another part of the same name, and keep what
// it has learned. Whoever pulls may be at work with the old one.
func (m *Monitor) replaceLocked(old *operation, s Source) {
	if old.data != nil && !slices.Equal(old.Reasons, s.Reasons) {
		old.data.reasons = nil // the places mean something else
	}
	m.known[s.Name] = &operation{Source: s, rebase: true, data: old.data, watches: old.watches}
}

func (m *Monitor) removeLocked(name string) (ended []Alert) {
	o := m.known[name]
	delete(m.known, name)
	return m.endAllLocked(o)
}

// endAllLocked ends the alerts of an operation.
func (m *Monitor) endAllLocked(o *operation) (ended []Alert) {
	for k := range o.watches.alerts {
		if a := &o.watches.alerts[k]; a.announced {
			ended = append(ended, m.endLocked(a, time.Now()))
		}
	}
	return ended
}

// EndAlerts ends all alerts, for a monitor that is to run no more or not for a while: nobody
// would see the end of what they are about. What is normal stays known, and what still
// deviates when the monitor runs again is found anew.
func (m *Monitor) EndAlerts() {
	m.mu.Lock()
	var ended []Alert
	for _, o := range m.order {
		ended = append(ended, m.endAllLocked(o)...)
		o.watches.endAlerts()
	}
	m.mu.Unlock()
	m.tell(ended)
}

// arrangeLocked puts parents before those within them.
func (m *Monitor) arrangeLocked() {
	order := make([]*operation, 0, len(m.known))
	depth := make(map[string]int, len(m.known))
	for name, o := range m.known {
		depth[name] = m.depthLocked(o, 0)
		order = append(order, o)
	}
	slices.SortFunc(order, func(a, b *operation) int {
		if d := depth[a.Name] - depth[b.Name]; d != 0 {
			return d
		}
		return strings.Compare(a.Name, b.Name)
	})
	m.order = order
}

// maxDepth ends the search for parents also where some are within one another.
const maxDepth = 16

func (m *Monitor) depthLocked(o *operation, depth int) int {
	most := 0
	for _, name := range o.Within {
		if parent, known := m.known[name]; known && depth < maxDepth {
			most = max(most, 1+m.depthLocked(parent, depth+1))
		}
	}
	return most
}

// ownPrefix begins the names of the program's own operations, and otherName is shared by
// those for which there was no room.
const (
	ownPrefix = "op:"
	otherName = ownPrefix + "other"
	ownKind   = "operation"
	routeKind = "route"
)

// Operation returns the counter of an operation of the program's own: the same for the same
// name, for ever. It is found as "op:NAME"; with a dot in its name, as "import.parse", it is a
// part of the operation before the dot, whose alerts stand for its own. The names are to come
// from the program and not from its traffic: a name that is not printable text of at most 100
// bytes, and every further one when max_operations are known, counts as "other".
func (m *Monitor) Operation(name string) *Operation {
	m.mu.Lock()
	defer m.mu.Unlock()
	full := ownPrefix + name
	if o := m.own[full]; o != nil {
		return o
	}
	if name == "" || !printable(full) || len(m.own) >= m.config.MaxOperations {
		full = otherName
		if o := m.own[full]; o != nil {
			return o
		}
	}
	o := new(Operation)
	m.own[full] = o
	s := Source{Name: full, Kind: ownKind, Part: o, Read: o.ReadCalls}
	if i := strings.LastIndexByte(full, '.'); i > 0 {
		s.Within = []string{full[:i]}
	}
	m.addLocked(s, !m.running)
	m.arrangeLocked()
	return o
}

// findLocked returns an operation, or a not_found that says what may be meant.
func (m *Monitor) findLocked(name string) (*operation, error) {
	if o, known := m.known[name]; known {
		return o, nil
	}
	return nil, m.unknownLocked(name)
}

func (m *Monitor) unknownLocked(name string) error {
	names := make([]string, 0, len(m.known))
	for n := range m.known {
		names = append(names, n)
	}
	return fault.New(fault.Spec{
		Code: fault.NotFound, Component: component, Name: name, Message: "there is no operation with this name" + suggest.For(name, names),
	})
}
