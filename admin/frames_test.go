package admin_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/admin"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// watcher is a client of the frames, whose connection is memory.
type watcher struct {
	cancel func()
	ended  chan struct{}

	mu     sync.Mutex
	header http.Header
	status int
	got    []byte
}

func (w *watcher) Header() http.Header    { return w.header }
func (w *watcher) WriteHeader(status int) { w.status = status }
func (w *watcher) Flush()                 {}

func (w *watcher) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, text...)
	return len(text), nil
}

func (w *watcher) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.got)
}

func (w *watcher) leave() { w.cancel(); <-w.ended }

// watch begins to watch; header is added to the request.
func (r *rig) watch(header http.Header) *watcher {
	r.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &watcher{cancel: cancel, ended: make(chan struct{}), header: http.Header{}, status: http.StatusOK}
	req := httptest.NewRequest(http.MethodGet, "/v1/frames", nil).WithContext(ctx)
	req.Host = "127.0.0.1"
	req.Header.Set("Authorization", "Bearer "+token)
	maps.Copy(req.Header, header)
	go func() { defer close(w.ended); r.http.ServeHTTP(w, req) }()
	return w
}

// framesOf reads the messages of a stream.
func framesOf(t *testing.T, text string) (ids []string, list []adminapi.Frame) {
	t.Helper()
	for part := range strings.SplitSeq(text, "\n\n") {
		id, rest, is := strings.Cut(strings.TrimPrefix(part, "id: "), "\ndata: ")
		if !is || !strings.HasPrefix(part, "id: ") {
			continue
		}
		var f adminapi.Frame
		if err := json.Unmarshal([]byte(rest), &f); err != nil {
			t.Fatalf("%v\n%s", err, part)
		}
		if fmt.Sprint(f.Seq) != id {
			t.Errorf("id %s, seq %d", id, f.Seq)
		}
		ids, list = append(ids, id), append(list, f)
	}
	return ids, list
}

// inBubble runs a test over an API in a bubble; what it began has ended then.
func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, nil, &config.Performance{})
		defer r.end()
		test(t, r)
	})
}

func names(rows []adminapi.FrameRow) (list []string) {
	for i := range rows {
		list = append(list, rows[i].ID)
	}
	return list
}

func TestFrames_TheFirstIsFullAndThenComesWhatChanged(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		w := r.watch(nil)
		<-time.After(2500 * time.Millisecond)
		b, err := r.layer.Breaker("payments")
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Force(breaker.StateOpen, breaker.Override{Actor: "ops", Reason: "a test", For: time.Minute}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		w.leave()
		_, list := framesOf(t, w.text())
		if len(list) != 4 {
			t.Fatalf("%d frames\n%s", len(list), w.text())
		}
		first := list[0]
		if !first.Full || len(first.Rows) < 5 || first.Instance != "here" || first.Verdict != "ok" || first.Totals.Of != "guards" || first.Build != "foundation test" {
			t.Errorf("%+v", first)
		}
		for i, f := range list {
			if f.Full != (i == 0) || f.Seq != first.Seq+uint64(i) || f.At.Sub(first.At) != time.Duration(i)*time.Second {
				t.Errorf("frame %d: full %v, seq %d, at %v", i, f.Full, f.Seq, f.At)
			}
		}
		if n := len(list[2].Rows); n != 0 {
			t.Errorf("%d rows are sent again: %v", n, names(list[2].Rows))
		}
		last := list[3]
		if got := names(last.Rows); !slices.Equal(got, []string{"breaker/payments"}) || last.Rows[0].Level != "bad" || last.Rows[0].Override != "forced-open" || last.Rows[0].State != "open" {
			t.Errorf("%v: %+v", got, last.Rows)
		}
		if len(last.Overrides) != 1 || last.Overrides[0].Actor != "ops" || last.Overrides[0].Until.IsZero() || last.Verdict != "attention" || last.Totals.NotClosed != 1 {
			t.Errorf("%+v %q %d", last.Overrides, last.Verdict, last.Totals.NotClosed)
		}
	})
}

// Rows of parts that are removed are named.
func TestFrames_SayWhichRowsAreGone(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		w := r.watch(nil)
		<-time.After(500 * time.Millisecond)
		next := *r.layer.Config().Current().Config
		next.Breakers = maps.Clone(next.Breakers)
		delete(next.Breakers, "calm")
		if _, err := r.layer.Config().Apply(t.Context(), &next, config.By{Actor: "ops"}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		w.leave()
		_, list := framesOf(t, w.text())
		if last := list[len(list)-1]; !slices.Equal(last.Gone, []string{"breaker/calm"}) || last.Config.Revision != 2 {
			t.Errorf("%v, revision %d", last.Gone, last.Config.Revision)
		}
	})
}

