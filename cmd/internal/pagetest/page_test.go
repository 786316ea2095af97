package pagetest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// views are all views with what they must show of the incident.
var views = []struct {
	hash, name string
	has        []string
}{
	{"#/", "overview", []string{
		"Guards", "refuses 62 %", "circuit open", "no traffic", "Breakers", "OPEN", "forced closed", "failures 3 of 3", "0.8 % of 50 %", "Rate limits", "denies 3.3 %", "5 per 1m",
		"hosts", "Pools", "overflow", "6 of 7", "Routes", "10.0.0.1:9000", "ejected", "Sample upstream", "failing",
	}},
	{"#/breaker/demo", "breaker", []string{"OPEN", "3 failures within 10s reached the threshold of 3", "status_5xx", "deploy.finished shop: version 1.4.2", "foundation breaker force-open demo", "States", "Calls of guard demo", "Calls", "Latency"}},
	{"#/guard/demo", "guard", []string{"refuses 62 %", "breaker demo", "Held by", "the oldest for 1s", "p99", "usual 6 ms", "objective 12 ms", "In flight"}},
	{"#/rate_limit/per_user", "limit", []string{"Denied most", "127.0.0.1/alice", "31 times", "<img src=x onerror=alert(1)>"}},
	{"#/pool/orders_db", "pool", []string{"overflow", "6 of 7", "wait p99", "In flight"}},
	{"#/route/%2F", "route", []string{"refuses 62 %", "to 127.0.0.1:9000", "More than half of the hosts are out", "no good answer for 1m1s: no such host", "10.0.0.1:9000", "ejected", "5 failures in a row", "in 10s"}},
	{"#/breaker/hosts", "group", []string{"10.0.0.9:80", "failures 5 of 5", "reset, 5 times", "10.0.0.8:80", "forced closed", "2 of at most 1,000"}},
	{"#/memory", "memory", []string{"high", "simulated by local", "game day", "cgroup memory.max: 192 MiB of 512 MiB", "left below 88 %", "best effort", "50 %", "Cleaners", "4 MiB"}},
	{"#/health", "health", []string{"68 of 100", "−30", "Root causes", "orders_db", "connection refused", "checkout", "Services", "backing off"}},
	{"#/alerts", "alerts", []string{"errors 35 %, usually 0.2 %", "stands behind route:/", "silenced by ops: migration", "Ended", "Silences"}},
	{"#/events", "events", []string{"closed → open", "failures 3 ≥ 3", "deploy.finished", "revision 3 by ops (slow downstream)", "change refused"}},
	{"#/config", "config", []string{"revision 3", "drifted", "the last reload was refused", "foundation.yaml:9:38", "History", "by ops: slow downstream", "refused"}},
	{"#/overrides", "overrides", []string{"payments", "forced closed", "provider is back", "by ops", "left, until", "Memory", "debug", "until it is released"}},
}

// incident is a page that shows it.
func incident(t *testing.T, hash string, l look) (*fake, *tab) {
	t.Helper()
	f := scene(t)
	return f, open(t, f.URL, "/"+hash, l)
}

// scene is an API in the middle of the incident.
func scene(t *testing.T) *fake {
	t.Helper()
	f := newFake(t)
	f.tell()
	f.set(func() {
		f.frame.Config.LastReloadProblems = faults()
		f.frame.Rows = append(f.frame.Rows, adminapi.FrameRow{ID: "breaker/hosts", Kind: "breaker", Name: "hosts", State: "open", Level: "bad", Members: 2, Counted: []adminapi.Fact{}},
			adminapi.FrameRow{ID: "upstream///10.0.0.1:9000", Kind: "upstream", Name: "10.0.0.1:9000", Of: "/", State: "ejected", Level: "warn", Counted: []adminapi.Fact{}})
	})
	f.beat(t, time.Second/2)
	return f
}

// TestViews_ShowTheIncident looks at each panel, and takes its pictures.
func TestViews_ShowTheIncident(t *testing.T) {
	t.Parallel()
	_, b := incident(t, "", desktop)
	b.shows("#verdict", "2 things need attention", "breaker demo is open for 3m12s", "guard demo", "foundation why breaker demo", "the reload at 11:58:57Z was refused",
		"2.2/s", "circuit open 1.15/s", "68 of 100", "simulated", "1 firing", "3, drifted", "3 in force")
	for _, v := range views {
		b.goTo(v.hash)
		b.shows("#main", v.has...)
		b.pictures(v.name)
	}
}

