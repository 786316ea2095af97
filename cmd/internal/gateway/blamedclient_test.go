package gateway_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/guard"
)

// moment is a time limit of a test that is meant to pass.
const moment = 100 * time.Millisecond

// clientsRows are the endings that a client makes.
func clientsRows() []blamed {
	every, pair := []string{clientHTTP1, clientHTTP2, clientGRPC}, []string{clientHTTP1, clientHTTP2}
	idle := func(s *setup) { s.gateway.Limits.BodyIdleTimeout = moment }
	patient := func(s *setup) { s.guard.Timeout = 5 * moment }                        // the byte that comes is with the upstream by then
	patientReader := func(s *setup) { s.gateway.Limits.BodyIdleTimeout = 5 * moment } // the upstream has given all by then
	small := func(s *setup) { s.gateway.Limits.MaxBody = 1000 }
	slowSending, slowReading := newImpatient(), newImpatient()
	return []blamed{
		{row: "client-gone-sending", over: every, gets: "gone", counted: "canceled", upstream: readAll, act: leavesSending},
		{row: "client-gone-waiting", over: every, gets: "gone", counted: "canceled", upstream: untilTheEnd, act: leavesWaiting},
		{row: "client-gone-reading", over: every, gets: "gone", counted: "canceled", upstream: beginsAndHangs, act: leavesReading},
		{row: "client-half-closed", over: []string{clientHTTP1}, gets: "499", counted: "canceled", upstream: untilTheEnd, act: halfCloses1},
		{row: "client-slow-sending", over: every, gets: "504", getGRPC: "4", counted: "ignored", upstream: readAll, change: patient, act: stallsSending},
		{row: "client-idle-sending", over: pair, gets: "499", counted: "canceled", upstream: readAll, change: idle, act: stallsSending},
		{row: "client-slow-sending-given-up", over: pair, gets: "502", counted: "ignored", upstream: slowSending.to(http.MethodPost), act: pausesSending(slowSending)},
		{row: "client-slow-reading", over: pair, gets: "cut", counted: "ignored", upstream: slowReading.to(http.MethodGet), act: pausesReading(slowReading)},
		{row: "client-not-reading", over: pair, gets: "cut", counted: "canceled", upstream: pours, change: patientReader, act: neverReads},
		{row: "client-too-large-declared", over: every, gets: "413", getGRPC: "HTTP 413", counted: "no call", change: small, act: func(e *ending) {
			e.ask(strings.NewReader(strings.Repeat("x", 1001)))
		}},
		{row: "client-too-large", over: every, gets: "413", getGRPC: "HTTP 413", counted: "ignored", upstream: readAll, change: small, act: func(e *ending) {
			e.ask(io.MultiReader(strings.NewReader(strings.Repeat("x", 1001))))
		}},
		{row: "client-malformed", over: every, gets: "400", counted: "no call", act: sendsMalformed},
		{row: "client-header-too-large", over: []string{clientHTTP2, clientGRPC}, gets: "431", getGRPC: "HTTP 431", counted: "ignored", act: func(e *ending) {
			e.ask(nil)
			e.begin() // now the transport knows the limit
			e.ask(nil, "X-Large", strings.Repeat("x", 16<<10))
		}},
		{row: "client-upgrade-unsupported", over: []string{clientHTTP1}, to: overH2C, gets: "501", counted: "no call", act: upgrades},
		{row: "client-upgraded", over: []string{clientHTTP1}, gets: "101", counted: "success", upstream: echoUpgraded, act: upgrades},
		{
			row: "client-upgraded-quiet", over: []string{clientHTTP1}, gets: "101", counted: "success", upstream: echoUpgraded,
			change: func(s *setup) { s.route.IdleTimeout = moment },
			act:    func(e *ending) { _, _ = io.Copy(io.Discard, e.upgrade()) },
		},
		{
			row: "client-deadline-short", over: []string{clientGRPC}, gets: "4", counted: "canceled", upstream: untilTheEnd,
			change: func(s *setup) { s.guard = guard.Config{Timeout: time.Hour, DeadlineFloor: time.Minute} },
			act:    func(e *ending) { e.ask(strings.NewReader("x"), "Grpc-Timeout", "100m") },
		},
		{
			row: "client-deadline-long", over: []string{clientGRPC}, gets: "4", counted: "timeout", upstream: untilTheEnd,
			change: func(s *setup) { s.guard = guard.Config{Timeout: time.Hour, DeadlineFloor: time.Millisecond} },
			act:    func(e *ending) { e.ask(strings.NewReader("x"), "Grpc-Timeout", "100m") },
		},
		{
			row: "client-deadline-unreadable", over: []string{clientGRPC}, gets: "3", counted: "no call",
			act: func(e *ending) { e.ask(strings.NewReader("x"), "Grpc-Timeout", "soon") },
		},
		{
			row: "client-deadline-streaming", over: []string{clientGRPC}, gets: "4", counted: "ignored", upstream: beginsAndHangs,
			act: func(e *ending) { e.ask(strings.NewReader("x"), "Grpc-Timeout", "100m") },
		},
	}
}

