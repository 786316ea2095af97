package foundation

import (
	"context"
	"log/slog"
	"slices"

	"github.com/elixirscope/foundation/config"
)

// assembly is every part that is in force at one moment. It is immutable once it
// is published.
type assembly struct {
	config.Revision
	parts map[string]any // by section: a map[string]P of its parts by name
}

// transition is a change that is being prepared: what will be in force, and the
// steps of getting there, none of which can fail.
type transition struct {
	f         *Foundation
	old, next *assembly
	renewed   map[[2]string]bool      // by section and name: parts in whose place others are opened
	steps     []func() error          // give parts that go on their settings
	undo      []func()                // release what was opened, if the change is abandoned
	foreign   []func(config.Revision) // put foreign sections in force, once the parts are
	retire    []func()                // let go of what is in force no more
}

// applier implements [config.Applier] for a Foundation, whose method it must not be
// for everybody to call.
type applier struct{ f *Foundation }

// Prepare implements [config.Applier]. On an error, also if a kind of worker or a
// foreign section panics or ends the goroutine, nothing has changed and nothing
// stays open. The old configuration is not needed: the assembly in force has it, with
// the parts that were made of it.
func (a applier) Prepare(ctx context.Context, _, next *config.Config, changes []config.Change) (config.Transition, error) {
	t := &transition{f: a.f, old: a.f.assembly.Load(), next: &assembly{parts: make(map[string]any)}, renewed: make(map[[2]string]bool)}
	for _, c := range changes {
		if c.Renewed {
			t.renewed[[2]string{c.Section, c.Name}] = true
		}
	}
	t.next.Config = next
	done := false
	defer func() {
		if !done {
			t.abort()
		}
	}()
	for _, s := range a.f.table {
		if err := s.prepare(ctx, t); err != nil {
			return config.Transition{}, err
		}
	}
	for _, s := range a.f.options.Sections {
		if err := t.prepareForeign(ctx, s); err != nil {
			return config.Transition{}, err
		}
	}
	done = true
	return config.Transition{Commit: t.commit, Abort: t.abort}, nil
}

func (t *transition) prepareForeign(ctx context.Context, s config.Section) error {
	if s.Prepare == nil {
		return nil
	}
	prepared, err := s.Prepare(ctx, t.old.Config, t.next.Config, t.f.Guard)
	if err != nil {
		return err
	}
	if prepared.Abort != nil {
		t.undo = append(t.undo, prepared.Abort)
	}
	if prepared.Commit != nil {
		t.foreign = append(t.foreign, prepared.Commit)
	}
	return nil
}

// abort releases what was prepared, the newest first.
func (t *transition) abort() {
	for _, undo := range slices.Backward(t.undo) {
		undo()
	}
}

// commit puts the prepared parts in force. It cannot fail: whatever a part could
// object to was checked. Should one object nevertheless, that is a defect, which
// is logged, and the part keeps its old settings.
func (t *transition) commit(r config.Revision) {
	for _, step := range t.steps {
		if err := step(); err != nil {
			t.f.log.Error("a part refused settings that were checked", slog.Any("error", err))
		}
	}
	t.next.Revision = r
	t.f.assembly.Store(t.next)
	defer t.letGo() // also if a foreign section panics
	for _, commit := range t.foreign {
		commit(r)
	}
}

func (t *transition) letGo() {
	for _, retire := range t.retire {
		retire()
	}
}
