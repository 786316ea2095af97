package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/retry"
)

// What happens to a part.
const added, removed, changed = "added", "removed", "changed"

// Change is what happens to one part, or one section of the daemon, when one
// Config takes the place of another.
type Change struct {
	Section string        // as in the file: "breakers", "gateway", …
	Name    string        // of the part; empty for a section that is not by name
	Action  string        // "added", "removed" or "changed"
	Fields  []FieldChange // what changed, by the name of the field
	// Effect says what happens to the part's state, as in "keeps its state".
	Effect string
	// Renewed marks a part that cannot follow its settings: another is opened in its
	// place, and its state is lost.
	Renewed bool
	// Restart marks a change that a running daemon cannot follow.
	Restart bool

	fixed []FieldChange // those of Fields that need the restart
}

// FieldChange is one setting before and after; "" stands for its default.
// Secrets are hidden, variables stand as they were written.
type FieldChange struct{ Field, Old, New string }

// String renders the change on one line, as in
//
//	pools.orders_db changed: size 20 → 10; shrinks 20 → 10 by attrition
func (c Change) String() string {
	var b strings.Builder
	b.WriteString(c.Section)
	if c.Name != "" {
		b.WriteString("." + c.Name)
	}
	b.WriteString(" " + c.Action)
	for i, f := range c.Fields {
		b.WriteString([2]string{": ", ", "}[min(i, 1)] + f.text())
	}
	if c.Effect != "" {
		b.WriteString("; " + c.Effect)
	}
	return b.String()
}

// text renders the setting as in "size 20 → 10".
func (f FieldChange) text() string {
	show := func(s string) string {
		if s == "" {
			return "default"
		}
		return s
	}
	if f.Old == f.New {
		return f.Field + " has another value"
	}
	return strings.TrimSpace(f.Field + " " + show(f.Old) + " → " + show(f.New))
}

// Diff lists what changes when next takes the place of old, part by part, with
// what happens to state. It is empty if both set the same.
func Diff(old, next *Config, sections ...Section) []Change {
	d := differ{before: yamlx.Flatten(*old, old.veil), after: yamlx.Flatten(*next, next.veil)}
	return d.compare(old, next, sections)
}

// compare lists the changes of what was flattened.
func (d *differ) compare(old, next *Config, sections []Section) []Change {
	d.group()
	named(d, "breakers", old.Breakers, next.Breakers, breakerEffect)
	named(d, "rate_limits", old.RateLimits, next.RateLimits, rateLimitEffect)
	named(d, "retries", old.Retries, next.Retries, retryEffect)
	named(d, "pools", old.Pools, next.Pools, poolEffect)
	named(d, "guards", old.Guards, next.Guards, guardEffect)
	d.section("namespace", "")
	d.section("storage", "")
	d.shared(old.Shared, next.Shared)
	d.section("events")
	d.monitor("memory")
	d.monitor("performance")
	d.monitor(healthSection)
	for _, s := range sections {
		d.section(s.Name, s.Restart...)
	}
	return d.changes
}

type differ struct {
	before, after map[yamlx.Path]yamlx.Leaf
	// below lists what differs, by section and by part: to look through everything
	// for each part would take minutes for as many parts as fit into a file.
	below   map[yamlx.Path][]yamlx.Path
	changes []Change
}

// group finds what differs.
func (d *differ) group() {
	d.below = make(map[yamlx.Path][]yamlx.Path)
	note := func(path yamlx.Path) {
		keys := strings.SplitN(string(path), "/", 4) // nothing, the section, the part, the rest
		for depth := 2; depth <= min(len(keys), 3); depth++ {
			above := yamlx.Path(strings.Join(keys[:depth], "/"))
			d.below[above] = append(d.below[above], path)
		}
	}
	for path, leaf := range d.before {
		if d.after[path].Value != leaf.Value {
			note(path)
		}
	}
	for path, leaf := range d.after {
		if _, both := d.before[path]; !both && leaf.Value != "" {
			note(path)
		}
	}
}

// fields lists what differs below a path.
func (d *differ) fields(below yamlx.Path) []FieldChange {
	var out []FieldChange
	single, keys := d.overrides(below)
	for _, path := range slices.Sorted(slices.Values(single)) {
		out = append(out, FieldChange{path[len(below):].String(), d.before[path].Shown, d.after[path].Shown})
	}
	return append(out, d.overrideChanges(below, keys)...)
}

