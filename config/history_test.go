package config_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

func TestHistory_RecordsWhatWasAppliedAndRefused(t *testing.T) {
	f := serveFile(t, small)
	fileHash := f.Current().Hash
	by := config.By{Actor: "alice", Reason: "too slow", API: true}
	if _, err := f.Patch(t.Context(), []byte(`{"guards":{"g":{"timeout":"2s"},"h":{}}}`), by); err != nil {
		t.Fatal(err)
	}
	applied := f.newest(t)
	want := config.Record{
		Seq: 2, Revision: 2, At: applied.At, Actor: "alice", Reason: "too slow", Source: "api", Hash: f.Current().Hash,
		Text: "version: 1\nguards:\n  g:\n    timeout: 2s\n  h: {}\n", FileHash: fileHash,
		Changes: []string{"guards.g changed: timeout 1s → 2s; the next call sees the new settings", "guards.h added; answers from now on"},
		Outcome: config.OutcomeApplied, DriftRevision: 2, DriftHash: f.Current().Hash,
	}
	if got, want := fmt.Sprintf("%+v", applied), fmt.Sprintf("%+v", want); got != want || applied.At.IsZero() {
		t.Errorf("recorded is\n%s, want\n%s", got, want)
	}
	for name, tt := range map[string]struct {
		change  func() error
		changes string
		text    string
	}{
		"a patch that cannot be read": {func() error {
			return second(f.Patch(t.Context(), []byte(`{"guards":{"g":{"timeout":5},"h":null}}`), by))
		}, "patch /guards/g/timeout; patch /guards/h", ""},
		"an update that leads nowhere": {func() error { return second(f.Update(t.Context(), "/guards/x/timeout", "1s", by)) }, "set /guards/x/timeout", ""},
		"a removal":                    {func() error { return second(f.Update(t.Context(), "/guards/x", nil, by)) }, "remove /guards/x", ""},
		"one that was overtaken": {func() error {
			by := by
			by.Seen = 1
			return second(f.Update(t.Context(), "/guards/g/timeout", "1s", by))
		}, "set /guards/g/timeout", ""},
		"a restart": {func() error {
			return second(f.Update(t.Context(), "/namespace", "other", by))
		}, "namespace changed: default → other; namespace needs a restart", "namespace: other"},
		"an edit that is invalid": {func() error {
			return second(f.Edit(t.Context(), func(c *config.Config) error { c.Guards["bad"] = config.Guard{Breaker: "none"}; return nil }, by))
		}, "guards.bad added; answers from now on", "breaker: none"},
		"an edit that fails": {func() error {
			return second(f.Edit(t.Context(), func(*config.Config) error { return errors.New("as told") }, by))
		}, "", ""},
	} {
		err := tt.change()
		if err == nil {
			t.Errorf("%s was accepted", name)
			continue
		}
		r := f.newest(t)
		if r.Outcome != config.OutcomeRefused || r.Revision != 2 || r.Err != err.Error() || r.Actor != "alice" || r.FileHash != fileHash {
			t.Errorf("%s: recorded is %+v", name, r)
		}
		if got := strings.Join(r.Changes, "; "); !strings.HasPrefix(got, tt.changes) || !strings.Contains(r.Text, tt.text) {
			t.Errorf("%s: %s, text %q", name, got, r.Text)
		}
	}
	f.write(t, "version: 1\nguards: [\n")
	if _, err := f.Reload(t.Context(), config.By{}); err == nil {
		t.Fatal("a bad file was accepted")
	}
	if r := f.newest(t); r.Outcome != config.OutcomeRefused || r.Source != f.path || r.Err == "" || r.Text != "" {
		t.Errorf("the bad file: %+v", r)
	}
	before := f.newest(t).Seq
	if _, err := f.Update(t.Context(), "/guards/g/timeout", "2s", by); err != nil || f.newest(t).Seq != before {
		t.Errorf("what changes nothing is recorded: %v", err)
	}
}

