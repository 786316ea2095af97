package config

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/internal/enum"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// Shared says where rate limits with scope shared are counted.
type Shared struct {
	// Redis is the URL of the server that counts, as in "redis://user:password@host:6379/0"; required. A program
	// whose Options.Shared opens something else takes what that understands.
	Redis Secret `yaml:"redis" config:"secret"`
	// Timeout is how long a call waits for the store before it is decided without it, 10ms by default,
	// from 1ms to 1s.
	Timeout time.Duration `yaml:"timeout"`
}

// Scope says whose calls a rate limit counts together. The zero value is local.
type Scope = enum.Of[scopes]

const (
	// ScopeLocal counts the calls of one process.
	ScopeLocal Scope = iota
	// ScopeShared counts the calls of all processes that use one store under one namespace.
	ScopeShared
)

type scopes struct{}

func (scopes) Names() (string, []string) {
	return "scope", []string{ScopeLocal: "local", ScopeShared: "shared"}
}

// DefaultSharedTimeout is how long a call waits for the shared store where the configuration does not say.
const DefaultSharedTimeout = 10 * time.Millisecond

// The bounds of that: a shorter one would end calls that a scheduler has held up, a longer one would
// be most of what a caller waits for.
const minSharedTimeout, maxSharedTimeout = time.Millisecond, time.Second

// defaultNamespace is the one that a configuration without one is in.
const defaultNamespace = "default"

func (k *checker) shared() {
	s := k.c.Shared
	if s == nil {
		return
	}
	path := yamlx.Path("").Key(sharedSection)
	if s.Redis == "" {
		k.add(path.Key("redis"), "", "is missing: the URL of the server, as in \"redis://host:6379/0\"")
	}
	if s.Timeout != 0 && (s.Timeout < minSharedTimeout || s.Timeout > maxSharedTimeout) {
		k.add(path.Key("timeout"), s.Timeout.String(), "must lie between %v and %v", minSharedTimeout, maxSharedTimeout)
	}
	if cmp.Or(k.c.Namespace, defaultNamespace) != defaultNamespace {
		return
	}
	at := path
	if k.c.Namespace != "" {
		at = "/namespace"
	}
	k.add(at, k.c.Namespace, "shared counters need a namespace of their own: two products that leave it at %q would count each other's calls; set namespace", defaultNamespace)
}

// sharedRule checks what a rule says of the counters that it shares.
func (k *checker) sharedRule(path yamlx.Path, name string, r RateLimit) {
	if r.Scope != ScopeShared {
		k.onlyShared(path, r)
		return
	}
	if k.c.Shared == nil {
		k.add(path.Key("scope"), r.Scope.String(), "there is no section shared, which says where the counters are; write shared: { redis: \"${REDIS_URL}\" } or scope: local")
	}
	if r.Validate() != nil {
		return // which is reported
	}
	most := atOnce(r) / prefetchShare
	switch {
	case r.Prefetch < 0:
		k.add(path.Key("prefetch"), strconv.FormatInt(r.Prefetch, 10), "must be at least 1")
	case r.Prefetch > most:
		k.add(path.Key("prefetch"), strconv.FormatInt(r.Prefetch, 10), "must be at most %d, a quarter of what the rule admits at once: what one process has taken ahead is refused to the others", most)
	}
	err := shared.Rule{Name: name, Config: r.Config}.Validate()
	k.part(path, err)
	if err == nil && r.ValidateOverrides(r.Overrides) == nil {
		k.sharedOverrides(path, name, r)
	}
}

// sharedOverrides checks whether what single keys are counted by can be counted exactly, too.
func (k *checker) sharedOverrides(path yamlx.Path, name string, r RateLimit) {
	for _, text := range slices.Sorted(maps.Keys(r.Overrides)) {
		o := r.Overrides[text]
		if o.Exempt {
			continue
		}
		c := r.Config
		c.Limit, c.Per, c.Burst = cmp.Or(o.Limit, c.Limit), cmp.Or(o.Per, c.Per), cmp.Or(o.Burst, c.Burst)
		if c.Limit > 0 {
			k.part(path.Key("overrides").Key(text), shared.Rule{Name: name, Config: c}.Validate())
		}
	}
}

// prefetchShare is the share of a limit that may be taken ahead at a time.
const prefetchShare = 4

// atOnce is how many calls a rule admits at once.
func atOnce(r RateLimit) int64 {
	if r.Burst > 0 {
		return min(r.Burst, r.Limit)
	}
	return max(r.Limit, 0)
}

// onlyShared reports what means nothing in a rule that counts for itself.
func (k *checker) onlyShared(path yamlx.Path, r RateLimit) {
	const needs = "needs scope: shared"
	if at := path.Key("on_error"); r.OnError != 0 || k.c.origin.writes(at) {
		k.add(at, "", needs)
	}
	if at := path.Key("prefetch"); r.Prefetch != 0 || k.c.origin.writes(at) {
		k.add(at, "", needs)
	}
}

// writes reports whether the document has a value at a path, be it the default.
func (o *origin) writes(path yamlx.Path) bool {
	if o == nil {
		return false
	}
	entry, ok := o.find(path)
	return ok && !entry.Node.Null
}

// shared compares the section: the store is opened and closed as the layer runs.
func (d *differ) shared(old, next *Shared) {
	from := len(d.changes)
	d.section(sharedSection)
	if len(d.changes) == from {
		return
	}
	c := &d.changes[from]
	switch {
	case old == nil:
		c.Action, c.Fields, c.Effect = added, nil, "the store is opened; nothing in this process is lost"
	case next == nil:
		c.Action, c.Fields, c.Effect = removed, nil, "the store is closed; its counters stay there until they expire"
	case touches(c.Fields, "redis"):
		c.Effect = "the new store is opened and the old one closed; what was used there does not count in the new one"
	default:
		c.Effect = "holds from the next call"
	}
}
