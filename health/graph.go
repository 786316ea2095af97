package health

import (
	"maps"
	"slices"
	"strings"
)

// relate finds what is impacted and by what. last says of components whose last result was
// bad that they are about to become worse: what depends on them may have been found first.
func relate(components []Component, last map[string]bool) {
	g := graph{all: make(map[string]*Component, len(components)), last: last, causes: make(map[string]map[string]bool)}
	for i := range components {
		g.all[components[i].Name] = &components[i]
	}
	for i := range components {
		c := &components[i]
		c.Impacted, c.Causes = false, nil
		if c.Status < Warn {
			continue
		}
		if causes := g.causesOf(c.Name, make(map[string]bool)); len(causes) > 0 {
			c.Impacted, c.Causes = true, slices.Sorted(maps.Keys(causes))
		}
	}
}

type graph struct {
	all    map[string]*Component
	last   map[string]bool
	causes map[string]map[string]bool
}

func (g *graph) bad(name string) bool {
	c := g.all[name]
	return c != nil && (c.Status >= Warn || g.last[name])
}

// causesOf are the components below name that are bad and below which nothing is. way holds
// the components above: there are no cycles among checks that were added together, but one
// that was removed and added again may have closed one.
func (g *graph) causesOf(name string, way map[string]bool) map[string]bool {
	if known, ok := g.causes[name]; ok {
		return known
	}
	way[name] = true
	defer delete(way, name)
	causes := make(map[string]bool)
	for _, below := range g.all[name].DependsOn {
		if way[below] || !g.bad(below) {
			continue
		}
		deeper := g.causesOf(below, way)
		if len(deeper) == 0 {
			causes[below] = true
		}
		maps.Copy(causes, deeper)
	}
	g.causes[name] = causes
	return causes
}

// cycle returns a way from a check to itself, nil if there is none.
func cycle(dependsOn map[string][]string) []string {
	const walking, walked = 1, 2
	seen := make(map[string]int)
	var way []string
	var walk func(name string) bool
	walk = func(name string) bool {
		way = append(way, name)
		switch seen[name] {
		case walked:
			way = way[:len(way)-1]
			return false
		case walking:
			way = way[slices.Index(way, name):]
			return true
		}
		seen[name] = walking
		if slices.ContainsFunc(dependsOn[name], walk) {
			return true
		}
		seen[name] = walked
		way = way[:len(way)-1]
		return false
	}
	if slices.ContainsFunc(slices.Sorted(maps.Keys(dependsOn)), walk) {
		return way
	}
	return nil
}

func cycleText(way []string) string {
	return "the check depends on itself: " + strings.Join(way, " → ")
}

// isPart reports whether a name is that of a part and not of a check.
func isPart(name string) bool { return strings.Contains(name, "/") }
