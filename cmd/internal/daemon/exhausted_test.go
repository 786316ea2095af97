//go:build unix

package daemon_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/daemon"
	"github.com/elixirscope/foundation/internal/testkit"
)

// An instance that cannot connect to its upstreams is of no use to its balancer, and
// says why. That it comes back by itself is for a test of the gateway.
func TestADaemonWithoutDescriptorsIsNotReady(t *testing.T) {
	up := upstream(t, "hello")
	d := run(t, daemon.Options{WatchEvery: -1, ConfigFile: write(t, anywhere+`
breakers: { b: { failure_threshold: 1 } }
guards: { g: { breaker: b } }
gateway: { listen: "127.0.0.1:0", routes: [ { match: "/", upstream: "`+up+`", guard: g } ] }
`)})
	c := client(t, nil)
	gateway, admin := "http://"+d.Address("gateway"), "http://"+d.Address("admin")
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	get(t, c, gateway+"//") // and a connection is there, not to the upstream
	if code, _ := get(t, c, admin+"/readyz"); code != http.StatusOK {
		t.Fatalf("answered %d before", code)
	}
	testkit.WithoutFiles(t, func() {
		if code, body := get(t, c, gateway+"/"); code != http.StatusServiceUnavailable || !strings.Contains(body, `"unavailable"`) {
			t.Errorf("answered %d %s", code, body)
		}
	})
	if code, _ := get(t, c, admin+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready: %d", code)
	}
	_, status := get(t, c, admin+"/v1/status")
	if !strings.Contains(status, `"verdict": "attention"`) || !strings.Contains(status, "this machine cannot connect to upstreams: too many open files") {
		t.Errorf("the status is %s", status)
	}
	if code, body := get(t, c, gateway+"/"); code != http.StatusOK || body != "hello" {
		t.Errorf("afterwards: %d %s", code, body)
	}
}
