package main_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// storyConfig is the configuration of the story: five requests a minute, three
// failures in ten seconds.
func storyConfig(upstream, mode string) func(gateway, admin string) string {
	return func(gateway, admin string) string {
		return fmt.Sprintf(`version: 1
admin: { listen: %q }
breakers:
  payments: { failure_threshold: 3, window: 10s, cooldown: 2s }
rate_limits:
  per_client: { limit: 5, per: 1m, burst: 5 }
guards:
  checkout: { rate_limit: per_client, breaker: payments, timeout: 2s, mode: %s }
gateway:
  listen: %q
  routes:
    - { match: "/", upstream: "http://%s", guard: checkout, key: "{header:X-User}" }
`, admin, mode, gateway, upstream)
	}
}

// story is what happened, as the admin API tells it.
type story struct {
	Guard struct {
		Succeeded     uint64
		Failed        uint64
		Refused       uint64
		WouldRefuse   uint64            `json:"would_refuse"`
		RefusedBy     map[string]uint64 `json:"refused_by"`
		WouldRefuseBy map[string]uint64 `json:"would_refuse_by"`
	}
	Breaker struct {
		State             string
		RetryAfterSeconds float64 `json:"retry_after_seconds"`
		Failed            uint64
	}
	Limit struct {
		Allowed uint64
		Denied  uint64
	}
}

func (d *daemon) story() story {
	var s story
	d.ask("/v1/guards/checkout", &s.Guard)
	d.ask("/v1/breakers/payments", &s.Breaker)
	d.ask("/v1/rate_limits/per_client", &s.Limit)
	return s
}

// TestStory is what a newcomer sees: requests to a real upstream are limited,
// protected by a breaker, refused with a reason, and recover.
func TestStory(t *testing.T) {
	address := freeAddress(t)
	upstream := startUpstream(t, address)
	d := serve(t, storyConfig(address, "enforce"))

	before := time.Now()
	for i := 1; i <= 5; i++ {
		if got := d.as("alice"); got.status != 200 || !strings.HasPrefix(got.body, "hello") {
			t.Fatalf("request %d of a key: %+v", i, got)
		}
	}
	sixth := time.Now()
	got := d.as("alice")
	if got.status != 429 || got.code != "rate_limited" {
		t.Fatalf("the sixth request: %+v", got)
	}
	expectRetryAfter(t, got.retryAfter, 12*time.Second-time.Since(before), 12*time.Second-sixth.Sub(before)+sixth.Sub(before))
	if got := d.as("bob"); got.status != 200 {
		t.Fatalf("another key: %+v", got)
	}

	upstream.kill()
	for i := 1; i <= 3; i++ {
		if got := d.as("bob"); got.status != 502 || got.code != "operation_failed" {
			t.Fatalf("failure %d: %+v", i, got)
		}
	}
	opened := time.Now()
	startUpstream(t, address)
	if got := d.as("bob"); got.status != 503 || got.code != "circuit_open" {
		t.Fatalf("after three failures: %+v", got)
	} else {
		expectRetryAfter(t, got.retryAfter, 2*time.Second-time.Since(opened), 2*time.Second)
	}
	if seen := d.text("http://" + address + "/seen"); seen != "0" {
		t.Errorf("%s requests reached the upstream through an open circuit", seen)
	}
	tellsOpen(t, d)

	d.until("the circuit closed again", func() bool { return d.as("carol").status == 200 })
	if cooldown := time.Since(opened); cooldown < 1900*time.Millisecond {
		t.Errorf("the circuit let a call through %v after it opened", cooldown)
	}
	tellsClosed(t, d)
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.stderr)
	}
}

// expectRetryAfter checks whole seconds, rounded up, of a time that is known to
// lie between two bounds.
func expectRetryAfter(t *testing.T, got string, least, most time.Duration) {
	t.Helper()
	for s := max(1, math.Ceil(least.Seconds())); s <= math.Ceil(most.Seconds()); s++ {
		if got == fmt.Sprint(s) {
			return
		}
	}
	t.Errorf("Retry-After is %q and lies not between %v and %v", got, least, most)
}

