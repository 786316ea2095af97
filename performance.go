package foundation

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/perf"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

const performanceSection = "performance"

// performances is the section "performance". There is one monitor for the whole life of the
// layer, whether the section is on or not, so that programs can keep the operations that they
// count.
type performances struct {
	monitor[perf.Config, *perf.Monitor]

	one *perf.Monitor
}

func (f *Foundation) performances() *performances {
	p := &performances{}
	send := f.options.Webhook
	if send != nil {
		send = f.guarded(send)
	}
	p.one, _ = perf.New(perf.Config{}, perf.Options{Bus: f.bus, Send: send}) // the zero settings are legal
	p.monitor = monitor[perf.Config, *perf.Monitor]{
		f: f, name: performanceSection,
		settings: func(c *config.Config) (perf.Config, bool, bool) {
			if c.Performance == nil {
				return perf.Config{}, false, false
			}
			return c.Performance.Config, true, c.Performance.Off
		},
		open:  func(c perf.Config) (*perf.Monitor, error) { return p.one, c.Validate() }, // settings come with the step, see prepare
		vital: performanceHealth,
		show:  func(s *Status, m *perf.Monitor) { now := m.Status(); s.Performance = &now },
	}
	return p
}

// guarded sends through a guard of the layer's own: a receiver that is down is then what its
// breaker says, in the status like all others.
func (f *Foundation) guarded(send func(context.Context, string, []byte) error) func(context.Context, string, []byte) error {
	if err := f.own.add(f.bus, ownWebhook); err != nil {
		f.log.Error("alerts are sent without a guard", slog.Any("error", err))
		return send
	}
	g := f.own.guards[ownWebhook]
	return func(ctx context.Context, url string, body []byte) error {
		return through(ctx, g, func(ctx context.Context) error { return send(ctx, url, body) })
	}
}

// prepare implements section.
func (p *performances) prepare(ctx context.Context, t *transition) error {
	webhook := ""
	if c := t.next.Config.Performance; c != nil {
		webhook = string(c.Webhook)
	}
	if webhook != "" && p.f.options.Webhook == nil {
		var problems fault.Problems
		problems.Add("webhook", "", "this program sends nothing: give it a sender in Options.Webhook, or leave the key out")
		return problems.Err(performanceSection, "")
	}
	if err := p.monitor.prepare(ctx, t); err != nil {
		return err
	}
	t.steps = append(t.steps, func() error { p.one.SetWebhook(webhook); return nil })
	if s, on := p.wanted(t.next.Config); on && p.current(t.old) == nil {
		t.steps = append(t.steps, func() error { return p.one.Reconfigure(s) })
	}
	return nil
}

// follow implements section.
func (p *performances) follow(f *Foundation) {
	p.one.Follow("parts", f.sources(f.assembly.Load()))
	ran := p.serves != nil
	p.monitor.follow(f)
	if ran && p.serves == nil {
		p.one.EndAlerts()
	}
}

// sources lists the operations of the parts that are in force.
func (f *Foundation) sources(a *assembly) (out []perf.Source) {
	users := map[string][]string{} // of each pool, the guards
	reasons := guard.CallReasons()
	guards := partsOf[*guard.Guard](a, guardSection)
	for _, name := range slices.Sorted(maps.Keys(guards)) {
		g := guards[name]
		out = append(out, perf.Source{Name: name, Kind: "guard", Part: g, Read: g.ReadCalls, Reasons: reasons})
		if pool := a.Config.Guards[name].Pool; pool != "" {
			users[pool] = append(users[pool], name)
		}
	}
	for name, g := range f.own.guards {
		out = append(out, perf.Source{Name: name, Kind: "guard", Part: g, Read: g.ReadCalls, Reasons: reasons})
	}
	for name, p := range partsOf[pool.Managed](a, poolSection) {
		if t, ok := p.(timed); ok {
			// How long a worker is used for is how long the call of a guard takes: one alert
			// says it. The wait for one is no part of a guard's call.
			out = append(out,
				perf.Source{Name: "pool:" + name + ":wait", Kind: "pool", Part: p, Read: t.ReadWaits},
				perf.Source{Name: "pool:" + name + ":use", Kind: "pool", Part: p, Read: t.ReadUses, Within: users[name]})
		}
	}
	return out
}

// timed is a pool that counts how long its borrowers wait and borrow.
type timed interface {
	ReadWaits(into *telemetry.Calls, mark uint64) uint64
	ReadUses(into *telemetry.Calls, mark uint64) uint64
}

// Performance returns the monitor of operations. There is always one: while the section
// "performance" is off it judges nothing, and counts what the program records by itself.
func (f *Foundation) Performance() *perf.Monitor { return f.performance.one }
