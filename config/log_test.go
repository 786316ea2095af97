package config_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
)

// logged serves a file and returns what is logged between two questions, without times.
func logged(t *testing.T, text string) (*fromFile, func() []string) {
	t.Helper()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "source" {
			return slog.Attr{}
		}
		return a
	}}))
	f := serveFile(t, text, func(o *config.ServerOptions) { o.Logger = log })
	return f, func() []string {
		defer out.Reset()
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
}

func expectLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("logged\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

var watch = config.By{Actor: "daemon", Reason: "the file has changed"}

func TestLog_OneLineAChangeSaysWhatWhoAndWhy(t *testing.T) {
	f, lines := logged(t, "version: 1\nguards: { a: { timeout: 1s } }\n")
	expectLines(t, lines(), `level=INFO msg="configuration applied" revision=1 actor="" reason="" changes=1 changed="guards.a added"`)
	f.write(t, "version: 1\nguards: { a: { timeout: 2s }, b: {} }\n")
	_, _ = f.Reload(t.Context(), watch)
	expectLines(t, lines(), `level=INFO msg="configuration applied" revision=2 actor=daemon reason="the file has changed" changes=2 changed="guards.a changed: timeout 1s → 2s; guards.b added"`)
	_, _ = f.Reload(t.Context(), watch)
	expectLines(t, lines(), `level=INFO msg="configuration read again, nothing differs" revision=2 actor=daemon reason="the file has changed"`)
	_, _ = f.Patch(t.Context(), []byte(`{"guards":{"b":null}}`), api)
	expectLines(t, lines(), `level=INFO msg="configuration applied" revision=3 actor=alice reason="a test" changes=1 changed="guards.b removed"`)
}

func TestLog_OneLineARefusalWhileTheFileStaysBad(t *testing.T) {
	f, lines := logged(t, "version: 1\n")
	lines()
	bad := func(text, want string) {
		t.Helper()
		f.write(t, text)
		for range 3 {
			_, _ = f.Reload(t.Context(), watch)
		}
		if got := lines(); len(got) != 1 || !strings.Contains(got[0], "configuration refused") || !strings.Contains(got[0], want) || !strings.Contains(got[0], "actor=daemon") {
			t.Errorf("%s: logged %q", text, got)
		}
	}
	bad("version: 1\nguards: { a: { timeout: 5 }, b: { brekaer: x } }\n", "guards.b.brekaer")
	bad("version: 1\nguards: { a: { timeout: 6 } }\n", "guards.a.timeout")
	bad("version: 1\nguards: { a: { timeout: 5 } }\n", "guards.a.timeout")
	f.write(t, "version: 1\nguards: { a: { timeout: 5s } }\n")
	_, _ = f.Reload(t.Context(), watch)
	lines()
	bad("version: 1\nguards: { a: { timeout: 5 } }\n", "guards.a.timeout") // worth a line again
	_, _ = f.Reload(t.Context(), config.By{Actor: "ops"})
	if got := lines(); len(got) != 1 || !strings.Contains(got[0], "actor=ops") {
		t.Errorf("that somebody else wants it: logged %q", got)
	}
}

func TestLog_ALineIsBounded(t *testing.T) {
	var many, bad strings.Builder
	for i := range 500 {
		fmt.Fprintf(&many, "  g%d: {}\n", i)
		fmt.Fprintf(&bad, "  g%d: { timeout: 5 }\n", i)
	}
	f, lines := logged(t, "version: 1\n")
	lines()
	f.write(t, "version: 1\nguards:\n"+many.String()+"motto: { text: "+strings.Repeat("long ", 1000)+"}\n")
	_, _ = f.Reload(t.Context(), watch)
	if got := lines(); len(got) != 1 || len(got[0]) > 4<<10 || !strings.Contains(got[0], "and 491 more") {
		t.Errorf("logged %d bytes: %.300q", len(got[0]), got)
	}
	f.write(t, "version: 1\nguards:\n"+bad.String())
	_, _ = f.Reload(t.Context(), watch)
	if got := lines(); len(got) != 1 || len(got[0]) > 4<<10 {
		t.Errorf("logged %d bytes", len(got[0]))
	}
}
