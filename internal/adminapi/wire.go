package adminapi

import (
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Version is the version of the wire format, in every top-level answer.
const Version = "v1"

// Status is the answer of GET /v1/status: the whole layer on one page.
type Status struct {
	APIVersion    string        `json:"api_version"`
	Verdict       string        `json:"verdict"`  // "ok", "attention" or "draining"
	Reasons       []string      `json:"reasons"`  // why it is not "ok", worst first
	Findings      []Finding     `json:"findings"` // the same, apart
	Build         string        `json:"build"`
	Namespace     string        `json:"namespace"`
	StartedAt     time.Time     `json:"started_at"`
	UptimeSeconds float64       `json:"uptime_seconds"`
	Ready         bool          `json:"ready"`
	Draining      bool          `json:"draining"`
	Config        ConfigStatus  `json:"config"`
	Listeners     []Listener    `json:"listeners"`
	Guards        []Guard       `json:"guards"`
	Breakers      []Breaker     `json:"breakers"`
	RateLimits    []RateLimit   `json:"rate_limits"`
	Pools         []Pool        `json:"pools"`
	Routes        []Route       `json:"routes"` // of the gateway, in the order of the configuration
	Services      []Service     `json:"services"`
	Storage       Storage       `json:"storage"`
	Shared        Shared        `json:"shared"`
	Performance   Performance   `json:"performance"`
	Health        HealthSummary `json:"health"`
	Memory        Memory        `json:"memory"`
	LogLevel      LogLevel      `json:"log_level"`
}

// ConfigStatus says which configuration runs and how the last reload went.
type ConfigStatus struct {
	Revision             uint64          `json:"revision"`
	Source               string          `json:"source"`
	Drifted              bool            `json:"drifted"`   // what runs is not what the file says
	Pending              uint64          `json:"pending"`   // a revision that was found when the history came back, and is not in force; 0 if there is none
	Attention            string          `json:"attention"` // what is wrong with the history
	AppliedAt            time.Time       `json:"applied_at"`
	LastReloadAt         time.Time       `json:"last_reload_at"`
	LastReloadSuccessful bool            `json:"last_reload_successful"`
	LastReloadSuccessAt  time.Time       `json:"last_reload_success_at"`
	LastReloadError      string          `json:"last_reload_error"`
	LastReloadProblems   []fault.Problem `json:"last_reload_problems"` // the single faults of the file
}

// Listener is one address the daemon listens on.
type Listener struct {
	Name    string `json:"name"` // "gateway", "admin" or "probes"
	Address string `json:"address"`
	TLS     bool   `json:"tls"`
}

// Route is one route of the gateway.
type Route struct {
	Name          string            `json:"name"` // or its match, where it was given none
	Match         string            `json:"match"`
	Guard         string            `json:"guard"`
	Upstream      string            `json:"upstream"`  // host and port; of several, the first and how many more
	Upstreams     []Upstream        `json:"upstreams"` // the hosts, the worst first
	Panic         Panic             `json:"panic"`
	Lookup        Lookup            `json:"lookup"`
	InFlight      int64             `json:"in_flight"`
	OldestSeconds float64           `json:"oldest_seconds"` // of those in flight
	Requests      map[string]uint64 `json:"requests"`       // that have ended, by "1xx" to "5xx", or "canceled"
	Failures      []UpstreamFailure `json:"failures"`       // of the upstream, the latest first
	RefusedBy     map[string]uint64 `json:"refused_by"`     // code, or "body_too_large", "header_too_large", "bad_request": what the gateway itself answered
	Refused       uint64            `json:"refused"`
	CutBy         map[string]uint64 `json:"cut_by"`      // answers that were broken off, by "client", "upstream" or "gateway"
	NotReading    uint64            `json:"not_reading"` // clients that were cut because they took nothing of their answer
	Unfinished    uint64            `json:"unfinished"`  // answers without a declared length that ended before their end
	BytesIn       uint64            `json:"bytes_in"`
	BytesOut      uint64            `json:"bytes_out"`
	MaxBody       int64             `json:"max_body"`    // bytes that a request's body may have; 0: no limit
	MaxPerKey     int               `json:"max_per_key"` // requests of one key that may be in flight; 0: no limit
	Recent        Recent            `json:"recent"`
}

// UpstreamFailure are the failures of an upstream that are of one class.
type UpstreamFailure struct {
	Class  string    `json:"class"` // "refused", "reset", "dns", "tls", "timeout", "protocol", "eof", "other", "status_5xx" or "status_grpc"
	Count  uint64    `json:"count"`
	Last   time.Time `json:"last"`
	Reason string    `json:"reason"` // the text of a recent one, as the log has it
}

// List is the answer to a request for all parts of one kind, worst first.
type List[T any] struct {
	APIVersion string `json:"api_version"`
	Items      []T    `json:"items"`
}

// Guard is one guard.
type Guard struct {
	Name           string  `json:"name"`
	Mode           string  `json:"mode"`
	Priority       string  `json:"priority"`
	Revision       uint64  `json:"revision"`
	Breaker        string  `json:"breaker"`
	RateLimit      string  `json:"rate_limit"`
	Pool           string  `json:"pool"`
	TimeoutSeconds float64 `json:"timeout_seconds"`
	Concurrency    int     `json:"concurrency"` // the bound now; 0: none
	// AdaptiveConcurrency is how that bound adapts; all of it is zero where it is fixed.
	AdaptiveConcurrency AdaptiveConcurrency `json:"adaptive_concurrency"`
	InFlight            int64               `json:"in_flight"`
	Detached            int64               `json:"detached"` // calls that ran past their time and have not ended
	Succeeded           uint64              `json:"succeeded"`
	Failed              uint64              `json:"failed"` // without those that timed out
	TimedOut            uint64              `json:"timed_out"`
	Canceled            uint64              `json:"canceled"`
	Ignored             uint64              `json:"ignored"`
	Refused             uint64              `json:"refused"`
	WouldRefuse         uint64              `json:"would_refuse"`
	RefusedBy           map[string]uint64   `json:"refused_by"`
	WouldRefuseBy       map[string]uint64   `json:"would_refuse_by"`
	LeasesExpired       uint64              `json:"leases_expired"`
	Retries             Retries             `json:"retries"`
	Hedges              Hedges              `json:"hedges"`
	P50Seconds          float64             `json:"p50_seconds"` // of calls that succeeded
	P95Seconds          float64             `json:"p95_seconds"`
	P99Seconds          float64             `json:"p99_seconds"`
	CheckoutP99Seconds  float64             `json:"checkout_p99_seconds"` // the wait for a worker
	Recent              Recent              `json:"recent"`
}

// AdaptiveConcurrency is a bound that follows the latency of calls.
type AdaptiveConcurrency struct {
	Min             int       `json:"min"`
	Max             int       `json:"max"`
	Limit           int       `json:"limit"`  // in force
	Reason          string    `json:"reason"` // why it last moved
	Since           time.Time `json:"since"`  // when
	SinceSeconds    float64   `json:"since_seconds"`
	LatencySeconds  float64   `json:"latency_seconds"`  // the mean of the last calls
	BaselineSeconds float64   `json:"baseline_seconds"` // without load
}

// Retries are those of a guard.
type Retries struct {
	Attempts   int               `json:"attempts"`    // that a call may have; 0 without a policy
	Share      float64           `json:"share"`       // of the first attempts to a target that may be retried, beside one a second
	Retried    uint64            `json:"retried"`     // attempts after the first
	RetriedFor map[string]uint64 `json:"retried_for"` // by how the attempt before ended
	Stopped    uint64            `json:"stopped"`     // calls that failed and were not tried again
	StoppedBy  map[string]uint64 `json:"stopped_by"`  // by reason
	BudgetLeft uint64            `json:"budget_left"` // of the target that has least; 0 without a policy
	Budgets    []RetryBudget     `json:"budgets"`     // by target, "" first: the calls without one
}

// Hedges are those of a guard. After is "" without, and all else is then what was counted before.
type Hedges struct {
	After        string            `json:"after"`         // as it is set: a duration, or a percentile as p95
	Max          int               `json:"max"`           // beside one attempt
	DelaySeconds float64           `json:"delay_seconds"` // in force now; 0 while it is not known
	Samples      int               `json:"samples"`       // attempts of the last minute that a percentile is taken of
	MinSamples   int               `json:"min_samples"`   // that it takes; 0 if the delay is fixed
	Started      uint64            `json:"started"`
	Won          uint64            `json:"won"`    // they gave the result of their call
	Lost         uint64            `json:"lost"`   // another attempt was faster
	Failed       uint64            `json:"failed"` // by themselves
	Refused      uint64            `json:"refused"`
	RefusedBy    map[string]uint64 `json:"refused_by"` // by reason
	Losers       int64             `json:"losers"`     // attempts that lost and have not returned
}

// RetryBudget is what is counted of one target in the last ten seconds, and what it may
// have now.
type RetryBudget struct {
	Target        string `json:"target"`
	FirstAttempts uint64 `json:"first_attempts"`
	Retries       uint64 `json:"retries"`
	Denied        uint64 `json:"denied"`        // failures that were not tried again, because nothing was left
	HedgesDenied  uint64 `json:"hedges_denied"` // slow attempts that were not hedged, for the same reason
	Left          uint64 `json:"left"`
}

// Breaker is one circuit breaker, a group of them, or one member of a group.
type Breaker struct {
	Name              string       `json:"name"`
	Member            string       `json:"member"` // the key, of a member of a group
	Mode              string       `json:"mode"`
	State             string       `json:"state"` // "closed", "open", "half-open"; of a group its worst member's
	Since             time.Time    `json:"since"`
	SinceSeconds      float64      `json:"since_seconds"`
	RetryAfterSeconds float64      `json:"retry_after_seconds"`
	Ramping           bool         `json:"ramping"`
	Counted           []Fact       `json:"counted"`   // what the window holds, against the thresholds
	OpenedBy          []Fact       `json:"opened_by"` // why it left the closed state last
	Outage            Outage       `json:"outage"`
	ProbesInFlight    int          `json:"probes_in_flight"`
	ProbeSuccesses    int          `json:"probe_successes"`
	WindowSeconds     float64      `json:"window_seconds"`
	CooldownSeconds   float64      `json:"cooldown_seconds"`
	Succeeded         uint64       `json:"succeeded"`
	Failed            uint64       `json:"failed"`
	Ignored           uint64       `json:"ignored"`
	Refused           uint64       `json:"refused"`
	WouldRefuse       uint64       `json:"would_refuse"`
	Injected          float64      `json:"injected"`
	LastErrors        []ErrorClass `json:"last_errors"` // classes, never messages
	Override          Override     `json:"override"`
	Generation        uint64       `json:"generation"`
	Revision          uint64       `json:"revision"`
	Group             bool         `json:"group"`
	MaxMembers        int          `json:"max_members"`
	MemberCount       int          `json:"member_count"`
	Members           []Breaker    `json:"members"` // of a group, when it is asked for by name
}

// Outage is how the trouble of a breaker that is not closed began, and how its probes went
// since; zero while there is none.
type Outage struct {
	Began               time.Time `json:"began"`
	BeganSeconds        float64   `json:"began_seconds"` // ago
	Cause               string    `json:"cause"`         // the rule that opened it, by the name of its setting
	Error               string    `json:"error"`         // the class of most failures then
	FailedProbes        int       `json:"failed_probes"`
	LastProbe           time.Time `json:"last_probe"` // that failed
	LastProbeError      string    `json:"last_probe_error"`
	LastProbeAgoSeconds float64   `json:"last_probe_ago_seconds"`
}

// Fact is a number that decided, beside the bound that it was held against.
type Fact struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Limit   float64 `json:"limit"`
	Bounded bool    `json:"bounded"` // whether limit means anything
	Unit    string  `json:"unit"`
}

