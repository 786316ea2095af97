package repotest_test

import (
	"path"
	"slices"
	"strings"
	"testing"
)

type arrow struct {
	from string // a pattern of path.Match, or "x/..."
	to   []string
}

// leaves are the internal packages that anyone may use and that use nothing but
// the standard library and one another.
var leaves = []string{
	"clock", "internal/enum", "internal/errtree", "internal/exhausted", "internal/exhausted/dialing", "internal/histogram", "internal/hostname", "internal/key",
	"internal/localfile", "internal/mode", "internal/ordered", "internal/routing", "internal/stripe", "internal/window",
}

// arrows says which packages of this repository a package may import. The first
// row whose pattern matches the importing package decides; a package that no row
// matches has no place in the architecture yet, and the test says so. In a list,
// "x/..." stands for x and everything below it.
var arrows = []arrow{
	{"internal/testkit", nil},
	{"internal/...", leaves},
	{"fault", []string{"internal/errtree"}},
	{"clock", nil},
	{"telemetry", []string{"fault", "clock"}},

	{"breaker", part()},
	{"ratelimit", part()},
	{"ratelimit/shared", part("ratelimit")},
	{"ratelimit/shared/storetest", part("ratelimit", "ratelimit/shared")},
	{"pool", part()},
	{"memory", part()},
	{"perf", part()},
	{"health", part()},
	{"registry", part()},
	{"eventstore", part()},
	{"eventstore/storetest", part("eventstore")},
	{"supervise", part()},
	{"pool/...", part("pool/...")},

	{"guard", part("breaker", "ratelimit", "pool")},
	{"guard/*", part("breaker", "ratelimit", "pool", "guard")},
	{"protect/...", part("breaker", "ratelimit", "pool", "guard", "protect")},
	{"config/...", part("config/...", "breaker", "ratelimit", "pool", "memory", "perf", "health", "registry", "eventstore", "guard")},

	{"examples/...", []string{"..."}},
	{"adapters/...", []string{"..."}},
	{"cmd/...", []string{"..."}},
	{"bench/...", []string{"..."}},
	{".", []string{"..."}},
}

// part lists what a part may use, and more.
func part(more ...string) []string {
	return slices.Concat([]string{"fault", "telemetry"}, leaves, more)
}

// above lists what nobody below may import, whatever the row says.
var above = map[string][]string{
	"cmd/...":      {"cmd/..."},
	"bench/...":    {"bench/..."},
	"examples/...": {"examples/..."},
	"adapters/...": {"adapters/...", "cmd/...", "bench/..."},
}

func TestArrows_NoneIsReversed(t *testing.T) {
	for _, p := range packages(t) {
		row := slices.IndexFunc(arrows, func(a arrow) bool { return matches(a.from, p.dir) })
		if row < 0 {
			t.Errorf("package %s has no row in the table of arrows: say where it stands", p.dir)
			continue
		}
		for _, imported := range p.imports() {
			to, own := ownPackage(imported)
			if own && to != p.dir && !(anyMatches(arrows[row].to, to) && mayReach(p.dir, to)) {
				t.Errorf("%s imports %s, which is against the arrows", p.dir, to)
			}
		}
	}
}

// The libraries that the root module requires each have their place, so that
// whoever imports breaker, ratelimit, pool or guard builds nothing but them.
func TestArrows_LibrariesStayInTheirPackage(t *testing.T) {
	places := map[string][]string{
		"go.yaml.in/yaml/v4":           {"config/...", "."},
		"github.com/thejerf/suture/v4": {"supervise"},
		"github.com/google/uuid":       {"eventstore/..."},
		"pgregory.net/rapid":           {"eventstore/storetest"},
	}
	for _, p := range packages(t) {
		if inModule(p.dir, "adapters", "cmd", "bench", "tools") {
			continue
		}
		for _, imported := range p.imports() {
			_, own := ownPackage(imported)
			if own || !strings.Contains(imported, ".") {
				continue
			}
			if !anyMatches(places[imported], p.dir) {
				t.Errorf("%s imports %s, which has no place there", p.dir, imported)
			}
		}
	}
}

func TestArrows_TheCoreDoesNoIO(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains([]string{"breaker", "ratelimit", "pool", "guard"}, p.dir) {
			continue
		}
		for _, imported := range p.imports() {
			if slices.Contains([]string{"net/http", "os", "flag", "log"}, imported) {
				t.Errorf("%s imports %s", p.dir, imported)
			}
		}
	}
}

// ownPackage returns the folder of an imported package of this repository.
func ownPackage(imported string) (dir string, own bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

func matches(pattern, dir string) bool {
	if pattern == "..." {
		return true
	}
	if parent, ok := strings.CutSuffix(pattern, "/..."); ok {
		return dir == parent || strings.HasPrefix(dir, parent+"/")
	}
	ok, err := path.Match(pattern, dir)
	return ok && err == nil
}

func anyMatches(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, dir) })
}

func mayReach(from, to string) bool {
	for high, importers := range above {
		if matches(high, to) && !anyMatches(importers, from) {
			return false
		}
	}
	return true
}

func inModule(dir string, modules ...string) bool {
	return slices.ContainsFunc(modules, func(m string) bool { return matches(m+"/...", dir) })
}

func TestArrows_PatternsMeanWhatTheySay(t *testing.T) {
	for _, tt := range []struct {
		pattern, dir string
		want         bool
	}{
		{"guard", "guard", true},
		{"guard", "guard/guardtest", false},
		{"guard/*", "guard/guardtest", true},
		{"guard/*", "guard", false},
		{"protect/...", "protect", true},
		{"protect/...", "protect/sqlguard", true},
		{"protect/...", "protection", false},
		{"...", "anything/at/all", true},
	} {
		if got := matches(tt.pattern, tt.dir); got != tt.want {
			t.Errorf("matches(%q, %q) = %v, want %v", tt.pattern, tt.dir, got, tt.want)
		}
	}
	if mayReach("guard", "adapters/otel") || !mayReach("cmd/internal/cli", "adapters/otel") {
		t.Error("only cmd stands above adapters")
	}
}
