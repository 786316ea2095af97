package foundation

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/internal/suggest"
	"github.com/elixirscope/foundation/telemetry"
)

// section is one section of the configuration and the parts that it makes: what
// the layer has to know of them to open, change, show and close them.
type section interface {
	// prepare adds to t what becomes of the section's parts, and may fail.
	prepare(ctx context.Context, t *transition) error
	// follow makes the registry know the parts that are in force.
	follow(f *Foundation)
	status(a *assembly, s *Status)
	collect(a *assembly, emit func(telemetry.Sample))
	// close ends every part and waits for it as long as ctx allows.
	close(ctx context.Context, a *assembly) error
}

// sections is the table of all sections. A section stands behind those whose parts
// it uses: their settings are in force first, and they are closed last.
func (f *Foundation) sections() []section {
	return []section{f.records, f.memory, f.breakers(), f.sharing(), f.rateLimits(), f.pools(), f.guards(), f.performance, f.checks()}
}

// part is what every part has, whatever it does.
type part interface {
	comparable
	telemetry.Source
}

// parts is a section of parts of type P by name, each made of settings of type S.
type parts[S any, P part] struct {
	name     string // of the section in the file
	settings func(*config.Config) map[string]S
	// order lists the names in the order in which the parts are to be opened and
	// changed; nil means the order of names.
	order func(map[string]S) []string
	// open makes a part. What it leaves to be undone, if the change is abandoned, it
	// adds to t.
	open func(ctx context.Context, t *transition, name string, s S) (P, error)
	// change adds to t the step that gives a part that goes on its settings.
	change func(t *transition, part P, name string, s S)
	// retire lets go of a part that is not in force any more; nil means that there is
	// nothing to do.
	retire func(name string, part P)
	// end closes a part for good, and waits for that; nil as for retire.
	end func(ctx context.Context, part P) error
	// trim gives up what a part can do without while memory is short, and returns how many
	// bytes that was; nil where there is nothing.
	trim func(part P) int64
	show func(s *Status, all []P) // in the order of names
	// vital is what a part says of how it is, under its own name; nil is nothing.
	vital func(P) health.Component

	known map[string]known[P] // to the registry; belongs to whoever follows the configuration
}

// partsOf returns the parts of a section.
func partsOf[P any](a *assembly, section string) map[string]P {
	all, _ := a.parts[section].(map[string]P)
	return all
}

func (k *parts[S, P]) prepare(ctx context.Context, t *transition) error {
	wanted := k.settings(t.next.Config)
	old, next := partsOf[P](t.old, k.name), make(map[string]P, len(wanted))
	t.next.parts[k.name] = next
	for _, name := range k.inOrder(wanted) {
		s := wanted[name]
		p, was := old[name]
		if was && !t.renewed[[2]string{k.name, name}] {
			next[name] = p
			k.change(t, p, name, s)
			continue
		}
		if ctx.Err() != nil {
			return gaveUp(ctx, "the caller gave up before anything was changed")
		}
		p, err := k.open(ctx, t, name, s)
		if err != nil {
			return err
		}
		next[name] = p
	}
	if k.retire != nil {
		k.prepareRetirement(t, old, next)
	}
	return nil
}

func (k *parts[S, P]) prepareRetirement(t *transition, old, next map[string]P) {
	for name, p := range old {
		if stays, is := next[name]; !is || stays != p {
			t.retire = append(t.retire, func() { k.retire(name, p) })
		}
	}
}

func (k *parts[S, P]) inOrder(settings map[string]S) []string {
	if k.order != nil {
		return k.order(settings)
	}
	return slices.Sorted(maps.Keys(settings))
}

// all lists the parts in the order of names.
func (k *parts[S, P]) all(a *assembly) []P {
	named := partsOf[P](a, k.name)
	out := make([]P, 0, len(named))
	for _, name := range slices.Sorted(maps.Keys(named)) {
		out = append(out, named[name])
	}
	return out
}

func (k *parts[S, P]) status(a *assembly, s *Status) { k.show(s, k.all(a)) }

func (k *parts[S, P]) collect(a *assembly, emit func(telemetry.Sample)) {
	for _, p := range k.all(a) {
		p.Collect(emit)
	}
}

// close closes all parts at once: each may have to wait for its users.
func (k *parts[S, P]) close(ctx context.Context, a *assembly) error {
	if k.end == nil {
		return nil
	}
	all := k.all(a)
	errs := make(chan error, len(all))
	for _, p := range all {
		go func() { errs <- k.end(ctx, p) }()
	}
	var failed []error
	for range all {
		failed = append(failed, <-errs)
	}
	return errors.Join(failed...)
}

// find returns a part by its name, or a not_found that says what may be meant.
func find[P any](a *assembly, section, component, name string) (P, error) {
	all := partsOf[P](a, section)
	p, ok := all[name]
	if !ok {
		return p, fault.New(fault.Spec{
			Code: fault.NotFound, Component: component, Name: name,
			Message: "there is none with this name" + suggest.For(name, slices.Collect(maps.Keys(all))),
		})
	}
	return p, nil
}

// statuses asks every part for its status.
func statuses[P, S any](all []P, of func(P) S) []S {
	out := make([]S, 0, len(all))
	for _, p := range all {
		out = append(out, of(p))
	}
	return out
}
