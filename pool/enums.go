package pool

import "github.com/elixirscope/foundation/internal/enum"

// Strategy says which idle worker is lent next. The zero value is [LIFO].
type Strategy uint8

const (
	// LIFO lends the worker that came back last: few workers stay busy and warm,
	// and the others reach their max_idle_time.
	LIFO Strategy = iota
	// FIFO lends the worker that has been idle for longest: all are used alike.
	FIFO
)

// Start says what a pool makes when it starts. The zero value is [Lazy].
type Start uint8

const (
	// Lazy makes workers when they are needed.
	Lazy Start = iota
	// Warm makes Size workers in the background.
	Warm
	// Strict makes one worker before [New] returns, and fails if it cannot.
	Strict
)

var (
	strategyNames = []string{LIFO: "lifo", FIFO: "fifo"}
	startNames    = []string{Lazy: "lazy", Warm: "warm", Strict: "strict"}
)

func (s Strategy) valid() bool { return int(s) < len(strategyNames) }
func (s Start) valid() bool    { return int(s) < len(startNames) }

// String returns the name that configuration files use.
func (s Strategy) String() string { return enum.Name("strategy", strategyNames, s) }

// String returns the name that configuration files use.
func (s Start) String() string { return enum.Name("start", startNames, s) }

// MarshalText implements [encoding.TextMarshaler].
func (s Strategy) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalText implements [encoding.TextMarshaler].
func (s Start) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]; it leaves s unchanged when
// the text names no strategy.
func (s *Strategy) UnmarshalText(text []byte) error {
	return enum.Parse("strategy", strategyNames, text, s)
}

// UnmarshalText implements [encoding.TextUnmarshaler]; it leaves s unchanged when
// the text names no way to start.
func (s *Start) UnmarshalText(text []byte) error { return enum.Parse("start", startNames, text, s) }