// What cannot be read is recorded by its size and hash: what in it is a secret cannot be
// told.
func TestHistory_RecordsTextsThatCannotBeReadWithoutTheirValues(t *testing.T) {
	f := serveFile(t, small)
	by := config.By{Actor: "alice", Reason: "a try", API: true}
	put := func(text string) error { return second(f.ApplyText(t.Context(), "request", []byte(text), by)) }
	for _, tt := range []struct{ name, text, message string }{
		{"no YAML", "version: 1\nstorage: { postgres: \"postgres://u:canary@db\"\n", "request:3:1: while parsing a flow mapping"},
		{"a misspelt key", "version: 1\nstorage: { postgress: \"postgres://u:canary@db\" }\n", "storage.postgress: unknown key"},
		{"a wrong place", "version: 1\nbreakers: { a: \"postgres://u:canary@db\" }\n", "request:2:16: breakers.a: must be a mapping"},
		{"an anchor", "version: 1\nbreakers: { a: *canary }\n", "request:2:"},
	} {
		err := put(tt.text)
		if !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		r := f.newest(t)
		want := fmt.Sprintf("a document of %d bytes that was not read, SHA-256 %x", len(tt.text), sha256.Sum256([]byte(tt.text)))
		if r.Outcome != config.OutcomeRefused || r.Revision != 1 || r.Actor != "alice" || r.Reason != "a try" || r.Source != "api" ||
			r.Text != "" || r.Hash != "" || len(r.Changes) != 1 || r.Changes[0] != want || !strings.Contains(r.Err, tt.message) {
			t.Errorf("%s: %+v", tt.name, r)
		}
		if text := fmt.Sprintf("%+v", r); strings.Contains(text, "canary") && tt.name != "an anchor" { // a name, which is no value
			t.Errorf("%s: recorded with its secret: %s", tt.name, text)
		}
		if tt.name == "a wrong place" && !strings.Contains(err.Error(), "canary") {
			t.Errorf("the sender is not told what it sent: %v", err)
		}
	}
	if _, err := f.Patch(t.Context(), []byte("{"), by); !errors.Is(err, fault.InvalidArgument) {
		t.Error(err)
	}
	if r := f.newest(t); len(r.Changes) != 1 || !strings.HasPrefix(r.Changes[0], "a merge patch of 1 bytes that was not read") || !strings.Contains(r.Err, "not JSON") {
		t.Errorf("%+v", r)
	}
	if err := put(strings.Replace(small, "1s", "3s", 1)); err != nil {
		t.Fatal(err)
	}
	if r := f.newest(t); r.Outcome != config.OutcomeApplied || r.Revision != 2 || !strings.Contains(r.Text, "3s") || len(r.Changes) != 1 || strings.Contains(r.Changes[0], "SHA") {
		t.Errorf("%+v", r)
	}
}

// What nobody has decided about is not recorded: its caller went away.
func TestHistory_DoesNotRecordWhatWasNotJudged(t *testing.T) {
	f := serveFile(t, small)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Update(ended, "/guards/g/timeout", "2s", api); !errors.Is(err, fault.Canceled) {
		t.Error(err)
	}
	if r := f.newest(t); r.Revision != 1 || r.Outcome != config.OutcomeApplied {
		t.Errorf("%+v", r)
	}
}

func TestHistory_NumbersGoOnOverRestarts(t *testing.T) {
	f := serveFile(t, small)
	restart := func(number uint64, source string) {
		t.Helper()
		f.Close()
		f.open(t)
		if now := f.Current(); now.Number != number || now.Source != source {
			t.Errorf("revision %d of %s, want %d of %s", now.Number, now.Source, number, source)
		}
	}
	restart(1, f.path)
	f.write(t, small+"# a comment\n")
	restart(1, f.path)
	must(t, f.setTimeout(t, "2s", api))
	restart(2, "api")
	restart(2, "api")
	must(t, f.setTimeout(t, "3s", config.By{}))
	restart(4, "api") // without what code had changed
	f.write(t, other)
	restart(5, f.path)
	must(t, f.setTimeout(t, "3s", config.By{}))
	restart(7, f.path)
	wantRecords(t, f.options.History, "1 file applied", "2 api applied", "3 code applied", "4 api applied", "5 file applied", "6 code applied", "7 file applied")
}