// ErrorClass is a kind of failure that was counted.
type ErrorClass struct {
	Class string    `json:"class"`
	Count uint64    `json:"count"`
	Last  time.Time `json:"last"`
}

// Override is an operator's hand on a breaker; State is empty where there is none.
type Override struct {
	State            string    `json:"state"` // "", "forced-open", "forced-closed"
	Actor            string    `json:"actor"`
	Reason           string    `json:"reason"`
	Since            time.Time `json:"since"`
	Until            time.Time `json:"until"` // the zero time: until it is released
	RemainingSeconds float64   `json:"remaining_seconds"`
}

// OverrideRequest is the body of PUT /v1/breakers/{name}/override.
type OverrideRequest struct {
	State      string  `json:"state"` // "forced-open" or "forced-closed"
	Reason     string  `json:"reason"`
	ForSeconds float64 `json:"for_seconds"` // 0: until it is released
}

// RateLimit is one rule.
type RateLimit struct {
	Name       string      `json:"name"`
	Mode       string      `json:"mode"`
	Algorithm  string      `json:"algorithm"`
	Limit      int64       `json:"limit"` // 0: every call is refused
	PerSeconds float64     `json:"per_seconds"`
	Burst      int64       `json:"burst"`
	Parts      int         `json:"parts"`
	Parent     string      `json:"parent"`
	Overrides  int         `json:"overrides"` // keys with numbers of their own, or exempt
	Keys       int64       `json:"keys"`
	MaxKeys    int64       `json:"max_keys"`
	Overflowed uint64      `json:"overflowed"`
	Evicted    uint64      `json:"evicted"`
	Waiting    int64       `json:"waiting"`
	Allowed    uint64      `json:"allowed"`
	Denied     uint64      `json:"denied"`
	WouldDeny  uint64      `json:"would_deny"`
	Revision   uint64      `json:"revision"`
	TopDenied  []DeniedKey `json:"top_denied"`
	// Scope is "local" or "shared". What follows is about a shared rule: OnError is what becomes of its calls while
	// the store is away, LocalLimit the share of the limit that this process admits then, DecidedBy where calls
	// were decided: "shared", "cached", "prefetched", "fallback", or "refused" for on_error: deny.
	Scope           string            `json:"scope"`
	OnError         string            `json:"on_error"`
	Prefetch        int64             `json:"prefetch"`
	PrefetchInForce int64             `json:"prefetch_in_force"` // by the limit and the number of instances
	PrefetchHeld    int64             `json:"prefetch_held"`     // tokens that were taken ahead and not used yet
	LocalLimit      int64             `json:"local_limit"`
	DecidedBy       map[string]uint64 `json:"decided_by"`
}