// readAll needs the whole request.
func readAll(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	reply(w, r)
}

// untilTheEnd does not answer while somebody waits.
func untilTheEnd(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// beginsAndHangs hangs in the middle of an answer, which is large enough for a part of
// it to be with the client by then. A stream of gRPC has no length.
func beginsAndHangs(w http.ResponseWriter, r *http.Request) {
	part := make([]byte, 64<<10)
	if r.Header.Get("Content-Type") == "" {
		w.Header().Set("Content-Length", strconv.Itoa(2*len(part)))
	} else {
		part = part[:5]
	}
	begun(w, r)
	_, _ = w.Write(part)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

func newImpatient() *impatient {
	return &impatient{limit: 500 * time.Millisecond, gaveUp: make(chan error, 1)}
}

// to is the upstream for requests of any method as it is for those of one.
func (u *impatient) to(method string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Method = method
		u.ServeHTTP(w, r)
	}
}

// pours answers without an end.
func pours(w http.ResponseWriter, _ *http.Request) {
	for part := make([]byte, 64<<10); ; {
		if _, err := w.Write(part); err != nil {
			return
		}
	}
}

func echoUpgraded(w http.ResponseWriter, r *http.Request) { upgradeEcho(w, r) }

// unfinished is a body of which only the first byte comes, as long as ctx lasts.
func (e *ending) unfinished(ctx context.Context) io.Reader {
	body, more := io.Pipe()
	context.AfterFunc(ctx, func() { _ = more.CloseWithError(ctx.Err()) })
	go func() { _, _ = more.Write([]byte("x")) }()
	return body
}

func leavesSending(e *ending) {
	ctx, leave := context.WithCancel(e.Context())
	go func() {
		e.eventually("the call", func() bool { return e.guard.Status().InFlight > 0 })
		leave()
	}()
	e.read(e.open(ctx, e.unfinished(ctx)))
}

func leavesWaiting(e *ending) {
	ctx, leave := context.WithCancel(e.Context())
	go func() {
		e.eventually("the call", func() bool { return e.guard.Status().InFlight > 0 })
		leave()
	}()
	e.read(e.open(ctx, strings.NewReader("x")))
}

func leavesReading(e *ending) {
	ctx, leave := context.WithCancel(e.Context())
	resp := e.open(ctx, nil)
	leave()
	e.read(resp)
}

func halfCloses1(e *ending) {
	conn, answers := e.raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	e.eventually("the call", func() bool { return e.guard.Status().InFlight > 0 })
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	e.got = strconv.Itoa(e.status(answers))
}

func stallsSending(e *ending) { e.ask(e.unfinished(e.Context())) }

// pausesSending sends the rest of its body when the upstream has given up.
func pausesSending(upstream *impatient) func(*ending) {
	return func(e *ending) {
		body, more := io.Pipe()
		go func() {
			_, _ = more.Write([]byte("x"))
			<-upstream.gaveUp
			_, _ = more.Write([]byte("y"))
			_ = more.Close()
		}()
		e.ask(body)
	}
}

// pausesReading goes on reading when the upstream has given up.
func pausesReading(upstream *impatient) func(*ending) {
	return func(e *ending) {
		resp := e.open(e.Context(), nil)
		<-upstream.gaveUp
		e.read(resp)
	}
}

func neverReads(e *ending) {
	resp := e.open(e.Context(), nil)
	e.eventually("the end of the call", func() bool { return e.guard.Status().InFlight == 0 })
	e.read(resp)
}

func sendsMalformed(e *ending) {
	if e.over == clientHTTP1 {
		_, answers := e.raw("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X A\r\n\r\n0\r\n\r\n")
		e.got = strconv.Itoa(e.status(answers))
		return
	}
	f, kind := e.frames(), "text/plain"
	if e.over == clientGRPC {
		kind = "application/grpc"
	}
	f.send(1, true, "trailer", "x a", "content-type", kind)
	e.got = strconv.Itoa(f.status(1))
}

// upgrade offers another protocol and returns what comes after the answer.
func (e *ending) upgrade() io.Reader {
	conn, answers := e.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		e.Fatal(err)
	}
	_ = resp.Body.Close()
	e.got = strconv.Itoa(resp.StatusCode)
	e.Cleanup(func() { _ = conn.Close() })
	return answers
}

func upgrades(e *ending) { e.upgrade() }
