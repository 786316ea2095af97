package admin

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/priority"
)

// levelOff is the level of a layer that does not watch memory.
const levelOff = "off"

func memoryView(s *memory.Status) adminapi.Memory {
	v := adminapi.Memory{APIVersion: adminapi.Version, Level: levelOff, Measured: levelOff, Limits: []adminapi.Limit{}, Priorities: []adminapi.Shedding{}, Levels: []adminapi.Threshold{}, Unread: []string{}, Cleaners: []adminapi.CleanerRow{}}
	if s == nil {
		return v
	}
	last := &s.Last
	v.Level, v.Measured, v.Since, v.SinceSeconds, v.Cause, v.Stale = s.Level.String(), s.Measured.String(), s.Since, elapsed(s.Since), s.Cause, s.Stale
	v.Samples, v.SampledAt, v.AgeSeconds, v.TookSeconds, v.DwellSeconds, v.LimitSeconds = s.Samples, last.At, elapsed(last.At), last.Took.Seconds(), s.Config.Dwell.Seconds(), last.Soon.Seconds()
	v.Heap = adminapi.Heap{Live: last.Live, Goal: last.Goal, Objects: last.Objects, Mapped: last.Mapped, GCCPU: last.GCCPU}
	v.Stalls = adminapi.Stalls{Known: last.StallsKnown, Some: last.StallSome, Full: last.StallFull}
	v.Unread = append(v.Unread, last.Unread...)
	for _, t := range last.Terms {
		v.Limits = append(v.Limits, adminapi.Limit{Source: t.Source, Used: t.Used, Limit: t.Limit, Ratio: t.Ratio})
	}
	slices.SortStableFunc(v.Limits, func(x, y adminapi.Limit) int { return cmp.Compare(y.Ratio, x.Ratio) })
	for p := priority.Critical; p <= priority.Bulk; p++ {
		v.Priorities = append(v.Priorities, adminapi.Shedding{Priority: p.String(), Refused: s.Refused[p], Shed: s.Shed[p]})
	}
	c := &s.Config
	v.Levels = append(v.Levels, adminapi.Threshold{Level: memory.Elevated.String(), Enter: c.Levels.Elevated, Exit: c.Exits.Elevated},
		adminapi.Threshold{Level: memory.High.String(), Enter: c.Levels.High, Exit: c.Exits.High}, adminapi.Threshold{Level: memory.Critical.String(), Enter: c.Levels.Critical, Exit: c.Exits.Critical})
	if sim := s.Simulation; sim.Level != memory.Unknown {
		v.Simulation = adminapi.Simulation{Level: sim.Level.String(), Actor: sim.Actor, Reason: sim.Reason, Until: sim.Until, RemainingSeconds: remaining(sim.Until)}
	}
	for i := range s.Cleaners {
		v.Cleaners = append(v.Cleaners, cleanerView(&s.Cleaners[i]))
	}
	return v
}

func cleanerView(c *memory.CleanerStatus) adminapi.CleanerRow {
	return adminapi.CleanerRow{
		Name: c.Name, MinLevel: c.MinLevel.String(), Runs: c.Runs, Failures: c.Failures, Freed: c.Freed, LastAt: c.LastAt, LastAgoSeconds: elapsed(c.LastAt), LastFreed: c.LastFreed,
		LastMeasured: c.LastMeasured, LastTookSeconds: c.LastTook.Seconds(), LastError: c.LastErr, CooldownSeconds: c.Cooldown.Seconds(), Behind: c.Behind,
	}
}

func (a *api) getMemory(*http.Request) (any, error) { return memoryView(a.layer.Status().Memory), nil }

// simulateMemory makes the layer act as if memory were short.
func (a *api) simulateMemory(r *http.Request) (any, error) {
	var request adminapi.SimulateRequest
	if err := read(r, &request); err != nil {
		return nil, err
	}
	var level memory.Level
	if err := level.UnmarshalText([]byte(request.Level)); err != nil || level == memory.Unknown {
		return nil, refuse(fault.InvalidArgument, fmt.Sprintf("level is %.40q, must be elevated, high or critical, or normal to end what is simulated", request.Level))
	}
	if request.Reason == "" {
		return nil, refuse(fault.InvalidArgument, "reason must say why, for those who read the events later")
	}
	if err := checkReason(request.Reason); err != nil {
		return nil, err
	}
	const most = float64(time.Hour / time.Second)
	if level > memory.Normal && !(request.ForSeconds > 0 && request.ForSeconds <= most) {
		return nil, refuse(fault.InvalidArgument, fmt.Sprintf("for_seconds is %v, must be above 0 and at most %v", request.ForSeconds, most))
	}
	m, err := a.layer.Memory()
	if err != nil {
		return nil, err
	}
	lasting := time.Duration(request.ForSeconds * float64(time.Second))
	if err := m.Simulate(level, lasting, actorOf(r.Context()), request.Reason); err != nil {
		return nil, err
	}
	a.log(r, "simulate", "memory", level.String(), slog.String("reason", request.Reason), slog.Duration("for", lasting))
	return memoryView(a.layer.Status().Memory), nil
}