// DeniedKey is a key that was refused often, for people to read.
type DeniedKey struct {
	Key           string    `json:"key"`
	Denied        uint64    `json:"denied"` // an upper bound
	AtMostTooMany uint64    `json:"at_most_too_many"`
	Last          time.Time `json:"last"`
	Override      bool      `json:"override"` // has numbers of its own
}

// Decision is what a rule says, or would say, of a key.
type Decision struct {
	APIVersion        string  `json:"api_version"`
	Rule              string  `json:"rule"`
	Key               string  `json:"key"`
	Allowed           bool    `json:"allowed"`
	Taken             int64   `json:"taken"` // 0 for a peek
	Limit             int64   `json:"limit"`
	Remaining         int64   `json:"remaining"`
	RetryAfterSeconds float64 `json:"retry_after_seconds"`
	ResetAfterSeconds float64 `json:"reset_after_seconds"`
	// Code says why the key is denied, or would be: rate_limited, or unavailable if it could not
	// be counted. It is empty if it is allowed.
	Code string `json:"code"`
	// Source says where it was decided: local, shared, cached, prefetched, fallback or exempt.
	Source string `json:"source"`
	// Override is what the key is counted by in place of the rule; null without one.
	Override *KeyOverride `json:"override"`
}

// CheckRequest is the body of POST /v1/check. Take 0 looks and takes nothing.
type CheckRequest struct {
	Rule string `json:"rule"`
	Key  string `json:"key"`
	Take int64  `json:"take"`
}