// tellsOpen: the status, the API and the metrics tell the same of the outage.
func tellsOpen(t *testing.T, d *daemon) {
	t.Helper()
	s := d.story()
	if s.Breaker.State != "open" || s.Breaker.Failed != 3 || s.Breaker.RetryAfterSeconds <= 0 || s.Breaker.RetryAfterSeconds > 2 {
		t.Errorf("/v1/breakers: %+v", s.Breaker)
	}
	if s.Guard.Succeeded != 6 || s.Guard.Failed != 3 || s.Guard.Refused != 2 || s.Guard.RefusedBy["rate_limited"] != 1 || s.Guard.RefusedBy["circuit_open"] != 1 {
		t.Errorf("/v1/guards: %+v", s.Guard)
	}
	if s.Limit.Denied != 1 {
		t.Errorf("/v1/rate_limits: %+v", s.Limit)
	}
	tells := func(words []string, command ...string) {
		t.Helper()
		out, _, code := run(t, append(command, "--addr", d.admin)...)
		for _, want := range words {
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("%q does not say %q\n%s", command, want, out)
			}
		}
	}
	tells([]string{"attention", "○ OPEN", "alice ×1", "why breaker payments"}, "status")
	tells([]string{"breaker payments is open", "3 failures", "refused"}, "why", "breaker", "payments")
	tells([]string{"circuit_open 1", "rate_limited 1"}, "get", "guards", "checkout")
	metrics := d.text("http://" + d.admin + "/metrics")
	for _, want := range []string{
		`foundation_breaker_state{breaker="payments",state="open"} 1`,
		`foundation_limiter_decisions_total{limiter="per_client",result="denied"} 1`,
		`foundation_calls_total{guard="checkout",outcome="success"} 6`,
		`foundation_calls_total{guard="checkout",outcome="failure"} 3`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics does not say %s", want)
		}
	}
}

func tellsClosed(t *testing.T, d *daemon) {
	t.Helper()
	if s := d.story(); s.Breaker.State != "closed" {
		t.Errorf("/v1/breakers: %+v", s.Breaker)
	}
	// For a minute the refused calls are news, and what they were refused for is over.
	if out, _, _ := run(t, "status", "--addr", d.admin); !strings.Contains(out, "● closed") || !strings.Contains(out, "breaker payments was open of late") {
		t.Errorf("status\n%s", out)
	}
	if metrics := d.text("http://" + d.admin + "/metrics"); !strings.Contains(metrics, `foundation_breaker_state{breaker="payments",state="closed"} 1`) {
		t.Error("/metrics does not say closed")
	}
}

// TestStory_ShadowRefusesNothingAndCountsTheSame runs one trace in both modes.
func TestStory_ShadowRefusesNothingAndCountsTheSame(t *testing.T) {
	trace := func(mode string) (statuses map[int]int, s story) {
		address := freeAddress(t)
		upstream := startUpstream(t, address)
		d := serve(t, storyConfig(address, mode))
		statuses = map[int]int{}
		for range 8 {
			statuses[d.as("alice").status]++
		}
		upstream.kill()
		for i := range 5 {
			statuses[d.as(fmt.Sprint("user", i)).status]++
		}
		return statuses, d.story()
	}
	enforced, told := trace("enforce")
	if enforced[200] != 5 || enforced[429] != 3 || enforced[502] != 3 || enforced[503] != 2 {
		t.Errorf("enforce answered %v", enforced)
	}
	shadowed, would := trace("shadow")
	if shadowed[200] != 8 || shadowed[502] != 5 {
		t.Errorf("shadow answered %v", shadowed)
	}
	if would.Guard.Refused != 0 || would.Guard.WouldRefuse != told.Guard.Refused {
		t.Errorf("shadow counts %+v, enforce %+v", would.Guard, told.Guard)
	}
	for code, n := range told.Guard.RefusedBy {
		if would.Guard.WouldRefuseBy[code] != n {
			t.Errorf("%s: shadow %d, enforce %d", code, would.Guard.WouldRefuseBy[code], n)
		}
	}
}
