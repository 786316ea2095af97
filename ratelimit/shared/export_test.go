package shared

import "github.com/elixirscope/foundation/ratelimit"

// StatusOf returns the status of one rule.
func StatusOf(r ratelimit.Remote) RuleStatus { return r.(*rule).status() } //nolint:forcetypeassert,errcheck // all are
