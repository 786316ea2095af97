package ratelimit

import (
	"context"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/enum"
)

// Remote counts the calls of a limiter elsewhere, together with other processes. Package
// shared has the implementation, by a store; a limiter without one counts by itself
// and does not pay for it.
//
// It must be safe for concurrent use, and must answer in bounded time.
type Remote interface {
	// Take decides one call. An error means that it could not be decided, and that the
	// call is to be refused for it: whoever would rather admit or count by itself then
	// does so within, and says so by the [Decision]'s Source. The numbers of the
	// decision, its Taken, Mark and Source are what the limiter goes on with; see also
	// [Decision.WithReceipt].
	Take(ctx context.Context, ask RemoteCall) (Decision, error)
	// Peek answers what Take would and takes nothing: Remaining is what is left before
	// such a call.
	Peek(ctx context.Context, ask RemoteCall) (Decision, error)
	// Refund gives back what a decision took. It never blocks.
	Refund(ask RemoteCall, d Decision)
	// Reset forgets what a key has taken.
	Reset(ctx context.Context, ask RemoteCall) error
}

// RemoteCall is one call that a [Remote] is asked about.
type RemoteCall struct {
	Rule   string        // the limiter's name
	Config *Config       // what the key is counted by, with its defaults filled in; not to be changed
	Key    Key           // its first parts, as many as the rule looks at
	Cost   int64         // within what the rule admits at once
	Now    clock.Instant // when the caller read the clock
}

// Source says where a decision was made.
type Source = enum.Of[decisionSources]

const (
	// Local is the limiter itself.
	Local Source = iota
	// Shared is the store that processes share.
	Shared
	// Cached is a refusal that the store has just given to a call like this.
	Cached
	// Prefetched is a token that was taken from the store ahead of the call.
	Prefetched
	// Fallback is this process alone, because the store could not be asked.
	Fallback
	// Exempt is an override that lets every call of the key pass uncounted.
	Exempt
)

type decisionSources struct{}

func (decisionSources) Names() (string, []string) { return "source", sourceNames }

var sourceNames = []string{
	Local: "local", Shared: "shared", Cached: "cached", Prefetched: "prefetched", Fallback: "fallback", Exempt: "exempt",
}
