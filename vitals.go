package foundation

import (
	"cmp"
	"fmt"

	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/perf"
)

// memoryHealth: a process that is short of memory refuses work by priority and goes on. To
// restart it, or to take it out of the load balancer, gives its load to others that are short
// as well; so it decides over nothing by itself.
func memoryHealth(m *memory.Manager, emit func(health.Component)) {
	s := m.Status()
	c := health.Component{Name: "level", Status: health.Pass, Since: s.Since, See: "get memory"}
	switch s.Level {
	case memory.Elevated:
		c.Status, c.Criticality = health.Warn, health.Optional
	case memory.High:
		c.Status = health.Warn
	case memory.Critical:
		c.Status = health.Fail
	default: // enough, or not known, which fails open
	}
	if c.Status != health.Pass {
		c.Output = fmt.Sprintf("memory is %v: %s", s.Level, cmp.Or(s.Cause, "simulated"))
	}
	emit(c)
}

// performanceHealth: alerts of one monitor are one component, whatever operations there are;
// those that are silenced, or stand below another, are none.
func performanceHealth(m *perf.Monitor, emit func(health.Component)) {
	c := health.Component{Name: "alerts", Status: health.Pass, See: "alerts"}
	firing := 0
	for _, a := range m.Alerts() {
		if a.State != perf.Firing {
			continue
		}
		if firing++; firing == 1 {
			c.Status, c.Since, c.Output = health.Warn, a.TriggeredAt, a.Text
		}
		if a.Severe {
			c.Status = health.Fail
		}
	}
	if firing > 1 {
		c.Output += fmt.Sprintf("; and %d more", firing-1)
	}
	emit(c)
}
