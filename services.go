package foundation

import (
	"context"
	"log/slog"

	"github.com/elixirscope/foundation/registry"
	"github.com/elixirscope/foundation/supervise"
)

// The namespaces of the registry that are not sections of the configuration.
const (
	ownNames     = "foundation" // the layer's own: its configuration, its tree of services
	serviceNames = "services"
)

// Registry finds everything that the layer has opened: parts by the sections of the
// configuration, as in "breakers", services under "services", and under "foundation" the
// configuration ("config", a [*config.Server]), the tree ("services", a
// [*supervise.Tree]) and what is recorded ("events", an [*eventstore.Feed], where
// something is). Programs may register what is theirs.
func (f *Foundation) Registry() *registry.Registry { return f.registry }

// Supervise keeps a service running until the layer is closed: it is started again when
// it fails, with a back-off of its own, appears in the status, in metrics and events, and
// is found in the registry under "services". A name that a service has is refused with
// [fault.AlreadyExists]. Services are stopped in reverse order, before guards and pools
// are closed. More than that can be set in the tree that the registry knows, whose services
// are found just so.
func (f *Foundation) Supervise(name string, s supervise.Service) error {
	return f.services.Add(supervise.Spec{Name: name, Service: s})
}

// name registers what the layer has opened.
func (f *Foundation) name(namespace, name string, value any) (release func()) {
	release, err := f.registry.Register(f.life, namespace, name, value)
	if err != nil {
		f.log.Warn("a part cannot be found by its name", slog.String("name", namespace+"/"+name), slog.Any("error", err))
		return func() {}
	}
	return release
}

// known is a part that the registry knows.
type known[P part] struct {
	part    P
	release func()
}

// follow makes the registry know the parts that are in force, and no others.
func (k *parts[S, P]) follow(f *Foundation) {
	now := partsOf[P](f.assembly.Load(), k.name)
	if k.known == nil {
		k.known = make(map[string]known[P], len(now))
	}
	for name, is := range k.known {
		if p, stays := now[name]; !stays || p != is.part {
			is.release()
			delete(k.known, name)
		}
	}
	for name, p := range now {
		if _, is := k.known[name]; !is {
			k.known[name] = known[P]{p, f.name(k.name, name, p)}
		}
	}
}

// followNames keeps the registry in step with the configuration. The server of the
// configuration calls it after a change and not during one, because whoever listens to the
// registry may change the configuration.
func (f *Foundation) followNames() {
	for _, s := range f.table {
		s.follow(f)
	}
}

// nameService is how the tree names its services.
func (f *Foundation) nameService(name string, s supervise.Service) (release func()) {
	return f.name(serviceNames, name, s)
}

// endServices stops the services and forgets all names.
func (f *Foundation) endServices(ctx context.Context) error {
	defer f.end()
	return f.services.Close(ctx)
}
