package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/config/internal/yamlx"
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
	over   *Config
	local  []string                  // sections
	known  map[yamlx.Path]yamlx.Leaf // what is local, and what is shown as something else
	places yamlx.Places
}

// keeping fills in what root leaves as it is in over.
func keeping(root *yamlx.Node, o ParseOptions) *keeper {
	if o.Over == nil {
		return nil
	}
	k := &keeper{over: o.Over, local: []string{storageSection}}
	for _, s := range o.Sections {
		if s.Local {
			k.local = append(k.local, s.Name)
		}
	}
	k.known = yamlx.Named(*o.Over, o.Over.veil, func(path yamlx.Path, leaf yamlx.Leaf) bool {
		return leaf.Shown != leaf.Value || k.isLocal(path, leaf)
	})
	k.places = yamlx.Keep(root, k.known, hidden)
	return k
}

const storageSection = "storage"

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
	k.inherit(c, from)
	next := yamlx.Named(*c, never, func(path yamlx.Path, leaf yamlx.Leaf) bool {
		return leaf.Value == hidden || k.isLocal(path, leaf)
	})
	for _, path := range slices.Sorted(maps.Keys(next)) {
		leaf, was := next[path], k.known[path]
		place, stands := k.places.Of(path)
		switch {
		case k.isLocal(path, leaf) && leaf.Value != was.Value:
			faults = append(faults, yamlx.Fault{Path: place, Message: onlyLocal})
		case stands && leaf.Value == hidden && from.secretAt(place):
			faults = append(faults, yamlx.Fault{Path: place, Message: "stands for a secret, and there is none here: write it into the local file"})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(k.known)) {
		if _, is := next[path]; k.isLocal(path, k.known[path]) && !is && k.partStays(path) {
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
		if name == storageSection {
			c.Storage = k.over.Clone().Storage
		} else if settings, ok := k.over.Clone().Sections[name]; ok {
			if c.Sections == nil {
				c.Sections = make(map[string]any)
			}
			c.Sections[name] = settings
		}
		from.inherit(k.over.origin, name)
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
	depth := 2 // of a section with named parts: the section, the part
	keys := path.Elements()
	switch {
	case strings.HasPrefix(string(path), "/gateway/routes/"):
		depth = 3
	case keys[0] != "pools":
		depth = 1
	}
	part := yamlx.Path("")
	for _, key := range keys[:depth] {
		part = part.Key(key)
	}
	_, stays := k.places.Of(part)
	return stays || depth == 1 && keys[0] != "gateway"
}
