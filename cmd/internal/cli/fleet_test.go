package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/cli"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// fleet are three instances; the first was asked, and the others differ from it as one says.
func fleet() []adminapi.Instance {
	return []adminapi.Instance{
		{ID: "3f9a1c22b0d4", Self: true, Node: "gateway-0", Address: "10.1.2.3:9181", Version: "v1.4.0", UptimeSeconds: 93784, Revision: 7, Hash: "5d41402abc4b2a76b9719d911017c592", SameConfiguration: true, Verdict: "ok", SeenSeconds: 0.4},
		{ID: "90b1ffc0aa17", Node: "gateway-1.gateways.production.svc.cluster.local", Address: "10.1.2.4:9181", Version: "v1.4.0", UptimeSeconds: 93, Revision: 7, Hash: "5d41402abc4b2a76b9719d911017c592", SameConfiguration: true, Verdict: "attention", SeenSeconds: 1.9},
		{ID: "c7d2e0019fe3", Node: "gateway-2\x1b[2J", Version: "v1.3.9", UptimeSeconds: 172800, Revision: 6, Hash: "7215ee9c7d9dc229d2921a40e899ec5f", Verdict: "ok", SeenSeconds: 5.5},
	}
}

// answering is a daemon that knows these instances.
func answering(t *testing.T, s adminapi.Shared, instances []adminapi.Instance, rules ...adminapi.RateLimit) string {
	t.Helper()
	mux := http.NewServeMux()
	reply := func(pattern string, v any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(v) })
	}
	reply("GET /v1/status", adminapi.Status{APIVersion: "v1", Verdict: "ok", Shared: s, RateLimits: rules, Build: "foundation v1.4.0"})
	reply("GET /v1/instances", adminapi.List[adminapi.Instance]{APIVersion: "v1", Items: instances})
	reply("GET /v1/rate_limits", adminapi.List[adminapi.RateLimit]{APIVersion: "v1", Items: rules})
	if len(instances) > 0 {
		reply("GET /v1/instances/{id}", instances[0])
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestFleet_WhatPeopleSee(t *testing.T) {
	on := adminapi.Shared{On: true, Server: "redis 7.0.15", Instances: 3, Rules: 1}
	away := on
	away.Away, away.AwaySeconds = "connection refused", 42
	rules := []adminapi.RateLimit{
		{Name: "per_client", Mode: "enforce", Algorithm: "gcra", Limit: 100, PerSeconds: 60, Burst: 100, Scope: "shared", OnError: "deny", Prefetch: 25, DecidedBy: map[string]uint64{"shared": 1204, "fallback": 7, "cached": 0}},
		{Name: "mine", Mode: "enforce", Algorithm: "gcra", Limit: 5, PerSeconds: 1, Burst: 5, Scope: "local", DecidedBy: map[string]uint64{}},
	}
	for file, c := range map[string]struct {
		shared adminapi.Shared
		fleet  []adminapi.Instance
		args   []string
	}{
		"fleet.txt":           {on, fleet(), []string{"status", "--fleet"}},
		"fleet_same.txt":      {on, fleet()[:2], []string{"status", "--fleet"}},
		"fleet_one.txt":       {on, fleet()[:1], []string{"status", "--fleet"}},
		"fleet_away.txt":      {away, fleet(), []string{"status", "--fleet"}},
		"fleet_none.txt":      {adminapi.Shared{}, nil, []string{"status", "--fleet"}},
		"fleet_unheard.txt":   {on, nil, []string{"status", "--fleet"}},
		"get_instances.txt":   {on, fleet(), []string{"get", "instances"}},
		"get_instance.txt":    {on, fleet(), []string{"get", "instance", "3f9a1c22b0d4"}},
		"get_rate_limits.txt": {on, nil, []string{"get", "rate_limits"}},
		"status_shared.txt":   {away, nil, []string{"status"}},
	} {
		got := run(t, nil, append(c.args, "--addr", answering(t, c.shared, c.fleet, rules...))...)
		if got.code != cli.ExitOK || got.err != "" {
			t.Errorf("%s: exit code %d, %s", file, got.code, got.err)
		}
		golden(t, file, got.out)
	}
}

func TestFleet_JSONIsTheListOfInstances(t *testing.T) {
	got := run(t, nil, "status", "--fleet", "-o", "json", "--addr", answering(t, adminapi.Shared{On: true}, fleet()))
	var back adminapi.List[adminapi.Instance]
	if err := json.Unmarshal([]byte(got.out), &back); err != nil || len(back.Items) != 3 || back.Items[2].SameConfiguration {
		t.Errorf("%v\n%s", err, got.out)
	}
}
