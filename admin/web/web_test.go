package web_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/admin/web"
)

func ask(t *testing.T, method, path string, header map[string]string) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	web.Handler().ServeHTTP(w, r)
	resp := w.Result()
	t.Cleanup(func() { _ = resp.Body.Close() }) // a recorder's body has nothing to close
	return resp
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var link = regexp.MustCompile(`(?:href|src)="([^"#]+)"`)

// links are the files that the shell names.
func links(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, m := range link.FindAllStringSubmatch(body(t, ask(t, "GET", "/", nil)), -1) {
		found = append(found, m[1])
	}
	return found
}

func TestShell_AllowsNothingButItsOwnFiles(t *testing.T) {
	resp := ask(t, "GET", "/", nil)
	policy := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy does not say %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "data:") {
		t.Errorf("the policy lets in more than files: %s", policy)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache", "Content-Type": "text/html; charset=utf-8",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	text := body(t, resp)
	for _, never := range []string{"<style", "style=", "<script>", "onclick", "onload", "{{", "http://", "https://"} {
		if strings.Contains(text, never) {
			t.Errorf("the shell has %q", never)
		}
	}
}

// TestFiles_AreNamedFromWhereThePageIs: it works below any prefix, also behind a proxy that
// the server knows nothing of.
func TestFiles_AreNamedFromWhereThePageIs(t *testing.T) {
	named := links(t)
	if len(named) < 10 {
		t.Fatalf("the shell names %d files", len(named))
	}
	for _, name := range named {
		if strings.HasPrefix(name, "/") || !web.Answers("/"+name) {
			t.Errorf("%s is not below the page", name)
		}
		if resp := ask(t, "GET", "/"+name, nil); resp.StatusCode != http.StatusOK || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, resp.Header.Get("Cache-Control"))
		}
	}
}

func TestFiles_AreCompressedForThoseWhoTakeIt(t *testing.T) {
	path := "/" + links(t)[0]
	plain := body(t, ask(t, "GET", path, nil))
	for accept, packed := range map[string]bool{"gzip": true, "br, gzip;q=0.8": true, "deflate, GZIP": true, "gzip;q=0": false, "br": false, "": false} {
		resp := ask(t, "GET", path, map[string]string{"Accept-Encoding": accept, "Range": "bytes=0-3"})
		var from io.Reader = resp.Body
		if got := resp.Header.Get("Content-Encoding") == "gzip"; got != packed {
			t.Errorf("Accept-Encoding %q: compressed %t", accept, got)
			continue
		}
		if packed {
			z, err := gzip.NewReader(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			from = z
		}
		if text, err := io.ReadAll(from); err != nil || string(text) != plain || resp.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: %v, %d bytes", accept, err, len(text))
		}
	}
}

func TestFiles_AreNotSentTwice(t *testing.T) {
	first := ask(t, "GET", "/", map[string]string{"Accept-Encoding": "gzip"})
	tag := first.Header.Get("ETag")
	if strings.HasPrefix(tag, "W/") || len(tag) < 10 {
		t.Fatalf("ETag %q", tag)
	}
	if again := ask(t, "GET", "/", map[string]string{"Accept-Encoding": "gzip", "If-None-Match": tag}); again.StatusCode != http.StatusNotModified {
		t.Errorf("again: %d", again.StatusCode)
	}
	if other := ask(t, "GET", "/", map[string]string{"If-None-Match": tag}); other.StatusCode != http.StatusOK {
		t.Errorf("in another form: %d", other.StatusCode)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	for _, path := range []string{"/assets/", "/assets/0000000000000000/js/app.js", "/assets/../web.go", "/assets/index.html"} {
		if resp := ask(t, "GET", path, nil); resp.StatusCode != http.StatusNotFound || strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	if resp := ask(t, "POST", "/", nil); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", resp.StatusCode)
	}
	if web.Answers("/v1/status") || web.Answers("/metrics") {
		t.Error("the page answers what is the API's")
	}
}

// budget is what the page may weigh in all, as it is sent.
const budget = 90 << 10

func TestThePageIsLight(t *testing.T) {
	total := ask(t, "GET", "/", map[string]string{"Accept-Encoding": "gzip"}).ContentLength
	for _, name := range links(t) {
		total += ask(t, "GET", "/"+name, map[string]string{"Accept-Encoding": "gzip"}).ContentLength
	}
	if total > budget || total < 10<<10 {
		t.Errorf("the page weighs %d bytes, may weigh %d", total, budget)
	}
	t.Logf("%d bytes", total)
}

// each calls visit with every file of a kind that is our own.
func each(t *testing.T, suffix string, visit func(name, text string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("static"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, "uplot/") || !strings.HasSuffix(name, suffix) {
			return err
		}
		text, err := os.ReadFile(filepath.Join("static", name))
		visit(name, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestModules_TurnNoTextIntoMarkup: names and errors come from outside. The policy of the page
// stops them as well.
func TestModules_TurnNoTextIntoMarkup(t *testing.T) {
	never := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|createContextualFragment|javascript:`)
	each(t, ".js", func(name, text string) {
		if found := never.FindString(text); found != "" {
			t.Errorf("%s has %s", name, found)
		}
	})
}

func TestModules_AreSmall(t *testing.T) {
	imported := regexp.MustCompile(`(?m)^import .* from "([^"]+)";$`)
	each(t, ".js", func(name, text string) {
		if lines := strings.Count(text, "\n"); lines > 250 {
			t.Errorf("%s has %d lines, at most 250", name, lines)
		}
		if !strings.HasPrefix(text, "//") {
			t.Errorf("%s does not begin with what it is for", name)
		}
		for _, m := range imported.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join("static", filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

var hashed = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([0-9a-f]{64})` \\|$")

// TestVendored_IsWhatWasTaken compares what comes from elsewhere with the hashes written down.
func TestVendored_IsWhatWasTaken(t *testing.T) {
	list, err := os.ReadFile("static/uplot/VENDOR.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{"VENDOR.md": ""}
	for _, m := range hashed.FindAllStringSubmatch(string(list), -1) {
		known[m[1]] = m[2]
	}
	files, err := os.ReadDir("static/uplot")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(known) {
		t.Errorf("%d files, %d hashes", len(files), len(known)-1)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join("static", "uplot", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		if got := hex.EncodeToString(sum[:]); f.Name() != "VENDOR.md" && got != known[f.Name()] {
			t.Errorf("%s has the hash %s, and %s was written down", f.Name(), got, known[f.Name()])
		}
	}
}
