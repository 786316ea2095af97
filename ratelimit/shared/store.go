package shared

import (
	"context"
	"errors"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit"
)

// Rule is what a [Store] needs to know of a rule. Stores share counters by its
// name, so processes that use one store must agree on what a name means.
type Rule struct {
	Name   string
	Config ratelimit.Config // Parts, MaxKeys and Mode are the limiter's affair and ignored
}

// Take is one call that a [Store] is asked about.
type Take struct {
	Rule Rule
	Key  ratelimit.Key
	Cost int64
}

// Store keeps counters that several processes share.
//
// Every Store decides as the local limiter does: package storetest runs it
// through the same test vectors. Its clock is its own. It must be safe for
// concurrent use, and must return soon after the context has ended: nothing else bounds
// how long a caller waits. It counts each key by the rule that comes with the call, also if
// that differs from the one before, as under an override or after a change: what was
// taken stays taken.
//
// An error means that nothing is known about the call and nothing should be assumed
// taken; a refusal is no error. An error that is about the call alone, or about what is
// stored for its key, is a [fault.InvalidArgument], [fault.InvalidConfig],
// [fault.Conflict] or [fault.DataCorrupt] for errors.Is; every other one says that the
// store cannot answer now. See [Answered].
type Store interface {
	// Take decides one call. A refused call takes nothing.
	Take(ctx context.Context, rule Rule, key ratelimit.Key, cost int64) (ratelimit.Decision, error)
	// TakeAll decides several calls in one exchange, each for itself, in order.
	TakeAll(ctx context.Context, takes []Take) ([]ratelimit.Decision, error)
	// Peek answers what Take would and takes nothing: Remaining is what is left before
	// such a call.
	Peek(ctx context.Context, rule Rule, key ratelimit.Key, cost int64) (ratelimit.Decision, error)
	// Refund gives back what a decision of this store took, as
	// [ratelimit.Decision.Refund] does: by its Taken and Mark, and only as far as it still
	// counts. In whatever order decisions are given back, those that are not must
	// keep the rule; docs/rate-limits.md has the formula. A store that forgets a key
	// must remember what it gave back to it for as long as there may be receipts.
	// A decision may be given back in parts, as decisions that took less. A store takes each
	// part for the last of the decision; so whoever gives back a further one leaves out of it
	// what has run off. If the key is counted by another rule now, it does nothing.
	Refund(ctx context.Context, rule Rule, key ratelimit.Key, d ratelimit.Decision) error
	// Reset forgets what a key has taken under the rule.
	Reset(ctx context.Context, rule Rule, key ratelimit.Key) error
}

// Answered reports whether a [Store] that returned err has answered: err is nil, or says
// only that the call is wrong, or what is stored for its key. Whatever protects a store should
// not count such an error against it.
func Answered(err error) bool {
	if err == nil {
		return true
	}
	for _, code := range [...]fault.Code{fault.InvalidArgument, fault.InvalidConfig, fault.Conflict, fault.DataCorrupt} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
