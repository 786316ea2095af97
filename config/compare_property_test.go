package config_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/config"
)

// rich draws a document with secrets in the open, secrets from variables, variables of
// numbers, lists, and texts that look like variables.
func rich(t *rapid.T) string {
	var b strings.Builder
	pick := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, what) }
	line := func(format, what string, from ...string) {
		if v := pick(what, append(from, "")...); v != "" {
			fmt.Fprintf(&b, format, v)
		}
	}
	b.WriteString("version: 1\n")
	if pick("own namespace", "yes", "") != "" {
		b.WriteString("namespace: shop\n")
		line("shared: { redis: %s }\n", "shared", `"${ORDERS_DSN}"`, "canary-redis-1", "canary-redis-2")
	} else {
		line("namespace: %s\n", "namespace", "production", "test")
	}
	line("storage: { postgres: %s }\n", "storage", `"${ORDERS_DSN}"`, "canary-storage-1", "canary-storage-2")
	b.WriteString("breakers:\n  a: {}\n")
	line("  b: { failure_threshold: %s }\n", "threshold", "3", "4", `"${LIMIT}"`)
	line("  c: { window: %s }\n", "window", "1500ms", "90m")
	line("  d: { mode: %s }\n", "mode", "shadow", "off")
	b.WriteString("pools:\n")
	for _, name := range []string{"db", "other"} {
		dsn := pick(name, `"${ORDERS_DSN}"`, "postgres://canary-1", "postgres://canary-2", `"with $${X} canary"`, "")
		if dsn != "" {
			fmt.Fprintf(&b, "  %s: { worker: postgres, options: { dsn: %s }, size: %s }\n", name, dsn, pick("size", "3", "20", `"${LIMIT}"`))
		}
	}
	b.WriteString("guards:\n  g: {}\n")
	line("  checkout: { breaker: a, timeout: %s }\n", "timeout", "1s", "2s")
	line("rate_limits: { client: { limit: %s, per: 1s } }\n", "limit", "5", `"${LIMIT}"`)
	if text := pick("text", "one", `"a $${NOT} b"`, `"${MOTTO:-three}"`, ""); text != "" {
		fmt.Fprintf(&b, "motto: { text: %s, author: %s, lines: [{ text: x }, { text: %s }] }\n", text, pick("author", "canary-author-1", "canary-author-2", `"${ORDERS_DSN}"`), pick("line", "y", "z"))
	}
	return b.String()
}

func drawn(t *rapid.T) *config.Config {
	text := rich(t)
	c, err := config.Parse("foundation.yaml", []byte(text), options)
	if err != nil {
		t.Fatalf("%s\n%s", config.Render(err), text)
	}
	return c
}

func hashOf(t *rapid.T, c *config.Config) string {
	s, err := config.NewServer(context.Background(), config.ServerOptions{Applier: anything{}, Config: c, Parse: options})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Current().Hash
}

func changeTexts(changes []config.Change) []string {
	out := make([]string, len(changes))
	for i := range changes {
		out[i] = changes[i].String()
	}
	return out
}

// A client that sees only what is shown finds the changes that the server would find.
func TestCompare_FindsWhatDiffFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, next := drawn(t), drawn(t)
		document, err := old.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		changes, unsure, err := config.Compare(document, hashOf(t, old), next, registry)
		if err != nil {
			t.Fatal(err)
		}
		got, want := changeTexts(changes), changeTexts(config.Diff(old, next, registry.Sections...))
		if len(unsure) > 0 { // of these it says nothing
			want = changeTexts(config.Diff(old, withSecretsOf(old, next, unsure), registry.Sections...))
		}
		for i := range got { // by how much is known to the server alone
			if before, ok := strings.CutSuffix(got[i], "grows or shrinks to its new size"); ok && i < len(want) && strings.HasPrefix(want[i], before) {
				want[i] = got[i]
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("unsure of %v: got\n%s\nwant\n%s", unsure, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if strings.Contains(strings.Join(got, "\n")+strings.Join(unsure, "\n"), "canary") {
			t.Fatalf("a secret is shown:\n%s", got)
		}
	})
}