// pictures takes a view in the light, in the dark and on a phone, where everything must fit.
func (b *tab) pictures(name string) {
	b.Helper()
	looks := map[string]look{"-380": {width: 380, height: 1600}}
	if os.Getenv("FOUNDATION_SCREENSHOTS") != "" {
		looks[""], looks["-dark"] = look{width: 1440, height: 1200}, look{width: 1440, height: 1200, dark: true}
	}
	for suffix, l := range looks {
		b.look(l)
		b.do("new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)))")
		if wide := eval[int](b, "document.documentElement.scrollWidth"); int64(wide) > l.width {
			b.Errorf("%s is %d pixels wide where there are %d", name, wide, l.width)
		}
		b.shoot(name + suffix)
	}
	b.look(desktop)
}

// TestPlots_CanBeReadWithoutSight: a plot is a picture with a sentence, and a table.
func TestPlots_CanBeReadWithoutSight(t *testing.T) {
	t.Parallel()
	_, b := incident(t, "#/guard/demo", desktop)
	b.shows("#main", "p99")
	b.until("a summary", "document.querySelector('.canvas[role=img]').ariaLabel.includes('Calls, 11:00')")
	label := eval[string](b, "[...document.querySelectorAll('.canvas[role=img]')].map((e) => e.getAttribute('aria-label')).join('\\n')")
	for _, want := range []string{"ran: now 2.", "errors: now 90 %, from", "objective 12 ms", "Happened:", "deploy.finished shop", "closed → open"} {
		if !strings.Contains(label, want) {
			t.Errorf("the plots do not say %q:\n%s", want, label)
		}
	}
	b.click(".plot button", "Show data")
	b.shows(".plot table", "Time", "refused", "11:59:50Z", "revision 3 by ops")
}

// TestOwnParts_AreShownOnRequest, and whenever they are not well.
func TestOwnParts_AreShownOnRequest(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.set(func() {
		f.frame.Rows = append(f.frame.Rows, adminapi.FrameRow{ID: "guard/foundation.events", Kind: "guard", Name: "foundation.events", Level: "ok", State: "ok", Counted: []adminapi.Fact{}})
	})
	f.beat(t, time.Second/2)
	b := open(t, f.URL, "/", desktop)
	b.shows(".guard", "search")
	if strings.Contains(b.text(".guard"), "foundation.events") {
		t.Error("what Foundation uses itself is shown unasked")
	}
	b.do("document.getElementById('own').click()")
	b.shows(".guard", "foundation.events")
	b.do("document.getElementById('own').click()")
	f.set(func() { f.row("guard/foundation.events").Level = "bad" })
	b.shows(".guard", "foundation.events")
}

// TestAddress_HoldsTheView: a link shows somebody else the same.
func TestAddress_HoldsTheView(t *testing.T) {
	t.Parallel()
	_, b := incident(t, "#/?q=pay&trouble=1&sort.breaker=-failure", desktop)
	b.shows("#main", "payments")
	b.until("filtered", "![...document.querySelectorAll('#main .panel')].some((p) => p.offsetParent && p.innerText.includes('orders_db'))")
	b.until("sorted", "document.querySelector('.breaker th[aria-sort=descending]').innerText.includes('Failed')")
	b.fill("#filter", "orders")
	b.shows("#main", "orders_db")
	b.until("in the address", "location.hash.includes('q=orders')")
	b.goTo("#/breaker/demo?window=5m")
	b.until("the span", "document.querySelector('.spans button[aria-pressed=true]')?.innerText === '5 minutes'")
	b.click(".spans button", "15 minutes")
	b.until("in the address", "location.hash.includes('window=15m')")
	b.goTo("#/breaker/no such part %")
	b.shows("#main", "There is no such part any more.")
}

