package shared

import "github.com/elixirscope/foundation/internal/enum"

// Policy is how the calls of one rule use the store. The zero Policy counts locally while
// the store cannot be asked, and prefetches nothing.
type Policy struct {
	// OnError says what becomes of a call that the store did not decide.
	OnError OnError
	// Prefetch is how many tokens may be taken from the store ahead of the calls of a key that
	// is asked for often. A number that is too large for the rule and the number of
	// instances is reduced; [RuleStatus] shows what is in force. 0 prefetches nothing.
	Prefetch int64
}

// OnError says what becomes of a call that the store did not decide.
type OnError = enum.Of[onErrors]

const (
	// Local counts the call in this process alone, by this instance's share of the limit.
	Local OnError = iota
	// Allow admits the call.
	Allow
	// Deny refuses the call with [fault.Unavailable].
	Deny
)

type onErrors struct{}

func (onErrors) Names() (string, []string) { return "on_error", onErrorNames }

var onErrorNames = []string{Local: "local", Allow: "allow", Deny: "deny"}
