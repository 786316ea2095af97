package adminapi

import "time"

// Frame is the whole layer at one moment, for those who watch it: the answer of GET /v1/frame,
// and the data of each message of GET /v1/frames (server-sent events, one a second, the same
// for all who watch). The first message of a stream is full. After it, everything is there
// each time except rows: of them those that differ from the message before, and in Gone those
// that are no more. A client keeps its rows by their ID; an ID of a message that it sends back
// as Last-Event-ID continues where it was, or begins with a full frame.
type Frame struct {
	APIVersion string `json:"api_version"`
	// Seq is also the id of the message. It rises by one from message to message; 0 in a frame
	// that no stream has.
	Seq  uint64    `json:"seq"`
	Full bool      `json:"full"` // Rows has all rows
	At   time.Time `json:"at"`   // when it was made, by the server's clock

	Instance      string    `json:"instance"` // the name of the process in its events, as the host's; "" without one
	Namespace     string    `json:"namespace"`
	Build         string    `json:"build"`
	StartedAt     time.Time `json:"started_at"`
	UptimeSeconds float64   `json:"uptime_seconds"`
	Ready         bool      `json:"ready"`
	Draining      bool      `json:"draining"`

	Verdict    string      `json:"verdict"`    // "ok", "attention" or "draining"
	Findings   []Finding   `json:"findings"`   // root causes in words, the worst first, at most 50; Command tells more
	More       int         `json:"more"`       // findings that are not shown
	Score      int         `json:"score"`      // of health, from 0 to 100
	Deductions []Deduction `json:"deductions"` // why it is not 100
	Totals     FrameTotals `json:"totals"`

	Rows []FrameRow `json:"rows"` // worst first, as Weight says
	Gone []string   `json:"gone"` // IDs of rows that are no more; empty in a full frame

	Memory    FrameMemory     `json:"memory"`
	Health    FrameHealth     `json:"health"`
	Alerts    FrameAlerts     `json:"alerts"`
	Config    ConfigStatus    `json:"config"`    // revision, since when, drift, the last reload
	Overrides []FrameOverride `json:"overrides"` // what somebody has taken in hand, the newest first
	Storage   FrameStorage    `json:"storage"`
	Services  FrameServices   `json:"services"`
	Switches  []Switch        `json:"switches"` // of a sample upstream; empty everywhere else
}

// FrameTotals are the sums of what comes in. What came through a route and its guard counts once: where the program has
// routes their numbers are the routes', and else the guards'.
type FrameTotals struct {
	Of            string       `json:"of"`             // "routes" or "guards": what was summed up
	WindowSeconds float64      `json:"window_seconds"` // that the rates are of, about a minute; 0: nothing keeps it
	Rate          float64      `json:"rate"`           // calls a second, refused ones among them
	NowRate       float64      `json:"now_rate"`       // in the last five seconds
	FailedRate    float64      `json:"failed_rate"`    // of them, timed out ones among them
	RefusedRate   float64      `json:"refused_rate"`
	RefusedBy     []ReasonRate `json:"refused_by"` // the greatest first
	InFlight      int64        `json:"in_flight"`
	NotClosed     int          `json:"not_closed"` // breakers, and members of groups
}

// ReasonRate is how many calls a second are refused for one reason.
type ReasonRate struct {
	Reason string  `json:"reason"` // a code, as in "circuit_open"
	Rate   float64 `json:"rate"`
}