func TestKeyboard(t *testing.T) {
	t.Parallel()
	_, b := incident(t, "", desktop)
	b.shows("#main", "payments")
	key := func(k string) { b.run(chromedp.KeyEvent(k)) }
	key("j")
	b.until("the first row", "document.activeElement.matches('a.open') && document.activeElement.innerText === 'demo'")
	key("j")
	b.until("the second row", "document.activeElement.innerText === 'search'")
	key("k")
	key("\r")
	b.until("opened", "location.hash === '#/guard/demo'")
	key("\x1b")
	b.until("back", "location.hash === '#/' && document.querySelector('#filter')")
	b.do("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '/', bubbles: true }))") // the driver would type it as well
	b.until("in the filter", "document.activeElement.id === 'filter'")
	key("pay")
	b.until("filtered", "document.querySelector('#filter').value === 'pay'")
	key("\x1b")
	key("p")
	b.shows("#lost", "Paused. What you see is")
	key("p")
	b.until("live again", "foundation.live.fresh && document.querySelector('#lost').hidden")
	b.do("document.getElementById('skip').focus(); document.getElementById('skip').click()")
	b.until("skipped", "document.activeElement.id === 'main'")
}

// TestConnection_Lost: what is shown says how old it is, and lives again when the server does.
func TestConnection_Lost(t *testing.T) {
	t.Parallel()
	f, b := incident(t, "", desktop)
	b.shows("#link", "live")
	f.set(func() { f.cut = true })
	b.shows("#lost", "No connection", "What you see is", "old")
	b.until("grey", "document.body.classList.contains('stale') && getComputedStyle(document.querySelector('main')).filter.includes('grayscale')")
	b.shows("#link", "lost")
	b.shoot("lost")
	f.set(func() { f.cut = false })
	b.until("live again", "foundation.live.fresh && document.querySelector('#lost').hidden && !document.body.classList.contains('stale')")
	if !f.continued() {
		t.Error("the stream was not continued where it was cut")
	}
}

// TestConnection_NoStreamLeft: where the server follows too many already, the page asks now
// and then.
func TestConnection_NoStreamLeft(t *testing.T) {
	t.Parallel()
	f := scene(t)
	f.set(func() { f.full = true })
	b := open(t, f.URL, "/", desktop)
	b.shows("#link", "live")
	seq := eval[int](b, "foundation.model.frame.seq")
	b.until("another frame", fmt.Sprintf("foundation.model.frame.seq > %d", seq))
}

// TestConnection_Dead: a stream that is open and says nothing is dead.
func TestConnection_Dead(t *testing.T) {
	t.Parallel()
	f, b := incident(t, "", desktop)
	b.shows("#link", "live")
	f.set(func() { f.silent = true })
	b.shows("#lost", "No connection: the stream is silent", "What you see is")
	f.set(func() { f.silent = false })
	b.until("live again", "foundation.live.fresh && document.querySelector('#lost').hidden")
}

// TestConnection_NoneWhileNobodyLooks: a hidden tab costs the server nothing.
func TestConnection_NoneWhileNobodyLooks(t *testing.T) {
	t.Parallel()
	f, one := incident(t, "", desktop)
	two := open(t, f.URL, "/#/events", desktop)
	one.shows("#link", "live")
	two.shows("#link", "live")
	one.until("two streams", "true")
	f.until(t, "two streams", func() bool { return f.watched() == 2 })
	hide := func(hidden bool) {
		one.do(fmt.Sprintf("Object.defineProperty(document, 'hidden', { value: %t, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))", hidden))
	}
	hide(true)
	f.until(t, "one stream", func() bool { return f.watched() == 1 })
	hide(false)
	one.until("live again", "foundation.live.fresh")
	two.until("live all along", "foundation.live.fresh")
}

func TestToken(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.token = "the right one"
	f.beat(t, time.Second/2)
	b := open(t, f.URL, "/#/breaker/demo", desktop)
	b.shows("dialog[open]", "Token")
	b.shoot("token")
	b.fill("dialog[open] input", "a wrong one")
	b.do("document.querySelector('dialog[open] button[type=submit]').click()")
	b.shows("dialog[open] .wrong", "the request carries no valid token")
	b.fill("dialog[open] input", "the right one")
	b.do("document.querySelector('dialog[open] button[type=submit]').click()")
	b.shows("#main", "OPEN")
	b.until("closed", "!document.querySelector('dialog[open]')")
	b.run(chromedp.Reload())
	b.shows("#main", "OPEN") // the tab still has it
	if found := eval[bool](b, "Boolean(localStorage.length || document.cookie)"); found {
		t.Error("the token outlives the tab")
	}
	f.set(func() { f.token = "another"; f.cut = true })
	f.set(func() { f.cut = false })
	b.shows("dialog[open] .wrong", "does not accept the token")
}

