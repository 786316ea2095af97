package foundation

import (
	"fmt"
	"strings"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/pool"
)

// circuitHealth is what a breaker or a group of them says of itself.
func circuitHealth(c circuit) health.Component {
	switch c := c.(type) {
	case *breaker.Breaker:
		return breakerHealth(c.Status())
	case *breaker.Group:
		return groupHealth(c.Status())
	}
	return health.Component{}
}

// breakerHealth: only a breaker that refuses calls and will go on to do so is in trouble. One
// whose cooldown is over waits for a call to probe with: an instance that is taken out of the
// load balancer for it would get none, and never come back.
func breakerHealth(s breaker.Status) health.Component {
	c := health.Component{Name: s.Name, Status: health.Pass, Since: s.Since, See: "get breakers " + s.Name}
	switch {
	case s.Mode != mode.Enforce:
		return c
	case s.Override != nil && s.State != breaker.StateClosed:
		c.Status, c.Output = health.Fail, "it is forced open by "+s.Override.Actor
	case s.Override != nil:
		c.Status, c.Output = health.Warn, "it is forced closed by "+s.Override.Actor+": no failure opens it"
	case s.State == breaker.StateOpen:
		c.Status, c.Output = health.Fail, "it is open"+openedBy(s)
		if !s.RetryAt.IsZero() {
			c.Output += ", until " + s.RetryAt.UTC().Format(time.TimeOnly+"Z")
		}
	case s.State == breaker.StateHalfOpen:
		c.Status, c.Output = health.Warn, "it is half-open and waits for the outcome of a probe"+openedBy(s)
	}
	return c
}

// openedBy names the numbers that opened a breaker.
func openedBy(s breaker.Status) string {
	var facts []string
	for _, f := range s.OpenedBy {
		if f.Bounded {
			facts = append(facts, fmt.Sprintf("%s %.4g of %.4g", strings.ReplaceAll(f.Name, "_", " "), f.Value, f.Limit))
		}
	}
	if len(facts) == 0 {
		return ""
	}
	return ": " + strings.Join(facts, ", ")
}

// groupHealth: a group is in trouble when all of its members are; some of them are what a
// group is for.
func groupHealth(s breaker.GroupStatus) health.Component {
	c := health.Component{Name: s.Name, Status: health.Pass, See: "get breakers " + s.Name}
	open, half := s.ByState[breaker.StateOpen], s.ByState[breaker.StateHalfOpen]
	if s.Config.Mode != mode.Enforce || open+half == 0 {
		return c
	}
	c.Status, c.Output = health.Warn, fmt.Sprintf("%d of %d members are open, %d half-open", open, s.Members, half)
	if open == s.Members {
		c.Status = health.Fail
	}
	return c
}

// poolHealth is what a pool says of itself. That all of its workers are borrowed is load and
// no trouble; that no worker can be made is.
func poolHealth(p pool.Managed) health.Component {
	s := p.Status()
	c := health.Component{Name: s.Name, Status: health.Pass, See: "get pools " + s.Name}
	if s.Degraded {
		c.Status = health.Fail
		c.Output = fmt.Sprintf("it cannot make workers, %d attempts in a row have failed; %d idle ones are left", s.Failures, s.Stats.Idle)
	}
	return c
}
