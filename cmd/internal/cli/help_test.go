package cli_test

import (
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/elixirscope/foundation/cmd/internal/cli"
)

// commands are all that users see, with what --help says of them.
func commands(t *testing.T, path ...string) map[string]string {
	t.Helper()
	got := run(t, nil, append(path, "--help")...)
	if got.code != 0 || got.err != "" {
		t.Fatalf("%v: exit code %d: %s", path, got.code, got.err)
	}
	all := map[string]string{strings.Join(path, " "): got.out}
	listing := false
	for line := range strings.Lines(got.out) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case strings.HasPrefix(line, "  ") && listing && name != "help":
			maps.Copy(all, commands(t, append(append([]string{}, path...), name)...))
		case !strings.HasPrefix(line, " "):
			listing = strings.HasPrefix(line, "Run:") || strings.HasPrefix(line, "Look:") || strings.HasPrefix(line, "Act:") || strings.HasPrefix(line, "More:") || strings.HasPrefix(line, "Commands:")
		}
	}
	return all
}

func TestHelp_FitsEightyColumnsAndNamesTheDaemonOnlyWhereOneIsAsked(t *testing.T) {
	all := commands(t)
	if len(all) < 50 {
		t.Fatalf("only %d commands", len(all))
	}
	alone := map[string]bool{
		"": true, "quickstart": true, "serve": true, "detect": true, "version": true, "config": true, "config validate": true, "config schema": true,
		"storage": true, "storage check": true, "completion": true, "completion bash": true, "completion fish": true, "completion zsh": true, "completion powershell": true,
	}
	for command, text := range all {
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 && !strings.HasPrefix(line, "  foundation ") && !strings.HasPrefix(command, "completion ") {
				t.Errorf("%s: %d columns: %s", command, n, line)
			}
		}
		if strings.Contains(text, "--addr") == alone[command] {
			t.Errorf("%q: that it has --addr is %v", command, !alone[command])
		}
	}
	if got := all["get rate_limits"]; !strings.Contains(got, "\n  rate_limits, rate_limit, rate-limits, rate-limit\n") {
		t.Errorf("aliases: %s", got)
	}
	if got := all["get guards"]; !strings.Contains(got, "\n  guards, guard\n") {
		t.Errorf("aliases: %s", got)
	}
}

func TestVersion_IsAFlagToo(t *testing.T) {
	flag, command := run(t, nil, "--version"), run(t, nil, "version")
	if flag != command || flag.code != 0 || !strings.HasPrefix(flag.out, "foundation ") {
		t.Errorf("%+v, %+v", flag, command)
	}
}

func TestDurations_MayHaveDays(t *testing.T) {
	addr, requests := daemon(t)
	for text, want := range map[string]string{"1d": "86400", "1d12h": "129600", "0.5d": "43200", "90m": "5400"} {
		*requests = nil
		run(t, nil, "breaker", "force-open", "maps", "--reason", "x", "--for", text, "--addr", addr)
		if len(*requests) != 1 || !strings.Contains((*requests)[0], `"for_seconds":`+want+"}") {
			t.Errorf("%s: %q", text, *requests)
		}
	}
	for _, text := range []string{"1", "d", "1d-1h", "-1d2h", "1w", "99999999999d", ""} {
		if got := run(t, nil, "breaker", "force-open", "maps", "--reason", "x", "--for", text); got.code != cli.ExitUsage || !strings.Contains(got.err, "as in 90s, 15m, 2h or 1d") {
			t.Errorf("%q: exit code %d: %s", text, got.code, got.err)
		}
	}
}

// The gateway counts a client of IPv6 by its network, so what is asked of a key is, too.
func TestCheck_CountsAddressesAsTheGatewayDoes(t *testing.T) {
	addr, requests := daemon(t)
	for key, want := range map[string]string{
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "2001:DB8::1": "2001:db8::", "::ffff:10.1.2.3": "10.1.2.3", "[2001:db8::9]": "2001:db8::", "acme/2001:db8::1": "acme/2001:db8::",
		"10.1.2.3": "10.1.2.3", "alice": "alice", "a%2Fb/c": "a%2Fb/c", "2001:db8::": "2001:db8::",
	} {
		*requests = nil
		got := run(t, nil, "check", "r", key, "--addr", addr)
		if len(*requests) != 1 || !strings.Contains((*requests)[0], `"key":"`+want+`"`) || (got.err != "") != (key != want) {
			t.Errorf("%s: asked %q, said %q", key, *requests, got.err)
		}
	}
}

func TestQuickstart_ExplainsAnUpstreamWithoutAScheme(t *testing.T) {
	for upstream, want := range map[string]string{"127.0.0.1:3000": "Try:   --upstream http://127.0.0.1:3000", "localhost": "http://localhost", "ftp://x": "not an http", "http://": "not an http"} {
		if got := run(t, nil, "quickstart", "--upstream", upstream); got.code != cli.ExitUsage || !strings.Contains(got.err, want) || !strings.Contains(got.err, "--upstream "+upstream) {
			t.Errorf("%s: exit code %d: %s", upstream, got.code, got.err)
		}
	}
}

func TestLogLevel_AsksTheDaemon(t *testing.T) {
	addr, requests := daemon(t)
	for want, args := range map[string][]string{
		`GET /v1/log_level`: {"log-level"},
		`PUT /v1/log_level {"level":"debug","for_seconds":600,"reason":"x"}`: {"log-level", "debug", "--for", "10m", "--reason", "x"},
	} {
		*requests = nil
		got := run(t, nil, append(args, "--addr", addr)...)
		if len(*requests) != 1 || (*requests)[0] != want || got.out != "log level debug instead of info, by ops, for another 9m30s: to see more\n" {
			t.Errorf("%v asked %q, said %q %q", args, *requests, got.out, got.err)
		}
	}
}