// FrameRow is one part of the layer. All kinds have the same fields; what a kind does not know
// is zero. Numbers of calls are of the last WindowSeconds, and ratios of the calls that ran. Those
// of breakers and rules are of the guards that use them; those of pools are of the waits for a worker.
type FrameRow struct {
	ID   string `json:"id"`   // kind and name, as in "guard/checkout", of an upstream with its route between: unique, the same in each frame
	Kind string `json:"kind"` // "guard", "breaker", "rate_limit", "pool", "route" or "upstream": as in /v1/why/{kind}/{name}
	Name string `json:"name"`
	Of   string `json:"of"` // of an upstream the route, of a route its guard, else ""
	// Operation is the name for /v1/series and /v1/operations; "" where there is none.
	Operation string `json:"operation"`
	// Level says how bad it is, for its colour and glyph: "bad", "warn", "note" (to be known, and
	// hurts nobody yet), "ok", or "idle" (no traffic).
	Level string `json:"level"`
	// Weight orders rows: the greatest first, and of equals by ID.
	Weight uint64 `json:"weight"`
	// State is a word: of a breaker "closed", "open" or "half-open" (of a group its worst
	// member's); of a pool "ready", "overflow", "full" or "degraded"; of a rule "allows" or "denies"; of an upstream "active", "slow_start", "check_failed" or "ejected"; of guards and routes the
	// trouble "full", "refuses", "fails", "leave" or "slow", and "ok"; "idle" where nothing came.
	State    string    `json:"state"`
	Since    time.Time `json:"since"`    // of State; zero where that is not known
	NextAt   time.Time `json:"next_at"`  // when a breaker probes next, a pool tries again, or an upstream gets requests; zero: nothing is due
	Override string    `json:"override"` // "forced-open" or "forced-closed", "" without one
	Until    time.Time `json:"until"`    // of Override; zero: until it is released
	Mode     string    `json:"mode"`     // "enforce", "shadow" or "off"; "" where the kind has none
	Share    float64   `json:"share"`    // of the calls, that are in trouble
	Reason   string    `json:"reason"`   // of the trouble: a code or a class of errors

	WindowSeconds float64 `json:"window_seconds"` // about a minute; 0 without calls
	Calls         uint64  `json:"calls"`          // that came, refused ones among them
	Rate          float64 `json:"rate"`           // of them a second
	NowRate       float64 `json:"now_rate"`       // in the last five seconds
	SuccessRatio  float64 `json:"success_ratio"`
	FailureRatio  float64 `json:"failure_ratio"`
	FailureLimit  float64 `json:"failure_limit"` // the threshold, 0 without one
	SlowRatio     float64 `json:"slow_ratio"`
	SlowLimit     float64 `json:"slow_limit"` // the threshold, 0 without one
	RefusedRate   float64 `json:"refused_rate"`
	P50Seconds    float64 `json:"p50_seconds"`
	P95Seconds    float64 `json:"p95_seconds"`
	P99Seconds    float64 `json:"p99_seconds"`

	InFlight int64 `json:"in_flight"` // calls, or workers that are lent
	Limit    int64 `json:"limit"`     // of InFlight, or calls that a rule allows per PerSeconds; 0: none
	Waiting  int64 `json:"waiting"`   // for a worker, or for their turn
	// PerSeconds is the period of a rule, 0 for all others.
	PerSeconds float64 `json:"per_seconds"`

	LastError   string    `json:"last_error"` // class of the latest failures, never a message
	LastErrorAt time.Time `json:"last_error_at"`
	// Counted is what the window of a breaker holds against its thresholds; empty for all others.
	Counted []Fact `json:"counted"`
	Members int    `json:"members"` // of a breaker that is a group
}

// FrameMemory is how short memory is. GET /v1/memory has all of it.
type FrameMemory struct {
	Level      string    `json:"level"`    // that calls meet: "normal", "elevated", "high", "critical", "unknown" or "off"
	Measured   string    `json:"measured"` // without a simulation
	Since      time.Time `json:"since"`
	Cause      string    `json:"cause"`
	Stale      bool      `json:"stale"`
	Source     string    `json:"source"` // the limit that is used most
	Used       uint64    `json:"used"`   // of it, in bytes
	Limit      uint64    `json:"limit"`
	Ratio      float64   `json:"ratio"`
	HeapLive   uint64    `json:"heap_live"`
	GCCPU      float64   `json:"gc_cpu"`
	Refused    uint64    `json:"refused"`    // calls, since the start
	Simulated  string    `json:"simulated"`  // the level that somebody wants to see, "" without
	Thresholds []float64 `json:"thresholds"` // from which ratios on the levels hold, ascending
}

// FrameHealth sums the checks up. GET /v1/health has the tree with the parts.
type FrameHealth struct {
	Status string       `json:"status"` // "pass", "warn", "fail" or "unknown"
	Live   bool         `json:"live"`
	Checks int          `json:"checks"` // that there are
	Failed int          `json:"failed"`
	Warned int          `json:"warned"`
	Roots  []FrameCheck `json:"roots"` // those that are not well and of which nothing else is the cause
}

