package guard

import (
	"context"
	"sync"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
)

// accounts are what an open token holds. They are used again, by the tokens of any
// guard: allocating them for each call would cost more than all that a guard does. A
// token is not used again, so that one that has ended has no effect on others.
type accounts struct {
	visit   visit
	call    Call
	ctx     context.Context //nolint:containedctx // of the call that the token stands for
	end     report          // what settled the outcome
	revoker error           // what revoked it
}

var freeAccounts = sync.Pool{New: func() any { return new(accounts) }}

// free gives the accounts back that nobody uses any more.
func (a *accounts) free() {
	a.visit = visit{}
	a.call = Call{} // on its own: beside others it would be made elsewhere and copied
	a.ctx, a.end, a.revoker = nil, report{}, nil
	freeAccounts.Put(a)
}

// report is what is told of a call's end.
type report struct {
	verdict verdict
	err     error
	at      clock.Instant
	judged  bool // the verdict is somebody's: a failure revokes an earlier success
	ends    bool // the call is over
	expired bool // the lease ended, which concerns open tokens only
}

// consider returns the accounts, for a judgement whose report follows, whether it
// would be the first, and whether a goroutine is in Retry; nil if the token has ended.
// While one judges, no attempt begins.
func (t *Token) consider() (a *accounts, first, between bool) {
	if t == nil {
		return nil, false, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.progress == ended {
		return nil, false, false
	}
	t.judges++
	return t.accounts, t.progress == open, t.retrying
}

// tell records r and brings the accounts in line with it, unless another goroutine,
// or this one further out, does so already: that one goes on with what r adds.
func (t *Token) tell(r report) {
	if t.record(&r) {
		t.endLease()
		t.work()
	}
}

// record notes what r adds to what is known of the call. It reports whether the
// caller is to bring the accounts in line.
func (t *Token) record(r *report) (mine bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.judged {
		t.judges--
	}
	if t.progress == ended || r.expired && t.progress == settled {
		return false // and the accounts may be gone
	}
	switch a := t.accounts; {
	case t.progress == open:
		a.end, t.progress = *r, settled
	case r.judged && r.verdict.outcome == outcome.Failure && a.end.verdict.outcome == outcome.Success && !t.revoked:
		t.revoked, a.revoker = true, r.err
	case !r.ends:
		return false
	}
	if r.ends {
		t.progress = ended
	}
	mine, t.busy = !t.busy, true
	return mine
}

// work brings the accounts in line with what was told: the outcome, its revocation,
// the end, in this order. One goroutine at a time is in it. What it calls may panic
// or end the goroutine, and may tell more of this token; all of it is done
// nevertheless, and nothing twice.
func (t *Token) work() {
	idle := false
	defer func() {
		if !idle {
			t.work()
		}
	}()
	a := t.accounts
	v := &a.visit
	if v.phase == running {
		v.decide(a.end.at, a.end.verdict, a.end.err)
	}
	for v.phase != over {
		switch t.next() {
		case revokes:
			v.revoke(clock.Now(), a.revoker)
		case leaves:
			v.leave(a.ctx, &a.call, pool.Reuse)
		case waits:
			idle = true
			return
		}
	}
	if t.accounts = nil; t.reusable {
		a.free()
	}
	idle = true
}

// step is what a token needs next.
type step uint8

const (
	waits step = iota
	revokes
	leaves
)

// next says what is to be done after the outcome was settled. If there is nothing,
// another goroutine may do what is told later.
func (t *Token) next() step {
	t.mu.Lock()
	defer t.mu.Unlock()
	trailing := &t.accounts.visit.guard.stats.trailing
	switch {
	case t.revoked && !t.told:
		t.told = true
		return revokes
	case t.progress == ended:
		if t.trailing {
			t.trailing = false
			trailing.Add(-1)
		}
		t.reusable = t.judges == 0
		return leaves
	}
	if t.busy = false; !t.trailing {
		t.trailing = true
		trailing.Add(1)
	}
	return waits
}
