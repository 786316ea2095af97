package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/internal/suggest"
)

const healthSection = "health"

// Health says what is checked, and what that decides.
type Health struct {
	// Off switches the section off, which is the word off in the place of the mapping. The
	// other fields are zero then.
	Off bool `yaml:",word=off"`
	// Checks are the checks, by name.
	Checks map[string]HealthCheck `yaml:"checks"`
	// Parts gives parts of the layer, as in "breakers/payments", a say that they do not have by themselves; default none: their trouble is a warning.
	Parts map[string]HealthPart `yaml:"parts"`
}

// HealthCheck is a check. It has exactly one of tcp, http, sql and kind.
type HealthCheck struct {
	// TCP is the host and port that must take a connection, as in "db:5432".
	TCP string `yaml:"tcp" config:"local"`
	// HTTP is the URL that must answer GET with a status below 400.
	HTTP string `yaml:"http" config:"local"`
	// SQL names the pool of database connections of which one is borrowed and asked whether it is alive.
	SQL string `yaml:"sql"`
	// Kind names another kind of check, which the program that reads the file has to know.
	Kind string `yaml:"kind"`
	// Target is what the check of that kind checks.
	Target        string `yaml:"target" config:"local"`
	health.Config `yaml:",inline"`
}

// HealthPart is what a part of the layer decides while it is in trouble.
type HealthPart struct {
	// Criticality is what trouble of the part does to the whole: hard fails it, soft is a warning, optional is shown only; default soft.
	Criticality health.Criticality `yaml:"criticality"`
	// Readiness takes the instance out of the load balancer while the part is in trouble; default false.
	Readiness bool `yaml:"readiness"`
	// Liveness has the instance restarted while the part is in trouble; default false.
	Liveness bool `yaml:"liveness"`
	// Groups are the names under which the part is also asked for, as in /healthz/payments; default none.
	Groups []string `yaml:"groups"`
}

// The kinds of check that have a key of their own.
const (
	KindTCP  = "tcp"
	KindHTTP = "http"
	KindSQL  = "sql"
)

// What returns the kind of the check, and what it checks.
func (c HealthCheck) What() (kind, target string) {
	switch {
	case c.TCP != "":
		return KindTCP, c.TCP
	case c.HTTP != "":
		return KindHTTP, c.HTTP
	case c.SQL != "":
		return KindSQL, c.SQL
	}
	return c.Kind, c.Target
}

func (k *checker) health() {
	h := k.c.Health
	if h == nil {
		return
	}
	path := yamlx.Path("").Key(healthSection)
	if h.Off {
		if len(h.Checks)+len(h.Parts) > 0 {
			k.add(path, "", "is off and has settings; keep one of them")
		}
		return
	}
	dependsOn := make(map[string][]string, len(h.Checks))
	for _, name := range slices.Sorted(maps.Keys(h.Checks)) {
		at := path.Key("checks").Key(name)
		k.name(at, name)
		k.healthCheck(at, h.Checks[name])
		dependsOn[name] = h.Checks[name].DependsOn
	}
	for _, p := range health.CheckGraph(dependsOn) {
		k.faults = append(k.faults, yamlx.Fault{Path: path.Join(p.Field), Value: p.Value, Message: p.Message})
	}
	for _, name := range slices.Sorted(maps.Keys(h.Parts)) {
		k.healthPart(path.Key("parts").Key(name), name, h.Parts[name])
	}
}

func (k *checker) healthCheck(path yamlx.Path, c HealthCheck) {
	k.part(path, c.Config.Validate(), checkWarnings(c)...)
	for _, d := range c.DependsOn {
		if strings.Contains(d, "/") {
			k.partName(path.Key("depends_on"), d)
		}
	}
	var given []string
	for _, key := range []struct{ name, value string }{{KindTCP, c.TCP}, {KindHTTP, c.HTTP}, {KindSQL, c.SQL}, {"kind", c.Kind}} {
		if key.value != "" {
			given = append(given, key.name)
		}
	}
	switch {
	case len(given) != 1:
		message := "says nothing that is to be checked: set one of tcp, http, sql and kind"
		if len(given) > 1 {
			message = "has " + strings.Join(given, " and ") + ": a check checks one thing, keep one of them"
		}
		k.add(path, "", "%s", message)
	case c.Target != "" && c.Kind == "":
		k.add(path.Key("target"), "", "belongs to kind, which is not set")
	case c.SQL != "":
		refers(k, path.Key(KindSQL), c.SQL, "pools", k.c.Pools)
	default:
		k.checkKind(path, given[0], c)
	}
}

// checkWarnings are what a check says that takes down more than it means.
func checkWarnings(c HealthCheck) (ps fault.Problems) {
	if c.Liveness {
		ps.Warn("liveness", true, "has the instance restarted while what it reaches over the network is away, and a restart does not help that")
	}
	return ps
}

// checkKind checks that the kind of a check is known and takes the target.
func (k *checker) checkKind(path yamlx.Path, key string, c HealthCheck) {
	if k.registry.Checks == nil {
		return
	}
	name, target := c.What()
	kind, known := k.registry.Checks[name]
	switch {
	case key != "kind" && (!known || kind == nil):
		k.add(path.Key(key), "", "this program has no check of this kind: give it one in Options.Checks")
	case !known || kind == nil:
		k.add(path.Key("kind"), name, "there is no kind of check %q%s", name, suggest.For(name, slices.Collect(maps.Keys(k.registry.Checks))))
	default:
		if _, err := kind(target); err != nil {
			at := path.Key(key)
			if key == "kind" {
				at = path.Key("target")
			}
			k.add(at, target, "%s", messageOf(err))
		}
	}
}

func messageOf(err error) string {
	if f, ok := err.(*fault.Error); ok { //nolint:errorlint // what it wraps is its own matter
		return f.Message()
	}
	return textOf(err)
}

func (k *checker) healthPart(path yamlx.Path, name string, p HealthPart) {
	k.partName(path, name)
	for _, g := range p.Groups {
		if !fault.ValidName(g) {
			k.add(path.Key("groups"), g, "a group is named like a part: a-z, 0-9, '_', '.', '-'")
		}
	}
	if p.Criticality > health.Optional {
		k.add(path.Key("criticality"), "", "must be hard, soft or optional")
	}
	if p.Liveness {
		k.warn(path.Key("liveness"), "true", "has the instance restarted while %s is in trouble: a restart forgets what was learned and rarely helps", name)
	}
}

// partName checks the name of a part of the layer as health shows it: the section and the
// part. What stands in sections without names, as "memory/level", is known only while it runs.
func (k *checker) partName(path yamlx.Path, name string) {
	section, part, _ := strings.Cut(name, "/")
	if part == "" {
		k.add(path, name, `names no part: write its section and its name, as in "breakers/payments"`)
		return
	}
	known := []string{"config", "services"}
	for _, s := range k.registry.Sections {
		known = append(known, s.Name)
	}
	v := reflect.ValueOf(k.c).Elem()
	for i := range v.NumField() {
		key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if known = append(known, key); key != section || v.Field(i).Kind() != reflect.Map || strings.HasPrefix(part, reservedPrefix) {
			continue
		}
		var parts []string
		for _, p := range v.Field(i).MapKeys() {
			parts = append(parts, p.String())
		}
		if !slices.Contains(parts, part) {
			k.add(path, name, "there is no %q under %s%s", part, section, suggest.For(part, parts))
		}
		return
	}
	if !slices.Contains(known, section) {
		k.add(path, name, "there is no section %q%s", section, suggest.For(section, known))
	}
}
