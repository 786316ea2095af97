package config

import (
	"maps"
	"reflect"
	"slices"

	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/internal/suggest"
	"github.com/elixirscope/foundation/pool"
)

// isNil reports whether there is nothing in v, or a nil pointer: an interface that
// holds one is not nil, and a method that is called through it panics.
func isNil(v any) bool {
	if v == nil {
		return true
	}
	p := reflect.ValueOf(v)
	return p.Kind() == reflect.Pointer && p.IsNil()
}

// kindOf finds the kind of worker of a name, false if there is none that can be used.
func kindOf(kinds map[string]pool.Kind, name string) (pool.Kind, bool) {
	kind := kinds[name]
	return kind, !isNil(kind)
}

// knownKinds lists the kinds that can be used.
func knownKinds(kinds map[string]pool.Kind) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(kinds)), func(name string) bool { return isNil(kinds[name]) })
}

// newOptions returns what the options of a pool are read into. A kind that has none
// to offer takes none.
func newOptions(kind pool.Kind) any {
	if options := kind.NewOptions(); !isNil(options) {
		return options
	}
	return new(struct{})
}

// worker checks that a pool's kind of worker is one of the known ones.
func (k *checker) worker(path yamlx.Path, name string) bool {
	if _, ok := kindOf(k.registry.Kinds, name); ok {
		return true
	}
	if _, named := k.registry.Kinds[name]; named {
		k.add(path, name, "the kind of worker %q is registered and nil", name)
	} else {
		k.add(path, name, "there is no kind of worker %q%s", name, suggest.For(name, knownKinds(k.registry.Kinds)))
	}
	return false
}
