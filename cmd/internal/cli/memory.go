package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) getMemoryCommand() *cobra.Command {
	return &cobra.Command{
		Use: "memory", Short: "Show how short memory is, what is refused and what was given up", Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var m adminapi.Memory
			if err := a.get(ctx, "/v1/memory", &m); err != nil {
				return err
			}
			return a.print(m, func() error { return a.memoryPage(&m) })
		}),
	}
}

func (a *app) memoryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "memory", Short: "Simulate that memory is short", GroupID: groupAct,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.simulateCommand())
	return cmd
}

func (a *app) simulateCommand() *cobra.Command {
	var lasting length
	var request adminapi.SimulateRequest
	cmd := &cobra.Command{
		Use: "simulate LEVEL --for DURATION --reason TEXT", Short: "Act for a time as if memory were short", Args: takes("LEVEL"),
		Long: "Act for a time as if memory pressure were at least elevated, high or critical: calls are\n" +
			"refused by priority, events are emitted, and what can be given up is. Real pressure that is\n" +
			"worse counts all the same. The level normal ends what is simulated.",
		Example:   "  foundation memory simulate high --for 1m --reason 'a drill'\n  foundation memory simulate normal --reason 'the drill is over'",
		ValidArgs: []cobra.Completion{"normal", "elevated", "high", "critical"},
		RunE: a.run(func(ctx context.Context, args []string) error {
			if request.Reason == "" {
				return usage(errors.New("a simulation needs a reason: whoever reads the events will ask"), "add --reason 'why'")
			}
			if args[0] != "normal" && lasting.Duration <= 0 {
				return usage(errors.New("a simulation needs an end"), "add --for 1m")
			}
			request.Level, request.ForSeconds = args[0], lasting.Seconds()
			var m adminapi.Memory
			if err := a.send(ctx, http.MethodPost, "/v1/memory/simulate", request, &m); err != nil {
				return err
			}
			return a.print(m, func() error {
				if m.Simulation.Level == "" {
					a.say("nothing is simulated any more")
					return nil
				}
				a.say("memory pressure is at least %s for %s; see 'foundation get memory'", m.Simulation.Level, seconds(m.Simulation.RemainingSeconds))
				return nil
			})
		}),
	}
	lasting.register(cmd, "how long, at most 1h")
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why, for those who read the events later")
	return cmd
}

// memoryLine says how short memory is, in one line; "" where it is not watched.
func memoryLine(m *adminapi.Memory) string {
	switch {
	case m.Level == "" || m.Level == "off":
		return ""
	case len(m.Limits) == 0:
		return m.Level + ": no limit is known"
	}
	top := m.Limits[0]
	return fmt.Sprintf("%s: %s of %s is used, %s (%s)", m.Level, byteText(int64(top.Used)), byteText(int64(top.Limit)), ratioText(top.Ratio), top.Source)
}

// memoryPage shows what decides first.
func (a *app) memoryPage(m *adminapi.Memory) error {
	if m.Level == "off" {
		a.say("memory is not watched: the section memory of the configuration is off or missing")
		return nil
	}
	level := levelCell(m.Level)
	lasting := " for " + since(m.SinceSeconds)
	if m.Level != m.Measured { // the time is that of what is measured
		lasting = ""
	}
	a.say("LEVEL      %s%s", paint(level.text, level.style, a.colour()), lasting)
	if m.Cause != "" {
		a.say("CAUSE      %s", printable(m.Cause))
	}
	if s := m.Simulation; s.Level != "" {
		a.say("SIMULATED  %s by %s for another %s: %s; measured is %s", s.Level, printable(s.Actor), seconds(s.RemainingSeconds), printable(s.Reason), m.Measured)
	}
	if m.Stale {
		a.say("STALE      the last sample is %s old: no call is refused", since(m.AgeSeconds))
	}
	a.say("HEAP       %s live, the next collection ends at %s; %s with garbage; %s from the system; collecting takes %.1f %% of the processors",
		byteText(int64(m.Heap.Live)), byteText(int64(m.Heap.Goal)), byteText(int64(m.Heap.Objects)), byteText(int64(m.Heap.Mapped)), 100*m.Heap.GCCPU)
	if m.Stalls.Known {
		a.say("STALLS     some tasks waited for memory in %.1f %%, all in %.1f %% of the last 10 s", m.Stalls.Some, m.Stalls.Full)
	}
	if m.LimitSeconds > 0 {
		a.say("PACE       the limit is reached in %s", seconds(m.LimitSeconds))
	}
	for _, u := range m.Unread {
		a.say("UNREAD     %s", printable(u))
	}
	return errors.Join(
		a.section("LIMITS", len(m.Limits), func() *table { return limitTable(m.Limits) }),
		a.section("LEVELS", len(m.Levels), func() *table { return levelTable(m) }),
		a.section("CALLS", len(m.Priorities), func() *table { return sheddingTable(m.Priorities) }),
		a.section("CLEANERS", len(m.Cleaners), func() *table { return cleanerTable(m.Cleaners) }),
	)
}

func levelCell(level string) cell {
	switch level {
	case "normal":
		return cell{"● normal", good}
	case "elevated":
		return cell{"◐ elevated", warn}
	case "high":
		return cell{"▲ high", bad}
	case "critical":
		return cell{"✗ critical", bad}
	}
	return cell{"? " + level, warn}
}

func ratioText(r float64) string { return fmt.Sprintf("%.1f %%", 100*r) }

func limitTable(limits []adminapi.Limit) *table {
	t := newTable("OF", ">USED", ">LIMIT", ">SHARE")
	for _, l := range limits {
		t.row(l.Source, byteText(int64(l.Used)), byteText(int64(l.Limit)), ratioText(l.Ratio))
	}
	return t
}

func levelTable(m *adminapi.Memory) *table {
	t := newTable("LEVEL", ">FROM", ">LEFT BELOW", "REFUSES")
	refuses := map[string]string{
		"elevated": "a part of bulk", "high": "bulk, and a part of best_effort", "critical": "all but critical and what releases memory",
	}
	for _, l := range m.Levels {
		c := cell{text: l.Level}
		if l.Level == m.Level {
			c = levelCell(l.Level)
		}
		t.row(c, ratioText(l.Enter), ratioText(l.Exit), refuses[l.Level])
	}
	return t
}

func sheddingTable(all []adminapi.Shedding) *table {
	t := newTable("PRIORITY", ">REFUSED NOW", ">REFUSED SO FAR")
	for _, p := range all {
		now := cell{ratioText(p.Refused), plain}
		if p.Refused > 0 {
			now.style = warn
		}
		t.row(p.Priority, now, count(p.Shed, warn))
	}
	return t
}

func cleanerTable(all []adminapi.CleanerRow) *table {
	t := newTable("NAME", "FROM", ">RUNS", ">FAILED", ">FREED", "LAST", ">LAST FREED", ">MEASURED", ">TOOK", "PAUSE", "LAST ERROR")
	for _, c := range all {
		last, freed, measured, took := "never", "", "", ""
		if !c.LastAt.IsZero() {
			last = since(c.LastAgoSeconds) + " ago"
			freed, measured, took = byteText(c.LastFreed), byteText(c.LastMeasured), seconds(c.LastTookSeconds)
		}
		t.row(c.Name, c.MinLevel, c.Runs, count(c.Failures, bad), byteText(int64(min(c.Freed, 1<<62))), last, freed, measured, took, seconds(c.CooldownSeconds), c.LastError)
	}
	return t
}
