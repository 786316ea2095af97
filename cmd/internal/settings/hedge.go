package settings

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// hedges refuses guards that hedge and whose routes take only requests that must not be
// under way twice, as far as the patterns say so.
func (k *checker) hedges(routes []Route) {
	for _, name := range slices.Sorted(maps.Keys(k.c.Guards)) {
		if k.c.Guards[name].Hedge == nil {
			continue
		}
		named, never := 0, []string(nil)
		for i := range routes {
			if routes[i].Guard != name {
				continue
			}
			if named++; !maySafely(routes[i].Match) {
				never = append(never, fmt.Sprintf("%q", routes[i].Match))
			}
		}
		at := field("guards").key(name).key("hedge")
		switch {
		case named == 0:
			k.warn(at, "", "no route names the guard, so that nothing is hedged")
		case len(never) == named:
			k.add(at, "", "only GET and HEAD requests are hedged, and its routes take none: %s", strings.Join(never, ", "))
		}
	}
}

// maySafely reports whether a pattern matches requests that change nothing.
func maySafely(match string) bool {
	method, _, given := strings.Cut(match, " ")
	return !given || method == http.MethodGet || method == http.MethodHead
}
