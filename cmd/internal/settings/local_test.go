package settings_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/pool/httpworker"
)

var withHTTP = config.Registry{Kinds: map[string]pool.Kind{"http": httpworker.Kind()}, Sections: settings.Sections()}

const inForce = `version: 1
admin:
  listen: "${ADMIN}"
  tokens: [ { name: ann, token: "literally a secret", role: write }, { name: bob, token: "${TOKEN}" } ]
probes: { listen: "127.0.0.1:9180" }
storage: { postgres: "postgres://u:swordfish@h/d" }
breakers: { b: { window: "${WINDOW}" } }
pools:
  api: { worker: http, size: 3, options: { base_url: "http://${HOST}/", headers: { X-Key: "${TOKEN}", X-Plain: literal header }, timeout: 3s } }
guards: { g: { breaker: b } }
gateway:
  tls: { cert_file: /tls/crt, key_file: /tls/key }
  routes:
    - { match: "/0/", upstream: "https://${HOST}" }
    - { match: "/a/", upstream: "https://${HOST}", tls: { ca_file: /tls/ca }, strip_prefix: "/a" }
    - { match: "/b/", upstream: "http://b" }
`

// local parses the local file.
func local(t *testing.T, text string) *config.Config {
	t.Helper()
	variables := map[string]string{"ADMIN": "127.0.0.1:9199", "TOKEN": "correct horse battery", "WINDOW": "7s", "HOST": "upstream.example"}
	c, err := config.Parse("foundation.yaml", []byte(text), config.ParseOptions{
		Registry: withHTTP, LookupEnv: func(name string) (string, bool) { value, ok := variables[name]; return value, ok },
	})
	if err != nil {
		t.Fatal(config.Render(err))
	}
	return c
}

// foreign parses a document of the network. The environment must have no part in it.
func foreign(t *testing.T, over *config.Config, text string) (*config.Config, error) {
	t.Helper()
	return config.Parse("request", []byte(text), config.ParseOptions{
		Registry: withHTTP, Over: over,
		LookupEnv: func(name string) (string, bool) { t.Errorf("%s was read", name); return "stolen", true },
		ReadFile:  func(path string) ([]byte, error) { t.Errorf("%s was read", path); return []byte("stolen"), nil },
	})
}

func shown(t *testing.T, c *config.Config) string {
	t.Helper()
	text, err := c.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"horse", "literally", "swordfish", "literal header", "7s", "9199", "upstream.example"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is shown:\n%s", secret, text)
		}
	}
	return string(text)
}

func TestWhatIsShownCanBePutBack(t *testing.T) {
	file := local(t, inForce)
	text := shown(t, file)
	again := file
	for range 3 { // each over the one before it
		next, err := foreign(t, again, text)
		if err != nil {
			t.Fatalf("%s\n%s", config.Render(err), text)
		}
		if !equal(next, file) || shown(t, next) != text {
			t.Fatalf("became\n%s\nwas\n%s", shown(t, next), text)
		}
		again = next
	}
}

func TestADocumentOfTheNetworkMayLeaveOutSections(t *testing.T) {
	file := local(t, inForce)
	text := shown(t, file)
	var left strings.Builder
	section := ""
	for line := range strings.Lines(text) {
		if line[0] != ' ' {
			section, _, _ = strings.Cut(line, ":")
		}
		if section != "admin" && section != "probes" && section != "storage" {
			left.WriteString(line)
		}
	}
	if text = left.String(); strings.Contains(text, "ann") {
		t.Fatal(text)
	}
	next, err := foreign(t, file, text)
	if err != nil {
		t.Fatal(config.Render(err))
	}
	if !equal(next, file) || shown(t, next) != shown(t, file) {
		t.Errorf("became\n%s", shown(t, next))
	}
}

func TestADocumentOfTheNetworkChangesWhatItMay(t *testing.T) {
	file := local(t, inForce)
	for name, change := range map[string][]string{
		"a setting of a pool": {"size: 3", "size: 5"}, "a worker's timeout": {"timeout: 3s", "timeout: 9s"},
		"a route before others": {"  - match: /a/", "  - match: /first/\n    upstream: http://c\n  - match: /a/"},
		"a variable goes":       {"window: ${WINDOW}", "window: 9s"},
	} {
		text := strings.Replace(shown(t, file), change[0], change[1], 1)
		if text == shown(t, file) {
			t.Errorf("%s: %q is not there:\n%s", name, change[0], text)
		}
		if _, err := foreign(t, file, text); err != nil {
			t.Errorf("%s: %s", name, config.Render(err))
		}
	}
}

