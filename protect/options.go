package protect

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/ratelimit"
)

// Option changes how requests are described to the guard, or how its refusals
// are answered. What concerns one side only says so.
type Option func(*options)

type options struct {
	op       string
	target   string
	key      func(*http.Request) ratelimit.Key
	cost     func(*http.Request) int64
	priority func(*http.Request) guard.Priority
	outcome  func(status int) outcome.Outcome
	refuse   func(http.ResponseWriter, *http.Request, error)
	twice    func(*http.Request) bool
	targets  func(*http.Request) guard.Balancer
	bodyIdle time.Duration
	quota    bool // tell admitted clients what is left

	trustsRetried bool
}

func collect(opts []Option) options {
	var o options
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	if o.outcome == nil {
		o.outcome = StatusOutcome
	}
	if o.refuse == nil {
		o.refuse = WriteRefusal
	}
	return o
}

// callOf describes r to the guard.
func (o *options) callOf(r *http.Request) guard.Call {
	call := guard.Call{Op: o.op, Target: o.target, Untimed: true, Lease: -1}
	if o.key != nil {
		call.Key = o.key(r)
	}
	if o.cost != nil {
		call.Cost = o.cost(r)
	}
	if o.priority != nil {
		call.Priority = o.priority(r)
	}
	if o.targets != nil {
		call.Targets = o.targets(r)
	}
	if o.twice != nil {
		call.Idempotent = o.twice(r)
	}
	return call
}

// IdempotentBy says which requests do no harm if what a [Handler] guards is asked twice,
// for handlers that call [Retry]. Without it none does.
func IdempotentBy(fn func(*http.Request) bool) Option {
	return func(o *options) { o.twice = fn }
}

// KeyBy counts requests by what fn makes of them. The key may refer to the
// strings of the request. Without any such option all requests share one bucket.
func KeyBy(fn func(*http.Request) ratelimit.Key) Option {
	return func(o *options) { o.key = fn }
}

// KeyByRemoteIP counts requests by the client's address, an IPv6 address by its
// /64, as [RemoteIP] finds it: X-Forwarded-For is believed from the trusted
// proxies only. Requests without an address, as on a unix socket, share a bucket.
func KeyByRemoteIP(trusted ...netip.Prefix) Option {
	return KeyBy(func(r *http.Request) ratelimit.Key { return remoteIPKey(r, trusted) })
}

// KeyByHeader counts requests by the first value of a header field; those
// without it share a bucket. Whoever sends requests chooses the value: a rule
// that is keyed so needs a parent that is keyed by address, or one client can
// take a fresh bucket for every request.
func KeyByHeader(name string) Option {
	name = http.CanonicalHeaderKey(name)
	return KeyBy(func(r *http.Request) ratelimit.Key {
		if values := r.Header[name]; len(values) > 0 {
			return ratelimit.KeyOf(values[0])
		}
		return ratelimit.Key{}
	})
}

// KeyByHost counts requests by the host, and port, that they go to, however that is
// written: in lower case, and without the port that goes without saying. With a
// guard that has a breaker.Group, every host gets a breaker of its own.
func KeyByHost() Option {
	return KeyBy(func(r *http.Request) ratelimit.Key { return ratelimit.KeyOf(hostOf(r)) })
}

func hostOf(r *http.Request) string {
	if r.URL == nil || r.URL.Host == "" {
		return strings.ToLower(r.Host)
	}
	host := strings.ToLower(r.URL.Host)
	switch r.URL.Scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return host
}

// CostBy says how much of the rate limit a request takes. Without it, or where fn
// returns 0, it is 1.
func CostBy(fn func(*http.Request) int64) Option {
	return func(o *options) { o.cost = fn }
}

// PriorityBy says how important a request is. Without it, or where fn returns the
// zero Priority, the context's counts, then the guard's. Never take it from what
// an untrusted client sent.
func PriorityBy(fn func(*http.Request) guard.Priority) Option {
	return func(o *options) { o.priority = fn }
}

// OutcomeBy replaces [StatusOutcome], which nil stands for. It is asked for final
// statuses only.
func OutcomeBy(fn func(status int) outcome.Outcome) Option {
	return func(o *options) { o.outcome = fn }
}

// Op names what the guarded requests do, for events.
func Op(name string) Option {
	return func(o *options) { o.op = name }
}

// Target names what the guarded requests go to, which chooses the breaker of a guard
// with one for each target ([guard.Config.PerTarget]). Without it the target of a
// [Transport] is the request's host, with its port if it names one, and that of a
// [Handler] is empty.
func Target(name string) Option {
	return func(o *options) { o.target = name }
}

// Targets has what fn returns choose the member of the target that each attempt at a
// request goes to, see [guard.Call.Targets], for [Handler]. Without it there is but one.
func Targets(fn func(*http.Request) guard.Balancer) Option {
	return func(o *options) { o.targets = fn }
}

// RefuseWith replaces [WriteRefusal], which nil stands for, as the writer of refusals
// and timeouts, for [Handler].
func RefuseWith(fn func(w http.ResponseWriter, r *http.Request, err error)) Option {
	return func(o *options) { o.refuse = fn }
}

// RateLimitHeaders also tells the clients of admitted requests what their rate limit
// has left, in the fields RateLimit-Policy and RateLimit, for [Handler]. Fields that
// the handler sets itself stay. Without this option only refusals carry them.
//
// It is off unless asked for because the numbers are those of the key: under one
// that many share, they tell each client of all others.
func RateLimitHeaders() Option {
	return func(o *options) { o.quota = true }
}

// BodyIdleTimeout ends a response whose body delivers nothing for d while it is
// being read, for [Transport]. The read fails and the call counts as failed. A
// consumer who pauses between reads has all the time that it wants.
func BodyIdleTimeout(d time.Duration) Option {
	return func(o *options) { o.bodyIdle = d }
}
