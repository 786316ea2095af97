package ratelimit

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/key"
)

// Override is what one key of a rule is counted by instead. A field at its zero value is
// that of the rule.
type Override struct {
	// Limit is how many calls of the key may pass in each Per. A negative limit (0 in a
	// file) refuses every call of the key.
	Limit int64 `yaml:"limit" config:"zero"`
	// Per is the time that Limit is meant for.
	Per time.Duration `yaml:"per"`
	// Burst is how many calls gcra admits at once, and how many leaky_bucket lets wait. If
	// the rule leaves it out too it is as many as Limit.
	Burst int64 `yaml:"burst"`
	// Exempt lets every call of the key pass, uncounted by this rule; its parents count it. It
	// is the word exempt in the place of the mapping, and goes with no other field.
	Exempt bool `yaml:",word=exempt"`
}

// on returns what a key with the override is counted by under the rule c.
func (o Override) on(c Config) Config {
	c.Limit, c.Per = cmp.Or(o.Limit, c.Limit), cmp.Or(o.Per, c.Per)
	if c.Burst = cmp.Or(o.Burst, c.Burst); o.Burst == 0 && c.Limit < 0 {
		c.Burst = 0 // that of the rule, which does refuse some calls
	}
	return c
}

// SetOverrides gives single keys numbers of their own, or lets them pass, by their text:
// their first parts, as many as the rule looks at, as Key.Text writes them and [ParseKey]
// reads them. It replaces all overrides before; nil removes them.
//
// What a key has taken stays taken when its override comes, changes or goes, as it does
// when the rule is changed, and runs off at the new rate from then on; refunds of decisions
// from before are void. A key with an override has a place of its own, whatever MaxKeys is.
// Calls go on meanwhile. An override that cannot be is refused with all others that cannot,
// and everything stays as it is.
func (l *Limiter) SetOverrides(byKey map[string]Override) error {
	l.change.Lock()
	defer l.change.Unlock()
	return l.reconfigure(clock.Now(), l.setup.Load().given, byKey)
}

// OverrideOf returns the override of a key, with what it has of the rule filled in. It
// reports false if the key has none.
func (l *Limiter) OverrideOf(k Key) (Override, bool) {
	s := l.setup.Load()
	c := s.of(k.Hash(s.config.Parts))
	switch {
	case c == &s.class:
		return Override{}, false
	case c.exempt:
		return Override{Exempt: true}, true
	}
	return Override{Limit: c.config.Limit, Per: c.config.Per, Burst: c.config.Burst}, true
}

// ValidateOverrides returns one [fault.InvalidConfig] with all that is wrong with overrides of the
// rule c, or nil. Fields are named as in overrides["acme"].limit.
func (c Config) ValidateOverrides(byKey map[string]Override) error {
	ps := c.overrideProblems(byKey)
	return ps.Err(component, "")
}

func (c Config) overrideProblems(byKey map[string]Override) (ps fault.Problems) {
	full := c.withDefaults()
	known := make(map[key.Hash]string, len(byKey))
	for text, o := range byKey {
		k := ParseKey(text)
		add := func(field string, value any, format string, args ...any) {
			ps.Add(overridesField(text)+field, value, format, args...)
		}
		switch other, twice := known[k.Hash(key.All)]; {
		case full.Parts < 0:
			add("", "", "the rule has one bucket for everybody (parts: 0), so no key has an override")
		case k.IsZero():
			add("", "", `is no key; an empty part is written "-"`)
		case k.Len() > full.Parts:
			add("", "", "has %d parts, and the rule looks at %d; did you mean %q?", k.Len(), full.Parts, k.First(full.Parts).Text())
		case twice:
			more, kept := max(text, other), min(text, other)
			if more == k.Text() { // as the key is shown
				more, kept = kept, more
			}
			ps.Add(overridesField(more), "", "is the same key as %q; keep one of them", kept)
			known[k.Hash(key.All)] = kept
		default:
			known[k.Hash(key.All)] = text
		}
		for _, p := range o.problems(c) {
			add(p.Field, p.Value, "%s", p.Message)
		}
	}
	slices.SortFunc(ps, func(a, b fault.Problem) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message))
	})
	return ps
}

func overridesField(text string) string { return "overrides[" + strconv.Quote(text) + "]" }

func (o Override) problems(c Config) (ps fault.Problems) {
	switch {
	case o == Override{}:
		ps.Add("", "", "says nothing: give limit, per or burst, or the word exempt")
	case o.Exempt && o != Override{Exempt: true}:
		ps.Add("", "", "is exempt and has numbers; keep one of them")
	}
	ps.Require(o.Per >= 0, ".per", o.Per, "must be longer than 0")
	c = Config{Algorithm: c.Algorithm, Limit: o.on(c).Limit, Burst: o.Burst}
	var burst fault.Problems
	c.checkBurst(&burst)
	for _, p := range burst {
		p.Field = "." + p.Field
		ps = append(ps, p)
	}
	return ps
}
