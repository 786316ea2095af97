package config_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/ratelimit"
)

const overridesDocument = `version: 1
rate_limits:
  client:
    limit: 5
    per: 1s
    overrides:
      acme: { limit: 1000, per: 1m, burst: 10 }
      "a.b/c%2Fd": { limit: 0 }
      probe: exempt
      "7":
        per: ${PER:-3s}
      word: ${WORD:-exempt}
`

var overridesRead = map[string]ratelimit.Override{
	"acme": {Limit: 1000, Per: time.Minute, Burst: 10}, "a.b/c%2Fd": {Limit: -1}, "probe": {Exempt: true}, "7": {Per: 3 * time.Second}, "word": {Exempt: true},
}

func TestOverrides_AreReadWrittenClonedAndCompared(t *testing.T) {
	c := parse(t, overridesDocument)
	for what, of := range map[string]*config.Config{"read": c, "written and read": parse(t, c.String()), "cloned": c.Clone()} {
		if got := of.RateLimits["client"].Overrides; !maps.Equal(got, overridesRead) {
			t.Errorf("%s: %+v", what, got)
		}
		if !equal(c, of) {
			t.Errorf("%s: differs: %v", what, config.Diff(c, of))
		}
	}
	if text := c.String(); !strings.Contains(text, "probe: exempt") || !strings.Contains(text, "per: ${PER:-3s}") || !strings.Contains(text, "word: ${WORD:-exempt}") {
		t.Errorf("%s", text)
	}
	clone := c.Clone()
	clone.RateLimits["client"].Overrides["acme"] = ratelimit.Override{Limit: 2}
	if c.RateLimits["client"].Overrides["acme"].Limit != 1000 {
		t.Error("a clone shares its overrides")
	}
}

func TestOverrides_RefuseWhatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		`{acme: off}`:                          `overrides.acme off: must be a mapping, or the word exempt`,
		`{acme: true}`:                         `must be a mapping, or the word exempt`,
		`{acme: {exempt: true}}`:               `unknown key`,
		`{acme: {limt: 5}}`:                    `unknown key; did you mean "limit"?`,
		`{acme: {}}`:                           `overrides.acme: says nothing: give limit, per or burst, or the word exempt`,
		`{acme: }`:                             `overrides.acme: says nothing`,
		`{acme: {limit: -1}}`:                  `limit`,
		`{acme: {per: 0s}}`:                    `per`,
		`{"a/b/c": {limit: 5}}`:                `overrides."a/b/c": has 3 parts, and the rule looks at 2; did you mean "a/b"?`,
		`{"": {limit: 5}}`:                     `is no key; an empty part is written "-"`,
		`{"x y": exempt, "x%20y": {limit: 5}}`: `overrides."x y": is the same key as "x%20y"; keep one of them`,
		`{"a].b": {limit: 5, burst: 0}}`:       `overrides."a].b".burst`,
	} {
		_, err := config.Parse("foundation.yaml", []byte("version: 1\nrate_limits:\n  client:\n    limit: 5\n    parts: 2\n    overrides: "+text), options)
		if err == nil {
			c := parse(t, "version: 1\nrate_limits:\n  client:\n    limit: 5\n    parts: 2\n    overrides: "+text)
			_, err = c.Validate(registry)
		}
		if err == nil || !strings.Contains(config.Render(err), want) || !strings.Contains(config.Render(err), "foundation.yaml:6:") {
			t.Errorf("%s: %v", text, config.Render(err))
		}
	}
}

