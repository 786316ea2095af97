package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/config/internal/yamlx"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/suggest"
	"github.com/elixirscope/foundation/retry"
)

// Validate checks everything that can be checked without opening anything:
// names, settings, references between the parts, addresses, patterns. All faults
// are one [fault.InvalidConfig]. Warnings are what is legal and very likely a
// mistake. What the configuration may name beyond the layer's own parts is in r.
func (c *Config) Validate(r Registry) (warnings []fault.Problem, err error) {
	k := checker{c: c, registry: r}
	k.all()
	if len(k.faults) == 0 {
		return nil, nil
	}
	var faults fault.Problems
	secrets := c.secrets()
	for _, f := range k.faults {
		p := c.problem(f)
		p.Value, p.Message = secrets.scrub(p.Value), secrets.scrub(p.Message)
		if f.Warning {
			warnings = append(warnings, p)
		} else {
			faults = append(faults, p)
		}
	}
	return warnings, faults.Err(component, "")
}

// checker collects what is wrong with a Config.
type checker struct {
	c        *Config
	registry Registry
	faults   []yamlx.Fault
}

func (k *checker) add(path yamlx.Path, value, format string, args ...any) {
	k.faults = append(k.faults, yamlx.Fault{Path: path, Value: value, Message: fmt.Sprintf(format, args...)})
}

func (k *checker) warn(path yamlx.Path, value, format string, args ...any) {
	k.add(path, value, format, args...)
	k.faults[len(k.faults)-1].Warning = true
}

// part records the faults of a part's own validation below its path.
func (k *checker) part(path yamlx.Path, err error, warnings ...fault.Problem) {
	if err != nil {
		problems := problemsOf(err)
		if len(problems) == 0 {
			k.add(path, "", "%s", textOf(err))
		}
		warnings = append(slices.Clone(problems), warnings...)
	}
	for _, p := range warnings {
		k.faults = append(k.faults, yamlx.Fault{Path: path.Join(p.Field), Value: p.Value, Message: p.Message, Warning: p.Warning})
	}
}

// reservedPrefix begins the names of the guards of the layer's own services.
const reservedPrefix = "foundation."

// name checks the name of a part, which is the last element of its path.
func (k *checker) name(path yamlx.Path, name string) {
	if strings.HasPrefix(name, reservedPrefix) {
		k.add(path, "", "names that begin with %s are the layer's own", reservedPrefix)
	} else if !fault.ValidName(name) {
		k.add(path, "", "a name has 1 to %d of a-z, 0-9, '_', '.', '-' and begins with a letter or digit", fault.MaxNameLength)
	}
}

// refers checks that a name that is not empty is one of the known ones.
func refers[T any](k *checker, path yamlx.Path, name, section string, known map[string]T) bool {
	if name == "" {
		return false
	}
	_, ok := known[name]
	if !ok {
		k.add(path, name, "there is no %q under %s%s", name, section, suggest.For(name, slices.Collect(maps.Keys(known))))
	}
	return ok
}

// each calls check for every entry of a section, in the order of names.
func each[T any](k *checker, section string, entries map[string]T, check func(path yamlx.Path, name string, entry T)) {
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		path := yamlx.Path("").Key(section).Key(name)
		k.name(path, name)
		check(path, name, entries[name])
	}
}

func (k *checker) all() {
	if k.c.Version != version && k.c.Version != 0 {
		k.add("/version", strconv.Itoa(k.c.Version), "this program reads version %d", version)
	}
	if k.c.Namespace != "" {
		k.name("/namespace", k.c.Namespace)
	}
	k.storage()
	k.shared()
	if m := k.c.Memory; m != nil {
		k.monitor("memory", m.Off, m.Config)
	}
	k.performance()
	each(k, "breakers", k.c.Breakers, k.breaker)
	each(k, "rate_limits", k.c.RateLimits, k.rateLimit)
	each(k, "retries", k.c.Retries, func(path yamlx.Path, _ string, r retry.Config) { k.part(path, r.Validate()) })
	each(k, "pools", k.c.Pools, k.pool)
	each(k, "guards", k.c.Guards, k.guard)
	k.health()
	k.foreign()
}

func (k *checker) breaker(path yamlx.Path, _ string, b Breaker) {
	k.part(path, b.Validate(), b.Warnings()...)
	switch {
	case b.Per != "" && b.Per != perKey && b.Per != perTarget:
		k.add(path.Key("per"), b.Per, "must be %q or %q, or left out for one breaker", perKey, perTarget)
	case b.MaxMembers != 0 && b.Per == "":
		k.add(path.Key("max_members"), strconv.Itoa(b.MaxMembers), "needs per: %s or %s", perKey, perTarget)
	case b.MaxMembers < 0:
		k.add(path.Key("max_members"), strconv.Itoa(b.MaxMembers), "must be positive")
	}
}

func (k *checker) rateLimit(path yamlx.Path, name string, r RateLimit) {
	k.part(path, r.Validate(), r.Warnings()...)
	k.part(path, r.ValidateOverrides(r.Overrides))
	if refers(k, path.Key("parent"), r.Parent, "rate_limits", k.c.RateLimits) {
		k.parentCycle(path, name)
	}
	k.sharedRule(path, name, r)
}

