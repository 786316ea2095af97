package repotest_test

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// arrows lists for each package of this repository exactly the packages that it
// imports, tests aside. A package without a row has no place in the architecture yet.
var arrows = map[string]string{
	"clock":                      "",
	"internal/adaptive":          "internal/enum",
	"internal/enum":              "",
	"internal/errclass":          "internal/errtree",
	"internal/resend":            "",
	"internal/errtree":           "",
	"internal/exhausted":         "",
	"internal/exhausted/dialing": "internal/exhausted",
	"internal/histogram":         "internal/stripe",
	"internal/hostname":          "",
	"internal/key":               "",
	"internal/localfile":         "",
	"mode":                       "internal/enum",
	"internal/ordered":           "",
	"internal/pgtest":            "internal/testkit",
	"internal/plot":              "",
	"internal/redistest":         "internal/testkit",
	"internal/repotest":          "",
	"internal/routing":           "",
	"internal/sampler":           "",
	"internal/stripe":            "",
	"internal/suggest":           "",
	"internal/testkit":           "",
	"internal/testkit/broken":    "",
	"fault":                      "internal/errtree",
	"outcome":                    "internal/enum",
	"priority":                   "internal/enum",
	"telemetry":                  "clock fault internal/histogram",

	"breaker":                     "clock fault internal/enum internal/errclass internal/errtree internal/key internal/ordered internal/stripe mode outcome telemetry",
	"ratelimit":                   "clock fault internal/enum internal/key mode internal/stripe telemetry",
	"ratelimit/shared":            "clock fault internal/enum internal/key internal/ordered internal/stripe mode ratelimit telemetry",
	"ratelimit/internal/model":    "clock ratelimit",
	"ratelimit/shared/storetest":  "clock fault ratelimit ratelimit/internal/model ratelimit/shared",
	"pool":                        "clock fault internal/enum internal/histogram internal/stripe telemetry",
	"perf":                        "clock fault internal/enum internal/histogram internal/stripe internal/suggest outcome perf/internal/detect telemetry",
	"perf/internal/cmd/detection": "internal/plot perf/internal/detect perf/internal/simulate",
	"perf/internal/detect":        "",
	"perf/internal/simulate":      "perf/internal/detect",
	"pool/internal/shared":        "",
	"pool/httpworker":             "fault pool pool/internal/shared",
	"pool/sqlworker":              "fault pool pool/internal/shared",
	"registry":                    "fault telemetry",
	"retry":                       "clock fault internal/enum internal/stripe",
	"supervise":                   "fault internal/enum telemetry",
	"eventstore":                  "fault internal/enum telemetry",
	"memory":                      "fault internal/enum priority telemetry",
	"eventstore/storetest":        "eventstore fault",
	"health":                      "fault internal/enum internal/suggest telemetry",
	"health/healthhttp":           "fault health",

	"guard":            "breaker clock fault internal/adaptive internal/enum internal/errtree internal/exhausted internal/histogram internal/stripe mode outcome pool priority ratelimit retry telemetry",
	"guard/guardtest":  "fault guard pool",
	"protect":          "fault guard internal/errclass internal/exhausted/dialing internal/resend mode outcome ratelimit retry telemetry",
	"protect/sqlguard": "fault guard internal/errtree internal/exhausted/dialing outcome pool telemetry",

	"config":                   "breaker clock config/internal/jsontree config/internal/yamlx fault guard health internal/enum internal/localfile internal/ordered internal/suggest memory perf pool ratelimit ratelimit/shared retry telemetry",
	"config/historytest":       "config fault",
	"config/internal/jsontree": "",
	"config/internal/yamlx":    "internal/suggest",
	".":                        "breaker clock config eventstore fault guard health internal/key internal/sampler internal/suggest memory mode perf pool ratelimit ratelimit/shared registry supervise telemetry",

	"admin":             ". admin/web breaker config eventstore fault guard health health/healthhttp internal/adminapi internal/sampler internal/suggest memory perf pool priority protect ratelimit ratelimit/shared registry supervise telemetry",
	"admin/web":         "",
	"internal/adminapi": "config fault",

	"adapters":                      "",
	"adapters/grpc":                 "fault guard health internal/errtree outcome protect ratelimit retry",
	"adapters/internal/groupcommit": "eventstore fault",
	"adapters/internal/scan":        "eventstore",
	"adapters/internal/pgdsn":       "internal/localfile",
	"adapters/internal/sqlpool":     "",
	"adapters/postgres":             "adapters/internal/pgdsn fault pool",
	"adapters/postgres/pgstore":     "adapters/internal/groupcommit adapters/internal/pgdsn adapters/internal/scan config eventstore fault",
	"adapters/postgres/pgxguard":    "guard internal/errtree outcome protect/sqlguard",
	"adapters/prometheus":           "telemetry",
	"adapters/redis":                "fault ratelimit ratelimit/shared",
	"adapters/sqlite":               "adapters/internal/groupcommit adapters/internal/scan config eventstore fault",

	"cmd":                     "",
	"cmd/foundation":          "cmd/internal/cli",
	"cmd/internal/cli":        "adapters/postgres adapters/sqlite clock internal/adminapi cmd/internal/cells cmd/internal/daemon cmd/internal/logs cmd/internal/quickstart cmd/internal/sdnotify cmd/internal/settings cmd/internal/top config fault internal/localfile perf pool pool/httpworker pool/sqlworker protect",
	"cmd/internal/daemon":     ". adapters/postgres/pgstore adapters/prometheus adapters/redis adapters/sqlite admin clock cmd/internal/gateway cmd/internal/sdnotify cmd/internal/settings cmd/internal/upstreams config fault guard health health/healthhttp internal/localfile internal/sampler memory pool ratelimit/shared supervise telemetry",
	"cmd/internal/gateway":    "clock cmd/internal/settings cmd/internal/upstreams fault guard health internal/errclass internal/exhausted/dialing internal/histogram internal/hostname internal/key internal/localfile internal/resend internal/routing internal/sampler internal/stripe outcome perf protect ratelimit retry telemetry",
	"cmd/internal/logs":       "",
	"cmd/internal/pagetest":   "",
	"cmd/internal/quickstart": "admin clock cmd/internal/daemon",
	"cmd/internal/sdnotify":   "",
	"cmd/internal/cells":      "",
	"cmd/internal/top":        "clock cmd/internal/cells internal/adminapi",
	"cmd/internal/upstreams":  "clock internal/enum internal/ordered outcome",
	"cmd/internal/settings":   "adapters/redis config fault guard health health/healthhttp internal/hostname internal/routing internal/suggest",

	"bench":                  "bench/internal/machine breaker guard outcome perf pool ratelimit",
	"bench/memory":           "memory priority",
	"bench/shared":           "adapters/redis bench/internal/machine internal/redistest ratelimit ratelimit/shared",
	"bench/events":           "adapters/sqlite bench/internal/machine eventstore fault",
	"bench/experiments":      "",
	"bench/gateway":          "bench/internal/machine",
	"bench/internal/machine": "",
	"examples/http":          "breaker fault guard protect ratelimit",
	"examples/payments":      "breaker fault guard ratelimit",
	"adapters/examples/grpc": "adapters/grpc breaker fault guard ratelimit",
	"adapters/examples/sql":  "breaker fault guard outcome protect/sqlguard",
}