// Without a file there is nothing that a change could be one on top of: a restart begins
// with what the program says.
func TestHistory_WithoutAFileNothingIsRestored(t *testing.T) {
	o := config.ServerOptions{Config: parse(t, small), History: config.NewMemoryHistory()}
	s := serve(t, o)
	if _, err := s.Update(t.Context(), "/guards/g/timeout", "2s", api); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = serve(t, o)
	if now := s.Current(); now.Number != 3 || now.Config.Guards["g"].Timeout != time.Second || s.Status().Drifted {
		t.Errorf("%+v", now)
	}
	if _, err := s.Rollback(t.Context(), 2, api); err != nil || s.Current().Config.Guards["g"].Timeout != 2*time.Second {
		t.Errorf("%v", err)
	}
}

func TestHash_IsOfWhatTheDocumentSays(t *testing.T) {
	const text = "version: 1\nguards: { g: { timeout: 60s, breaker: b }, h: {} }\nbreakers: { b: { failure_threshold: \"${LIMIT}\" } }\nstorage: { postgres: a-secret }\n"
	hash := func(text string) string { return serve(t, config.ServerOptions{Config: parse(t, text)}).Current().Hash }
	want := hash(text)
	for name, same := range map[string]string{
		"a comment":        text + "# a comment\n",
		"another spelling": strings.Replace(text, "60s", "1m", 1),
		"another order":    "storage:\n  postgres: 'a-secret'\nbreakers: { b: { failure_threshold: '${LIMIT}' } }\nguards: { h: {}, g: { breaker: b, timeout: 60s } }\nversion: 1\n",
		"what is empty":    text + "pools: {}\n",
	} {
		if hash(same) != want {
			t.Errorf("%s is a change", name)
		}
	}
	for name, change := range map[string][2]string{
		"a value":                   {"60s", "61s"},
		"a secret":                  {"a-secret", "another-secret"},
		"a variable for its value":  {`"${LIMIT}"`, "7"},
		"another default":           {"${LIMIT}", "${LIMIT:-7}"},
		"a part less":               {", h: {}", ""},
		"a text like a variable":    {"a-secret", "'$${LIMIT}'"},
		"a variable for the secret": {"a-secret", "\"${LIMIT}\""},
	} {
		if hash(strings.Replace(text, change[0], change[1], 1)) == want {
			t.Errorf("%s is no change", name)
		}
	}
}

