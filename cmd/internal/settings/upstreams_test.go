package settings_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

// faultsOf reads a document with one route, and returns what is wrong with it as "field: message".
func faultsOf(t *testing.T, route string) (faults, warned []string) {
	t.Helper()
	c, err := config.Parse("f.yaml", []byte("version: 1\ngateway: {routes: [{match: /, "+route+"}]}"), options)
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, p := range f.Problems() {
			faults = append(faults, strings.TrimPrefix(p.Field, "gateway.routes[0].")+": "+p.Message)
		}
		return faults, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings(t, c) {
		warned = append(warned, strings.TrimPrefix(w.Field, "gateway.routes[0].")+": "+w.Message)
	}
	return nil, warned
}

func TestUpstreams_EveryMistakeIsNamed(t *testing.T) {
	for _, c := range []struct {
		route string
		want  []string
	}{
		{`upstream: http://a, upstreams: [http://b], dns: http://c`, []string{
			"upstreams: a route has one of upstream, upstreams and dns, and this one has upstream as well",
			"dns: a route has one of upstream, upstreams and dns, and this one has upstream as well",
		}},
		{`upstreams: []`, []string{"upstream: is missing"}},
		{`upstreams: [http://a, "http://A:80", https://b, "http://c/x", localhost, "http://u:p@d", "http://e?x"]`, []string{
			"upstreams[1]: the same host as upstreams[0]", "upstreams[2]: must begin with http://", `upstreams[3]: must have the path ""`,
			"upstreams[4]: must be an http or https URL", "upstreams[5]: must hold no user", "upstreams[6]: must have no query",
		}},
		{`upstreams: [http://a, http://b], tls: {server_name: x}`, []string{"upstreams[0]: has tls settings", "upstreams[1]: has tls settings"}},
		{`upstreams: [` + strings.TrimSuffix(strings.Repeat("http://a, ", 65), ", ") + `]`, append([]string{"upstreams: are 65; a route has at most 64"}, sameHosts(64)...)},
		{`dns: "http://10.0.0.1:80"`, []string{"dns: is an address, which is not looked up: write it as upstream"}},
		{`dns: "http://a:80", dns_every: 10ms`, []string{"dns_every: must lie between 1s and 1h0m0s"}},
		{`upstream: http://a, dns_every: 10s`, []string{"dns_every: says how often dns is looked up, and the route has none"}},
		{`upstreams: [http://a, http://b], eject: {rate: 1.5, volume: -1, window: 1ms, for: 1ms, max_for: 500us}`, []string{
			"eject.rate: must be at most 1", "eject.volume: must not be negative", "eject.window: must lie between 1s and 10m0s", "eject.for: must be at least 100ms",
			"eject.max_for: must be at least for, which is 1ms",
		}},
		{`upstream: http://a, check: {path: ready, every: 1ms}`, []string{"check.path: must begin with /", "check.every: must lie between"}},
		{`upstream: http://a, check: {path: "//b/x"}`, []string{"check.path: invalid path"}},
	} {
		got, _ := faultsOf(t, c.route)
		if len(got) != len(c.want) {
			t.Errorf("%s: %q, want %q", c.route, got, c.want)
			continue
		}
		for i, want := range c.want {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: %q, want %q", c.route, got[i], want)
			}
		}
	}
}

func sameHosts(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("upstreams[%d]: the same host as upstreams[0]", i+1))
	}
	return list
}

func TestUpstreams_EjectingTheOnlyHostIsAWarning(t *testing.T) {
	faults, warned := faultsOf(t, `upstream: http://a, eject: {failures: 3}`)
	if len(faults) != 0 || len(warned) != 1 || !strings.HasPrefix(warned[0], "eject: has no effect") {
		t.Errorf("%q, %q", faults, warned)
	}
}

func TestUpstreams_WhatIsLeftOutHasItsDefault(t *testing.T) {
	c := parse(t, "version: 1\ngateway: {routes: [{match: /, upstreams: [http://a, http://b], eject: {failures: 0, max_for: 1h}}]}")
	e := settings.GatewayOf(c).Routes[0].Eject.WithDefaults()
	want := settings.Eject{Failures: -1, Rate: 0.5, Volume: 20, Window: 10 * time.Second, For: 10 * time.Second, MaxFor: time.Hour, SlowStart: 10 * time.Second}
	if e != want {
		t.Errorf("%+v, want %+v", e, want)
	}
	if d := (settings.Eject{For: time.Hour}).WithDefaults(); d.MaxFor != time.Hour {
		t.Errorf("max_for is %v", d.MaxFor)
	}
}