// layers are the packages from below upwards, those to come included. An arrow points to a layer below, or
// within what begins with the same name, or from one of the internal packages to
// another: the parts of one layer are ignorant of each other.
var layers = [][]string{
	{"clock", "internal/..."},
	{"fault", "mode", "outcome", "priority"},
	{"telemetry"},
	{"breaker", "ratelimit/...", "pool/...", "retry", "memory", "perf/...", "health/...", "registry", "supervise", "eventstore/..."},
	{"guard/..."},
	{"protect/...", "config/..."},
	{"adapters", "adapters/grpc", "adapters/internal/...", "adapters/postgres/...", "adapters/prometheus", "adapters/sqlite", "adapters/redis", "."},
	{"internal/adminapi"},
	{"admin/..."},
	{"cmd/..."},
	{"bench/...", "examples/...", "adapters/examples/..."},
}

func TestArrows_AreExactlyThoseOfTheTable(t *testing.T) {
	found := map[string]bool{}
	for _, p := range packages(t) {
		found[p.dir] = true
		row, ok := arrows[p.dir]
		if !ok {
			t.Errorf("package %s has no row in the table of arrows: say where it stands", p.dir)
			continue
		}
		allowed := strings.Fields(row)
		imports := map[string]bool{}
		for _, imported := range p.imports() {
			if to, own := ownPackage(imported); own && to != p.dir {
				imports[to] = true
			}
		}
		for to := range imports {
			if !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s, which the table of arrows does not say", p.dir, to)
			}
		}
		for _, to := range allowed {
			if !imports[to] {
				t.Errorf("%s does not import %s any more, which the table of arrows says", p.dir, to)
			}
		}
	}
	for dir := range arrows {
		if !found[dir] {
			t.Errorf("the table of arrows has a row for %s, which does not exist", dir)
		}
	}
}

