package health

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/elixirscope/foundation/fault"
)

// component names this package in its faults.
const component = "health"

// The defaults of a [Config].
const (
	DefaultEvery     = 10 * time.Second
	DefaultTimeout   = 2 * time.Second
	DefaultFailAfter = 3
	DefaultPassAfter = 2
)

// The bounds of a [Config].
const (
	minEvery = 100 * time.Millisecond
	maxEvery = 24 * time.Hour
	minLimit = time.Millisecond
	maxRow   = 10 // results in a row; a ring holds more than twice as many
)

// Check is one question that is asked again and again. Name and Run are required.
type Check struct {
	// Name is unique among the checks of an [Aggregator]. Names of parts have a slash, as in
	// "breakers/payments"; those of checks have none.
	Name string
	// Run returns nil if all is well, a [Warning], or why not. It should return soon after
	// ctx has ended, which is at the timeout. It may panic or end its goroutine: both are
	// failures. It is called on a goroutine of its own, and never twice at a time.
	Run func(ctx context.Context) error
	Config
}

// Config says how often a check runs and what its results mean. The zero value is ready.
type Config struct {
	// Every is the time from one run to the next, each a tenth more or less by chance; from 100ms to 24h, default 10s.
	Every time.Duration `yaml:"every"`
	// Timeout bounds one run and is at most every; default 2s, or half of every if that is less.
	Timeout time.Duration `yaml:"timeout"`
	// Criticality is what the failure of the check does to the whole: hard fails it, soft is a warning, optional is shown only; default soft.
	Criticality Criticality `yaml:"criticality"`
	// Readiness takes the instance out of the load balancer while the check fails; default false. Not for what all instances share.
	Readiness bool `yaml:"readiness"`
	// Liveness has the instance restarted while the check fails; default false. For the progress of this process alone, never for a dependency.
	Liveness bool `yaml:"liveness"`
	// DependsOn names the checks, or parts as in "breakers/payments", whose failure is the cause of that of this check; default none.
	DependsOn []string `yaml:"depends_on"`
	// Groups are the names under which the check is also asked for, as in /healthz/payments; default none.
	Groups []string `yaml:"groups"`
	// FailAfter is the number of worse results in a row after which the check is worse, up to 10; default 3.
	FailAfter int `yaml:"fail_after"`
	// PassAfter is the number of better results in a row after which the check is better, up to 10; default 2.
	PassAfter int `yaml:"pass_after"`
}

// withDefaults replaces zero settings by what they stand for.
func (c Config) withDefaults() Config {
	c.Every = cmp.Or(c.Every, DefaultEvery)
	c.Timeout = cmp.Or(c.Timeout, min(DefaultTimeout, c.Every/2))
	c.FailAfter = cmp.Or(c.FailAfter, DefaultFailAfter)
	c.PassAfter = cmp.Or(c.PassAfter, DefaultPassAfter)
	return c
}

// Validate returns everything that is wrong with c as one [fault.InvalidConfig], or nil.
// Whether what it depends on is there is found when the check is added.
func (c Config) Validate() error { return c.problems().Err(component, "") }

func (c Config) problems() (ps fault.Problems) {
	ps.Require(c.Every == 0 || c.Every >= minEvery && c.Every <= maxEvery, "every", c.Every, "must lie between %v and %v", minEvery, maxEvery)
	ps.Require(c.Timeout == 0 || c.Timeout >= minLimit, "timeout", c.Timeout, "must be at least %v", minLimit)
	d := c.withDefaults()
	ps.Require(c.Timeout <= 0 || c.Every < 0 || d.Timeout <= d.Every, "timeout", c.Timeout,
		"is longer than every (%v): a run would not be over when the next one is due", d.Every)
	ps.Require(c.Criticality <= Optional, "criticality", c.Criticality, "must be hard, soft or optional")
	ps.Require(c.FailAfter >= 0 && c.FailAfter <= maxRow, "fail_after", c.FailAfter, "must lie between 1 and %d", maxRow)
	ps.Require(c.PassAfter >= 0 && c.PassAfter <= maxRow, "pass_after", c.PassAfter, "must lie between 1 and %d", maxRow)
	for _, g := range c.Groups {
		ps.Require(fault.ValidName(g), "groups", g, "a group is named like a part: a-z, 0-9, '_', '.', '-'")
	}
	return ps
}

func (c Check) problems() (ps fault.Problems) {
	ps.Require(fault.ValidName(c.Name), "name", c.Name, "a check is named like a part: 1 to %d of a-z, 0-9, '_', '.', '-'", fault.MaxNameLength)
	ps.Require(c.Run != nil, "run", "", "is missing: the function that is the check")
	return append(ps, c.Config.problems()...)
}

// clone returns a copy that shares nothing which the caller may change.
func (c Check) clone() Check {
	c.DependsOn, c.Groups = slices.Clone(c.DependsOn), slices.Clone(c.Groups)
	return c
}

// Warning marks an error as something to look at that is no failure: a check that returns
// it is a warning. A nil error stays nil.
func Warning(err error) error {
	if err == nil {
		return nil
	}
	return warning{err}
}

type warning struct{ error }

func (w warning) Unwrap() error { return w.error }

// outcomeOf reads what a check returned.
func outcomeOf(err error) Outcome {
	if err == nil {
		return Passed
	}
	if _, mild := errors.AsType[warning](err); mild {
		return Warned
	}
	return Failed
}

// maxOutput bounds, in bytes, what a check may say.
const maxOutput = 500

// readable makes text of a check fit to be shown: it may hold what a server sent. Control
// characters and what changes the direction of writing become dots.
func readable(text string) string {
	if len(text) > maxOutput {
		text = text[:maxOutput] + "…"
	}
	text = strings.ToValidUTF8(text, ".")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == 0x2028 || r == 0x2029 || unicode.Is(unicode.Bidi_Control, r) {
			return '.'
		}
		return r
	}, text)
}
