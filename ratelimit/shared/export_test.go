package shared

import "github.com/elixirscope/foundation/ratelimit"

// StatusOf returns the status of one rule.
func StatusOf(r ratelimit.Remote) RuleStatus { return r.(*rule).status() } //nolint:forcetypeassert // all are

// Moved returns how many keys of a rule of a memory store have a limiter of their own.
func Moved(s Store, rule string) int { return len(s.(*memory).rules[rule].moved) } //nolint:forcetypeassert // it is one