func TestArrows_PointDown(t *testing.T) {
	for from, row := range arrows {
		for to := range strings.FieldsSeq(row) {
			if !pointsDown(from, to) {
				t.Errorf("%s imports %s, which does not stand below it", from, to)
			}
		}
	}
}

func pointsDown(from, to string) bool {
	below := func(dir string) int { // the last that matches: what is named by itself stands above internal/...
		at := -1
		for i, layer := range layers {
			if anyMatches(layer, dir) {
				at = i
			}
		}
		return at
	}
	high, low := below(from), below(to)
	first := func(dir string) string { name, _, _ := strings.Cut(dir, "/"); return name }
	return low >= 0 && (low < high || low == high && first(from) == first(to))
}

// The libraries that the root module requires each have their place, so that
// whoever imports breaker, ratelimit, pool or guard builds nothing but them.
func TestArrows_LibrariesStayInTheirPackage(t *testing.T) {
	places := map[string][]string{
		"go.yaml.in/yaml/v4":           {"config/...", "."},
		"github.com/thejerf/suture/v4": {"supervise"},
		"github.com/google/uuid":       {"eventstore/..."},
		"pgregory.net/rapid":           {"eventstore/storetest", "ratelimit/shared/storetest"},
		"go.uber.org/goleak":           {"internal/pgtest"}, // which tests alone import
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
		if !slices.Contains([]string{"breaker", "ratelimit", "pool", "guard", "retry", "health"}, p.dir) {
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
	if parent, ok := strings.CutSuffix(pattern, "/..."); ok {
		return dir == parent || strings.HasPrefix(dir, parent+"/")
	}
	ok, err := path.Match(pattern, dir)
	return ok && err == nil
}

func anyMatches(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, dir) })
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
	} {
		if got := matches(tt.pattern, tt.dir); got != tt.want {
			t.Errorf("matches(%q, %q) = %v, want %v", tt.pattern, tt.dir, got, tt.want)
		}
	}
	for _, tt := range []struct {
		from, to string
		want     bool
	}{
		{"guard", "pool", true},
		{"pool", "guard", false},
		{"pool", "breaker", false},
		{"pool/sqlworker", "pool", true},
		{"mode", "internal/enum", true},
		{"mode", "fault", false},
		{"config", ".", false},
		{"guard", "adapters/prometheus", false},
		{"cmd/internal/cli", "adapters/prometheus", true},
		{"guard", "nowhere", false},
	} {
		if got := pointsDown(tt.from, tt.to); got != tt.want {
			t.Errorf("pointsDown(%q, %q) = %v, want %v", tt.from, tt.to, got, tt.want)
		}
	}
}