func TestFrames_ContinueBehindWhatWasSeen(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		keeps := r.watch(nil) // another tab
		defer keeps.leave()
		w := r.watch(nil)
		<-time.After(1500 * time.Millisecond)
		w.leave()
		ids, _ := framesOf(t, w.text())
		<-time.After(3 * time.Second)
		for last, want := range map[string]struct {
			n    int
			full bool
		}{ids[1]: {3, false}, "7": {1, true}, "99999999999999999": {1, true}} {
			again := r.watch(http.Header{"Last-Event-Id": {last}})
			<-time.After(time.Millisecond)
			again.leave()
			_, list := framesOf(t, again.text())
			if len(list) != want.n || list[0].Full != want.full {
				t.Errorf("behind %s: %d frames, %q", last, len(list), again.text())
			}
		}
		bad := r.watch(http.Header{"Last-Event-Id": {"x"}})
		<-bad.ended
		if bad.status != http.StatusBadRequest {
			t.Errorf("an id that is none: %d", bad.status)
		}
	})
}

// What is compressed is made once for all, and reads as any gzip stream does.
func TestFrames_AreCompressedForThoseWhoTakeIt(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		w, plain := r.watch(http.Header{"Accept-Encoding": {"br, gzip;q=0.5"}}), r.watch(http.Header{"Accept-Encoding": {"gzip;q=0"}})
		<-time.After(1500 * time.Millisecond)
		late := r.watch(http.Header{"Accept-Encoding": {"GZIP"}})
		<-time.After(16 * time.Second)
		r.end()
		for _, one := range []*watcher{w, late} {
			<-one.ended
			if one.header.Get("Content-Encoding") != "gzip" || one.header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%v", one.header)
			}
			unzip, err := gzip.NewReader(strings.NewReader(one.text()))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(unzip)
			if err != nil {
				t.Fatal(err)
			}
			if _, list := framesOf(t, string(text)); len(list) < 16 || !list[0].Full {
				t.Errorf("%d frames", len(list))
			}
			if one == w && string(text) != plain.text() {
				t.Errorf("%d bytes, %d as they are", len(text), len(plain.text()))
			}
		}
		<-plain.ended
	})
}

func TestFrames_NeedAToken(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for _, header := range []http.Header{{"Authorization": {"Bearer wrong"}}, {"Authorization": {""}}} {
			w := r.watch(header)
			<-w.ended
			if w.status != http.StatusUnauthorized {
				t.Errorf("%d", w.status)
			}
		}
		if code := r.askWith(http.MethodGet, "/v1/frame", "", nil, http.Header{"Authorization": {"Bearer wrong"}}); code != http.StatusUnauthorized {
			t.Errorf("%d", code)
		}
	})
}

// A page asks who it is, and offers only what that one may do.
func TestMe_SaysWhetherAnythingMayBeChanged(t *testing.T) {
	r := newRig(t)
	api := admin.New(r.layer, admin.Options{Access: admin.Access{Tokens: map[string]admin.Token{"ops": {Secret: token, Write: true}, "screen": {Secret: "the one on the wall of the office"}}}})
	defer api.Close()
	r.http = api
	var me adminapi.Me
	if code := r.ask(http.MethodGet, "/v1/me", "", &me); code != http.StatusOK || me.Actor != "ops" || !me.Write || !me.Guarded {
		t.Errorf("%d %+v", code, me)
	}
	look := http.Header{"Authorization": {"Bearer the one on the wall of the office"}}
	if code := r.askWith(http.MethodGet, "/v1/me", "", &me, look); code != http.StatusOK || me.Actor != "screen" || me.Write {
		t.Errorf("%d %+v", code, me)
	}
	var f adminapi.Frame
	if code := r.askWith(http.MethodGet, "/v1/frame", "", &f, look); code != http.StatusOK || !f.Full || len(f.Rows) < 5 || f.Seq != 0 {
		t.Errorf("%d %+v", code, f)
	}
	if code := r.askWith(http.MethodPut, "/v1/switches/upstream", `{"state":"ok","reason":"x"}`, nil, look); code != http.StatusForbidden {
		t.Errorf("%d", code)
	}
}

