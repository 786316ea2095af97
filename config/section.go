package config

import (
	"context"
	"reflect"

	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/pool"
)

// Section is a section of the configuration that is not the layer's own: the routes
// of a gateway, or settings of the program that embeds the layer. It is read,
// checked, shown, compared and changed with all others. Decoding, redaction and the
// schema follow from the type of its settings: a struct with yaml tags, as those of
// this package, that does not contain itself. Only Name and New are required.
type Section struct {
	// Name is the key of the section in the file.
	Name string
	// Doc says what the section is, in the schema.
	Doc string
	// New returns a pointer to settings at their zero value.
	New func() any
	// Check returns what is wrong with the section's settings in c beyond what their
	// types say, and with what they refer to; and, as warnings, what is legal and
	// very likely a mistake. Fields are named from the document on, as in
	// "gateway.routes[0].match". It is also called where the section is left out.
	Check func(c *Config) fault.Problems
	// Local marks a section that the local file alone sets, because it decides who may
	// do what, see [ParseOptions].
	Local bool
	// Restart lists the fields, from the section on, that cannot change while the
	// process runs, each with all that is below it; "" is the section as a whole.
	Restart []string
	// Prepare does everything that can fail of a change from old to next, after the
	// parts of the layer have been prepared, and nothing that can be seen. The
	// functions of the [Transition] may be nil. When Commit runs, guards finds the
	// guards of next. None of them may change the configuration.
	Prepare func(ctx context.Context, old, next *Config, guards func(name string) (*guard.Guard, error)) (Transition, error)
	// Health emits what the section's parts say of how they are, named as in "gateway/clients".
	// It must not block. Nil is nothing.
	Health func(emit func(health.Component))
	// Describe says what a field of a settings type is for, in the schema; nil leaves
	// that out.
	Describe func(owner reflect.Type, field string) string
}

// Registry holds what a configuration may name and this package does not know. The
// zero Registry knows nothing.
type Registry struct {
	// Kinds are the kinds of worker, by name. Nil leaves unchecked whether a kind is
	// known.
	Kinds map[string]pool.Kind
	// Checks are the kinds of check, by name: "tcp" and "http" are those of these keys. Nil
	// leaves unchecked whether a kind is known.
	Checks map[string]health.Kind
	// Sections are the foreign sections, in the order in which changes are shown and
	// prepared.
	Sections []Section
}

// SectionOf returns the settings of a foreign section, as its [Section.New] made
// them, or nil where c leaves the section out. They are shared: change those of a
// [Config.Clone].
func SectionOf[T any](c *Config, name string) *T {
	settings, _ := c.Sections[name].(*T)
	return settings
}

// prototypes returns the settings of all sections at their zero value.
func (r *Registry) prototypes() map[string]any {
	if len(r.Sections) == 0 {
		return nil
	}
	all := make(map[string]any, len(r.Sections))
	for _, s := range r.Sections {
		all[s.Name] = s.New()
	}
	return all
}

// foreign asks the foreign sections what is wrong.
func (k *checker) foreign() {
	for name, settings := range k.c.Sections {
		if !k.registry.knows(name, settings) {
			k.add(yamlx.Path("").Key(name), "", "there is no section of this name and type")
		}
	}
	for _, s := range k.registry.Sections {
		if s.Check == nil {
			continue
		}
		for _, p := range s.Check(k.c) {
			k.faults = append(k.faults, yamlx.Fault{Path: yamlx.Path("").Join(p.Field), Value: p.Value, Message: p.Message, Warning: p.Warning})
		}
	}
}

func (r *Registry) knows(name string, settings any) bool {
	for _, s := range r.Sections {
		if s.Name == name {
			return reflect.TypeOf(s.New()) == reflect.TypeOf(settings)
		}
	}
	return false
}

// Position returns where a field stands in the file that c was read from, as
// file:line:column, or "". Where it was changed through the API since, there is no
// file, and it is a JSON Pointer into the document. The field is named as in "gateway.routes[0].match".
func (c *Config) Position(field string) string {
	if c.origin == nil {
		return ""
	}
	path := yamlx.Path("").Join(field)
	pos, _ := c.origin.locate(path)
	return c.origin.place(path, pos)
}

func (s *Section) describe(owner reflect.Type, field string) string {
	if s.Describe == nil {
		return ""
	}
	return s.Describe(owner, field)
}