func TestDrift_ThatCannotBeRestoredIsAnEvent(t *testing.T) {
	withSecret := fullDocument
	for name, tt := range map[string]struct {
		text   string
		change func(*fromFile) error
		before func(*testing.T, *fromFile) // before the restart
		why    string
	}{
		"it uses what code had made": {small, func(f *fromFile) error {
			if err := second(f.Edit(context.Background(), func(c *config.Config) error { c.Breakers["mine"] = config.Breaker{}; return nil }, config.By{})); err != nil {
				return err
			}
			return second(f.Update(context.Background(), "/guards/g/breaker", "mine", api))
		}, nil, "the program's code"},
		"a secret was written into it": {withSecret, func(f *fromFile) error {
			return second(f.Update(context.Background(), "/motto/author", "canary-2", api))
		}, nil, "held a secret"},
		"it is not read any more": {withSecret, func(f *fromFile) error {
			return second(f.Update(context.Background(), "/motto/text", "gone", api))
		}, func(t *testing.T, f *fromFile) { f.options.Parse.Sections = nil; f.write(t, small) }, "the file has changed"},
		"it cannot be put in force": {small, func(f *fromFile) error {
			return second(f.Update(context.Background(), "/guards/g/timeout", "2s", api))
		}, func(_ *testing.T, f *fromFile) { f.options.Applier = refusing{2 * time.Second} }, "put in force any more: as told"},
	} {
		t.Run(name, func(t *testing.T) {
			bus := telemetry.NewBus()
			var why []string
			_, err := telemetry.Subscribe(bus, "test", func(_ context.Context, e config.DriftDiscarded) { why = append(why, e.Why) })
			must(t, err)
			f := serveFile(t, tt.text, func(o *config.ServerOptions) { o.Bus = bus })
			must(t, tt.change(f))
			f.Close()
			if tt.before != nil {
				tt.before(t, f)
			}
			f.open(t)
			if len(why) != 1 || !strings.Contains(why[0], tt.why) || strings.Contains(why[0], "canary") || f.Status().Drifted {
				t.Errorf("discarded: %q, want %s", why, tt.why)
			}
			number := f.Current().Number
			f.Close()
			if f.open(t); len(why) != 1 || f.Current().Number != number {
				t.Errorf("it is discarded each time: %q, revision %d", why, f.Current().Number)
			}
		})
	}
}

// refusing is an applier that does not take guards of one timeout.
type refusing struct{ timeout time.Duration }

func (r refusing) Prepare(_ context.Context, _, next *config.Config, _ []config.Change) (config.Transition, error) {
	for _, g := range next.Guards {
		if g.Timeout == r.timeout {
			return config.Transition{}, errors.New("as told")
		}
	}
	return anything{}.Prepare(context.Background(), nil, next, nil)
}

// Removing the last part that is in force through the API removes that part, and not one
// that code has removed before.
func TestDrift_IsOfPartsAndNotOfSections(t *testing.T) {
	f := serveFile(t, "version: 1\nbreakers: { a: {}, b: {} }\n")
	_, err := f.Edit(t.Context(), func(c *config.Config) error { delete(c.Breakers, "b"); return nil }, config.By{})
	must(t, err)
	_, err = f.Update(t.Context(), "/breakers/a", nil, api)
	must(t, err)
	f.Close()
	f.open(t)
	if got := f.Current().Config.Breakers; len(got) != 1 || f.Current().Source != "api" {
		t.Errorf("%v", got)
	}
	if _, is := f.Current().Config.Breakers["b"]; !is {
		t.Error("a part that the program's code had removed is gone for good")
	}
}

// A secret in a file of its own changes, and the file that names it does not.
func TestReload_TakesWhatVariablesHoldNowAlsoBelowADrift(t *testing.T) {
	held := "canary-1"
	f := serveFile(t, "version: 1\nmotto: { author: \"${file:/secret}\" }\nguards: { g: { timeout: 1s } }\n", func(o *config.ServerOptions) {
		o.Parse.ReadFile = func(string) ([]byte, error) { return []byte(held), nil }
	})
	author := func() string { return config.SectionOf[motto](f.Current().Config, "motto").Author }
	for i, drift := range []func(){
		func() {},
		func() { must(t, f.setTimeout(t, "2s", api)) },
		func() { must(t, f.setTimeout(t, "3s", config.By{})) },
		func() {
			_, err := f.Edit(t.Context(), func(c *config.Config) error {
				c.Guards["g"] = config.Guard{Config: guard.Config{Classify: func(error) outcome.Outcome { return outcome.Ignored }}}
				return nil
			}, config.By{})
			must(t, err)
		},
	} {
		drift()
		before, drifted := f.Current(), f.Status().Drifted
		if applied, err := f.Reload(t.Context(), config.By{}); err != nil || applied.Revision != before.Number {
			t.Errorf("%d: nothing has changed, but revision %d, %v", i, applied.Revision, err)
		}
		held = fmt.Sprintf("canary-%d", i+2)
		applied, err := f.Reload(t.Context(), config.By{})
		if err != nil || author() != held || applied.Revision != before.Number+1 || f.Status().Drifted != drifted {
			t.Errorf("%d: %q, revision %d, %v", i, author(), applied.Revision, err)
		}
		if now := f.Current(); now.Hash != before.Hash || now.Config.Guards["g"].Timeout != before.Config.Guards["g"].Timeout {
			t.Errorf("%d: the reload has changed more", i)
		}
	}
}

