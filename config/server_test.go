package config_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// serve returns a server of options that has no parts.
func serve(t *testing.T, o config.ServerOptions) *config.Server {
	t.Helper()
	o.Applier, o.Parse = anything{}, options
	s, err := config.NewServer(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// What cannot change while the process runs is named, and nothing beside it.
func TestARefusedRestartNamesTheFieldsThatNeedIt(t *testing.T) {
	s := serve(t, config.ServerOptions{Config: parse(t, "version: 1\nmotto: {text: a, every: 1m}")})
	for text, want := range map[string]string{
		"motto: {text: b, every: 2m}":                "[motto.every]",
		"motto: {text: b}":                           "[motto.every]",
		"motto: {text: a, every: 1m}\nnamespace: n":  "[namespace]",
		"motto: {text: b, every: 1m}":                "[]",
		"motto: {every: 3m}\nstorage: {path: x}":     "[storage.path motto.every]",
		"motto: {text: c, every: 1m}\nguards: {g: }": "[]",
	} {
		before := s.Current().Number
		applied, err := s.Apply(t.Context(), parse(t, "version: 1\n"+text), config.By{})
		if got := fmt.Sprint(fieldsOf(err)); got != want || errors.Is(err, fault.InvalidConfig) != (want != "[]") || (applied.Revision == before) != (want != "[]") {
			t.Errorf("%s: revision %d after %d, refused for %s, want %s: %v", text, applied.Revision, before, got, want, err)
		}
	}
}

// A reload tells its end as every change does, and remembers when the file was read
// with success.
func TestAReloadTellsHowItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, path := telemetry.NewBus(), filepath.Join(t.TempDir(), "foundation.yaml")
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(path, []byte("version: 1\n"+text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		if _, err := telemetry.Subscribe(bus, "applied", func(_ context.Context, e config.Applied) {
			got = append(got, fmt.Sprint("applied ", e.Revision, " by ", e.Actor, " from ", filepath.Base(e.Source)))
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := telemetry.Subscribe(bus, "rejected", func(_ context.Context, e config.Rejected) {
			got = append(got, fmt.Sprint("rejected at ", e.Revision, " by ", e.Actor, " from ", filepath.Base(e.Source)))
		}); err != nil {
			t.Fatal(err)
		}
		told := func(want string) {
			t.Helper()
			if fmt.Sprint(got) != want {
				t.Errorf("told %q, want %s", got, want)
			}
			got = nil
		}
		write("guards: {a: {}}")
		s := serve(t, config.ServerOptions{File: path, Bus: bus})
		told("[applied 1 by  from foundation.yaml]")
		start := s.Status()
		time.Sleep(time.Hour)
		write("guards: {A: {}}")
		if _, err := s.Reload(t.Context(), config.By{Actor: "ops"}); !errors.Is(err, fault.InvalidConfig) {
			t.Error(err)
		}
		told("[rejected at 1 by ops from foundation.yaml]")
		if st := s.Status(); st.LastReloadError == nil || !st.LastReloadSuccess.Equal(start.LastReloadSuccess) || !st.LastReload.Equal(start.LastReload.Add(time.Hour)) {
			t.Errorf("an hour after %+v: %+v", start, st)
		}
		write("guards: {b: {}}")
		if applied, err := s.Reload(t.Context(), config.By{Actor: "ops"}); err != nil || applied.Source != path {
			t.Error(applied.Source, err)
		}
		told("[applied 2 by ops from foundation.yaml]")
		if st := s.Status(); st.LastReloadError != nil || !st.LastReloadSuccess.Equal(start.LastReload.Add(time.Hour)) {
			t.Errorf("after a good one: %+v", st)
		}
		if applied, err := s.Apply(t.Context(), &config.Config{}, config.By{}); err != nil || applied.Source != "code" || !s.Status().Drifted {
			t.Errorf("made in code: from %q, %v", applied.Source, err)
		}
		told("[applied 3 by  from code]")
	})
}

// A change whose caller gave up is canceled, whatever the reason was; closed is said of
// a server that was closed.
func TestAChangeThatIsGivenUpIsCanceledWithTheCallersReason(t *testing.T) {
	s := serve(t, config.ServerOptions{})
	why := fault.New(fault.Spec{Code: fault.RateLimited, Component: "caller"})
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := s.Edit(ctx, func(c *config.Config) error {
		c.Guards["g"] = config.Guard{}
		cancel(why)
		return nil
	}, config.By{})
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.Canceled || !errors.Is(err, fault.RateLimited) || s.Current().Number != 1 {
		t.Errorf("revision %d, %v", s.Current().Number, err)
	}
	s.Close()
	if _, err := s.Apply(t.Context(), &config.Config{}, config.By{}); !errors.Is(err, fault.Closed) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := s.Reload(t.Context(), config.By{}); !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("a reload without a file: %v", err)
	}
}

// heap returns how many objects are in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapObjects
}

// A change that has ended leaves nothing behind, neither with the server nor with the
// context of its caller.
func TestChangesLeaveNothingBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "foundation.yaml")
	if err := os.WriteFile(path, []byte("version: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, config.ServerOptions{File: path})
	for name, change := range map[string]func(ctx context.Context){
		"refused edit": func(ctx context.Context) {
			_, _ = s.Edit(ctx, func(*config.Config) error { return nil }, config.By{Seen: 99})
		},
		"reload of the same": func(ctx context.Context) { _, _ = s.Reload(ctx, config.By{}) },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		change(ctx)
		before := heap()
		const changes = 1000
		for range changes {
			change(ctx)
		}
		if after := heap(); after > before+changes/2 {
			t.Errorf("%s: %d changes left %d objects", name, changes, after-before)
		}
		cancel()
	}
}
