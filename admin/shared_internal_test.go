package admin

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// sharing is a status with shared rules, whose store answers.
func sharing() adminapi.Status {
	s := calm()
	s.Shared = adminapi.Shared{On: true, Server: "redis 7.0.15", Since: time.Now().Add(-2 * time.Hour), Instances: 3, Rules: 2, TimeoutSeconds: 0.01}
	s.Guards = []adminapi.Guard{{Name: sharedGuard, Breaker: sharedGuard, Recent: sick("", "", 0)}, {Name: "checkout", RateLimit: "per_client", Recent: sick("", "", 0)}}
	s.Breakers = []adminapi.Breaker{{Name: sharedGuard, Mode: "enforce", State: "closed"}}
	s.RateLimits = []adminapi.RateLimit{
		{Name: "per_client", Limit: 100, PerSeconds: 60, Scope: "shared", OnError: "local", LocalLimit: 34, DecidedBy: map[string]uint64{"shared": 1204, "cached": 80, "fallback": 7}},
		{Name: "mine", Limit: 5, PerSeconds: 1, Scope: "local", DecidedBy: map[string]uint64{}},
	}
	return s
}

// storeless is the same when the store is away, and all that shows it.
func storeless(s adminapi.Status) adminapi.Status {
	since := time.Now().Add(-90 * time.Second)
	s.Shared.Away, s.Shared.Since, s.Shared.AwaySeconds, s.Shared.AwayInAllSeconds, s.Shared.Unheard = "connection refused", since, 90, 90, "circuit breaker is open"
	s.Guards[0].Recent = sick(troubleRefuses, "circuit_open", 60)
	s.Breakers[0] = openBreaker(sharedGuard)
	return s
}

// times are those of day that a text says.
var times = regexp.MustCompile(`\d\d:\d\d:\d\dZ ?`)

