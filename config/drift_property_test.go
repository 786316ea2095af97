package config_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// windows is a document of the model: breakers by name, with the seconds of their
// window.
type windows map[string]int

func (w windows) text(comment string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\nversion: 1\nbreakers: # %s\n", comment, comment)
	for _, name := range slices.Sorted(maps.Keys(w)) {
		fmt.Fprintf(&b, "  %s: { window: %ds } # %s\n", name, w[name], comment)
	}
	return b.String()
}

func windowsOf(c *config.Config) windows {
	out := windows{}
	for name, b := range c.Breakers {
		out[name] = int(b.Window / time.Second)
	}
	return out
}

// change is a merge patch of the model; 0 removes.
func (w windows) changed(by windows) windows {
	out := maps.Clone(w)
	for name, seconds := range by {
		if out[name] = seconds; seconds == 0 {
			delete(out, name)
		}
	}
	return out
}

func (w windows) patchTo(next windows) windows {
	patch := windows{}
	for name := range w {
		if _, stays := next[name]; !stays {
			patch[name] = 0
		}
	}
	for name, seconds := range next {
		if w[name] != seconds {
			patch[name] = seconds
		}
	}
	return patch
}

// rule is the plain model of the drift rule: the file is the truth, what the API has
// changed since is restored while the file's document is the same, and what code has
// changed is not.
type rule struct {
	onDisk  windows // what the file says
	file    windows // what it said when it was last taken over
	inForce windows
	drift   windows // what a restart restores; nil is what the file says
	byNow   map[uint64]windows
	lost    int // discarded drifts
}

func (r *rule) takeOver() {
	if r.drift != nil && !maps.Equal(r.drift, r.onDisk) {
		r.lost++
	}
	r.file, r.inForce, r.drift = r.onDisk, r.onDisk, nil
}

func (r *rule) reload(discard bool) {
	if discard || !maps.Equal(r.onDisk, r.file) {
		r.takeOver()
	}
}

func (r *rule) api(next windows) {
	base := r.drift
	if base == nil {
		base = r.file
	}
	r.drift = base.changed(r.inForce.patchTo(next))
	if r.inForce = next; maps.Equal(r.drift, r.file) {
		r.drift = nil
	}
}

func (r *rule) restart() {
	if r.drift != nil && maps.Equal(r.onDisk, r.file) {
		r.inForce = r.drift
		return
	}
	r.takeOver()
}

// ruled is a server beside the model.
type ruled struct {
	rule

	path    string
	history config.History
	server  *config.Server
	last    uint64
	seen    int // discarded drifts
}

func (m *ruled) open(t *rapid.T) {
	bus := telemetry.NewBus()
	if _, err := telemetry.Subscribe(bus, "test", func(context.Context, config.DriftDiscarded) { m.seen++ }); err != nil {
		t.Fatal(err)
	}
	var err error
	m.server, err = config.NewServer(context.Background(), config.ServerOptions{Applier: anything{}, File: m.path, History: m.history, Bus: bus})
	if err != nil {
		t.Fatal(err)
	}
}

func (m *ruled) write(t *rapid.T) {
	if err := os.WriteFile(m.path, []byte(m.onDisk.text(rapid.StringMatching("[a-z]{3}").Draw(t, "comment"))), 0o600); err != nil {
		t.Fatal(err)
	}
}

// document draws few documents, so that the same come again.
func document(t *rapid.T) windows {
	return windows(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.IntRange(1, 2), 0, 3).Draw(t, "document"))
}

func (m *ruled) patch(t *rapid.T) windows {
	return windows(rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.IntRange(0, 2), 1, 2).Draw(t, "patch"))
}

func (m *ruled) byPatch(t *rapid.T) {
	patch := m.patch(t)
	below := map[string]any{}
	for name, seconds := range patch {
		if below[name] = map[string]any{"window": fmt.Sprintf("%ds", seconds)}; seconds == 0 {
			below[name] = nil
		}
	}
	text, err := json.Marshal(map[string]any{"breakers": below})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.server.Patch(t.Context(), text, config.By{API: true}); err != nil {
		t.Fatal(err)
	}
	m.api(m.inForce.changed(patch))
}

