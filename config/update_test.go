package config_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

const fullDocument = `version: 1
storage: { postgres: "${ORDERS_DSN}" }
breakers:
  payments: { failure_threshold: "${LIMIT}", window: 10s } # the first
rate_limits: { client: { limit: 5, per: 1s } }
pools: { db: { worker: postgres, options: { dsn: "postgres://app:canary-literal@db/orders" } } }
guards: { checkout: { breaker: payments, timeout: 2s } }
motto: { text: be quick, author: canary-author, lines: [{ text: a }, { text: b }] }
`

// fromFile is a server of a file with text.
type fromFile struct {
	*config.Server

	path    string
	options config.ServerOptions
}

func serveFile(t testing.TB, text string, change ...func(*config.ServerOptions)) *fromFile {
	t.Helper()
	f := &fromFile{path: filepath.Join(t.TempDir(), "foundation.yaml")}
	f.options = config.ServerOptions{Applier: anything{}, File: f.path, Parse: options, History: config.NewMemoryHistory()}
	for _, c := range change {
		c(&f.options)
	}
	f.write(t, text)
	f.open(t)
	return f
}

func (f *fromFile) write(t testing.TB, text string) {
	t.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *fromFile) open(t testing.TB) {
	t.Helper()
	var err error
	if f.Server, err = config.NewServer(t.Context(), f.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
}

// newest returns the newest record.
func (f *fromFile) newest(t *testing.T) config.Record {
	t.Helper()
	records, err := f.History(t.Context(), 0, 1)
	if err != nil || len(records) == 0 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	return records[0]
}

var api = config.By{Actor: "alice", Reason: "a test", API: true}

func TestUpdate_SetsWhatAPointerNames(t *testing.T) {
	for name, tt := range map[string]struct {
		pointer string
		value   any
		want    string // a line of the document
	}{
		"a duration of Go":       {"/breakers/payments/window", 5 * time.Second, "window: 5s"},
		"a duration as text":     {"/breakers/payments/window", "90s", "window: 1m30s"},
		"a number of JSON":       {"/rate_limits/client/limit", json.Number("9"), "limit: 9"},
		"a number of Go":         {"/rate_limits/client/limit", 9, "limit: 9"},
		"none":                   {"/rate_limits/client/limit", 0, "limit: 0"},
		"a struct":               {"/breakers/search", config.Breaker{Config: breaker.Config{Window: time.Minute}}, "window: 1m"},
		"an object":              {"/guards/search", map[string]any{"breaker": "payments", "timeout": 3 * time.Second}, "timeout: 3s"},
		"parts of Go":            {"/guards", map[string]config.Guard{"only": {Config: guard.Config{Timeout: time.Hour}}}, "timeout: 1h"},
		"an element":             {"/motto/lines/1/text", "c", "text: c"},
		"a new element":          {"/motto/lines/-", map[string]any{"text": "c"}, "text: c"},
		"what was left out":      {"/guards/checkout/rate_limit", "client", "rate_limit: client"},
		"a text like a variable": {"/motto/text", "$${X}", "text: $${X}"},
	} {
		t.Run(name, func(t *testing.T) {
			f := serveFile(t, fullDocument)
			applied, err := f.Update(t.Context(), tt.pointer, tt.value, api)
			if err != nil {
				t.Fatal(err)
			}
			if text := f.Current().Config.String(); applied.Revision != 2 || !strings.Contains(text, tt.want+"\n") {
				t.Errorf("revision %d is\n%s", applied.Revision, text)
			}
			if s := f.Status(); !s.Drifted || f.Current().Source != "api" {
				t.Errorf("%+v, source %s", s, f.Current().Source)
			}
		})
	}
}

func TestUpdate_RemovesWithNil(t *testing.T) {
	f := serveFile(t, fullDocument)
	if _, err := f.Update(t.Context(), "/guards/checkout/timeout", nil, api); err != nil || f.Current().Config.Guards["checkout"].Timeout != 0 {
		t.Errorf("%v, %v", f.Current().Config.Guards, err)
	}
	if applied, err := f.Update(t.Context(), "/guards/checkout", nil, config.By{}); err != nil || len(applied.Changes) != 1 || f.Current().Source != "code" {
		t.Errorf("%+v, %v", applied, err)
	}
}

// TestScenario86_FaultsOfAChangeAreClearAndChangeNothing: one fault each, with its place.
func TestScenario86_FaultsOfAChangeAreClearAndChangeNothing(t *testing.T) {
	update := func(pointer string, value any) func(*fromFile) (config.Applied, error) {
		return func(f *fromFile) (config.Applied, error) { return f.Update(context.Background(), pointer, value, api) }
	}
	patch := func(text string) func(*fromFile) (config.Applied, error) {
		return func(f *fromFile) (config.Applied, error) { return f.Patch(context.Background(), []byte(text), api) }
	}
	for name, tt := range map[string]struct {
		change   func(*fromFile) (config.Applied, error)
		code     fault.Code
		position string
		message  string
	}{
		"a number for a duration":    {update("/breakers/payments/window", 5), fault.InvalidConfig, "/breakers/payments/window", "5 of what? write 5s"},
		"text for a number":          {update("/rate_limits/client/limit", "5"), fault.InvalidConfig, "/rate_limits/client/limit", "whole number is wanted"},
		"a number for text":          {update("/guards/checkout/breaker", 5), fault.InvalidConfig, "/guards/checkout/breaker", "must be text"},
		"a value for a section":      {update("/breakers", 5), fault.InvalidConfig, "/breakers", "must be a mapping"},
		"a list for a section":       {patch(`{"breakers": []}`), fault.InvalidConfig, "/breakers", "must be a mapping, not a list"},
		"out of range":               {update("/breakers/payments/window", "48h"), fault.InvalidConfig, "/breakers/payments/window", "24h"},
		"a name that there is not":   {update("/guards/checkout/breaker", "paymnts"), fault.InvalidConfig, "/guards/checkout/breaker", `did you mean "payments"?`},
		"a part in use goes":         {update("/breakers/payments", nil), fault.InvalidConfig, "/guards/checkout/breaker", `there is no "payments"`},
		"an unknown setting":         {update("/breakers/payments/windw", "5s"), fault.InvalidConfig, "/breakers/payments/windw", `did you mean "window"?`},
		"an unknown part":            {update("/breakers/paymnts/window", "5s"), fault.NotFound, "/breakers/paymnts", `did you mean "payments"?`},
		"an unknown section":         {update("/breakrs/payments/window", "5s"), fault.InvalidConfig, "/breakrs", `did you mean "breakers"?`},
		"below a value":              {update("/namespace/x", 1), fault.InvalidConfig, "/namespace", "must be a value"},
		"an element that is not":     {update("/motto/lines/2/text", "c"), fault.NotFound, "/motto/lines/2", "2 elements"},
		"nothing to remove":          {update("/guards/checkout/pool", nil), fault.NotFound, "/guards/checkout/pool", "nothing to remove"},
		"no pointer":                 {update("breakers", nil), fault.InvalidArgument, "breakers", "begins with /"},
		"no JSON value":              {update("/motto/text", make(chan int)), fault.InvalidArgument, "/motto/text", "cannot be written as JSON"},
		"the version goes":           {update("/version", nil), fault.InvalidConfig, "/version", "is missing"},
		"everything goes":            {update("", nil), fault.InvalidConfig, "/version", "is missing"},
		"a variable":                 {update("/motto/text", "${ORDERS_DSN}"), fault.InvalidConfig, "/motto/text", "only in a local configuration file"},
		"what the file alone sets":   {update("/storage/postgres", "postgres://elsewhere"), fault.InvalidConfig, "/storage/postgres", "local file only"},
		"what the file alone has":    {patch(`{"storage": null}`), fault.InvalidConfig, "/storage/postgres", "local file only"},
		"a secret that there is not": {update("/pools/db2", map[string]any{"worker": "postgres", "options": map[string]any{"dsn": "(hidden)"}}), fault.InvalidConfig, "/pools/db2/options/dsn", "stands for a secret"},
		"needs a restart":            {update("/namespace", "other"), fault.InvalidConfig, "", "restart it"},
		"no JSON":                    {patch("{\n  \"breakers\": }"), fault.InvalidArgument, "patch:2:15", "not JSON"},
		"a key twice":                {patch(`{"a": 1, "a": 2}`), fault.InvalidArgument, "patch:1:13", "twice"},
		"no object":                  {patch(`[]`), fault.InvalidArgument, "", "is an object"},
		"too deep":                   {patch(strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)), fault.InvalidArgument, "patch:1:167", "levels deep"},
		"a text of 2 MB":             {patch(`{"motto": {"text": "` + strings.Repeat("x", 2<<20) + `"}}`), fault.InvalidArgument, "patch:1:2097174", "at most 65536"},
		"a revision that was overtaken": {func(f *fromFile) (config.Applied, error) {
			by := api
			by.Seen = 7
			return f.Update(context.Background(), "/rate_limits/client/limit", 9, by)
		}, fault.Conflict, "", "changed meanwhile"},
		"a rollback to nothing": {func(f *fromFile) (config.Applied, error) { return f.Rollback(context.Background(), 9, api) }, fault.NotFound, "", "no such revision"},
	} {
		t.Run(name, func(t *testing.T) {
			f := serveFile(t, fullDocument)
			before := f.Current()
			applied, err := tt.change(f)
			f2, ok := errors.AsType[*fault.Error](err)
			if !ok || f2.Code() != tt.code {
				t.Fatalf("%v, want %v", err, tt.code)
			}
			problems := f2.Problems()
			if text := config.Render(err); !strings.Contains(text, tt.message) || strings.Contains(text, "canary") || len(problems) > 2 {
				t.Errorf("it says\n%s, want %s", text, tt.message)
			}
			if tt.position != "" && (len(problems) == 0 || problems[0].Position != tt.position) {
				t.Errorf("problems %+v, want %s", problems, tt.position)
			}
			if now := f.Current(); applied.Revision != 1 || now.Number != 1 || now.Config != before.Config {
				t.Errorf("revision %d is in force", now.Number)
			}
			if _, err := f.Update(t.Context(), "/rate_limits/client/limit", 9, api); err != nil {
				t.Errorf("the next change is refused: %v", err)
			}
		})
	}
}