// Pool is one pool of workers.
type Pool struct {
	Name                  string  `json:"name"`
	Worker                string  `json:"worker"`
	State                 string  `json:"state"` // "ready", "overflow", "full"
	Degraded              bool    `json:"degraded"`
	LastError             string  `json:"last_error"`
	RetryAfterSeconds     float64 `json:"retry_after_seconds"`
	Strategy              string  `json:"strategy"`
	Size                  int     `json:"size"`
	MaxOverflow           int     `json:"max_overflow"`
	Available             int     `json:"available"`
	Overflow              int     `json:"overflow"`
	CheckedOut            int     `json:"checked_out"`
	Idle                  int     `json:"idle"`
	Waiting               int     `json:"waiting"`
	Making                int     `json:"making"`
	Checkouts             uint64  `json:"checkouts"`
	Waits                 uint64  `json:"waits"`
	Timeouts              uint64  `json:"timeouts"`
	Full                  uint64  `json:"full"`
	Canceled              uint64  `json:"canceled"`
	Failed                uint64  `json:"failed"`
	Created               uint64  `json:"created"`
	CreateFailures        uint64  `json:"create_failures"`
	Destroyed             uint64  `json:"destroyed"`
	Leaked                uint64  `json:"leaked"`
	OldestCheckoutSeconds float64 `json:"oldest_checkout_seconds"`
	WaitP99Seconds        float64 `json:"wait_p99_seconds"`
	HoldP99Seconds        float64 `json:"hold_p99_seconds"`
	CreateP99Seconds      float64 `json:"create_p99_seconds"`
}

// Config is the answer of GET /v1/config: the text as it was written, before
// anything was expanded, so that it holds no secret.
type Config struct {
	APIVersion string    `json:"api_version"`
	Revision   uint64    `json:"revision"`
	Source     string    `json:"source"`
	AppliedAt  time.Time `json:"applied_at"`
	YAML       string    `json:"yaml"`
}

// Applied is the answer to a reload or a new configuration.
type Applied struct {
	APIVersion string   `json:"api_version"`
	Revision   uint64   `json:"revision"`
	DryRun     bool     `json:"dry_run"`
	Changes    []Change `json:"changes"`
	// Warnings are what is legal in the configuration and very likely a mistake.
	Warnings []fault.Problem `json:"warnings"`
}

// Change is one difference that a configuration makes, and what it does to state.
type Change struct {
	Section string        `json:"section"` // as in the file
	Name    string        `json:"name"`
	Action  string        `json:"action"` // "added", "changed", "removed"
	Fields  []FieldChange `json:"fields"`
	Effect  string        `json:"effect"`
	Restart bool          `json:"restart"` // a running daemon cannot follow it
}
