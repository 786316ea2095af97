package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/admin"
	"github.com/elixirscope/foundation/cmd/internal/cli"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
)

// live is a layer with its admin API.
type live struct {
	*foundation.Foundation

	t    *testing.T
	addr string
	file string
}

func serveLive(t *testing.T, text string, env map[string]string) *live {
	t.Helper()
	l := &live{t: t, file: filepath.Join(t.TempDir(), "foundation.yaml")}
	l.write(text)
	var err error
	l.Foundation, err = foundation.Open(t.Context(), foundation.Options{
		ConfigFile: l.file, LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Sections: settings.Sections(), Checks: settings.Checks(),
	})
	if err != nil {
		t.Fatal(err)
	}
	api := admin.New(l.Foundation, admin.Options{})
	server := httptest.NewServer(api)
	t.Cleanup(func() {
		api.Close()
		server.Close()
		if err := l.Close(t.Context()); err != nil {
			t.Log(err) // the context of the test has ended
		}
	})
	l.addr = strings.TrimPrefix(server.URL, "http://")
	return l
}

func (l *live) write(text string) {
	l.t.Helper()
	if err := os.WriteFile(l.file, []byte("version: 1\n"+text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// run runs a command with an environment and a standard input of its own.
func (l *live) run(env map[string]string, input string, args ...string) terminal {
	l.t.Helper()
	var out, errs strings.Builder
	code := cli.Run(l.t.Context(), cli.Env{
		Stdout: &out, Stderr: &errs, Stdin: strings.NewReader(input), Program: "foundation",
		LookupEnv: func(name string) (string, bool) {
			if name == "FOUNDATION_ADDR" {
				return l.addr, true
			}
			v, ok := env[name]
			return v, ok
		},
	}, args)
	http.DefaultClient.CloseIdleConnections()
	return terminal{out.String(), errs.String(), code}
}

const localText = `admin: { listen: "127.0.0.1:0", tokens: [ { name: ops, token: "${OPS_TOKEN}" }, { name: ci, token: canary-canary-canary } ] }
storage: { path: /nowhere/at/all }
breakers: { payments: { failure_threshold: "${LIMIT}" } }
guards: { checkout: { timeout: 2s, breaker: payments }, gone: {} }
gateway: { listen: "127.0.0.1:0", routes: [ { match: "/", upstream: "${UPSTREAM}", guard: checkout } ] }
`

var (
	daemonEnv = map[string]string{"OPS_TOKEN": "canary-of-the-daemon", "LIMIT": "5", "UPSTREAM": "http://10.0.0.1:80"}
	callerEnv = map[string]string{"OPS_TOKEN": "canary-of-the-caller", "LIMIT": "9", "UPSTREAM": "http://10.9.9.9:80", "LISTEN": "127.0.0.1:1"}
)

func expect(t *testing.T, got terminal, code int, want ...string) {
	t.Helper()
	if got.code != code {
		t.Errorf("exit code %d, want %d", got.code, code)
	}
	for _, w := range want {
		if !strings.Contains(got.out+got.err, w) {
			t.Errorf("it does not say %q", w)
		}
	}
	if strings.Contains(got.out+got.err, "canary") {
		t.Error("a secret is shown")
	}
	if t.Failed() {
		t.Fatalf("%s%s", got.out, got.err)
	}
}

// A file is compared where the command runs: what only the daemon's file may set, and
// variables that the daemon does not have, are no obstacle.
func TestConfigDiff_ComparesAnyFile(t *testing.T) {
	l := serveLive(t, strings.Replace(localText, "storage: { path: /nowhere/at/all }\n", "", 1), daemonEnv)
	same := "version: 1\n" + strings.Replace(localText, "storage: { path: /nowhere/at/all }\n", "", 1)
	expect(t, l.run(callerEnv, same, "config", "diff", "-"), 0, "nothing differs: revision 1 stays")
	other := strings.NewReplacer(`listen: "127.0.0.1:0", tokens`, `listen: "${LISTEN}", tokens`, "canary-canary-canary", "canary-canary-other1", "timeout: 2s", "timeout: 3s", ", gone: {}", ", fresh: {}", "${UPSTREAM}", "${UPSTREAM}/api").Replace("version: 1\n" + localText)
	got := l.run(callerEnv, other, "config", "diff", "-")
	expect(t, got, 0, "admin.listen", "127.0.0.1:0", "${LISTEN}", "storage.path", "needs a restart",
		"guards.checkout.timeout", "2s", "3s", "removed  guards.gone", "added    guards.fresh", "${UPSTREAM}/api",
		"admin.tokens[1].token", "another value")
	var d cli.FileDifference
	js := l.run(callerEnv, other, "config", "diff", "-", "-o", "json")
	if err := json.Unmarshal([]byte(js.out), &d); err != nil || !d.DryRun || d.File != "stdin" || len(d.Unsure) != 0 || d.Changes[0].Fields[0].Path == "" {
		t.Errorf("%v: %s", err, js.out)
	}
	if l.Config().Current().Number != 1 {
		t.Error("something was changed")
	}
	expect(t, l.run(nil, other, "config", "diff", "-"), 1, "LIMIT is not set", "stdin:4:")
}

func TestConfigDiff_SaysWhichSecretsItCannotCompare(t *testing.T) {
	l := serveLive(t, `admin: { tokens: [ { name: a, token: canary-canary-one }, { name: b, token: canary-canary-two } ] }`, nil)
	next := "version: 1\n" + `admin: { tokens: [ { name: a, token: canary-canary-one }, { name: b, token: canary-canary-3rd } ] }`
	expect(t, l.run(nil, next, "config", "diff", "-"), 0, "admin.tokens[0].token, admin.tokens[1].token are the same as here cannot be told")
}

// What the daemon shows can be handed in again, edited or not.
func TestConfigApply_TakesWhatShowWrites(t *testing.T) {
	l := serveLive(t, strings.Replace(localText, "storage: { path: /nowhere/at/all }\n", "", 1), daemonEnv)
	shown := l.run(nil, "", "config", "show")
	expect(t, shown, 0, "${LIMIT}", "(hidden)")
	expect(t, l.run(nil, shown.out, "config", "apply", "-"), 0, "nothing differs: revision 1 stays")
	expect(t, l.run(nil, strings.Replace(shown.out, "timeout: 2s", "timeout: 4s", 1), "config", "apply", "-", "--reason", "a sale"), 0, "revision 2 is in use", "guards.checkout.timeout")
	if r, err := l.Config().Recorded(t.Context(), 2); err != nil || r.Reason != "a sale" {
		t.Errorf("%+v, %v", r, err)
	}
	expect(t, l.run(nil, strings.Replace(shown.out, "127.0.0.1:0", "127.0.0.1:1", 1), "config", "apply", "-"), 1, "admin.listen", "local file only")
	expect(t, l.run(nil, "version: 1\nguards: { a: { timeout: 5 }, b: { brekaer: c } }\n", "config", "apply", "-"), 1, "guards.a.timeout 5", "guards.b.brekaer", "2 problems")
}

// What is wrong with a file that the daemon refused is read without changing anything.
func TestConfigStatus_ShowsEveryFaultOfARefusedFile(t *testing.T) {
	l := serveLive(t, "guards: { a: {} }\n", nil)
	expect(t, l.run(nil, "", "config", "status"), 0, "revision 1 from "+l.file, "without a fault")
	l.write("guards: { a: { timeout: 5 }, b: { brekaer: c } }\n")
	_, _ = l.Config().Reload(t.Context(), config.By{})
	expect(t, l.run(nil, "", "config", "status"), 0, "revision 1", "refused", "foundation.yaml:2:25: guards.a.timeout 5", "guards.b.brekaer", "^", "2 problems")
	expect(t, l.run(nil, "", "status"), 0, "foundation config status")
	l.write("guards: { a: {}, b: {} }\n")
	expect(t, l.run(nil, "", "reload"), 0, "revision 2")
	expect(t, l.run(nil, "", "config", "status"), 0, "revision 2", "without a fault")
}

func TestConfigValidate_ListsProblemsForPrograms(t *testing.T) {
	l := &live{t: t}
	text := "version: 1\nguards:\n  checkout: { timeout: 5, breaker: nope }\nadmin: { tokens: [ { name: ops, token: canary } ] }\n"
	got := l.run(nil, text, "config", "validate", "-", "-o", "json")
	var v cli.Validation
	if err := json.Unmarshal([]byte(got.out), &v); err != nil || got.code != 1 || got.err != "" || v.Valid || len(v.Problems) != 3 {
		t.Fatalf("exit code %d, %v: %s%s", got.code, err, got.out, got.err)
	}
	first := v.Problems[0]
	if first.File != "stdin" || first.Line != 3 || first.Column != 24 || first.Path != "guards.checkout.timeout" || first.Code != "invalid_config" || first.Value != "5" || first.Excerpt == "" {
		t.Errorf("%+v", first)
	}
	expect(t, got, 1, "guards.checkout.breaker", "admin.tokens[0].token")
	for _, c := range []struct {
		text, path string
		line       int
	}{{"version: 1\n\tx", "", 2}, {"", "", 1}, {"version: 1\nguards: { a: { timeout: \"${NO}\" } }", "guards.a.timeout", 2}} {
		got := l.run(nil, c.text, "config", "validate", "-", "-o", "json")
		if err := json.Unmarshal([]byte(got.out), &v); err != nil || len(v.Problems) != 1 || v.Problems[0].Line != c.line || v.Problems[0].Path != c.path {
			t.Errorf("%q: %v: %s", c.text, err, got.out)
		}
	}
	got = l.run(nil, "", "config", "validate", "/does/not/exist", "-o", "json")
	if err := json.Unmarshal([]byte(got.out), &v); err != nil || got.code != 1 || len(v.Problems) != 1 || v.Problems[0].Line != 0 || !strings.Contains(v.Problems[0].Message, "no such file") {
		t.Errorf("%v: %s", err, got.out)
	}
}

func TestConfigValidate_CountsInWords(t *testing.T) {
	l := &live{t: t}
	expect(t, l.run(nil, "version: 1\nguards: { a: {} }\nbreakers: { a: {}, b: {} }\n", "config", "validate", "-"), 0, "stdin is valid: 1 guard, 2 breakers, 0 rate limits, 0 pools, 0 routes")
}
