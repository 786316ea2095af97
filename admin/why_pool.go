package admin

import (
	"fmt"
	"slices"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// poolCodes are what a guard refuses with when its pool has no worker.
var poolCodes = []fault.Code{fault.PoolTimeout, fault.PoolFull, fault.WorkerFailed}

func (e *explanation) pool(name string) {
	p := partOf(e.status.Pools, name, poolName)
	takes := e.users(func(g *adminapi.Guard) bool { return g.Pool == name }, func(g *adminapi.Guard) bool {
		return slices.ContainsFunc(poolCodes, func(c fault.Code) bool { return refusesFor(g, c) })
	})
	e.Well = !p.Degraded && len(takes) == 0
	for _, part := range takes {
		if g := partOf(e.status.Guards, part[min(len(part), len("guard ")):], guardName); e.Since.IsZero() && g.Name != "" {
			e.Since = g.Recent.Since
		}
	}
	switch {
	case p.Degraded:
		e.Verdict = "pool " + name + " cannot make workers: " + p.LastError + (&verdict{Status: e.status}).impact(takes)
	case !e.Well:
		e.Verdict = "pool " + name + " has no free worker: " + poolUse(p) + (&verdict{Status: e.status}).impact(takes)
	default:
		e.Verdict = "pool " + name + " is well: " + poolUse(p)
	}
	e.against("lent", float64(p.CheckedOut), float64(p.Size+p.MaxOverflow), "", p.CheckedOut >= p.Size+p.MaxOverflow, fmt.Sprintf("%d and %d beyond that", p.Size, p.MaxOverflow))
	e.number("idle", float64(p.Idle), "", false, "")
	e.number("waiting", float64(p.Waiting), "", p.Waiting > 0, "calls that wait for a worker")
	e.number("oldest checkout", p.OldestCheckoutSeconds, "seconds", !e.Well && !p.Degraded, "")
	e.number("wait p99", p.WaitP99Seconds, "seconds", false, "since the start")
	e.number("hold p99", p.HoldP99Seconds, "seconds", false, "since the start")
	e.number("timeouts", float64(p.Timeouts), "", false, "since the start")
	e.number("full", float64(p.Full), "", false, "since the start")
	e.number("failed starts", float64(p.CreateFailures), "", p.Degraded, fmt.Sprintf("of workers, since the start; %d were made", p.Created))
	if p.Leaked > 0 {
		e.number("leaked", float64(p.Leaked), "", true, "workers that were lent for too long")
	}
	for i := range e.status.Guards {
		if g := &e.status.Guards[i]; g.Pool == name && g.InFlight > 0 {
			e.Holders = append(e.Holders, adminapi.Holder{Kind: "guard", Name: g.Name, Held: g.InFlight})
		}
	}
	if len(e.Holders) > 0 { // of one of them: which is not known
		e.Holders[0].OldestSeconds = map[bool]float64{true: p.OldestCheckoutSeconds}[len(e.Holders) == 1]
	}
	if !e.Well {
		e.tryForPool(p)
	}
}