func TestVerdict_OfTheSharedStore(t *testing.T) {
	rule := func(on string) adminapi.RateLimit {
		return adminapi.RateLimit{Name: "more_" + on, Scope: "shared", OnError: on}
	}
	for name, c := range map[string]struct {
		status adminapi.Status
		change func(*adminapi.Status)
		want   []string
	}{
		"it answers": {sharing(), func(*adminapi.Status) {}, nil},
		"it is away": {storeless(sharing()), func(*adminapi.Status) {}, []string{"the store of the shared rate limits is away since (1m30s): connection refused; 1 rule counts by itself with a third of its limit | foundation why guard foundation.shared"}},
		"it is away, with every policy": {storeless(sharing()), func(s *adminapi.Status) {
			s.RateLimits = append(s.RateLimits, rule("local"), rule("allow"), rule("deny"))
			s.Shared.Instances = 1
		}, []string{"the store of the shared rate limits is away since (1m30s): connection refused; 1 rule refuses every call, 1 rule admits every call, 2 rules count by themselves with the whole of their limit, as no other instance is known | foundation why guard foundation.shared"}},
		"calls are refused for it": {storeless(sharing()), func(s *adminapi.Status) {
			s.RateLimits[0].OnError = "deny"
			s.Guards[1].Recent = sick(troubleRefuses, "unavailable", 70)
		}, []string{"the store of the shared rate limits is away since (1m30s): connection refused; 1 rule refuses every call; it takes with it guard checkout (70 % of 100 calls refused) | foundation why guard foundation.shared"}},
		"it has just come back": {storeless(sharing()), func(s *adminapi.Status) {
			s.Shared.Away, s.Shared.AwaySeconds, s.Shared.Unheard, s.Shared.Since = "", 0, "", time.Now().Add(-10*time.Second)
			s.Breakers[0] = adminapi.Breaker{Name: sharedGuard, State: "closed"}
		}, nil},
		"it fails a part of the calls": {sharing(), func(s *adminapi.Status) { s.Guards[0].Recent = sick(troubleFails, "", 30) }, []string{
			"guard foundation.shared: 30 % of 100 calls fail in the last minute | foundation why guard foundation.shared",
		}},
		"it may drop counters": {sharing(), func(s *adminapi.Status) { s.Shared.Warnings = []string{"maxmemory-policy is allkeys-lru"} }, []string{
			"shared rate limits: maxmemory-policy is allkeys-lru | foundation why guard foundation.shared",
		}},
		"it cannot be relied upon": {sharing(), func(s *adminapi.Status) { s.Shared.Fault = "this is a replica, which takes no writes" }, []string{
			"the server of the shared rate limits cannot be relied upon: this is a replica, which takes no writes | foundation why guard foundation.shared",
		}},
		"others cannot be heard of": {sharing(), func(s *adminapi.Status) { s.Shared.Unheard = "WRONGTYPE" }, []string{
			"other instances cannot be heard of now: WRONGTYPE; limits are shared, and 3 instances would be assumed if the store went away | foundation status --fleet",
		}},
		"a new configuration is rolled out": {sharing(), func(s *adminapi.Status) { s.Shared.OtherConfiguration, s.Shared.DifferentSeconds = 1, 30 }, nil},
		"it was not rolled out everywhere": {sharing(), func(s *adminapi.Status) {
			s.Shared.OtherConfiguration, s.Shared.DifferentSeconds, s.Shared.Different = 1, 90, time.Now().Add(-90*time.Second)
		}, []string{"1 of 3 instances runs another configuration than this one, since (1m30s) | foundation status --fleet"}},
	} {
		c.change(&c.status)
		_, got := judged(&c.status)
		for i := range got {
			got[i] = times.ReplaceAllString(got[i], "")
		}
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s: got\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func TestExplain_WhatIsShared(t *testing.T) {
	explained := func(s adminapi.Status, kind, name string) adminapi.Why {
		(&verdict{Status: &s}).judge()
		return (&facts{now: time.Now(), status: &s}).explain(kind, name)
	}
	back := storeless(sharing())
	back.Shared.Away, back.Shared.AwaySeconds, back.Shared.Since = "", 0, time.Now().Add(-10*time.Second)
	odd := sharing()
	odd.Shared.OtherConfiguration = 1
	for name, c := range map[string]struct {
		status     adminapi.Status
		kind, part string
		well       bool
		verdict    string
		says       []string
	}{
		"the guard, well": {sharing(), "guard", sharedGuard, true, "guard foundation.shared is well: 100 % of 100 calls succeeded in the last minute, half of them within 0s and 99 in 100 within 0s; redis 7.0.15 decides the calls of 2 shared rules for 2h", []string{
			"per_client: 100 per 1m; decided: shared 1204, cached 80, fallback 7", "instances 3",
		}},
		"the guard, away": {storeless(sharing()), "guard", sharedGuard, false, "the store of the shared rate limits is away since (1m30s): connection refused; 1 rule counts by itself with a third of its limit", []string{
			"per_client: 34 per 1m here; decided: shared 1204", "redis-cli", "foundation events --type 'rate_limiter.store_*'",
		}},
		"the guard, back":                   {back, "guard", sharedGuard, true, "redis 7.0.15 decides the calls of 2 shared rules for 10s, and was away for 1m30s before that, since the start", nil},
		"the guard of a fleet that differs": {odd, "guard", sharedGuard, true, "", []string{"1 of 3 instances runs another configuration than this one"}},
		"no section":                        {calm(), "guard", sharedGuard, true, "guard foundation.shared has nothing to do: the configuration has no section shared", nil},
		"a rule, well": {sharing(), "rate_limit", "per_client", true, "rate limit per_client is well: it denied 0 of 100 calls in the last minute, and 0 calls since the start", []string{
			"decided: shared 1204", "decided: fallback 7", "local limit 34", "foundation.shared: decides",
		}},
		"a rule whose store is away": {storeless(sharing()), "rate_limit", "per_client", false, "rate limit per_client is decided without its store, which is away since (1m30s): 34 per 1m here; decided: shared 1204", []string{
			"foundation why guard foundation.shared", "foundation.shared: away for 1m30s: connection refused",
		}},
		"a rule of this process": {storeless(sharing()), "rate_limit", "mine", true, "rate limit mine is well", []string{"keys 0"}},
	} {
		w := explained(c.status, c.kind, c.part)
		said := strings.Builder{}
		for _, n := range w.Numbers {
			fmt.Fprintln(&said, n.Name, n.Value)
		}
		for _, p := range w.Parts {
			fmt.Fprintf(&said, "%s: %s\n", p.Name, p.State)
		}
		for _, e := range w.Errors {
			fmt.Fprintf(&said, "%s: %s\n", e.Class, e.Detail)
		}
		for _, y := range w.Try {
			fmt.Fprintln(&said, y.Command, y.Text)
		}
		if verdict := times.ReplaceAllString(w.Verdict, ""); w.Well != c.well || !strings.HasPrefix(verdict, c.verdict) {
			t.Errorf("%s: well %v, %q", name, w.Well, verdict)
		}
		for _, text := range c.says {
			if !strings.Contains(said.String(), text) {
				t.Errorf("%s: %q is not in\n%s", name, text, said.String())
			}
		}
	}
}
