package protect

import (
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/exhausted/dialing"
)

// ownFault marks the error of a request that was not sent because this machine has
// run out of descriptors, ports or memory for sockets: a breaker that opened would
// keep off a dependency that nobody has asked, for longer than the shortage lasts.
func ownFault(err error) error {
	if _, own := dialing.Exhausted(err); own {
		return guard.Neutral(err)
	}
	return err
}
