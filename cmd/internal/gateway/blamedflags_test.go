package gateway_test

import (
	"slices"
	"strings"
	"testing"
)

// flagged are the flags of the rows whose requests have any, and for one protocol where it
// has others than the rest.
var flagged = map[string]string{
	"client-gone-sending":          "client_canceled",
	"client-gone-waiting":          "client_canceled",
	"client-gone-reading":          "client_canceled",
	"client-half-closed":           "client_canceled",
	"client-slow-sending":          "client_not_sending",
	"client-idle-sending":          "client_canceled",
	"client-slow-sending-given-up": "client_slow",
	"client-slow-reading":          "client_slow upstream_cut",
	"client-not-reading":           "client_not_reading",
	"client-too-large-declared":    "body_too_large",
	"client-too-large":             "body_too_large",
	"client-malformed":             "bad_request",
	"client-header-too-large":      "header_too_large",
	"client-upgrade-unsupported":   "bad_request",
	"client-deadline-short":        "client_deadline",
	"client-deadline-long":         "client_deadline",
	"client-deadline-streaming":    "client_deadline",
	"client-deadline-unreadable":   "bad_request",
	"upstream-refused":             "upstream_refused",
	"upstream-dns":                 "upstream_dns",
	"upstream-tls":                 "upstream_tls",
	"upstream-reset":               "upstream_reset",
	"upstream-goaway":              "upstream_reset",
	"upstream-leaving":             "upstream_reset",
	"upstream-slow":                "upstream_timeout",
	"upstream-truncated":           "upstream_reset upstream_cut",
	"upstream-truncated/HTTP/1":    "upstream_eof upstream_cut",
	"upstream-truncated-no-length": "upstream_cut",
	"upstream-quiet":               "upstream_timeout upstream_cut",
	"upstream-quiet-no-length":     "upstream_cut",
	"upstream-quiet-conversation":  "upstream_cut",
	"upstream-hint-alone":          "upstream_timeout",
	"upstream-other-protocol":      "bad_request",
	"upstream-5xx":                 "upstream_5xx",
	"upstream-grpc-failure":        "upstream_grpc",
	"we-exhausted":                 "unavailable",
	"we-limit-the-rate":            "rate_limited",
	"we-limit-one-client":          "in_flight_limited",
}

// checkFlags compares the flags of the one request that counts, which is the last that was
// logged with any, and what the route counted of it.
func (b blamed) checkFlags(t *testing.T, e *ending, log *accessLines) {
	t.Helper()
	want, ok := flagged[b.row+"/"+e.over]
	if !ok {
		want = flagged[b.row]
	}
	e.eventually("the line of the request", func() bool { // it is written after the call has ended
		return want == "" || slices.ContainsFunc(log.with(t, "request"), func(l logLine) bool { return len(l.Flags) > 0 })
	})
	var got []string // by each request that has any
	for _, l := range log.with(t, "request") {
		if len(l.Flags) > 0 {
			got = append(got, strings.Join(l.Flags, " "))
		}
		if refusal := l.Refused; refusal != "" && !slices.Contains(l.Flags, refusal) {
			t.Errorf("refused with %s, and flagged as %v", refusal, l.Flags)
		}
	}
	if b.row == "we-limit-one-client" { // which then leaves, with what it holds
		got = slices.DeleteFunc(got, func(flags string) bool { return flags == "client_canceled" })
	}
	if strings.Join(slices.Compact(got), ", ") != want {
		t.Errorf("flagged as %q, want %q: %+v", got, want, e.gateway.Routes()[0].Failures)
	}
	if own := e.gateway.Routes()[0].Refused[want]; (own > 0) != slices.Contains([]string{"bad_request", "body_too_large", "header_too_large", "unavailable", "rate_limited", "in_flight_limited"}, want) {
		t.Errorf("flagged as %q, and the route counts %d refusals for it", want, own)
	}
	failures := 0
	for _, f := range e.gateway.Routes()[0].Failures {
		failures += int(f.Count)
	}
	if blamed := strings.HasPrefix(want, "upstream_") && want != "upstream_cut"; (failures > 0) != blamed {
		t.Errorf("flagged as %q, and the route counts %d failures of its upstream", want, failures)
	}
	if n := e.gateway.Routes()[0].NotReading; (n > 0) != (want == "client_not_reading") {
		t.Errorf("flagged as %q, and the route counts %d that do not read", want, n)
	}
}