// withSecretsOf returns c with the secrets of another configuration in some fields.
func withSecretsOf(other, c *config.Config, fields []string) *config.Config {
	c = c.Clone()
	for _, field := range fields {
		switch name, isPool := strings.CutPrefix(strings.TrimSuffix(field, ".options.dsn"), "pools."); {
		case isPool:
			p := c.Pools[name]
			p.Options = other.Pools[name].Options
			c.Pools[name] = p
		case field == "storage.postgres":
			c.Storage.Postgres = other.Storage.Postgres
		case field == "shared.redis":
			c.Shared.Redis = other.Shared.Redis
		default:
			c.Sections["motto"].(*motto).Author = other.Sections["motto"].(*motto).Author //nolint:forcetypeassert // nothing else is a secret
		}
	}
	return c
}

// The variables of the daemon need not be set where the client runs.
func TestCompare_NeedsNoVariableOfTheOther(t *testing.T) {
	old := parse(t, "version: 1\nbreakers: { a: { failure_threshold: \"${LIMIT}\" } }\nrate_limits: { r: { limit: \"${LIMIT}\", per: 1s } }\n")
	document, err := old.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	next := parse(t, "version: 1\nbreakers: { a: { failure_threshold: 9 } }\n")
	changes, unsure, err := config.Compare(document, "", next, registry)
	if err != nil || len(unsure) > 0 {
		t.Fatal(err, unsure)
	}
	want := []string{"breakers.a changed: failure_threshold ${LIMIT} → 9; keeps its state", "rate_limits.r removed; what was used is forgotten"}
	if got := changeTexts(changes); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestCompare_SaysWhatItCannotRead(t *testing.T) {
	for _, document := range []string{"{", `{"version":1,"fancy":{}}`, `{"version":1,"breakers":{"a":{"window":"soon"}}}`} {
		if changes, _, err := config.Compare([]byte(document), "", parse(t, "version: 1"), registry); err == nil || !strings.Contains(err.Error(), "another version") {
			t.Errorf("%s: %v, %v", document, changes, err)
		}
	}
}

// What the API answers can be handed in again, as it is: it changes nothing, whatever was
// changed through the API before.
func TestWhatIsShownCanBeAppliedAgain(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path := filepath.Join(dir, "foundation.yaml")
		if err := os.WriteFile(path, []byte(rich(t)), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := config.NewServer(context.Background(), config.ServerOptions{Applier: anything{}, File: path, Parse: options})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, patch := range rapid.SliceOfN(rapid.SampledFrom([]string{
			`{"breakers":{"a":{"failure_threshold":9}}}`, `{"breakers":{"a":null}}`, `{"motto":{"author":"canary-patched","text":"four"}}`,
			`{"motto":null}`, `{"guards":{"fresh":{"timeout":"3s"}}}`, `{"pools":{"db":{"size":7}}}`, `{"motto":{"text":"a $${B}"}}`,
		}), 0, 3).Draw(t, "patches") {
			_, _ = s.Patch(context.Background(), []byte(patch), api) // one that is refused changes nothing
		}
		before := s.Current()
		document, err := json.Marshal(before.Config)
		if err != nil {
			t.Fatal(err)
		}
		for form, text := range map[string]string{"yaml": before.Config.String(), "json": string(document)} {
			applied, err := s.ApplyText(context.Background(), "request", []byte(text), api)
			if err != nil {
				t.Fatalf("%s: %s\n%s", form, config.Render(err), text)
			}
			if applied.Revision != before.Number || len(applied.Changes) > 0 || s.Current().Hash != before.Hash {
				t.Fatalf("%s: revision %d became %d: %v\n%s", form, before.Number, applied.Revision, applied.Changes, text)
			}
		}
	})
}
