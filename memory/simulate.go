package memory

import (
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Simulation is a level that somebody wants to see, to find out what it does.
type Simulation struct {
	Level         Level // Unknown while nothing is simulated
	Until         time.Time
	Actor, Reason string
}

// maxSimulation bounds how long a level can be simulated: what was forgotten must end.
const maxSimulation = time.Hour

const maxReason = 1024

// Simulate makes the manager act as if the level were at least l for a time: it refuses
// calls, emits events and cleans up. Real pressure that is worse counts all the same. [Normal]
// ends what is simulated. The time is at most an hour. Actor and reason are shown and recorded.
func (m *Manager) Simulate(l Level, lasting time.Duration, actor, reason string) error {
	var p fault.Problems
	p.Require(l >= Normal && l <= Critical, "level", l, "must be normal, elevated, high or critical")
	p.Require(l == Normal || lasting > 0 && lasting <= maxSimulation, "for", lasting, "must be above 0 and at most %v", maxSimulation)
	p.Require(len(reason) <= maxReason, "reason", len(reason), "has at most %d bytes", maxReason)
	if len(p) > 0 {
		return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Message: "this cannot be simulated", Problems: p})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.running {
		return fault.New(fault.Spec{Code: fault.Unavailable, Component: component, Message: "the manager is not running: nothing would follow from it"})
	}
	m.simulation = Simulation{}
	if l > Normal {
		m.simulation = Simulation{l, time.Now().Add(lasting), actor, reason}
	}
	m.nudge()
	return nil
}
