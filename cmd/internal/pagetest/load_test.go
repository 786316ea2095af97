package pagetest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// many gives the fake a layer with n guards, a tenth of which are in trouble.
func (f *fake) many(n int) {
	f.set(func() {
		rows := make([]adminapi.FrameRow, 0, n)
		for i := range n {
			name := fmt.Sprintf("guard-%04d", i)
			row := adminapi.FrameRow{
				ID: "guard/" + name, Kind: "guard", Name: name, Operation: name, Level: "ok", State: "ok", Mode: "enforce", WindowSeconds: 60, Calls: 600, Rate: 10, NowRate: 10,
				SuccessRatio: 1, P50Seconds: 0.002, P95Seconds: 0.004, P99Seconds: 0.008, InFlight: 3, Limit: 64, Counted: []adminapi.Fact{},
			}
			if i%10 == 7 {
				row.Level, row.State, row.Weight, row.Reason, row.Share = "bad", "refuses", 4, "circuit_open", 0.5
			}
			rows = append(rows, row)
		}
		f.frame.Rows = rows
	})
}

// feeding defines prepare(n), which makes n frames in which every row has other numbers, a
// second apart by their own clock, and play(frames), which handles them as the page does.
const feeding = `window.prepare = (n) => Array.from({ length: n }, (_, i) => {
	const model = foundation.model, f = structuredClone(model.frame);
	f.full = false;
	f.gone = [];
	f.seq += i + 1;
	f.at = new Date(Date.parse(f.at) + 1000 * (i + 1)).toISOString();
	f.totals.now_rate = Math.random() * 100;
	f.rows = model.order.map((row) => ({ ...row, now_rate: Math.random() * 10, in_flight: Math.floor(Math.random() * 64), p99_seconds: Math.random() / 100, refused_rate: Math.random() }));
	return f;
});
window.play = (frames) => frames.map((f) => {
	const begun = performance.now();
	foundation.model.apply(f);
	foundation.show();
	return performance.now() - begun;
}).sort((x, y) => x - y);`

// TestThousandGuards: the worst are at the top, the rest is a click or a word away. What a
// frame costs is logged, and not asserted: it is the machine's, which is why no other test runs
// beside this one.
func TestThousandGuards(t *testing.T) {
	f := newFake(t)
	f.many(1000)
	b := open(t, f.URL, "/", desktop)
	b.shows(".guard", "guard-0007", "1,000 parts: 100 bad", "Show all 1,000")
	if first := b.text(".guard tbody tr:first-child"); !strings.Contains(first, "refuses") {
		t.Errorf("the first is %s", first)
	}
	if rows := eval[int](b, "document.querySelectorAll('.guard tbody tr').length"); rows != 50 {
		t.Errorf("%d rows at first", rows)
	}
	b.shoot("thousand")
	b.fill("#filter", "0123")
	b.shows(".guard", "guard-0123")
	b.fill("#filter", "")
	b.click("button", "Show all")
	b.until("all", "document.querySelectorAll('.guard tbody tr').length === 1000")
	b.cost("1,000 guards, all shown", 10)
	f.many(200)
	f.set(func() { f.frame.Full = true })
	b.until("200", "foundation.model.order.length === 200")
	b.cost("200 guards, all shown", 60)
}

// cost logs what the script of a frame takes in which every row changes.
func (b *tab) cost(what string, frames int) {
	b.Helper()
	b.do(feeding)
	b.do(fmt.Sprintf("play(prepare(5)); window.frames = prepare(%d)", frames))
	median := eval[float64](b, fmt.Sprintf("play(frames)[%d]", frames/2))
	b.Logf("%s, all changed: %.1f ms of script a frame in the median of %d", what, median, frames)
}

// TestTwoHours_DoNotGrow: what the tab holds after two hours of frames is what it held after
// twenty minutes.
func TestTwoHours_DoNotGrow(t *testing.T) {
	t.Parallel()
	f, b := incident(t, "", desktop)
	b.shows("#main", "payments")
	f.set(func() { f.silent = true }) // the frames come from the test
	b.do(feeding)
	hour := func(seconds int) {
		for _, hash := range []string{"#/", "#/guard/demo", "#/breaker/demo", "#/events", "#/memory", "#/"} {
			b.goTo(hash)
			b.do(fmt.Sprintf("for (let i = 0; i < %d; i++) play(prepare(10)); undefined", seconds/60))
			b.do("new Promise((r) => setTimeout(r, 50))")
		}
	}
	hour(1200)
	early := b.heap()
	nodes := eval[int](b, "document.querySelectorAll('*').length")
	hour(6000)
	late := b.heap()
	t.Logf("%.2f MiB of script after 20 minutes, %.2f MiB after two hours; %d elements, then %d", early/(1<<20), late/(1<<20), nodes, eval[int](b, "document.querySelectorAll('*').length"))
	if late > early*1.15+(1<<20) {
		t.Errorf("the tab has grown from %.0f to %.0f bytes", early, late)
	}
	if now := eval[int](b, "document.querySelectorAll('*').length"); now > nodes+50 {
		t.Errorf("the page has grown from %d to %d elements", nodes, now)
	}
}
