package pagetest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// violation is something that keeps somebody from using the page.
type violation struct {
	ID, Help string
	Nodes    []struct {
		HTML           string
		FailureSummary string
	}
}

// checkAccess runs axe-core over what is shown.
func (b *tab) checkAccess(what string) {
	b.Helper()
	text := eval[string](b, `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then((r) => JSON.stringify(r.violations))`)
	var found []violation
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		b.Fatal(err)
	}
	for _, v := range found {
		for _, n := range v.Nodes {
			b.Errorf("%s: %s: %s\n%s\n%s", what, v.ID, v.Help, n.HTML, n.FailureSummary)
		}
	}
}

// TestAccess_AxeFindsNothing looks at every view in the light, in the dark, and on a phone.
func TestAccess_AxeFindsNothing(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]look{
		"light": {width: 1440, height: 900, bypassPolicy: true}, "dark": {width: 1440, height: 900, dark: true, bypassPolicy: true},
		"phone": {width: 380, height: 800, bypassPolicy: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, b := incident(t, "", l)
			b.do(string(axe))
			for _, v := range views {
				b.goTo(v.hash)
				b.shows("#main", v.has[0])
				b.until("all is there", "foundation.live.fresh && !document.querySelector('#main').innerText.includes('Asking')")
				b.checkAccess(name + " " + v.hash)
			}
			b.goTo("#/breaker/demo")
			b.click("button", "Show data")
			b.click("button", "Force open")
			b.until("the dialog", "document.querySelector('dialog[open]')")
			b.checkAccess(name + " dialog")
		})
	}
}

var hashed = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([0-9a-f]{64})` \\|$")

func TestVendored_IsWhatWasTaken(t *testing.T) {
	list, err := os.ReadFile("testdata/axe/VENDOR.md")
	if err != nil {
		t.Fatal(err)
	}
	found := hashed.FindAllStringSubmatch(string(list), -1)
	if len(found) != 2 || !strings.Contains(string(list), "MPL-2.0") {
		t.Errorf("%d hashes", len(found))
	}
	for _, m := range found {
		text, err := os.ReadFile(filepath.Join("testdata", "axe", m[1]))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != m[2] {
			t.Errorf("%s is not what was taken", m[1])
		}
	}
}
