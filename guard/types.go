package guard

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/enum"
	"github.com/elixirscope/foundation/ratelimit"
)

// component names this kind of part in faults.
const component = "guard"

// Call describes one call. The zero value is a call of cost 1 under the rate
// limit's one shared bucket, at the guard's priority.
type Call struct {
	// Key says for whom the rate limit counts the call, and which breaker of a
	// group it belongs to, unless that is chosen by Target.
	Key ratelimit.Key
	// Target names what the call goes to, a host or a shard: with
	// [Config.PerTarget] it says which breaker of the group the call belongs to. All
	// calls without a target share one.
	Target string
	// Targets chooses the member of Target, one host of several, that each attempt of the
	// call goes to; nil means that there is but one. With [Config.PerTarget] the breaker is
	// then the member's. The budget of retries is that of Target as a whole.
	Targets Balancer
	// Cost is what the call takes from the rate limit; 0 means 1.
	Cost int64
	// Priority says who is refused first when memory is short. Unset, that of the
	// context counts, else the guard's.
	Priority Priority
	// Op names the operation in events. It is never a label of a metric.
	Op string
	// CheckoutTimeout bounds the wait for a worker; 0 means the guard's. A negative
	// one does not wait: the call is refused with pool_full.
	CheckoutTimeout time.Duration
	// Lease is how long a [Token] may stay open; 0 means the guard's, negative means
	// for ever, for callers who close it in a deferred function.
	Lease time.Duration
	// Idempotent says that making the call twice does no harm: only such a call is tried
	// again, under [Config.Retry].
	Idempotent bool
	// ReleasesMemory exempts the call from memory admission: it is one of those that
	// make things better.
	ReleasesMemory bool
	// Untimed leaves the time limit to the caller, who asks for it with
	// [Token.Timeout]: the context gets no deadline.
	Untimed bool
}

// Balancer chooses the member of a target that an attempt goes to.
type Balancer interface {
	// Next returns the member for the attempt that is about to be admitted. It is called by
	// the goroutine that makes the attempt, once for each attempt, also for one that is then
	// refused, and again if a change of the settings overtakes the admission. It must not
	// block. admits reports whether the breaker of a member would let a call pass now; it is
	// nil if members have no breakers of their own.
	Next(admits func(member string) bool) (member string)
}

// cost is what the call takes from the rate limit.
func (c *Call) cost() int64 {
	if c.Cost == 0 {
		return 1
	}
	return c.Cost
}

// Result is how a call ended, as the metrics tell it.
type Result = enum.Of[results]

// The results of calls that were admitted.
const (
	Succeeded   Result = iota
	Failed             // the dependency's failure, a panic, or a token closed without an outcome
	TimedOut           // the time limit was reached, or the caller's deadline after the deadline floor
	CallerLeft         // the caller gave up
	Indifferent        // ignored: neutral, or refused further in

	resultCount
)

type results struct{}

func (results) Names() (string, []string) { return "result", resultNames }

var resultNames = []string{
	Succeeded: "success", Failed: "failure", TimedOut: "timeout", CallerLeft: "canceled", Indifferent: "ignored",
}

// rejected is the label of calls that were refused, beside the results.
const rejected = "rejected"

// Admitter decides whether a call may begin while memory is short. A guard asks
// it first of all, once for each call that does not release memory.
type Admitter interface {
	// Refusing returns a word that is 0 while every call is admitted: the guard loads it
	// and asks no further then. It is the same word for as long as the Admitter lives; nil
	// means that the guard is to ask each time.
	Refusing() *atomic.Uint32
	// Admit returns nil or why the call is refused. c.Priority is set. It must not
	// block and takes nothing that had to be given back.
	Admit(ctx context.Context, c Call) *fault.Error
}

// Recorder is told how every call ended, once.
type Recorder interface {
	// Record must not block. It runs in the caller's goroutine after everything is
	// settled.
	Record(o Observation)
}

// Observation is one call as a [Recorder] sees it.
type Observation struct {
	Guard   string
	Op      string
	Refused fault.Code // 0 if the call was admitted; then Result and Duration mean nothing
	Result  Result
	Wait    time.Duration // for a turn of a leaky bucket and for a worker
	// Duration is how long the call itself ran, from its first attempt to the end of its last.
	Duration time.Duration
	Attempts int // how often the call was tried, 0 if it was refused
}
