package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// counter makes frames of rows that change all the time.
type counter struct{ made, rows int }

func (c *counter) frame(*memo) *adminapi.Frame {
	c.made++
	f := &adminapi.Frame{Full: true, Rows: []adminapi.FrameRow{}}
	for i := range c.rows {
		f.Rows = append(f.Rows, adminapi.FrameRow{ID: fmt.Sprint("guard/", i), Calls: uint64(c.made)})
	}
	return f
}

// apiOf answers with the frames alone.
func apiOf(f *frames) *api {
	return &api{API: &API{frames: f, turns: newTurns(slog.New(slog.DiscardHandler))}, ended: make(chan struct{})}
}

// A thousand who watch cost one frame a second, and one compressed.
func TestFrames_AreEncodedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{rows: 3}
		f := newFrames(c.frame, slog.New(slog.DiscardHandler))
		a := apiOf(f)
		ctx, cancel := context.WithCancel(context.Background())
		for i := range 200 {
			r := httptest.NewRequest(http.MethodGet, "/v1/frames", nil).WithContext(context.WithValue(ctx, actorKey{}, "ops"))
			if i%2 == 0 {
				r.Header.Set("Accept-Encoding", "gzip")
			}
			go a.streamFrames(httptest.NewRecorder(), r)
		}
		<-time.After(9500 * time.Millisecond)
		// Each frame once for those who are there, and the first with all its rows for those who come.
		if n := f.encoded.Load(); c.made != 10 || n != 11 {
			t.Errorf("%d frames made, %d encoded", c.made, n)
		}
		if n := f.deflated.Load(); n != 10 {
			t.Errorf("%d compressed", n)
		}
		cancel()
		synctest.Wait()
		f.close()
	})
}

// Nothing is made while nobody watches.
func TestFrames_AreMadeOnlyWhileSomebodyWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{rows: 3}
		f := newFrames(c.frame, slog.New(slog.DiscardHandler))
		<-time.After(10 * time.Second)
		if c.made != 0 {
			t.Fatalf("%d made before anybody watched", c.made)
		}
		first, err := f.watch()
		if err != nil {
			t.Fatal(err)
		}
		second, _ := f.watch()
		<-time.After(2500 * time.Millisecond)
		first()
		<-time.After(2 * time.Second)
		second()
		synctest.Wait() // the goroutine has ended: what sleeps would let the bubble go on
		made := c.made
		<-time.After(time.Hour)
		if made != 5 || c.made != made || f.stop != nil {
			t.Errorf("%d made while somebody watched, %d in all", made, c.made)
		}
		third, _ := f.watch() // begins at once, anew
		if list, _, _ := f.after(0); list != nil {
			t.Error("a frame of an hour ago is shown as one of now")
		}
		synctest.Wait()
		if list, _, _ := f.after(0); len(list) != 1 || c.made != 6 {
			t.Errorf("%d messages, %d made", len(list), c.made)
		}
		third()
		f.close()
		if _, err := f.watch(); err == nil {
			t.Error("frames are made after the end")
		}
	})
}

// What is kept for those who come back has a bound in number and in bytes.
func TestFrames_KeptAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for rows, most := range map[int]int{0: framesKept, 3000: 2} {
			f := newFrames((&counter{rows: rows}).frame, slog.New(slog.DiscardHandler))
			leave, err := f.watch()
			if err != nil {
				t.Fatal(err)
			}
			<-time.After(3 * framesKept * time.Second)
			leave()
			synctest.Wait()
			if len(f.ring) > most || len(f.ring) < 1 || f.ring[len(f.ring)-1].seq != f.seq {
				t.Errorf("%d rows: %d frames are kept", rows, len(f.ring))
			}
			size := 0
			for _, m := range f.ring {
				size += len(m.text())
			}
			if size != f.ringSize {
				t.Errorf("%d rows: %d bytes are kept, %d counted", rows, size, f.ringSize)
			}
			f.close()
		}
	})
}

func TestDifferences(t *testing.T) {
	row := func(id, text string) encodedRow { return encodedRow{id, []byte(text)} }
	changed, gone := differences([]encodedRow{row("a", "1"), row("b", "1"), row("c", "1")}, []encodedRow{row("b", "1"), row("a", "2"), row("d", "1")})
	if len(changed) != 2 || changed[0].id != "a" || changed[1].id != "d" || !slices.Equal(gone, []string{"c"}) {
		t.Errorf("%v %v", changed, gone)
	}
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]float64{0: 0, 0.123456: 0.1235, 123456: 123500, 0.00098765: 0.0009877, 1: 1, -2.71828: -2.718} {
		if got := digits(v); got != want {
			t.Errorf("%v: %v, want %v", v, got, want)
		}
	}
}

func TestBands(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 1, 31, 12, 0, second, 0, time.UTC) }
	closed := &breaker.Status{State: breaker.StateClosed, Since: at(30)}
	list := []transition{
		{From: "closed", To: "open", Cause: "failure_threshold", at: at(10), seq: 1},
		{From: "open", To: "half-open", Cause: "cooldown_over", at: at(20), seq: 2},
		{From: "half-open", To: "closed", Cause: "override", Actor: "ops", Reason: "they say so", Forced: true, at: at(30), seq: 3},
	}
	want := []adminapi.StateBand{
		{State: "closed", From: at(5), To: at(10)},
		{State: "open", From: at(10), To: at(20), Reason: "failure_threshold", Seq: 1},
		{State: "half-open", From: at(20), To: at(30), Reason: "cooldown_over", Seq: 2},
		{State: "closed", Forced: true, From: at(30), To: at(40), Reason: "they say so", Actor: "ops", Seq: 3},
	}
	if got := bandsOf(list, closed, at(5), at(40)); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if got := bandsOf(list, closed, at(5), at(15)); !slices.Equal(got, []adminapi.StateBand{want[0], {State: "open", From: at(10), To: at(15), Reason: "failure_threshold", Seq: 1}}) {
		t.Errorf("%+v", got)
	}
	if got := bandsOf(nil, closed, at(5), at(40)); !slices.Equal(got, []adminapi.StateBand{{State: "closed", From: at(30), To: at(40)}}) {
		t.Errorf("what is not recorded is not made up: %+v", got)
	}
}
