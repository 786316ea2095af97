package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/fault"
)

// sources are where variables may come from: nowhere for a document of the network.
func (o ParseOptions) sources() yamlx.Sources {
	if o.Over != nil {
		return yamlx.Sources{}
	}
	return yamlx.Sources{LookupEnv: o.LookupEnv, ReadFile: o.ReadFile}
}

// keeper holds a document of the network to what the local file alone sets. A nil
// keeper allows everything.
type keeper struct {
	over     *Config
	enforce  bool                      // it comes over the network
	inherits bool                      // a section that the document leaves out stays as it is
	local    []string                  // sections
	known    map[yamlx.Path]yamlx.Leaf // what is local, and what is shown as something else
	places   yamlx.Places
}

// keeping fills in what root leaves as it is in base, and returns what holds it to
// p.Over.
func (o *origin) keeping(root *yamlx.Node, base *Config, p ParseOptions) *keeper {
	if base == nil {
		return nil
	}
	k := &keeper{over: base, local: p.localSections(), inherits: !o.complete}
	k.known = yamlx.Named(*base, base.veil, func(path yamlx.Path, leaf yamlx.Leaf) bool {
		return leaf.Shown != leaf.Value || k.isLocal(path, leaf)
	})
	k.places = yamlx.Keep(root, k.known, hidden)
	for n := range root.All {
		if text, ok := o.fresh[n.Raw]; ok && n.Expanded {
			n.Text = text
		}
	}
	if k.enforce = p.Over != nil; !k.enforce && !o.pointers {
		return nil
	}
	return k
}

func (o ParseOptions) localSections() []string {
	local := []string{storageSection, sharedSection}
	for _, s := range o.Sections {
		if s.Local {
			local = append(local, s.Name)
		}
	}
	return local
}

// The sections of the layer itself that are local.
const storageSection, sharedSection = "storage", "shared"

// isLocal reports whether the local file alone sets a value.
func (k *keeper) isLocal(path yamlx.Path, leaf yamlx.Leaf) bool {
	section, _ := path.Cut()
	return leaf.Local || slices.Contains(k.local, section)
}

// check gives c the sections that it has left out, and reports what it has changed
// and may not.
func (k *keeper) check(c *Config, from *origin) (faults []yamlx.Fault) {
	if k == nil {
		return nil
	}
	if k.inherits {
		k.inherit(c, from)
	}
	next := yamlx.Named(*c, never, func(path yamlx.Path, leaf yamlx.Leaf) bool {
		return leaf.Value == hidden || k.isLocal(path, leaf)
	})
	for _, path := range slices.Sorted(maps.Keys(next)) {
		leaf, was := next[path], k.known[path]
		place, stands := k.places.Of(path)
		switch {
		case k.enforce && k.isLocal(path, leaf) && leaf.Value != was.Value:
			faults = append(faults, yamlx.Fault{Path: place, Message: onlyLocal})
		case stands && leaf.Value == hidden && from.secretAt(place):
			faults = append(faults, yamlx.Fault{Path: place, Message: "stands for a secret, and there is none here: write it into the local file"})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(k.known)) {
		if _, is := next[path]; k.isLocal(path, k.known[path]) && !is && k.enforce && k.partStays(path) {
			place, _ := k.places.Of(path)
			faults = append(faults, yamlx.Fault{Path: place, Message: onlyLocal})
		}
	}
	return faults
}

const onlyLocal = "can be set in the local file only; leave it as it is there"

// inherit gives c the sections of the local file that it does not have, and from
// what is known of their values: variables are shown as they were written there.
func (k *keeper) inherit(c *Config, from *origin) {
	for _, name := range k.local {
		if _, stands := k.places.Of(yamlx.Path("").Key(name)); stands {
			continue
		}
		k.inheritSection(c, name)
		from.inherit(k.over.origin, name)
	}
}

func (k *keeper) inheritSection(c *Config, name string) {
	over := k.over.Clone()
	switch name {
	case storageSection:
		c.Storage = over.Storage
	case sharedSection:
		c.Shared = over.Shared
	default:
		settings, ok := over.Sections[name]
		if !ok {
			return
		}
		if c.Sections == nil {
			c.Sections = make(map[string]any)
		}
		c.Sections[name] = settings
	}
}

func never(yamlx.Path, reflect.Value, bool) (string, bool) { return "", false }

func (o *origin) inherit(other *origin, section string) {
	if other == nil {
		return
	}
	o.secrets = append(o.secrets, other.secrets...)
	if o.kept == nil {
		o.kept = make(map[string]*yamlx.Node)
	}
	if entry, ok := other.find(yamlx.Path("").Key(section)); ok {
		o.kept[section] = entry.Node
	}
}

func (o *origin) secretAt(path yamlx.Path) bool {
	entry, ok := o.root.Find(path)
	return ok && entry.Node.Secret()
}

// partStays reports whether the part that a value belongs to is still there: a pool
// or a route may go, and takes with it what only the local file could give it.
func (k *keeper) partStays(path yamlx.Path) bool {
	part := partOf(path)
	_, stays := k.places.Of(part)
	return stays || len(part.Elements()) == 1 && part != "/gateway"
}

// partOf returns the path of the part that a value belongs to: of a section with named
// parts the section and the part.
func partOf(path yamlx.Path) yamlx.Path {
	depth := 2
	keys := path.Elements()
	switch {
	case strings.HasPrefix(string(path), "/gateway/routes/"), strings.HasPrefix(string(path), "/health/checks/"):
		depth = 3
	case keys[0] != "pools":
		depth = 1
	}
	part := yamlx.Path("")
	for _, key := range keys[:depth] {
		part = part.Key(key)
	}
	return part
}

// onlyLocal refuses a change from old to next that comes over the network and sets
// what the local file alone sets. Most such changes are refused when they are read,
// with their place; old may be another by now.
func (o ParseOptions) onlyLocal(old, next *Config) error {
	k := &keeper{local: o.localSections()}
	wanted := func(path yamlx.Path, leaf yamlx.Leaf) bool { return leaf.Shown != leaf.Value || k.isLocal(path, leaf) }
	was, is := yamlx.Named(*old, old.veil, wanted), yamlx.Named(*next, next.veil, wanted)
	var problems fault.Problems
	for _, path := range slices.Sorted(maps.Keys(is)) {
		leaf, before := is[path], was[path]
		variable := leaf.Shown != leaf.Value && leaf.Shown != hidden
		if k.isLocal(path, leaf) && leaf.Value != before.Value || variable && leaf != before {
			problems = append(problems, fault.Problem{Field: path.String(), Message: onlyLocal, Position: string(path)})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(was)) {
		if _, stays := is[path]; !stays && k.isLocal(path, was[path]) && hasPart(next, path) {
			problems = append(problems, fault.Problem{Field: path.String(), Message: onlyLocal, Position: string(path)})
		}
	}
	return problems.Err(component, "")
}

// hasPart reports whether the part that a value belongs to is in c.
func hasPart(c *Config, path yamlx.Path) bool {
	part := partOf(path)
	if len(part.Elements()) == 1 {
		return part != "/gateway"
	}
	for at := range yamlx.Named(*c, never, func(at yamlx.Path, _ yamlx.Leaf) bool { return strings.HasPrefix(string(at), string(part)+"/") }) {
		return at != ""
	}
	return false
}
