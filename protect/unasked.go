package protect

import (
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/errclass"
	"github.com/elixirscope/foundation/internal/exhausted/dialing"
)

// unasked marks the error of a request that the dependency never had: this machine has run
// out of descriptors, ports or memory for sockets, or the server was leaving in good order.
// A breaker that opened would keep off a dependency that nobody has asked.
func unasked(err error) error {
	if _, own := dialing.Exhausted(err); own || errclass.Leaving(err) {
		return guard.Neutral(err)
	}
	return err
}