// named compares the parts of one kind.
func named[T any](d *differ, name string, old, next map[string]T, effect func(c *Change, old, next T)) {
	names := slices.Collect(maps.Keys(old))
	for part := range next {
		if _, both := old[part]; !both {
			names = append(names, part)
		}
	}
	slices.Sort(names)
	for _, part := range names {
		before, was := old[part]
		after, is := next[part]
		c := Change{Section: name, Name: part, Action: changed}
		switch {
		case !was:
			c.Action = added
		case !is:
			c.Action = removed
		default:
			if c.Fields = d.fields(yamlx.Path("").Key(name).Key(part)); len(c.Fields) == 0 {
				continue
			}
		}
		effect(&c, before, after)
		d.changes = append(d.changes, c)
	}
}

// section compares a section that is not by name. restart are the fields that cannot
// change while the process runs, "" for all.
func (d *differ) section(name string, restart ...string) {
	c := Change{Section: name, Action: changed, Fields: d.fields(yamlx.Path("").Key(name))}
	var need []string
	for _, f := range c.Fields {
		if slices.ContainsFunc(restart, func(r string) bool { return r == "" || f.Field == r || strings.HasPrefix(f.Field, r+".") }) {
			c.fixed = append(c.fixed, f)
			need = append(need, strings.TrimSuffix(name+"."+f.Field, "."))
		}
	}
	if c.Restart = len(need) > 0; c.Restart {
		c.Effect = strings.Join(need, ", ") + " needs a restart"
	}
	if len(c.Fields) > 0 {
		d.changes = append(d.changes, c)
	}
}

// monitor compares a section that may be off.
func (d *differ) monitor(name string) {
	at := yamlx.Path("").Key(name)
	c := Change{Section: name, Action: changed, Fields: d.fields(at)}
	if len(c.Fields) == 0 {
		return
	}
	switch before, after := d.before[at].Value, d.after[at].Value; {
	case before == after:
		c.Effect = "keeps what it knows"
	case after == "":
		c.Effect = "runs or not, as the program has it by default"
	case after == "off":
		c.Effect = "is stopped, and forgets what it knows"
	default:
		c.Effect = "runs from now on"
	}
	d.changes = append(d.changes, c)
}

func touches(fields []FieldChange, names ...string) bool {
	return slices.ContainsFunc(fields, func(f FieldChange) bool {
		first, _, _ := strings.Cut(f.Field, ".")
		return slices.Contains(names, first)
	})
}

func breakerEffect(c *Change, old, next Breaker) {
	// A group is of another kind than one breaker, and does not change its bound.
	c.Renewed = c.Action == changed && (old.Per != next.Per || old.Per != "" && old.MaxMembers != next.MaxMembers)
	switch {
	case c.Action == added:
		c.Effect = "starts closed"
	case c.Action == removed:
		c.Effect = "its state is dropped"
	case c.Renewed:
		c.Effect = "is made anew, closed"
	default:
		c.Effect = "keeps its state"
	}
}

func rateLimitEffect(c *Change, old, next RateLimit) {
	switch {
	case c.Action == added:
		c.Effect = "starts with nothing used"
	case c.Action == removed:
		c.Effect = "what was used is forgotten"
	case old.Scope != next.Scope && next.Scope == ScopeShared:
		c.Effect = "counts in the shared store from now on; what was used here does not count there"
	case old.Scope != next.Scope:
		c.Effect = "counts in this process alone from now on; what was used in the shared store does not count here"
	case touches(c.Fields, "algorithm"):
		c.Effect = "counts by another algorithm from now on"
	default:
		c.Effect = "keeps what was used, the new settings hold from now on"
	}
}

func retryEffect(c *Change, _, _ retry.Config) {
	switch c.Action {
	case added:
		c.Effect = "can be named by guards"
	case removed:
		c.Effect = "is gone"
	default:
		c.Effect = "the next call of its guards sees the new settings, budgets keep what was used"
	}
}

func poolEffect(c *Change, old, next Pool) {
	c.Renewed = c.Action == changed && touches(c.Fields, "worker", "options") // it needs other workers
	from, to := size(old), size(next)
	switch {
	case c.Action == added:
		c.Effect = "is opened"
	case c.Action == removed:
		c.Effect = "is drained and closed"
	case c.Renewed:
		c.Effect = "is opened anew, the old workers are drained"
	case from < to:
		c.Effect = fmt.Sprintf("grows %d → %d", from, to)
	case from > to:
		c.Effect = fmt.Sprintf("shrinks %d → %d by attrition", from, to)
	default:
		c.Effect = "keeps its workers"
	}
}

func size(p Pool) int {
	if p.Size == 0 {
		return pool.DefaultSize
	}
	return max(0, p.Size)
}

func guardEffect(c *Change, _, _ Guard) {
	switch c.Action {
	case added:
		c.Effect = "answers from now on"
	case removed:
		c.Effect = "answers not_found"
	default:
		c.Effect = "the next call sees the new settings"
	}
}
