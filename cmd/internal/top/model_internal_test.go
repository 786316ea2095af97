package top

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/elixirscope/foundation/cmd/internal/cells"
	"github.com/elixirscope/foundation/internal/adminapi"
)

var update = flag.Bool("update", false, "write the golden files")

// example is the frame that the API's tests hold.
func example(t *testing.T) *adminapi.Frame {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "internal", "adminapi", "testdata", "frame.example.json"))
	if err != nil {
		t.Fatal(err)
	}
	f := new(adminapi.Frame)
	if err := json.Unmarshal(text, f); err != nil {
		t.Fatal(err)
	}
	return f
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("%s: %v; if the change is meant, run go test -update\n%s", file, err, got)
	}
}

// user drives a model as a person does.
type user struct {
	t *testing.T
	m model
}

func newUser(t *testing.T, width, height int) *user {
	t.Helper()
	u := &user{t, model{address: "127.0.0.1:9181", ctx: t.Context(), why: func(_ context.Context, kind, name string) (string, error) {
		return "✗ " + kind + " " + name + " is what it is\n\nTRY\n  nothing\n", nil
	}}}
	u.send(tea.WindowSizeMsg{Width: width, Height: height})
	return u
}

// send handles a message and what follows from it at once.
func (u *user) send(msg tea.Msg) {
	u.t.Helper()
	next, cmd := u.m.Update(msg)
	m, ok := next.(model)
	if !ok {
		u.t.Fatalf("a model became a %T", next)
	}
	u.m = m
	if cmd != nil {
		u.send(cmd())
	}
}

func (u *user) press(keys ...string) {
	u.t.Helper()
	special := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "down": tea.KeyDown, "up": tea.KeyUp, "backspace": tea.KeyBackspace, "pgdown": tea.KeyPgDown, "end": tea.KeyEnd, "home": tea.KeyHome}
	for _, key := range keys {
		if code, is := special[key]; is {
			u.send(tea.KeyPressMsg{Code: code})
		} else {
			u.send(tea.KeyPressMsg{Code: []rune(key)[0], Text: key})
		}
	}
}

func (u *user) screen() string { return strings.Join(u.m.draw(), "\n") + "\n" }

// names are those of the rows on the screen, from above.
func (u *user) names() (list []string) {
	for _, r := range u.m.rows() {
		list = append(list, r.Name)
	}
	return list
}

var began = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func TestModel_ScreensAreAsTheyWere(t *testing.T) {
	for name, size := range map[string][2]int{"80x24.txt": {80, 24}, "120x30.txt": {120, 30}} {
		u := newUser(t, size[0], size[1])
		u.send(frameMsg{example(t), began})
		u.press("down", "down")
		golden(t, name, u.screen())
		lines := u.m.draw()
		if len(lines) != size[1] {
			t.Errorf("%s: %d lines", name, len(lines))
		}
		for _, line := range lines {
			if cells.Width(line) > size[0] || strings.Contains(line, "\x1b") {
				t.Errorf("%s: %d columns: %q", name, cells.Width(line), line)
			}
		}
	}
	golden(t, "once.txt", Text(example(t), false, 120))
}

// Each key that sorts does, and turns it round.
func TestModel_SortsByEachKey(t *testing.T) {
	u := newUser(t, 120, 30)
	u.send(frameMsg{example(t), began})
	worst := u.names()
	for key, first := range map[string]string{"r": "payments", "e": "demo", "d": "demo", "l": "orders_db", "i": "orders_db", "n": "/", "s": "demo"} {
		u.press(key)
		sorted := u.names()
		u.press(key)
		turned := u.names()
		slices.Reverse(turned)
		if sorted[0] != first || !slices.Equal(sorted, turned) {
			t.Errorf("%s: %v, turned round %v", key, sorted, turned)
		}
		u.press("esc")
		if !slices.Equal(u.names(), worst) {
			t.Errorf("%s: %v after the reset", key, u.names())
		}
	}
	keys := map[string]bool{}
	for _, c := range columns {
		if c.key == "" {
			continue
		}
		if keys[c.key] || slices.Contains([]string{"q", "p", "j", "k", "g", "G", "w", "/"}, c.key) {
			t.Errorf("key %s has two meanings", c.key)
		}
		keys[c.key] = true
	}
}

func TestModel_FiltersByWords(t *testing.T) {
	u := newUser(t, 120, 30)
	u.send(frameMsg{example(t), began})
	u.press("/", "b", "r", "e", "a", "k", "e", "r", " ", "o", "p", "e", "q", "backspace", "n")
	if got := u.names(); !slices.Equal(got, []string{"demo"}) || !strings.Contains(u.screen(), "/breaker open█") {
		t.Errorf("%v\n%s", got, u.screen())
	}
	u.press("enter")
	if !strings.Contains(u.screen(), "/breaker open: 1 of 7 rows") {
		t.Error(u.screen())
	}
	u.press("/", "esc")
	if len(u.names()) != 7 {
		t.Error(u.names())
	}
}

