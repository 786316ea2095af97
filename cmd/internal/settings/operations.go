package settings

import (
	"maps"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/internal/suggest"
)

// routeOperation begins the names of the operations that routes are.
const routeOperation = "route:"

// operations checks that the routes that performance speaks of are there.
func (k *checker) operations(g *Gateway) {
	p := k.c.Performance
	if p == nil {
		return
	}
	var known []string
	if g != nil {
		for i := range g.Routes {
			known = append(known, routeOperation+g.Routes[i].Label())
		}
	}
	check := func(section, name string) {
		if strings.HasPrefix(name, routeOperation) && !slices.Contains(known, name) {
			k.add(field("performance."+section+"["+name+"]"), "", "there is no route %q under gateway.routes%s", strings.TrimPrefix(name, routeOperation), suggest.For(name, known))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Objectives)) {
		check("objectives", name)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Thresholds)) {
		check("thresholds", name)
	}
}