func (m *ruled) byUpdate(t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
	seconds := rapid.IntRange(1, 2).Draw(t, "seconds")
	_, err := m.server.Update(t.Context(), "/breakers/"+name+"/window", time.Duration(seconds)*time.Second, config.By{API: true})
	if _, is := m.inForce[name]; !is {
		if !errors.Is(err, fault.NotFound) {
			t.Fatalf("a part that there is not was changed: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.api(m.inForce.changed(windows{name: seconds}))
}

func (m *ruled) byRollback(t *rapid.T) {
	to := rapid.SampledFrom(slices.Sorted(maps.Keys(m.byNow))).Draw(t, "revision")
	if _, err := m.server.Rollback(t.Context(), to, config.By{API: true}); err != nil {
		t.Fatal(err)
	}
	m.api(m.byNow[to])
}

func (m *ruled) byCode(t *rapid.T) {
	patch := m.patch(t)
	_, err := m.server.Edit(t.Context(), func(c *config.Config) error {
		for name, seconds := range patch {
			if c.Breakers[name] = (config.Breaker{Config: breaker.Config{Window: time.Duration(seconds) * time.Second}}); seconds == 0 {
				delete(c.Breakers, name)
			}
		}
		return nil
	}, config.By{})
	if err != nil {
		t.Fatal(err)
	}
	m.inForce = m.inForce.changed(patch)
}

func (m *ruled) refused(t *rapid.T) {
	if _, err := m.server.Update(t.Context(), "/breakers/a", map[string]any{"window": -1}, config.By{API: true}); !errors.Is(err, fault.InvalidConfig) {
		t.Fatalf("it was taken: %v", err)
	}
}

func (m *ruled) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"":            m.check,
		"patch":       m.byPatch,
		"update":      m.byUpdate,
		"rollback":    m.byRollback,
		"code":        m.byCode,
		"refused":     m.refused,
		"new comment": m.write,
		"new file":    func(t *rapid.T) { m.onDisk = document(t); m.write(t) },
		"reload":      func(t *rapid.T) { m.reloadBy(t, config.By{}) },
		"discard":     func(t *rapid.T) { m.reloadBy(t, config.By{DiscardDrift: true}) },
		"restart": func(t *rapid.T) {
			m.server.Close()
			m.restart()
			m.open(t)
		},
	}
}

func (m *ruled) reloadBy(t *rapid.T, by config.By) {
	if _, err := m.server.Reload(t.Context(), by); err != nil {
		t.Fatal(err)
	}
	m.reload(by.DiscardDrift)
}

func (m *ruled) check(t *rapid.T) {
	now := m.server.Current()
	if got := windowsOf(now.Config); !maps.Equal(got, m.inForce) {
		t.Fatalf("in force is %v, want %v", got, m.inForce)
	}
	if got := m.server.Status().Drifted; got != !maps.Equal(m.inForce, m.file) {
		t.Fatalf("drifted is %v with %v in force and %v in the file", got, m.inForce, m.file)
	}
	if m.seen != m.lost {
		t.Fatalf("%d drifts were discarded, %d were announced", m.lost, m.seen)
	}
	if before, same := m.byNow[now.Number]; same && !maps.Equal(before, m.inForce) || now.Number < m.last || now.Number > m.last+1 {
		t.Fatalf("revision %d follows %d and is %v, which was %v", now.Number, m.last, m.inForce, before)
	}
	m.last, m.byNow[now.Number] = now.Number, m.inForce
	record, err := m.server.Recorded(t.Context(), now.Number)
	if err != nil {
		t.Fatal(err)
	}
	if record.Text != now.Config.String() || record.Hash != now.Hash {
		t.Fatalf("in force is\n%v, recorded\n%s", now.Config, record.Text)
	}
}

// TestScenario87_DriftFollowsItsRule does random things to a server and to the rule:
// changes through the API and by code, rollbacks, restarts, and files that say
// something else or the same with other comments.
func TestScenario87_DriftFollowsItsRule(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		m := &ruled{path: filepath.Join(dir, "foundation.yaml"), history: config.NewMemoryHistory(), last: 0}
		m.onDisk = document(t)
		m.file, m.inForce, m.byNow = m.onDisk, m.onDisk, map[uint64]windows{}
		m.write(t)
		m.open(t)
		defer func() { m.server.Close() }()
		t.Repeat(m.actions())
	})
}
