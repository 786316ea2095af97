package guard

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
)

// Token is a call that was admitted by [Guard.Enter] and has not ended. It must be
// closed on every way out:
//
//	tok, err := g.Enter(ctx, call)
//	if err != nil {
//		return err
//	}
//	defer tok.Close()
//	err = use(tok.Context())
//	tok.Done(err)
//
// Close without Done is a failure, so a panic needs nothing special. Do not defer
// Done: its argument would be evaluated at once, when there is no error yet.
//
// A call whose outcome is known before it is over, as that of an answer that is
// still being read, is settled by [Token.Settle] and ended by Close.
//
// A token is a lease: one that is open for longer than [Config.Lease] is taken
// back and counted as a failure, and what its holder does with it later has no
// effect. Settling ends the lease.
//
// Every account of the call is settled once, whoever ends it: the methods are safe
// for concurrent use, and for use by handlers that run while the call is settled.
// A nil Token, and the zero Token, have ended.
type Token struct {
	// Set before anybody else has the token; index is guarded by the lane.
	limited context.Context //nolint:containedctx // a token is the call, and hands its context to the caller
	timeout time.Duration
	lane    *lane
	expires clock.Instant
	index   int32
	judges  int32 // goroutines that look at the accounts to judge the call's end; guarded by mu

	// again has the context and the timeout of the latest attempt, nil while that is the
	// first and has no limit of its own.
	again atomic.Pointer[attempt]

	// mu guards what is told of the call, below. The accounts follow: whoever finds
	// busy false brings them in line, see work. Nothing is called under mu.
	mu       sync.Mutex
	accounts *accounts // nil if the token has ended and nobody needs them
	progress progress
	busy     bool
	retrying bool // a goroutine is in Retry
	revoked  bool // a failure was told after a success
	told     bool // the breaker knows that
	trailing bool // the call counts as in flight although its outcome is settled
	reusable bool // nobody looks at the accounts when the token has ended
}

// progress is how far a token has come.
type progress uint8

const (
	ended   progress = iota
	open             // the outcome is not known
	settled          // the outcome is known, the call is not over
)

// Enter admits a call that does not fit in a function; prefer [Guard.Do] where it
// does. It refuses as Do does, and the token is then nil. It allocates the token,
// and the deadline of a time limit.
func (g *Guard) Enter(ctx context.Context, call Call) (*Token, error) {
	a := freeAccounts.Get().(*accounts) //nolint:errcheck,forcetypeassert // ours
	a.ctx, a.call = ctx, call
	v := &a.visit
	v.begin(g, false)
	admitted := false
	defer func() {
		if !admitted {
			defer a.free()
			v.finish(ctx, &a.call)
		}
	}()
	if err := v.admit(ctx, &a.call); err != nil {
		return nil, err
	}
	limited := v.limit(ctx, &a.call)
	t := &Token{limited: limited, timeout: v.allowance(ctx, &a.call), index: notLeased, accounts: a, progress: open}
	if d := v.attemptAllowance(ctx, &a.call); d != t.timeout {
		t.again.Store(&attempt{limited, d})
	}
	admitted = true
	if call.Lease >= 0 {
		g.leases.add(g, t, v.began, v.began.Add(cmp.Or(call.Lease, v.rev.config.Lease)))
	}
	return t, nil
}

// Context returns the context for the call, with the guard's deadline; after [Token.Retry]
// that of the next attempt. It is done when the token, or the attempt, ends, if the guard
// has a time limit.
func (t *Token) Context() context.Context {
	if t == nil || t.limited == nil {
		return context.Background()
	}
	if a := t.again.Load(); a != nil {
		return a.limited
	}
	return t.limited
}

// Timeout returns the time limit that a call with [Call.Untimed] has to keep by
// itself; 0 if there is none, because the guard has none or does not enforce, or
// the caller's deadline is earlier. It bounds all attempts together.
func (t *Token) Timeout() time.Duration {
	if t == nil {
		return 0
	}
	return t.timeout
}

// AttemptTimeout returns the time limit that a call with [Call.Untimed] has to keep by
// itself for the attempt under way: that of [Config.Retry], or what the call has left if
// that is less. It is 0 where [Token.Timeout] says all.
func (t *Token) AttemptTimeout() time.Duration {
	if t == nil {
		return 0
	}
	if a := t.again.Load(); a != nil {
		return a.timeout
	}
	return 0
}

// Answered tells that what the time limit bounds is over, for a call with
// [Call.Untimed] whose outcome is not known yet: the header is here, and what
// follows may take as long as it takes. The caller, which keeps the limit by
// [Token.Timeout], knows that itself; shadow mode, which imposes none, learns it
// only so, and would else take a long answer for a late one. Only the first call
// counts, and only in shadow mode does it do anything.
func (t *Token) Answered() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.progress == open && !t.busy && t.accounts.call.Untimed {
		v := &t.accounts.visit
		v.answered.CompareAndSwap(0, int64(max(1, clock.Now().Sub(v.began)))) // 0 means that it was not told
	}
}

// Quota returns what the rate limit left to the caller when it admitted the call.
// It reports false without a rate limit, where that or the guard does not enforce,
// once the outcome is known, and in the moments in which [Token.Retry] ends or begins an
// attempt.
func (t *Token) Quota() (q fault.Quota, ok bool) {
	if t == nil {
		return q, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.progress == open && !t.busy {
		if v := &t.accounts.visit; v.has(tokensTaken) && v.rev.config.Mode == mode.Enforce {
			q, ok = v.decision.Quota()
		}
	}
	return q, ok
}

// Done ends the call, which returned err, and judges it as [Guard.Do] would.
func (t *Token) Done(err error) {
	a, first, between := t.consider()
	if a == nil {
		return
	}
	done := false
	defer func() {
		if !done { // the classifier panicked, or a method of err did
			t.Close()
		}
	}()
	now := clock.Now()
	var limited context.Context
	if err != nil && !between { // else the times of the attempts are another goroutine's
		limited = t.Context()
	}
	judge := a.visit.judgeError
	if first && !between { // how long the call took no longer matters once its outcome is known
		judge = a.visit.judge
	}
	w := judge(a.ctx, limited, now, err, nil)
	done = true
	t.tell(report{verdict: w, err: err, at: now, judged: true, ends: true})
}

// Settle tells the outcome of a call that is not over, by the caller's own
// judgement: the answer was good, and is still being read. The call keeps its place
// among those in flight until [Token.Close]. err, which may be nil, is what the
// breaker's list of last errors shows.
//
// A failure that is told after a success revokes it: the answer broke off. The
// breaker then counts a failure in its place, and the rate limit refunds, if it does
// on failures; the guard's own counters keep what was told first. Nothing else can
// be changed by telling it later.
func (t *Token) Settle(o outcome.Outcome, err error) {
	a, first, _ := t.consider()
	if a == nil {
		return
	}
	r := report{verdict: abandoned, err: err, at: clock.Now(), judged: true}
	defer func() { t.tell(r) }() // also if a method of err panics
	if first && a.visit.pastShadow(a.ctx, r.at) {
		r.verdict = pastLimit
		return
	}
	r.verdict = verdictOf(o, err)
}

// Close ends the call; as a failure, if its outcome was not told. Closing a token
// that has ended does nothing.
func (t *Token) Close() {
	if t != nil {
		t.tell(report{verdict: abandoned, err: errAbandoned, at: clock.Now(), ends: true})
	}
}