func TestModel_ShowsWhy(t *testing.T) {
	u := newUser(t, 80, 24)
	u.send(frameMsg{example(t), began})
	u.press("down", "down", "enter")
	if s := u.screen(); !strings.HasPrefix(s, "guard demo\n✗ guard demo is what it is\n") {
		t.Error(s)
	}
	u.press("esc")
	u.m.why = func(context.Context, string, string) (string, error) {
		return "", errors.New("there is no guard \x1b[2J")
	}
	u.press("enter")
	if s := u.screen(); !strings.Contains(s, "there is no guard .[2J") {
		t.Error(s)
	}
	u.press("esc", "end", "enter")
	if u.m.detail.row.Name != "search" {
		t.Errorf("%+v", u.m.detail.row)
	}
}

// What is shown is never taken for what is, once it is old.
func TestModel_SaysHowOldItsDataAre(t *testing.T) {
	u := newUser(t, 80, 24)
	if s := u.screen(); !strings.Contains(s, "waiting for 127.0.0.1:9181") {
		t.Error(s)
	}
	u.send(frameMsg{example(t), began})
	if s := u.screen(); strings.Contains(s, " old") {
		t.Error(s)
	}
	u.m.colour = true
	if s := u.screen(); !strings.Contains(s, string(warn)+"▲ attention") {
		t.Errorf("%q", s)
	}
	u.send(lostMsg{"no daemon answers at http://127.0.0.1:9181: connection refused"})
	u.send(tickMsg(began.Add(12 * time.Second)))
	if s := u.screen(); !strings.Contains(s, string(faint)+"▲ attention") || strings.Contains(s, string(bad)) || strings.Contains(s, string(good)) {
		t.Errorf("what is old is drawn as if it were not: %q", s)
	}
	u.m.colour = false
	if s := u.screen(); !strings.HasPrefix(s, "✗ CONNECTION LOST, what is shown is 12s old: no daemon answers") {
		t.Error(s)
	}
	u.press("enter")
	if s := u.screen(); !strings.Contains(s, "CONNECTION LOST") {
		t.Error(s)
	}
	u.press("esc")
	u.send(frameMsg{example(t), began.Add(13 * time.Second)})
	if s := u.screen(); strings.Contains(s, " old") {
		t.Error(s)
	}
	u.send(tickMsg(began.Add(20 * time.Second)))
	if s := u.screen(); !strings.HasPrefix(s, "✗ NOTHING COMES, what is shown is 7s old") {
		t.Error(s)
	}
}

func TestModel_HoldsWhatIsShownWhilePaused(t *testing.T) {
	u := newUser(t, 80, 24)
	u.send(frameMsg{example(t), began})
	u.press("p")
	next := example(t)
	next.Verdict = "draining"
	u.send(frameMsg{next, began.Add(5 * time.Second)})
	if s := u.screen(); !strings.HasPrefix(s, "‖ PAUSED, what is shown is 5s old") || strings.Contains(s, "draining") {
		t.Error(s)
	}
	u.press("p")
	if s := u.screen(); !strings.HasPrefix(s, "▲ draining") {
		t.Error(s)
	}
}

// A list that is longer than the screen is scrolled so that the chosen row stays in sight.
func TestModel_Scrolls(t *testing.T) {
	u := newUser(t, 80, 12)
	f := example(t)
	for i := range 1000 {
		f.Rows = append(f.Rows, adminapi.FrameRow{ID: "guard/x" + strings.Repeat("x", i%50) + string(rune('a'+i%26)), Kind: "guard", Name: "x" + strings.Repeat("x", i%50), Level: "idle", State: "idle"})
	}
	f.Findings = nil
	u.send(frameMsg{f, began})
	for _, key := range []string{"end", "up", "pgdown", "home", "pgdown", "down", "down"} {
		u.press(key)
		if s := u.screen(); strings.Count(s, "▸") != 1 {
			t.Errorf("after %s the chosen row is out of sight\n%s", key, s)
		}
	}
}

// Texts that come from elsewhere move no cursor, with colour as without.
func TestModel_HostileTextsDoNothing(t *testing.T) {
	f := example(t)
	const hostile = "\x1b[2J\x1b]0;title\x07\u202e"
	f.Findings[0].Text, f.Rows[0].Name, f.Rows[0].LastError, f.Overrides[0].Reason, f.Build = hostile, hostile, hostile, hostile, hostile
	for _, colour := range []bool{false, true} {
		u := newUser(t, 120, 30)
		u.m.colour = colour
		u.send(frameMsg{f, began})
		for _, text := range []string{u.screen(), Text(f, colour, 120)} {
			if strings.Contains(text, "\x1b[2J") || strings.ContainsAny(text, "\x07\u202e") || strings.Contains(text, "\x1b]") || strings.Contains(text, "\x1b") != colour {
				t.Errorf("%q", text)
			}
		}
	}
}

func TestAmounts(t *testing.T) {
	for got, want := range map[string]string{
		amount(0): "0", amount(0.004): "<0.01", amount(0.25): "0.25", amount(12.34): "12.3", amount(1234): "1234", amount(123456): "123k", amount(2.5e6): "2.5M",
		tookText(0): "-", tookText(0.0000021): "2µs", tookText(0.0123): "12.3ms", tookText(0.5): "500ms", tookText(2.55): "2.5s", tookText(60): "1m", tookText(3): "3s", tookText(86400): "1d",
		percent(0.0001): "0.1%", percent(0.9999): "99.9%", percent(0.5): "50%", percent(1): "100%",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