// maxChain bounds the rules that one call counts against.
const maxChain = 8

// parentCycle reports a rule that is its own ancestor, or has too many.
func (k *checker) parentCycle(path yamlx.Path, name string) {
	parent := k.c.RateLimits[name].Parent
	way := []string{name}
	for at, steps := parent, 1; at != "" && steps <= len(k.c.RateLimits); steps++ {
		way = append(way, at)
		switch {
		case at == name:
			k.add(path.Key("parent"), parent, "the rule is its own ancestor: %s", strings.Join(way, " → "))
			return
		case steps == maxChain:
			k.add(path.Key("parent"), parent, "more than %d rules in a chain: %s", maxChain, strings.Join(way, " → "))
			return
		}
		at = k.c.RateLimits[at].Parent
	}
}

func (k *checker) pool(path yamlx.Path, _ string, p Pool) {
	k.part(path, p.Config.Validate(), p.Config.Warnings()...)
	if p.Worker == "" {
		k.add(path.Key("worker"), "", "is missing: the kind of worker")
		return
	}
	if k.registry.Kinds == nil {
		return
	}
	if !k.worker(path.Key("worker"), p.Worker) {
		return
	}
	if p.Options != nil && isNil(p.Options) {
		k.add(path.Key("options"), "", "are a nil %T: leave them out, or take what the kind's NewOptions returns", p.Options)
		return
	}
	if v, ok := p.Options.(interface{ Validate() error }); ok {
		k.options(path, v.Validate())
	}
}

// options records the faults of a pool's options. Kinds name fields from the
// pool on, as in "options.dsn", or from the options on.
func (k *checker) options(path yamlx.Path, err error) {
	from := len(k.faults)
	k.part(path, err)
	for i := range k.faults[from:] {
		f := &k.faults[from+i]
		options := path.Key("options")
		if f.Path != options && !strings.HasPrefix(string(f.Path), string(options)+"/") {
			f.Path = options + f.Path[len(path):]
		}
	}
}

func (k *checker) guard(path yamlx.Path, _ string, g Guard) {
	k.part(path, g.Validate())
	if g.Config.Breaker != nil || g.Breakers != nil || g.Config.RateLimit != nil || g.Config.Pool != nil || g.Config.Retry != nil || g.Admission != nil || g.Recorder != nil {
		k.add(path, "", "holds a part itself: in a configuration a guard names its breaker, rate_limit, retry and pool, and the layer gives it all others")
	}
	refers(k, path.Key("rate_limit"), g.RateLimit, "rate_limits", k.c.RateLimits)
	refers(k, path.Key("breaker"), g.Breaker, "breakers", k.c.Breakers)
	refers(k, path.Key("pool"), g.Pool, "pools", k.c.Pools)
	refers(k, path.Key("retry"), g.Retry, "retries", k.c.Retries)
	k.guardWarnings(path, g)
}

// guardWarnings passes on what the guard warns about, which sees settings without
// the parts that the names stand for.
func (k *checker) guardWarnings(path yamlx.Path, g Guard) {
	if policy, ok := k.c.Retries[g.Retry]; ok {
		g.Config.Retry = &policy
	}
	for _, w := range g.Warnings() {
		if w.Field == "checkout_timeout" && g.Pool != "" || w.Field == "refund_on_failure" && g.RateLimit != "" {
			continue
		}
		k.part(path, nil, w)
	}
	if k.c.Breakers[g.Breaker].CallTimeout > 0 {
		k.warn(path.Key("breaker"), g.Breaker, "its call_timeout is not used below a guard: set the guard's timeout")
	}
}

// monitor checks a section that may be off.
func (k *checker) monitor(section string, off bool, settings interface{ Validate() error }) {
	path := yamlx.Path("").Key(section)
	if off && !reflect.ValueOf(settings).IsZero() {
		k.add(path, "", "is off and has settings; keep one of them")
	}
	if !off {
		k.part(path, settings.Validate())
	}
}

func (k *checker) storage() {
	if s := k.c.Storage; s != nil {
		if s.Path != "" && s.Postgres != "" {
			k.add("/storage/postgres", "", "is set together with path; keep one of them")
		}
		if s.Wait < 0 || s.Wait > maxStorageWait {
			k.add("/storage/wait", s.Wait.String(), "must lie between 0s and %v", maxStorageWait)
		}
	}
	e := k.c.Events
	if e.Retention != 0 && (e.Retention < minRetention || e.Retention > maxRetention) {
		k.add("/events/retention", yamlx.FormatDuration(e.Retention), "must lie between %v and %d days", minRetention, maxRetention/(24*time.Hour))
	}
	if e.MaxSize != 0 && e.MaxSize < minEventsSize {
		k.add("/events/max_size", yamlx.FormatSize(e.MaxSize), "must be at least %s", yamlx.FormatSize(minEventsSize))
	}
}

// The bounds of what is kept.
const (
	maxStorageWait = time.Hour
	minRetention   = time.Minute
	maxRetention   = 3650 * 24 * time.Hour
	minEventsSize  = 1 << 20
)
