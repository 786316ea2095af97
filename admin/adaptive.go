package admin

import (
	"fmt"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// adaptiveView tells how the bound of a guard adapts; zero for one that is fixed.
func adaptiveView(s *guard.Status) adminapi.AdaptiveConcurrency {
	c, set := s.Concurrency, s.Config.AdaptiveConcurrency
	if c == nil || set == nil {
		return adminapi.AdaptiveConcurrency{}
	}
	return adminapi.AdaptiveConcurrency{
		Min: set.Min, Max: set.Max, Limit: c.Limit, Reason: c.Reason, Since: c.Since, SinceSeconds: elapsed(c.Since),
		LatencySeconds: c.Latency.Seconds(), BaselineSeconds: c.Baseline.Seconds(),
	}
}

// adaptiveText says why the bound is what it is, for a guard that refuses by it.
func adaptiveText(a *adminapi.AdaptiveConcurrency) string {
	if a.Limit == 0 {
		return ""
	}
	return fmt.Sprintf("; the limit is %d since %s (%s): calls take %s, %s without load",
		a.Limit, span(a.SinceSeconds), a.Reason, took(a.LatencySeconds), took(a.BaselineSeconds))
}
