package pool

import "github.com/elixirscope/foundation/internal/enum"

// Strategy says which idle worker is lent next. The zero value is [LIFO].
type Strategy = enum.Of[strategies]

const (
	// LIFO lends the worker that came back last: few workers stay busy and warm,
	// and the others reach their max_idle_time.
	LIFO Strategy = iota
	// FIFO lends the worker that has been idle for longest: all are used alike.
	FIFO
)

// Start says what a pool makes when it starts. The zero value is [Lazy].
type Start = enum.Of[starts]

const (
	// Lazy makes workers when they are needed.
	Lazy Start = iota
	// Warm makes Size workers in the background.
	Warm
	// Strict makes one worker before [New] returns, and fails if it cannot.
	Strict
)

type strategies struct{}

func (strategies) Names() (string, []string) { return "strategy", strategyNames }

type starts struct{}

func (starts) Names() (string, []string) { return "start", startNames }

var (
	strategyNames = []string{LIFO: "lifo", FIFO: "fifo"}
	startNames    = []string{Lazy: "lazy", Warm: "warm", Strict: "strict"}
)
