package pagetest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/elixirscope/foundation/internal/testkit"
)

// patience is how long a test waits for what the page is to show. A test that passes never
// waits for it to end.
const patience = 20 * time.Second

// browser is one Chromium for all tests; nil where there is none on this machine.
var browser context.Context

// A browser takes longer than the rest: `make test-system` runs these tests, and CI.
func TestMain(m *testing.M) {
	if os.Getenv("FOUNDATION_SYSTEM") == "" {
		fmt.Println("the tests of the page run with make test-system")
		return
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "foundation-page-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.NoSandbox, // root has no sandbox, and the pages are ours
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("enable-precise-memory-info", true),
	)...)
	defer stop()
	var end context.CancelFunc
	quiet := chromedp.WithErrorf(func(string, ...any) {}) // of what the driver does not know in a newer browser
	browser, end = chromedp.NewContext(allocator, quiet)  //nolint:fatcontext // set once, before any test runs
	defer end()
	if err := chromedp.Do(browser); err != nil {
		panic(fmt.Sprintf("start %s: %v", path, err))
	}
	return m.Run()
}

// tab is a page in a browser context of its own: nothing is kept from one test to another.
type tab struct {
	*testing.T

	ctx  context.Context
	base string

	mu    sync.Mutex
	sent  []string // addresses of all requests
	wrong []string // exceptions, and violations of the policy
}

// look is how a page is looked at.
type look struct {
	width, height int64
	dark          bool
	bypassPolicy  bool // for a script of the test; the page is served with its policy all the same
}

var desktop = look{width: 1440, height: 900}

// open opens a page. What it does wrong fails the test at its end.
func open(t *testing.T, base, hash string, l look) *tab {
	t.Helper()
	if browser == nil {
		testkit.Missing(t, "the page in Chromium", "chromium is not on the path: apt-get install chromium")
	}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	b := &tab{T: t, ctx: ctx, base: base}
	t.Cleanup(func() {
		cancel()
		b.checkConduct()
	})
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatal(err)
	}
	b.look(l)
	b.run(chromedp.Navigate(base + hash))
	return b
}

func (b *tab) note(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		b.sent = append(b.sent, ev.Request.URL)
	case *runtime.EventExceptionThrown:
		text := ev.ExceptionDetails.Text
		if ev.ExceptionDetails.Exception != nil {
			text += " " + ev.ExceptionDetails.Exception.Description
		}
		b.wrong = append(b.wrong, text)
	case *log.EventEntryAdded:
		if ev.Entry.Source == "security" || strings.Contains(ev.Entry.Text, "Content Security Policy") {
			b.wrong = append(b.wrong, ev.Entry.Text)
		}
	}
}

// checkConduct holds each page to what all must keep: no exception, no violation of the
// policy, no request to another origin.
func (b *tab) checkConduct() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.wrong {
		b.Errorf("the page: %s", w)
	}
	for _, url := range b.sent {
		if !strings.HasPrefix(url, b.base) && url != "about:blank" {
			b.Errorf("the page has asked %s, which is not its origin", url)
		}
	}
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.Fatal(err)
	}
}

func (b *tab) look(l look) {
	b.Helper()
	scheme := map[bool]string{true: "dark", false: "light"}[l.dark]
	b.run(chromedp.EmulateViewport(l.width, l.height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: l.bypassPolicy}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}))
}

// eval runs a script in the page.
func eval[T any](b *tab, script string) T {
	b.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, awaited))
	if err != nil {
		b.Fatalf("%s: %v", script, err)
	}
	return v
}

// do runs a script for what it does.
func (b *tab) do(script string) {
	b.Helper()
	eval[chromedp.Void](b, script)
}

func awaited(p *runtime.EvaluateParams) {
	yes := true
	p.AwaitPromise = &yes
}

// until waits until a condition of the page holds.
func (b *tab) until(what, condition string) {
	b.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[chromedp.Void]("Boolean("+condition+")", chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		b.shoot("failed-" + strings.ReplaceAll(b.Name(), "/", "-"))
		b.Fatalf("not %s: %v\n%s", what, err, b.text("body"))
	}
}

// text is what a person reads in an element.
func (b *tab) text(selector string) string {
	b.Helper()
	return eval[string](b, fmt.Sprintf("[...document.querySelectorAll(%q)].map((e) => e.innerText).join('\\n')", selector))
}

// shows waits until an element has the texts.
func (b *tab) shows(selector string, texts ...string) {
	b.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf("%q in %s", text, selector), fmt.Sprintf("[...document.querySelectorAll(%q)].some((e) => e.innerText.includes(%q))", selector, text))
	}
}

// click clicks the first element that matches and has the text.
func (b *tab) click(selector, text string) {
	b.Helper()
	find := fmt.Sprintf("[...document.querySelectorAll(%q)].find((e) => e.offsetParent !== null && e.innerText.includes(%q))", selector, text)
	b.until("there: "+text, find)
	b.do(find + ".click()")
}

// fill writes into a field, as a person does.
func (b *tab) fill(selector, text string) {
	b.Helper()
	b.until("there: "+selector, fmt.Sprintf("document.querySelector(%q)", selector))
	b.do(fmt.Sprintf("(() => { const e = document.querySelector(%q); e.value = %q; e.dispatchEvent(new Event('input', { bubbles: true })); e.dispatchEvent(new Event('change', { bubbles: true })); })()", selector, text))
}

// answer fills in the dialog that is open, and sends it.
func (b *tab) answer(reason string) {
	b.Helper()
	b.fill("dialog[open] input[name=reason]", reason)
	b.do("document.querySelector('dialog[open] button[type=submit]').click()")
	b.until("the dialog closed", "!document.querySelector('dialog[open]')")
}

// goTo shows another view.
func (b *tab) goTo(hash string) {
	b.Helper()
	b.do(fmt.Sprintf("location.hash = %q", hash))
}

// heap is how many bytes of script the tab holds once its garbage is collected.
func (b *tab) heap() float64 {
	b.Helper()
	used, err := chromedp.Run(b.ctx, chromedp.Action[float64](func(ctx context.Context, t *chromedp.Target) (float64, error) {
		for range 2 {
			if _, err := cdp.Call(ctx, t, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
				return 0, err
			}
		}
		usage, err := cdp.Call(ctx, t, runtime.GetHeapUsage, cdp.Empty{})
		return usage.UsedSize, err
	}))
	if err != nil {
		b.Fatal(err)
	}
	return used
}

// shoot takes a picture of the window where FOUNDATION_SCREENSHOTS names a directory: people
// look at them, tests do not.
func (b *tab) shoot(name string) {
	b.Helper()
	dir := os.Getenv("FOUNDATION_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
		b.Fatal(err)
	}
}
