package memory

import (
	"fmt"

	"github.com/elixirscope/foundation/internal/enum"
)

// Level says how short memory is. The zero Level is [Unknown].
type Level = enum.Of[levels]

// The levels, from what is not known to the worst.
const (
	// Unknown says that no limit or no use could be read. Nothing is refused.
	Unknown Level = iota
	// Normal says that there is enough.
	Normal
	// Elevated refuses a part of bulk.
	Elevated
	// High refuses bulk, and a part of best_effort.
	High
	// Critical refuses all but critical and what releases memory.
	Critical
)

const levelCount = int(Critical) + 1

type levels struct{}

func (levels) Names() (string, []string) { return "level", levelNames }

var levelNames = []string{"unknown", "normal", "elevated", "high", "critical"}

// gauge is a level as a metric: 0 is normal, 3 critical, and -1 unknown.
func gauge(l Level) float64 { return float64(l) - float64(Normal) }

// percent renders a share for people.
func percent(r float64) string { return fmt.Sprintf("%.0f %%", 100*r) }