// One that looks once gets what others watch.
func TestFrame_IsThatOfThoseWhoWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		w := r.watch(nil)
		<-time.After(1500 * time.Millisecond)
		var f adminapi.Frame
		if code := r.ask(http.MethodGet, "/v1/frame", "", &f); code != http.StatusOK || !f.Full || f.Seq == 0 || time.Since(f.At) != 500*time.Millisecond || len(f.Rows) < 5 {
			t.Errorf("%d %+v", code, f)
		}
		w.leave()
		if code := r.ask(http.MethodGet, "/v1/frame", "", &f); code != http.StatusOK || f.Seq != 0 || time.Since(f.At) != 0 {
			t.Errorf("%d %+v", code, f)
		}
	})
}

func TestFrames_EndWithTheAPI(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		w := r.watch(nil)
		<-time.After(1500 * time.Millisecond)
		r.end()
		<-w.ended
		late := r.watch(nil)
		<-late.ended
		if late.status != http.StatusServiceUnavailable && late.status != http.StatusConflict {
			t.Errorf("after the end: %d %s", late.status, late.text())
		}
	})
}

// A client that takes nothing is cut off: nothing is queued for it.
func TestFrames_ASlowClientIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, nil, &config.Performance{})
		defer r.end()
		here, there := net.Pipe()
		server := &http.Server{Handler: r.http, ReadHeaderTimeout: time.Second}
		ended := make(chan struct{})
		server.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				close(ended)
			}
		}
		served := make(chan error, 1)
		go func() { served <- server.Serve(&oneConn{conn: there, closed: make(chan struct{})}) }()
		fmt.Fprintf(here, "GET /v1/frames HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n", token)
		line, err := bufio.NewReaderSize(here, 16).ReadString('\n')
		if err != nil || !strings.Contains(line, "200") {
			t.Fatalf("%q %v", line, err)
		}
		began := time.Now()
		<-ended // and nothing more is read
		if took := time.Since(began); took > 12*time.Second {
			t.Errorf("it was cut off after %v", took)
		}
		_ = here.Close()
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// oneConn is a listener of one connection.
type oneConn struct {
	conn   net.Conn
	taken  bool
	once   sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if !l.taken {
		l.taken = true
		return l.conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// A function of the program that panics ends the streams and not the program.
func TestFrames_APanicOfTheProgramEndsTheStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		panics := true
		api := admin.New(r.layer, admin.Options{
			Access: admin.Access{Tokens: map[string]admin.Token{"ops": {Secret: token}}},
			Program: admin.Program{Listeners: func() []admin.Listener {
				if panics {
					panic("on purpose")
				}
				return nil
			}},
		})
		defer api.Close()
		r.http = api
		w := r.watch(nil)
		<-w.ended
		if !strings.Contains(w.text(), "event: problem") || !strings.Contains(w.text(), "a frame could not be made") {
			t.Errorf("%s", w.text())
		}
		panics = false
		again := r.watch(nil)
		<-time.After(500 * time.Millisecond)
		again.leave()
		if _, list := framesOf(t, again.text()); len(list) != 1 {
			t.Errorf("%s", again.text())
		}
	})
}

// Two hours of a page that is left open leave nothing behind.
func TestFrames_TwoHoursTakeNoMoreMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, nil, &config.Performance{})
		defer r.end()
		g, err := r.layer.Guard("checkout")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		req := httptest.NewRequest(http.MethodGet, "/v1/frames", nil).WithContext(ctx)
		req.Host = "127.0.0.1"
		req.Header.Set("Authorization", "Bearer "+token)
		go func() { defer close(ended); r.http.ServeHTTP(&forgetful{http.Header{}}, req) }()
		hour := func() uint64 {
			for range 3600 {
				_ = g.Do(context.Background(), func(context.Context) error { return nil })
				<-time.After(time.Second)
			}
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		first := hour() // the monitor keeps an hour
		second := hour()
		if second > first+512<<10 {
			t.Errorf("%d bytes after an hour, %d after two", first, second)
		}
		cancel()
		<-ended
	})
}

// forgetful is a client that keeps nothing.
type forgetful struct{ header http.Header }

func (f *forgetful) Header() http.Header            { return f.header }
func (f *forgetful) WriteHeader(int)                {}
func (f *forgetful) Write(text []byte) (int, error) { return len(text), nil }
func (f *forgetful) Flush()                         {}
