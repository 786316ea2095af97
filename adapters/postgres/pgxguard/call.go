package pgxguard

import (
	"context"
	"sync"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
)

// call is one guarded call that outlives the method that began it.
type call struct {
	db         *DB
	handedOver bool // to the caller, who ends it

	// mu guards what is below. Nothing of pgx runs under it.
	mu    sync.Mutex
	token *guard.Token
	ended bool
	worst error // the first error that the table calls a failure
}

func (d *DB) begin(ctx context.Context, described guard.Call) (*call, error) {
	tok, err := d.guard.Enter(ctx, described)
	if err != nil {
		return nil, err
	}
	return &call{db: d, token: tok}, nil
}

// note keeps the first error that speaks against the database. One that the table
// panics at is such an error.
func (c *call) note(err error) {
	if err == nil {
		return
	}
	o := outcome.Failure
	defer func() {
		if o == outcome.Failure {
			c.keep(err)
		}
	}()
	o = c.db.outcome(err)
}

func (c *call) keep(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.worst == nil {
		c.worst = err
	}
}

// end settles the call once and returns the error for the caller.
func (c *call) end(err error) (result error) {
	defer func() { result = c.settle(err) }() // also if the table panics
	c.note(err)
	return err
}

func (c *call) settle(err error) error {
	c.mu.Lock()
	first := !c.ended
	c.ended = true
	decisive := err
	if c.worst != nil {
		decisive = c.worst
	}
	c.mu.Unlock()
	if !first {
		return err
	}
	defer c.token.Close() // does nothing, unless the table panicked
	settled := c.db.settle(c.token, decisive)
	if err == nil {
		return nil // only the account is bad, not this step
	}
	return settled
}

// abandon runs also if pgx panicked.
func (c *call) abandon() {
	if !c.handedOver {
		c.token.Close()
	}
}