func TestPatch_KeepsVariablesAndSecrets(t *testing.T) {
	f := serveFile(t, fullDocument)
	before := f.Current().Config
	patch := `{"breakers": {"payments": {"window": "5s", "failure_threshold": "${LIMIT}"}, "search": {}},
		"pools": {"db": {"size": 3, "options": {"dsn": "(hidden)"}}}, "motto": null}`
	applied, err := f.Patch(t.Context(), []byte(patch), api)
	if err != nil {
		t.Fatal(err)
	}
	now := f.Current().Config
	if b := now.Breakers["payments"]; b.Window != 5*time.Second || b.FailureThreshold != 7 {
		t.Errorf("%+v", b)
	}
	if got, want := now.Pools["db"].Options.(*dbOptions).DSN, before.Pools["db"].Options.(*dbOptions).DSN; got != want || *now.Storage != *before.Storage {
		t.Errorf("a secret is lost")
	}
	if text := now.String(); !strings.Contains(text, "failure_threshold: ${LIMIT}") || len(applied.Changes) != 4 || strings.Contains(text, "canary") {
		t.Errorf("%v\n%s", applied.Changes, text)
	}
}

// A guard's classifier stands in no document.
func TestUpdate_KeepsWhatTheProgramHasAddedToTheDocument(t *testing.T) {
	f := serveFile(t, fullDocument)
	asked := false
	_, err := f.Edit(t.Context(), func(c *config.Config) error {
		g := c.Guards["checkout"]
		g.Classify = func(error) outcome.Outcome { asked = true; return outcome.Ignored }
		c.Guards["checkout"] = g
		return nil
	}, config.By{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Update(t.Context(), "/guards/checkout/timeout", "9s", api); err != nil {
		t.Fatal(err)
	}
	if g := f.Current().Config.Guards["checkout"]; g.Timeout != 9*time.Second || g.Classify == nil || g.Classify(nil) != outcome.Ignored || !asked {
		t.Errorf("%+v", g)
	}
}

func TestUpdate_ByCodeMaySetEverything(t *testing.T) {
	f := serveFile(t, fullDocument)
	if _, err := f.Update(t.Context(), "/motto/text", "${LIMIT}", config.By{}); err != nil {
		t.Fatal(err)
	}
	if m := config.SectionOf[motto](f.Current().Config, "motto"); m.Text != "7" {
		t.Errorf("%+v", m)
	}
	if _, err := f.Update(t.Context(), "/pools/db/options/dsn", config.Secret("postgres://app:canary-new@db"), config.By{}); err != nil {
		t.Fatal(err)
	}
	if dsn := f.Current().Config.Pools["db"].Options.(*dbOptions).DSN; dsn != "postgres://app:canary-new@db" {
		t.Errorf("%q", dsn)
	}
	if record := f.newest(t); strings.Contains(record.Text, "canary") {
		t.Errorf("a secret is recorded:\n%s", record.Text)
	}
}

// A document that was made on an older revision must not bring back what the file has
// changed since, if the file alone sets it.
func TestApply_OverTheNetworkRegardsWhatIsInForceByThen(t *testing.T) {
	f := serveFile(t, fullDocument)
	over := options
	over.Over = f.Current().Config
	put, err := config.Parse("request", []byte(f.Current().Config.String()+"\n"), over)
	if err != nil {
		t.Fatal(err)
	}
	f.write(t, strings.Replace(fullDocument, "limit: 5", "limit: \"${LIMIT}\"", 1))
	if _, err := f.Reload(t.Context(), config.By{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Apply(t.Context(), put, api); err != nil {
		t.Errorf("a limit, which anybody may set: %v", err)
	}
	stored := "postgres://app:canary-2@db/orders"
	_, err = f.Edit(t.Context(), func(c *config.Config) error { c.Storage = &config.Storage{Postgres: config.Secret(stored)}; return nil }, api)
	if f, ok := errors.AsType[*fault.Error](err); !ok || len(f.Problems()) != 1 || f.Problems()[0].Position != "/storage/postgres" || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
}

// TestScenario87_RollbackRestoresByteForByte also where the file has gone on.
func TestScenario87_RollbackRestoresByteForByte(t *testing.T) {
	text := strings.ReplaceAll(fullDocument, `"postgres://app:canary-literal@db/orders"`, `"${ORDERS_DSN}"`)
	text = strings.ReplaceAll(text, "author: canary-author, ", "")
	bus := telemetry.NewBus()
	f := serveFile(t, text, func(o *config.ServerOptions) { o.Bus = bus })
	var events []string
	note := func(e telemetry.Event) { events = append(events, strings.TrimPrefix(e.EventName(), telemetry.Prefix)) }
	if err := errors.Join(
		second(telemetry.Subscribe(bus, "a", func(_ context.Context, e config.Applied) { note(e) })),
		second(telemetry.Subscribe(bus, "r", func(_ context.Context, e config.RolledBack) {
			note(e)
			if e.Revision != 4 || e.To != 1 || e.Actor != "alice" || e.Source != "api" || len(e.Changes) == 0 {
				t.Errorf("%+v", e)
			}
		})),
	); err != nil {
		t.Fatal(err)
	}
	first := f.Current().Config.String()
	if _, err := f.Patch(t.Context(), []byte(`{"breakers":{"payments":{"window":"5s"}},"guards":{"search":{}},"motto":{"text":"x","lines":[]}}`), api); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Edit(t.Context(), func(c *config.Config) error { delete(c.Guards, "checkout"); return nil }, config.By{}); err != nil {
		t.Fatal(err)
	}
	applied, err := f.Rollback(t.Context(), 1, api)
	if err != nil || applied.Revision != 4 {
		t.Fatalf("%+v, %v", applied, err)
	}
	record, err := f.Recorded(t.Context(), 1)
	if now := f.Current().Config.String(); err != nil || now != first || now != record.Text || f.Status().Drifted {
		t.Errorf("in force is\n%s, recorded was\n%s", now, record.Text)
	}
	if got := strings.Join(events, " "); got != "config_server.applied config_server.applied config_server.applied config_server.rolled_back" {
		t.Error(got)
	}
	if again, err := f.Rollback(t.Context(), 4, api); err != nil || again.Revision != 4 {
		t.Errorf("a rollback to what is in force is a revision: %+v, %v", again, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestRollback_OfSecretsThatWereWrittenIntoTheDocument(t *testing.T) {
	f := serveFile(t, fullDocument)
	if _, err := f.Update(t.Context(), "/guards/checkout/timeout", "9s", api); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Rollback(t.Context(), 1, api); err != nil {
		t.Errorf("the secret is still the same: %v", err)
	}
	if _, err := f.Update(t.Context(), "/pools/db/options/dsn", "postgres://app:canary-2@db/orders", config.By{}); err != nil {
		t.Fatal(err)
	}
	before := f.Current()
	_, err := f.Rollback(t.Context(), 1, config.By{})
	if !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), "revision 1 held a secret") || f.Current() != before {
		t.Errorf("%v", err)
	}
	if record := f.newest(t); record.Outcome != config.OutcomeRefused || record.Changes[0] != "roll back to revision 1" || !strings.Contains(record.Err, "held a secret") {
		t.Errorf("%+v", record)
	}
}

func TestRollback_OverTheNetworkLeavesWhatTheFileAloneSets(t *testing.T) {
	f := serveFile(t, "version: 1\nbreakers: { a: { probes: \"${LIMIT}\" } }\n")
	f.write(t, "version: 1\nbreakers: { a: { probes: 2 } }\n")
	if _, err := f.Reload(t.Context(), config.By{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Rollback(t.Context(), 1, api); !errors.Is(err, fault.InvalidConfig) || !strings.Contains(config.Render(err), "local file only") {
		t.Errorf("a variable came over the network: %v", err)
	}
	if _, err := f.Rollback(t.Context(), 1, config.By{}); err != nil || f.Current().Config.Breakers["a"].Probes != 7 {
		t.Errorf("%v", err)
	}
}

func TestRollback_OfATextThatThisProgramDoesNotRead(t *testing.T) {
	history := config.NewMemoryHistory()
	f := serveFile(t, fullDocument, func(o *config.ServerOptions) { o.History = history })
	for revision, text := range map[uint64]string{90: "version: 2\n", 91: "version: 1\nfuses: {}\n", 92: "version: [\n"} {
		if err := history.Add(t.Context(), config.Record{Revision: revision, Outcome: config.OutcomeApplied, Text: text, Hash: "x"}); err != nil {
			t.Fatal(err)
		}
		_, err := f.Rollback(t.Context(), revision, api)
		if p, ok := errors.AsType[*fault.Error](err); !ok || p.Code() != fault.InvalidConfig || !strings.HasPrefix(p.Problems()[0].Position, "revision ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
