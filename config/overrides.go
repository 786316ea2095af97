package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/config/internal/yamlx"
)

// A rule may have a hundred thousand overrides. Of those that change the first few are shown, each
// as a whole, and of the others how many there are.
const mostOverridesShown = 10

// overrides tells the paths of a part that differ from the keys whose overrides do.
func (d *differ) overrides(below yamlx.Path) (others []yamlx.Path, keys []yamlx.Path) {
	paths := d.below[below]
	if !strings.HasPrefix(string(below), "/rate_limits/") {
		return paths, nil
	}
	above := below.Key("overrides") + "/"
	known := make(map[yamlx.Path]bool)
	for _, path := range paths {
		rest, ok := strings.CutPrefix(string(path), string(above))
		if !ok {
			others = append(others, path)
			continue
		}
		key, _, _ := strings.Cut(rest, "/")
		if at := above + yamlx.Path(key); !known[at] {
			known[at] = true
			keys = append(keys, at)
		}
	}
	return others, keys
}

// overrideChanges renders the overrides of keys before and after.
func (d *differ) overrideChanges(below yamlx.Path, keys []yamlx.Path) (out []FieldChange) {
	slices.Sort(keys)
	for i, at := range keys {
		if i == mostOverridesShown {
			return append(out, FieldChange{"overrides", "…", fmt.Sprintf("%d more keys", len(keys)-i)})
		}
		out = append(out, FieldChange{at[len(below):].String(), override(d.before, at), override(d.after, at)})
	}
	return out
}

// override renders what stands at a key: a word, or the numbers that are set.
func override(in map[yamlx.Path]yamlx.Leaf, at yamlx.Path) string {
	if word, ok := in[at]; ok {
		return word.Shown
	}
	var set []string
	for _, field := range []string{"limit", "per", "burst"} {
		if leaf, ok := in[at.Key(field)]; ok {
			set = append(set, field+": "+leaf.Shown)
		}
	}
	if len(set) == 0 {
		return ""
	}
	return "{" + strings.Join(set, ", ") + "}"
}