// FrameCheck is a check that is not well.
type FrameCheck struct {
	Name        string    `json:"name"`
	Status      string    `json:"status"`
	Since       time.Time `json:"since"`
	Output      string    `json:"output"`
	Criticality string    `json:"criticality"`
	Impacts     []string  `json:"impacts"` // checks that are not well because of it
}

// FrameAlerts counts alerts and silences. GET /v1/alerts and /v1/silences have them all.
type FrameAlerts struct {
	Firing     int          `json:"firing"`
	Silenced   int          `json:"silenced"`
	Suppressed int          `json:"suppressed"` // others stand for them
	Silences   int          `json:"silences"`
	Shown      []FrameAlert `json:"shown"` // that are on, firing ones first; at most 20
}

// FrameAlert is an alert that is on.
type FrameAlert struct {
	Operation string    `json:"operation"`
	Kind      string    `json:"kind"`
	State     string    `json:"state"`    // "firing", "suppressed" or "silenced"
	Severity  string    `json:"severity"` // "error", "warning" or "info"
	Text      string    `json:"text"`
	Since     time.Time `json:"since"`
}

// FrameOverride is something that somebody has taken in hand.
type FrameOverride struct {
	Kind   string    `json:"kind"`   // "breaker", "memory" or "log_level"
	Name   string    `json:"name"`   // of the breaker
	Member string    `json:"member"` // its key, of a member of a group
	State  string    `json:"state"`  // "forced-open", a level of memory or of the log
	Actor  string    `json:"actor"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"` // zero where that is not known
	Until  time.Time `json:"until"` // zero: until it is released
}

// FrameStorage says where events are recorded. A greater Newest than before says that there
// are new ones, for GET /v1/events?after=: who watches frames needs no second stream for them.
type FrameStorage struct {
	Kind   string `json:"kind"` // "" where nothing is recorded
	Away   string `json:"away"` // why the storage does not answer
	Newest uint64 `json:"newest"`
}

// FrameServices counts services, and names those that do not run.
type FrameServices struct {
	Total   int      `json:"total"`
	Failing []string `json:"failing"`
}

// Switch is something of the program that can be put into one of several states, as the way in
// which a sample upstream answers. PUT /v1/switches/{name} takes a [SwitchRequest].
type Switch struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"` // for people
	State  string   `json:"state"`
	States []string `json:"states"` // that it can be put into, the usual one first
}

// SwitchRequest is the body of PUT /v1/switches/{name}.
type SwitchRequest struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// Me is the answer of GET /v1/me: who sends the request, and what it may do.
type Me struct {
	APIVersion string `json:"api_version"`
	Actor      string `json:"actor"`
	Write      bool   `json:"write"`   // it may change things, not only look
	Guarded    bool   `json:"guarded"` // requests must prove who sends them
}

// Sparklines is the answer of GET /v1/sparklines: the last five minutes of all operations, for
// a small plot in each row. All arrays have the length of Time.
type Sparklines struct {
	APIVersion  string      `json:"api_version"`
	StepSeconds float64     `json:"step_seconds"`
	Time        []int64     `json:"time"` // when each step begins, in seconds of Unix time
	Items       []Sparkline `json:"items"`
}

// Sparkline is one operation. Idle ones are left out.
type Sparkline struct {
	Operation string     `json:"operation"`
	Rate      []*float64 `json:"rate"`   // calls a second that ran
	Errors    []*float64 `json:"errors"` // the share of them that failed; null without calls
}

// BreakerStates is the answer of GET /v1/breakers/{name}/states?from=&to=&member=: in which
// state a breaker was when, from its recorded transitions.
type BreakerStates struct {
	APIVersion string      `json:"api_version"`
	Name       string      `json:"name"`
	Member     string      `json:"member"`
	From       time.Time   `json:"from"`
	To         time.Time   `json:"to"`
	Bands      []StateBand `json:"bands"` // one after the other, the oldest first
	Note       string      `json:"note"`  // why some of the span is not covered, "" if all is
}

// StateBand is a span of time in one state.
type StateBand struct {
	State  string    `json:"state"` // "closed", "open" or "half-open"
	Forced bool      `json:"forced"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason string    `json:"reason"` // why it began, "" where that is not known
	Actor  string    `json:"actor"`  // whoever forced or released it
	Seq    uint64    `json:"seq"`    // of the event, 0 where there is none
}
