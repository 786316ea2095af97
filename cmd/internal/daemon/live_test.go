package daemon_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/daemon"
	"github.com/elixirscope/foundation/config"
)

const (
	tokenBefore = "the-token-that-leaked-out"
	tokenAfter  = "the-token-that-came-after"
)

func adminWith(token string) string {
	return "admin: { listen: \"127.0.0.1:0\", tokens: [ { name: ops, token: \"" + token + "\", role: write } ] }\n"
}

// A token that was taken out of the file would let its holder in until the next
// restart otherwise, and the reload would say that it is in force.
func TestReloadPutsTheTokensOfTheFileInForce(t *testing.T) {
	file := write(t, adminWith(tokenBefore))
	d := run(t, daemon.Options{ConfigFile: file, WatchEvery: -1})
	c := client(t, nil)
	ask := func(token string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.Address("admin")+"/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if before, after := ask(tokenBefore), ask(tokenAfter); before != http.StatusOK || after != http.StatusUnauthorized {
		t.Fatalf("before the reload: %d %d", before, after)
	}
	rewrite(t, file, adminWith(tokenAfter))
	if _, err := d.Reload(t.Context(), config.By{}); err != nil {
		t.Fatal(err)
	}
	if before, after := ask(tokenBefore), ask(tokenAfter); before != http.StatusUnauthorized || after != http.StatusOK {
		t.Errorf("after the reload: %d %d", before, after)
	}
}

// What the server read at its start stays; to take the rest over would leave a
// daemon that says of itself what is not so.
func TestReloadRefusesLimitsThatAreReadOnce(t *testing.T) {
	const base = "admin: { listen: \"off\" }\ngateway:\n  listen: \"127.0.0.1:0\"\n  limits: { "
	for _, limit := range []string{"max_header: 8KiB", "read_header_timeout: 3s", "idle_timeout: 3s", "max_connections: 3"} {
		file := write(t, base+"}\n")
		d := run(t, daemon.Options{ConfigFile: file, WatchEvery: -1})
		rewrite(t, file, base+limit+" }\n")
		name, _, _ := strings.Cut(limit, ":")
		if _, err := d.Reload(t.Context(), config.By{}); err == nil || !strings.Contains(err.Error(), "gateway.limits."+name) {
			t.Errorf("%s: %v", limit, err)
		}
	}
}