func TestWhatOnlyTheLocalFileSets(t *testing.T) {
	file := local(t, inForce)
	for name, c := range map[string]struct{ old, next, field string }{
		"a listener":                      {"listen: ${ADMIN}", "listen: 0.0.0.0:1", "admin.listen"},
		"a token":                         {"token: ${TOKEN}", "token: of the attacker's own", "admin.tokens[1].token"},
		"a role":                          {"role: write", "role: read", "admin.tokens[0].role"},
		"a further token":                 {"  tokens:\n", "  tokens:\n  - name: eve\n    token: of the attacker's own\n", "admin.tokens[0]"},
		"the secret of another":           {"name: ann\n", "name: eve\n", "admin.tokens[0].token"},
		"probes":                          {"127.0.0.1:9180", "127.0.0.1:9181", "probes.listen"},
		"a store":                         {"postgres: (hidden)", "path: /somewhere", "storage"},
		"a variable that is there":        {"strip_prefix: /a", "strip_prefix: /${TOKEN}", "strip_prefix"},
		"a variable with a default":       {"strip_prefix: /a", "strip_prefix: ${X:-/a}", "strip_prefix"},
		"a variable elsewhere":            {"upstream: http://b", "upstream: https://${HOST}", "gateway.routes[2].upstream"},
		"a file":                          {"strip_prefix: /a", "strip_prefix: ${file:/etc/passwd}", "strip_prefix"},
		"where a worker connects to":      {"base_url: http://${HOST}/", "base_url: http://evil/", "base_url"},
		"a header":                        {"headers: (hidden)", "headers: { X-Key: mine }", "headers"},
		"a header in part":                {"headers: (hidden)", "headers: { X-Key: (hidden), X-Plain: (hidden), X-More: x }", "headers"},
		"no header":                       {"      headers: (hidden)\n", "", "headers"},
		"a proxy":                         {"timeout: 3s", "timeout: 3s\n      proxy: http://evil/", "proxy"},
		"a pool":                          {"pools:\n", "pools:\n  other: { worker: http, options: { base_url: http://evil/ } }\n", "pools.other.options.base_url"},
		"a pool with another's variables": {"pools:\n", "pools:\n  other: { worker: http, options: { base_url: \"http://${HOST}/\" } }\n", "pools.other.options.base_url"},
		"an authority":                    {"ca_file: /tls/ca", "ca_file: /dev/zero", "gateway.routes[1].tls.ca_file"},
		"no authority":                    {"    tls:\n      ca_file: /tls/ca\n", "", "gateway.routes[1]"},
		"the authority of another":        {"upstream: http://b", "upstream: https://b\n    tls: { ca_file: /tls/ca }", "gateway.routes[2].tls.ca_file"},
		"a certificate":                   {"key_file: /tls/key", "key_file: /etc/shadow", "gateway.tls.key_file"},
		"no certificate":                  {"  tls:\n    cert_file: /tls/crt\n    key_file: /tls/key\n", "", "gateway.tls"},
	} {
		text := strings.Replace(shown(t, file), c.old, c.next, 1)
		if text == shown(t, file) {
			t.Errorf("%s: %q is not there:\n%s", name, c.old, text)
			continue
		}
		_, err := foreign(t, file, text)
		if !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), "local") || !strings.Contains(err.Error(), c.field) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(config.Render(err), "horse") || strings.Contains(config.Render(err), "upstream.example")) {
			t.Errorf("%s tells a secret: %s", name, config.Render(err))
		}
	}
}

// A value with an anchor would carry what one place may hold to another.
func TestAnAliasCarriesNoVariableElsewhere(t *testing.T) {
	file := local(t, inForce)
	text := strings.Replace(shown(t, file), "upstream: https://${HOST}", "upstream: &host https://${HOST}", 1)
	text = strings.Replace(text, "upstream: http://b", "upstream: *host", 1)
	if c, err := foreign(t, file, text); err == nil {
		t.Errorf("was taken: %s", settings.GatewayOf(c).Routes[2].Upstream)
	}
	merged := strings.Replace(shown(t, file), "  - match: /b/\n    upstream: http://b", "  - { <<: *zero, match: /b/ }", 1)
	merged = strings.Replace(merged, "  - match: /0/\n", "  - &zero\n    match: /0/\n", 1)
	if c, err := foreign(t, file, merged); err == nil {
		t.Errorf("merged: was taken: %s", settings.GatewayOf(c).Routes[2].Upstream)
	}
}

func TestWhatCodeSetIsAsLocal(t *testing.T) {
	file := local(t, inForce).Clone() // of which code has made another
	file.Breakers["c"] = config.Breaker{}
	next, err := foreign(t, file, shown(t, file))
	if err != nil || !equal(next, file) {
		t.Errorf("%v", err)
	}
}