// TestReadToken_SeesNoButtons that change anything.
func TestReadToken_SeesNoButtons(t *testing.T) {
	t.Parallel()
	f := scene(t)
	f.set(func() { f.me = adminapi.Me{Actor: "viewer"} })
	b := open(t, f.URL, "/", desktop)
	b.shows("#link", "viewer (read)")
	for _, v := range views {
		b.goTo(v.hash)
		b.shows("#main", v.has[0])
		b.until("data", "!document.querySelector('#main').innerText.includes('Asking')")
		if found := eval[string](b, "[...document.querySelectorAll('#main button')].filter((e) => e.offsetParent && (e.innerText.includes('…') || e.matches('.main, .danger, .choices button'))).map((e) => e.innerText).join()"); found != "" {
			t.Errorf("%s offers %s", v.hash, found)
		}
	}
	b.goTo("#/config")
	b.until("the text cannot be edited", "document.querySelector('#yaml')?.readOnly")
}

// hostile is a text that would do something if it were read as markup anywhere.
const hostile = `"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>javascript:window.hacked=1//'${window.hacked=1}{{7*7}}`

func TestHostileTexts_AreTexts(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.tell()
	f.set(func() {
		f.frame.Namespace, f.frame.Instance = hostile, hostile
		row := f.row("guard/demo")
		row.ID, row.Name, row.Reason, row.LastError, row.State = "guard/"+hostile, hostile, hostile, hostile, hostile
		for i := range f.frame.Findings {
			x := &f.frame.Findings[i]
			x.Text, x.Name, x.Command, x.Takes = hostile, hostile, hostile, []string{"guard " + hostile, hostile}
		}
		f.frame.Config.LastReloadError, f.frame.Config.Source = hostile, hostile
		f.frame.Overrides[0].Reason, f.frame.Overrides[0].Actor, f.frame.Overrides[0].Name = hostile, hostile, hostile
		f.frame.Switches[0].Title = hostile
		why := whyGuard(f.frame.At)
		why.Verdict, why.Parts[0].Name, why.Parts[0].State, why.Errors[0].Detail, why.Try[0].Command = hostile, hostile, hostile, hostile, hostile
		f.answers["why/guard/"+hostile] = why
		list := events(f.frame.At)
		for i := range list.Items {
			list.Items[i].Name, list.Items[i].Type, list.Items[i].Data = hostile, hostile, []byte(fmt.Sprintf(`{"reason":%q,"actor":%q}`, "x"+strings.ReplaceAll(hostile, "$", ""), "y"))
		}
		f.answers["events"] = list
		f.answers["config"] = adminapi.Config{Revision: 3, YAML: hostile}
	})
	f.beat(t, time.Second/2)
	b := open(t, f.URL, "/", desktop)
	b.shows("#verdict", hostile)
	b.shows(".guard", hostile)
	b.do("document.querySelector('.guard a.open').click()")
	b.shows(".why", hostile)
	b.shows(".title h2", hostile)
	for _, hash := range []string{"#/events", "#/config", "#/overrides", "#/" + strings.ReplaceAll(hostile, "'", ""), "#/guard/%E0%A4%A"} {
		b.goTo(hash)
		b.do("new Promise((r) => setTimeout(r, 100))")
	}
	b.goTo("#/events")
	b.shows(".events", hostile)
	if eval[bool](b, "'hacked' in window") {
		t.Error("a text was executed")
	}
	if found := eval[int](b, "document.querySelectorAll('main img, main script, header img').length"); found != 0 {
		t.Errorf("%d elements were made of texts", found)
	}
}

// TestPrefix: a program mounts the API where it likes.
func TestPrefix(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.tell()
	f.beat(t, time.Second/2)
	b := open(t, f.URL, "/ops/foundation/#/breaker/demo", desktop)
	b.shows("#main", "OPEN", "3 failures within 10s")
}