func TestOverrides_ChangeByPatchAndPointer(t *testing.T) {
	f := serveFile(t, overridesDocument)
	at := func(key string) func() ratelimit.Override {
		return func() ratelimit.Override { return f.Current().Config.RateLimits["client"].Overrides[key] }
	}
	update := func(pointer string, value any) func() (config.Applied, error) {
		return func() (config.Applied, error) { return f.Update(t.Context(), pointer, value, api) }
	}
	patch := func(text string) func() (config.Applied, error) {
		return func() (config.Applied, error) { return f.Patch(t.Context(), []byte(text), api) }
	}
	for _, step := range []struct {
		change func() (config.Applied, error)
		of     func() ratelimit.Override
		want   ratelimit.Override
		diff   string
	}{
		{update("/rate_limits/client/overrides/acme", "exempt"), at("acme"), ratelimit.Override{Exempt: true}, "overrides.acme {limit: 1000, per: 1m, burst: 10} → exempt"},
		{update("/rate_limits/client/overrides/acme/limit", 7), nil, ratelimit.Override{}, ""},
		{update("/rate_limits/client/overrides/acme", map[string]any{"limit": 7}), at("acme"), ratelimit.Override{Limit: 7}, "overrides.acme exempt → {limit: 7}"},
		{update("/rate_limits/client/overrides/acme/limit", 8), at("acme"), ratelimit.Override{Limit: 8}, "overrides.acme {limit: 7} → {limit: 8}"},
		{update("/rate_limits/client/overrides/a.b~1c%2Fd", "exempt"), at("a.b/c%2Fd"), ratelimit.Override{Exempt: true}, `overrides."a.b/c%2Fd" {limit: 0} → exempt`},
		{patch(`{"rate_limits":{"client":{"overrides":{"a.b/c%2Fd":null}}}}`), at("a.b/c%2Fd"), ratelimit.Override{}, `overrides."a.b/c%2Fd" exempt → default`},
		{patch(`{"rate_limits":{"client":{"overrides":{"x/y":{"limit":3},"probe":null}}}}`), at("x/y"), ratelimit.Override{Limit: 3}, `overrides.probe exempt → default, overrides."x/y" default → {limit: 3}`},
		{patch(`{"rate_limits":{"client":{"overrides":null}}}`), at("acme"), ratelimit.Override{}, "overrides.acme {limit: 8} → default"},
	} {
		applied, err := step.change()
		if step.of == nil {
			if err == nil {
				t.Error("a number was set of a key that is exempt")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := step.of(); got != step.want || len(applied.Changes) != 1 || !strings.Contains(applied.Changes[0].String(), step.diff) {
			t.Errorf("got %+v, want %+v; %v, want %s", got, step.want, applied.Changes, step.diff)
		}
	}
}

// customers is a document with n overrides.
func customers(n int, change func(i int) string) string {
	var b strings.Builder
	b.WriteString("version: 1\nrate_limits:\n  client:\n    limit: 5\n    per: 1s\n    overrides:\n")
	for i := range n {
		fmt.Fprintf(&b, "      customer-%06d: %s\n", i, change(i))
	}
	return b.String()
}

func plan(int) string { return "{ limit: 1000, per: 1m }" }

func TestOverrides_AChangeOfThreeIsShownAsThree(t *testing.T) {
	const n = 2_000
	old := parse(t, customers(n, plan))
	changes := config.Diff(old, parse(t, customers(n, func(i int) string {
		if i%700 == 3 {
			return "exempt"
		}
		return plan(i)
	})))
	const want = "rate_limits.client changed: overrides.customer-000003 {limit: 1000, per: 1m} → exempt, overrides.customer-000703 {limit: 1000, per: 1m} → exempt, " +
		"overrides.customer-001403 {limit: 1000, per: 1m} → exempt; keeps what was used, the new settings hold from now on"
	if len(changes) != 1 || changes[0].String() != want {
		t.Errorf("got\n%v\nwant\n%s", changes, want)
	}
	all := config.Diff(old, parse(t, "version: 1\nrate_limits: { client: { limit: 6, per: 1s } }"))
	if len(all) != 1 || len(all[0].Fields) != 12 || !strings.Contains(all[0].String(), "overrides … → 1990 more keys") || !strings.Contains(all[0].String(), "limit 5 → 6") {
		t.Errorf("%v", all)
	}
}

// BenchmarkReload100000Overrides reads, checks, compares and records a document of 100,000
// overrides, of which three have changed.
func BenchmarkReload100000Overrides(b *testing.B) {
	const n = 100_000
	f := serveFile(b, customers(n, plan))
	b.ReportAllocs()
	for round := 0; b.Loop(); round++ {
		b.StopTimer()
		f.write(b, customers(n, func(i int) string {
			if i%40_000 == 3 {
				return fmt.Sprintf("{ limit: %d, per: 1m }", round%2+7)
			}
			return plan(i)
		}))
		b.StartTimer()
		applied, err := f.Reload(b.Context(), config.By{})
		if err != nil || len(applied.Changes) != 1 || len(applied.Changes[0].Fields) != 3 {
			b.Fatal(applied.Changes, err)
		}
	}
}

func BenchmarkUpdateOneOf100000Overrides(b *testing.B) {
	f := serveFile(b, customers(100_000, plan))
	b.ReportAllocs()
	for round := 0; b.Loop(); round++ {
		if _, err := f.Update(b.Context(), "/rate_limits/client/overrides/customer-000007/limit", round+1, api); err != nil {
			b.Fatal(err)
		}
	}
}
