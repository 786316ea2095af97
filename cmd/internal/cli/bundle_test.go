package cli_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/cmd/internal/cli"
	"github.com/elixirscope/foundation/ratelimit"
)

// unpacked returns the parts of a bundle by their names.
func unpacked(t *testing.T, from io.Reader) map[string]string {
	t.Helper()
	zip, err := gzip.NewReader(from)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for archive := tar.NewReader(zip); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(header.Name, "/")
		parts[name] = string(text)
	}
}

// Secrets of the file, of variables, of the command's own token and keys of clients are in no
// part of a bundle.
func TestBundle_HoldsWhatSupportNeedsAndNoSecret(t *testing.T) {
	l := serveLive(t, strings.Replace(localText, "storage: { path: /nowhere/at/all }\n", "rate_limits: { per_client: { limit: 1, per: 1h } }\n", 1), daemonEnv)
	limit, err := l.RateLimit("per_client")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		limit.Allow(ratelimit.KeyOf("canary-key-of-a-client"))
	}
	b, err := l.Breaker("payments")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Force(breaker.StateOpen, breaker.Override{Actor: "ops", Reason: "a drill"}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "incident.tar.gz")
	got := l.run(map[string]string{"FOUNDATION_TOKEN": "canary-of-the-command"}, "", "bundle", file, "-o", "json")
	var manifest cli.Bundle
	if err := json.Unmarshal([]byte(got.out), &manifest); err != nil || got.code != 0 || manifest.File != file {
		t.Fatalf("exit code %d, %v: %s%s", got.code, err, got.out, got.err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	parts := unpacked(t, in)
	for name, want := range map[string]string{
		"status.json": `"drill"`, "config.json": "(hidden)", "config-status.json": "last_reload", "config-history.json": `"revision": 1`, "health.json": "breakers/payments",
		"goroutines.txt": "goroutine ", "heap.pprof": "", "manifest.json": "go_version", "services.json": "items", "memory.json": "level", "alerts.json": "items",
	} {
		text, is := parts[name]
		if !is || !strings.Contains(text, strings.Trim(want, `"`)) || text == "" {
			t.Errorf("%s: there %v, %d bytes: %.200s", name, is, len(text), text)
		}
	}
	for name, text := range parts {
		if i := strings.Index(text, "canary"); i >= 0 && name != "goroutines.txt" {
			t.Errorf("%s holds a secret: %.100q", name, text[i:])
		}
	}
	if !strings.Contains(parts["status.json"], "sha256:") {
		t.Error("the keys of clients cannot be told apart")
	}
	missing := 0
	for _, p := range manifest.Parts {
		_, is := parts[p.Name]
		if is != (p.Error == "") || is && p.Bytes == 0 {
			t.Errorf("%+v, there %v", p, is)
		}
		if p.Error != "" {
			missing++
		}
	}
	if missing == 0 { // this layer has no metrics and no level of a log
		t.Error("nothing is missing, and something should be")
	}
}

func TestBundle_ToStdoutAndWithoutADaemon(t *testing.T) {
	l := serveLive(t, "guards: { a: {} }\n", nil)
	got := l.run(nil, "", "bundle", "-")
	if parts := unpacked(t, strings.NewReader(got.out)); got.code != 0 || parts["status.json"] == "" || parts["manifest.json"] == "" {
		t.Errorf("exit code %d: %s", got.code, got.err)
	}
	file := filepath.Join(t.TempDir(), "x.tar.gz")
	if got := run(t, nil, "bundle", file, "--addr", "127.0.0.1:1"); got.code != cli.ExitUnreachable {
		t.Errorf("exit code %d: %s", got.code, got.err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Error("something was written", err)
	}
	if got := l.run(nil, "", "bundle", "/does/not/exist/x.tar.gz"); got.code != cli.ExitFailure || !strings.Contains(got.err, "no such file") {
		t.Errorf("exit code %d: %s", got.code, got.err)
	}
}