// TestCanary_NoSecretLeavesAServer looks through records, errors, events, logs and
// statuses for what variables hold and what is written in their place.
func TestCanary_NoSecretLeavesAServer(t *testing.T) {
	var all bytes.Buffer
	bus := telemetry.NewBus()
	_, err := bus.SubscribePrefix(telemetry.Prefix, "test", func(_ context.Context, e telemetry.Event) {
		text, err := json.Marshal(e)
		fmt.Fprintf(&all, "%s %+v %s %v\n", e.EventName(), e, text, err)
	})
	must(t, err)
	h := newAwayHistory()
	f := serveFile(t, fullDocument, with(h), func(o *config.ServerOptions) {
		o.Bus, o.Logger = bus, slog.New(slog.NewTextHandler(&all, nil))
	})
	note := func(a config.Applied, err error) {
		text, _ := json.Marshal(err)
		fmt.Fprintf(&all, "%+v %v %s\n", a, err, text)
		if err != nil {
			fmt.Fprintln(&all, config.Render(err))
		}
	}
	ctx := t.Context()
	for _, by := range []config.By{api, {}} {
		note(f.Update(ctx, "/motto/author", "canary-update", by))
		note(f.Update(ctx, "/motto/author2", "canary-misspelt", by))
		note(f.Update(ctx, "/pools/db/options", map[string]any{"dsn": "canary-bad", "schema": 5}, by))
		note(f.Update(ctx, "/pools/db/options/dsn", map[string]any{"canary-a": "canary-b"}, by))
		note(f.Update(ctx, "/pools/db/options/dsn", "${file:/canary}", by))
		note(f.Update(ctx, "/storage/postgres", "canary-storage", by))
		note(f.Patch(ctx, []byte(`{"motto":{"author":"canary-patch","every":"9m"}}`), by))
		note(f.Patch(ctx, []byte(`{"pools":{"db":{"options":{"dsn":"postgres://app:canary-x@db"},"size":2}}}`), by))
		note(f.Patch(ctx, []byte(`{"motto":{"author":"canary-broken`), by))
		note(f.Rollback(ctx, 1, by))
		note(f.Edit(ctx, func(c *config.Config) error {
			c.Storage = &config.Storage{Postgres: "canary-edit"}
			c.Pools["db"] = config.Pool{Worker: "postgres", Options: &dbOptions{DSN: "canary-bad-edit"}}
			return nil
		}, by))
	}
	h.away.Store(true)
	note(f.Update(ctx, "/motto/author", "canary-away", api))
	fmt.Fprintf(&all, "%+v\n", f.Status())
	h.away.Store(false)
	f.Close()
	f.open(t)
	f.write(t, strings.Replace(fullDocument, "be quick", "be slow", 1))
	note(f.Reload(ctx, config.By{}))
	records, err := f.History(ctx, 0, 0)
	must(t, err)
	text, err := json.Marshal(records)
	must(t, err)
	if len(records) < 15 {
		t.Errorf("only %d records", len(records))
	}
	fmt.Fprintf(&all, "%s\n%+v\n%+v\n%v", text, records, f.Status(), f.Current())
	for line := range strings.Lines(all.String()) {
		if strings.Contains(line, "canary") && !strings.Contains(line, "/canary") {
			t.Errorf("a secret is in %.2000s", line)
		}
	}
}
