package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// component names this package in its faults.
const component = "registry"

// Registry maps names to values. Make one with [New]. It is safe for concurrent
// use; none of its methods but [WaitFor] blocks.
type Registry struct {
	registered   telemetry.Topic[Registered]
	unregistered telemetry.Topic[Unregistered]

	// mu guards the fields below and those of every entry. It is held for moments; no
	// code of the user runs under it.
	mu      sync.Mutex
	entries map[Name]*entry
	waiting map[Name]*waiters
}

// Name is what something is registered under. A namespace may be empty.
type Name struct{ Namespace, Name string }

// String renders the name as in "breakers/payments".
func (n Name) String() string {
	if n.Namespace == "" {
		return n.Name
	}
	return n.Namespace + "/" + n.Name
}

// entry is one registration.
type entry struct {
	Entry

	// life is derived from the owner. Nothing but it is asked under the registry's lock:
	// the owner may be a context of the user's own, and call anything.
	life context.Context //nolint:containedctx // the name lives as long
	end  context.CancelFunc
	stop func() bool // stops listening to life
}

func (e *entry) alive() bool { return e.life.Err() == nil }

// close lets go of the owner. It is called once the entry is out of the registry.
func (e *entry) close() {
	e.stop()
	e.end()
}

// Entry is a name that is taken.
type Entry struct {
	Name  Name
	Value any
	Since time.Time // when it was registered
}

// waiters are the calls that wait for one name.
type waiters struct {
	calls int
	news  chan struct{} // closed when the name is registered
}

// New returns an empty registry. Its events go to bus; nil is silent.
func New(bus *telemetry.Bus) *Registry {
	return &Registry{
		registered: telemetry.TopicOf[Registered](bus), unregistered: telemetry.TopicOf[Unregistered](bus),
		entries: make(map[Name]*entry), waiting: make(map[Name]*waiters),
	}
}

// Register gives value a name for as long as owner lives; context.Background never
// ends. A name that somebody alive owns is refused with [fault.AlreadyExists]: of
// two that register it at once exactly one gets it. release frees the name earlier;
// it does nothing from its second call on, and nothing to whoever has the name by
// then.
func (r *Registry) Register(owner context.Context, namespace, name string, value any) (release func(), err error) {
	n := Name{namespace, name}
	if err := check(owner, n, value); err != nil {
		return nil, err
	}
	e := &entry{Entry: Entry{Name: n, Value: value, Since: time.Now()}}
	e.life, e.end = context.WithCancel(owner)
	gone, err := r.add(e)
	if err != nil {
		e.end()
		return nil, err
	}
	if gone != nil {
		r.told(gone, OwnerEnded)
	}
	r.registered.Emit(context.WithoutCancel(owner), Registered{Name: n, Type: fmt.Sprintf("%T", value)})
	return func() { r.remove(e, Released) }, nil
}

func check(owner context.Context, n Name, value any) error {
	var p fault.Problems
	p.CheckName(n.Name)
	p.Require(len(n.Namespace) <= fault.MaxNameLength, "namespace", n.Namespace, "has more than %d bytes", fault.MaxNameLength)
	p.Require(owner != nil, "owner", nil, "is nil; pass a context that lives as long as the value serves")
	p.Require(value != nil, "value", nil, "is nil")
	if err := p.Err(component, n.String()); err != nil {
		return err
	}
	if owner.Err() != nil {
		return fault.New(fault.Spec{
			Code: fault.Canceled, Component: component, Name: n.String(), Message: "the owner has ended already", Cause: context.Cause(owner),
		})
	}
	return nil
}

// add puts e in place. An entry of the same name whose owner has ended makes room: it
// is gone, though what notices that may not have run yet.
func (r *Registry) add(e *entry) (gone *entry, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if taken, ok := r.entries[e.Name]; ok {
		if taken.alive() {
			return nil, fault.New(fault.Spec{
				Code: fault.AlreadyExists, Component: component, Name: e.Name.String(),
				Message: fmt.Sprintf("the name is taken by a %T; release it first or choose another", taken.Value),
			})
		}
		gone = taken
		taken.close()
	}
	r.entries[e.Name] = e
	// The function that is called when the owner ends takes mu itself, on a goroutine of
	// its own, so that it waits for this method.
	e.stop = context.AfterFunc(e.life, func() { r.remove(e, OwnerEnded) })
	if w := r.waiting[e.Name]; w != nil {
		close(w.news)
		delete(r.waiting, e.Name)
	}
	return gone, nil
}

func (r *Registry) remove(e *entry, why Reason) {
	if r.take(e) {
		e.close()
		r.told(e, why)
	}
}

// take removes e unless somebody has done so.
func (r *Registry) take(e *entry) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries[e.Name] != e {
		return false
	}
	delete(r.entries, e.Name)
	return true
}

func (r *Registry) told(e *entry, why Reason) {
	r.unregistered.Emit(context.WithoutCancel(e.life), Unregistered{
		Name: e.Name, Type: fmt.Sprintf("%T", e.Value), Reason: why, After: time.Since(e.Since),
	})
}

// Clear releases every name of a namespace and returns how many there were.
func (r *Registry) Clear(namespace string) int {
	cleared := r.takeAll(namespace)
	for _, e := range cleared {
		e.close()
		r.told(e, Cleared)
	}
	return len(cleared)
}

func (r *Registry) takeAll(namespace string) []*entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*entry
	for name, e := range r.entries {
		if name.Namespace == namespace {
			all = append(all, e)
			delete(r.entries, name)
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return a.Name.compare(b.Name) })
	return all
}

// List returns what is registered, in the order of names. The result belongs to the
// caller.
func (r *Registry) List() []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Entry, 0, len(r.entries))
	for _, e := range r.entries {
		if e.alive() {
			all = append(all, e.Entry)
		}
	}
	slices.SortFunc(all, func(a, b Entry) int { return a.Name.compare(b.Name) })
	return all
}

func (n Name) compare(o Name) int {
	return cmp.Or(cmp.Compare(n.Namespace, o.Namespace), cmp.Compare(n.Name, o.Name))
}
