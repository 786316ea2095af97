package settings

import (
	"errors"
	"strconv"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/suggest"
)

// field names a setting from the document on, as in "gateway.routes[0].match".
type field string

func (f field) key(name string) field { return f + "." + field(name) }

func (f field) index(i int) field { return f + "[" + field(strconv.Itoa(i)) + "]" }

// checker collects what is wrong with the sections of the daemon in c.
type checker struct {
	c        *config.Config
	problems fault.Problems
}

func (k *checker) add(at field, value, format string, args ...any) {
	k.problems.Add(string(at), value, format, args...)
}

func (k *checker) warn(at field, value, format string, args ...any) {
	k.problems.Warn(string(at), value, format, args...)
}

// part records the problems of err below a field.
func (k *checker) part(at field, err error) {
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case err == nil:
	case !ok || len(f.Problems()) == 0:
		k.add(at, "", "%v", err)
	default:
		for _, p := range f.Problems() {
			k.add(at.key(p.Field), p.Value, "%s", p.Message)
		}
	}
}

func (k *checker) name(at field, name string) {
	if !fault.ValidName(name) {
		k.add(at, "", "a name has 1 to %d of a-z, 0-9, '_', '.', '-' and begins with a letter or digit", fault.MaxNameLength)
	}
}

// refersToGuard checks that a name that is not empty is a guard's.
func (k *checker) refersToGuard(at field, name string) bool {
	if name == "" {
		return false
	}
	_, ok := k.c.Guards[name]
	if !ok {
		k.add(at, name, "there is no %q under guards%s", name, suggest.For(name, guardNames(k.c)))
	}
	return ok
}

func guardNames(c *config.Config) []string {
	names := make([]string, 0, len(c.Guards))
	for name := range c.Guards {
		names = append(names, name)
	}
	return names
}

func check(c *config.Config, of func(*checker)) fault.Problems {
	k := checker{c: c}
	of(&k)
	return k.problems
}
