package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// printFleet shows the instances that share rate limits.
func (a *app) printFleet(ctx context.Context) error {
	var list adminapi.List[adminapi.Instance]
	if err := a.get(ctx, "/v1/instances", &list); err != nil {
		return err
	}
	if a.output != "table" {
		return a.print(list, func() error { return nil })
	}
	var status adminapi.Status
	if err := a.get(ctx, "/v1/status", &status); err != nil {
		return err
	}
	return a.print(list, func() error { return a.fleetPage(list.Items, &status.Shared) })
}

func (a *app) fleetPage(instances []adminapi.Instance, s *adminapi.Shared) error {
	switch {
	case !s.On:
		a.sayWrapped("", "no other instances are known: the configuration has no section shared, through whose store they hear of each other")
		return nil
	case s.Away != "":
		a.sayWrapped(paint("▲", warn, a.colour())+" ", fmt.Sprintf("the store is away for %s: this is what was known before; each instance counts by itself", since(s.AwaySeconds)))
	case s.Unheard != "":
		a.sayWrapped(paint("▲", warn, a.colour())+" ", "this is what was known before: "+s.Unheard)
	}
	if len(instances) == 0 {
		a.say("no instance was heard of yet")
		return nil
	}
	if err := a.show(instanceTable(instances).fit(fleetWidth)); err != nil {
		return err
	}
	a.say("")
	a.sayWrapped("", fleetNote(instances))
	return nil
}

// fleetWidth is how wide the table of a fleet may be: addresses of machines are long, and are copied.
const fleetWidth = 140

// fleetNote says how many instances there are, and whether they run one configuration.
func fleetNote(instances []adminapi.Instance) string {
	others := 0
	for i := range instances {
		if !instances[i].SameConfiguration {
			others++
		}
	}
	n := len(instances)
	switch {
	case n == 1:
		return "1 instance, which is the one that was asked (→)"
	case others == 0:
		return fmt.Sprintf("%d instances with one configuration; → was asked", n)
	}
	runs := map[bool]string{true: "runs", false: "run"}[others == 1]
	return fmt.Sprintf("%d instances; %d of %d %s another configuration than the one that was asked (→): 'foundation config show --addr ADDRESS' says what each one runs", n, others, n, runs)
}

func instanceTable(instances []adminapi.Instance) *table {
	t := newTable("", "INSTANCE", "~NODE", "~ADDRESS", "~VERSION", "UP", ">REVISION", "CONFIGURATION", "VERDICT", "HEARD OF")
	for i := range instances {
		v := &instances[i]
		self := cell{text: " "}
		if v.Self {
			self = cell{"→", bold}
		}
		t.row(self, v.ID, v.Node, cmp.Or(v.Address, "-"), v.Version, since(v.UptimeSeconds), v.Revision, configurationCell(v), verdictCell(v.Verdict), heardCell(v))
	}
	return t
}

// configurationCell shows the beginning of a hash, enough to tell those of a fleet apart.
func configurationCell(v *adminapi.Instance) cell {
	const shown = 8
	text := v.Hash[:min(shown, len(v.Hash))]
	if v.SameConfiguration {
		return cell{text, plain}
	}
	return cell{text + " ≠", warn}
}

func verdictCell(verdict string) cell {
	if verdict == "ok" {
		return cell{"● ok", good}
	}
	return cell{"▲ " + verdict, warn}
}

// lateAfter is from when on an instance has missed a beat: they beat every two seconds, and whoever was asked
// asks the store as often.
const lateAfter = 5

func heardCell(v *adminapi.Instance) cell {
	c := cell{since(v.SeenSeconds) + " ago", plain}
	if v.SeenSeconds > lateAfter {
		c.style = warn
	}
	return c
}

func instanceName(v adminapi.Instance) string { return v.ID }

// sharedLine says how rate limits are shared.
func sharedLine(s *adminapi.Shared) string {
	line := cmp.Or(s.Server, "the store") + ": " + numbered(uint64(s.Rules), "rule") + ", " + numbered(uint64(max(s.Instances, 0)), "instance")
	if s.Away != "" {
		line += "; away for " + since(s.AwaySeconds)
	}
	if s.RefundsQueued > 0 || s.RefundsDropped > 0 {
		line += fmt.Sprintf("; %d refunds wait, %d dropped", s.RefundsQueued, s.RefundsDropped)
	}
	return line
}
