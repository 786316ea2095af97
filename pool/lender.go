package pool

import (
	"context"
	"reflect"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/telemetry"
)

// Lender lends workers of any type: what a guard needs to know of a pool. [Pool]
// implements it, as do adapters for libraries that have a pool of their own, such as
// *sql.DB. The example shows how to write another. Implementations are safe for concurrent
// use.
type Lender interface {
	// Name is the configured name.
	Name() string
	// WorkerType is the type of the worker in every loan.
	WorkerType() reflect.Type
	// Checkout borrows a worker. It blocks as o and ctx allow and fails with a
	// *fault.Error of code pool_full, pool_timeout, worker_failed, canceled or closed.
	Checkout(ctx context.Context, o CheckoutOptions) (Loan, error)
	// Return ends a loan; fate says what becomes of the worker. A loan that ended
	// already, or that another lender made, is ignored.
	Return(loan Loan, fate Fate)
}

// CheckoutOptions say how long a borrower is willing to wait. The zero value
// waits for the configured checkout_timeout.
type CheckoutOptions struct {
	// Timeout is the longest wait; 0 means the configured one. A negative one is
	// over at once.
	Timeout time.Duration
	// NoWait refuses with pool_full where the borrower would have to wait for another
	// borrower. The making of a worker that the pool has room for is waited for.
	NoWait bool
	// At is when the borrower asked, from where the wait counts; 0 means now, and
	// so does the one instant that is 0, which is harmless. It spares a caller that
	// knows the time another reading of the clock.
	At clock.Instant
}

// Loan is one borrowing of a worker. It is a value: copies stand for the same
// loan, which ends with the first Return of any copy. It is four words, so that it
// stays in registers on its way.
type Loan struct {
	// Item is what was lent, never nil in a loan that Checkout returned.
	Item *Item
	// Generation belongs to the lender: which borrowing of the item this is.
	Generation uint64
	// Waited is how long the borrower waited.
	Waited time.Duration
	// Ended, set by the borrower before Return, is when it was done with the worker,
	// not before Checkout returned; 0 means the time of Return.
	Ended clock.Instant
}

// Item is a worker as its lender lends it. A lender makes one for each worker, or
// for each loan; the borrower only reads Worker.
type Item struct {
	// Worker is the worker, of the lender's WorkerType.
	Worker any
	// Ref belongs to the lender, which finds by it what the item stands for.
	Ref any
}

// Fate says what becomes of a worker that is returned. The zero value is
// [Destroy], which is safe where nothing was decided. An invalid value means the same.
type Fate uint8

const (
	// Destroy closes the worker, and another takes its place: it may be in the middle
	// of something, or has been found unfit.
	Destroy Fate = iota
	// Reuse lends the worker on.
	Reuse
	// Suspect has the worker checked before it is lent on: the operation failed in a
	// way that may be the worker's fault.
	Suspect

	// unused lends the worker on as if it had not been lent: its borrower never had it.
	unused
)

// Managed is a pool of workers of any type, as seen by the code that configures,
// observes and closes pools.
type Managed interface {
	Lender
	telemetry.Source
	// Stats returns the counts of this moment.
	Stats() Stats
	// Config returns the configuration in force, as it was given.
	Config() Config
	// Reconfigure replaces the configuration; workers and waiters stay.
	Reconfigure(cfg Config) error
	// Reset replaces every worker; see [Pool.Reset].
	Reset()
	// Status describes the pool for people.
	Status() Status
	// Close ends the pool and waits until every worker is closed or ctx is done.
	Close(ctx context.Context) error
}

// Kind makes pools of one kind of worker from configuration: "worker: NAME" and
// "options: …". Most kinds are made with [KindOf].
type Kind interface {
	// NewOptions returns a pointer to a new options struct with yaml tags. If it has
	// a method Validate() error, that is called before Open.
	NewOptions() any
	// Open makes a pool whose workers are made as options, which NewOptions returned,
	// say. It may block until ctx is done, and leaves nothing open if it fails. The
	// pool itself outlives ctx.
	Open(ctx context.Context, name string, cfg Config, options any, opts ...Option) (Managed, error)
}

// Stats are the counts of a pool. Counters run from the making of the pool.
type Stats struct {
	Size        int // workers that the pool keeps
	MaxOverflow int // workers beyond Size
	Idle        int // workers that can be lent
	InUse       int // workers that are borrowed, being checked or being reset
	Making      int // workers that are being made
	Closing     int // workers that are being closed
	Waiting     int // borrowers that wait

	Checkouts uint64 // workers lent
	Waits     uint64 // borrowers that had to wait, whatever came of it
	Timeouts  uint64 // borrowers refused with pool_timeout
	Full      uint64 // borrowers refused with pool_full
	Canceled  uint64 // borrowers that gave up
	Failed    uint64 // borrowers refused with worker_failed

	Attempts   uint64        // workers that the pool tried to make
	Created    uint64        // workers made
	Failures   uint64        // workers that could not be made
	Destroyed  uint64        // workers closed, for whatever reason
	BadChecks  uint64        // workers closed because a check or reset failed
	Resets     uint64        // calls of Reset
	Leaked     uint64        // borrowings reported as leaked
	StaleEnds  uint64        // returns of a loan that had ended, or was another pool's, refused
	HoldTime   time.Duration // sum over all returned workers
	WaitTime   time.Duration // sum over all borrowers that waited
	OldestLoan time.Duration // how long the longest present borrowing lasts, 0 if there is none
}

// Status describes a pool for people.
type Status struct {
	Name   string
	Worker string // the type of the workers
	Config Config // in force, with defaults filled in
	// State, Available, Overflow and CheckedOut are those of Poolboy. State is "ready"
	// (a worker within Size can be lent at once or made), "overflow" (all of these are
	// borrowed, overflow is left) or "full" (a borrower must wait). The others count
	// workers within Size that can be had at once or made, workers beyond Size, and
	// workers out.
	State      string
	Available  int
	Overflow   int
	CheckedOut int
	// Degraded is true while workers cannot be made; then Failures counts the failed
	// attempts in a row, LastError is the newest, and RetryAt is when the next begins.
	// Idle workers are lent nevertheless.
	Degraded  bool
	Failures  int
	LastError error
	RetryAt   time.Time
	Closed    bool
	Stats     Stats
	// Wait, Hold and Create sum up how long borrowers waited (those that did not
	// count as zero), workers were borrowed, and the making of workers took.
	Wait, Hold, Create telemetry.Summary
}
