package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/http2"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/ratelimit"
)

// upstreamsRows are the endings that an upstream makes.
func upstreamsRows() []blamed {
	every, pair := []string{clientHTTP1, clientHTTP2, clientGRPC}, []string{clientHTTP1, clientHTTP2}
	idle := func(s *setup) { s.gateway.Limits.BodyIdleTimeout = moment }
	limited := func(s *setup) { s.guard.Timeout = moment }
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	return []blamed{
		{row: "upstream-refused", over: every, gets: "502", getGRPC: "13", counted: "failure", change: dialsTo(refused)},
		{row: "upstream-dns", over: every, gets: "502", getGRPC: "13", counted: "failure", change: dialsTo(&net.DNSError{Err: "no such host", IsNotFound: true})},
		{
			row: "upstream-tls", over: every, gets: "502", getGRPC: "13", counted: "failure", to: overTLS,
			change: func(s *setup) { s.route.TLS = &settings.UpstreamTLS{ServerName: "elsewhere.org"} },
		},
		{row: "upstream-reset", over: every, gets: "502", getGRPC: "13", counted: "failure", upstream: breaksOff},
		{row: "upstream-goaway", over: []string{clientHTTP2, clientGRPC}, gets: "502", getGRPC: "13", counted: "failure", serve: goesAway},
		{row: "upstream-leaving", over: []string{clientHTTP2, clientGRPC}, gets: "502", getGRPC: "13", counted: "ignored", serve: leaves},
		{row: "upstream-slow", over: every, gets: "504", getGRPC: "4", counted: "timeout", upstream: untilTheEnd, change: limited},
		{row: "upstream-truncated", over: pair, gets: "cut", counted: "failure", upstream: tenOf("100", false)},
		{row: "upstream-truncated-no-length", over: every, gets: "cut", counted: "ignored", upstream: tenOf("", false)},
		{row: "upstream-quiet", over: pair, gets: "cut", counted: "failure", upstream: tenOf("100", true), change: idle},
		{row: "upstream-quiet-no-length", over: pair, gets: "cut", counted: "ignored", upstream: tenOf("", true), change: idle},
		{row: "upstream-quiet-stream", over: every, gets: "200", getGRPC: "0", counted: "success", upstream: pausesInAStream, change: idle},
		{
			row: "upstream-quiet-conversation", over: []string{clientHTTP2}, gets: "cut", counted: "ignored", upstream: beginsAndHangs, change: idle,
			act: func(e *ending) { e.ask(e.unfinished(e.Context())) },
		},
		{row: "upstream-early-answer", over: pair, gets: "413", counted: "success", upstream: answersWith(http.StatusRequestEntityTooLarge), act: func(e *ending) {
			e.ask(strings.NewReader(strings.Repeat("x", 100_000)))
		}},
		{row: "upstream-hint", over: every, gets: "200", getGRPC: "0", counted: "success", upstream: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusEarlyHints)
			reply(w, r)
		}},
		{row: "upstream-hint-alone", over: pair, gets: "504", counted: "timeout", change: limited, upstream: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			untilTheEnd(w, r)
		}},
		{row: "upstream-other-protocol", over: []string{clientHTTP1}, gets: "501", counted: "ignored", act: upgrades, upstream: func(w http.ResponseWriter, _ *http.Request) {
			switchTo(w, "another")
		}},
		{row: "upstream-5xx", over: pair, gets: "500", counted: "failure", upstream: answersWith(http.StatusInternalServerError)},
		{row: "upstream-501", over: pair, gets: "501", counted: "success", upstream: answersWith(http.StatusNotImplemented)},
		{row: "upstream-429", over: pair, gets: "429", counted: "ignored", upstream: answersWith(http.StatusTooManyRequests)},
		{row: "upstream-other-status", over: pair, gets: "404", counted: "success", upstream: answersWith(http.StatusNotFound)},
		{row: "upstream-grpc-failure", over: []string{clientGRPC}, gets: "14", counted: "failure", upstream: ends("14")},
		{row: "upstream-grpc-neutral", over: []string{clientGRPC}, gets: "13", counted: "ignored", upstream: ends("13")},
		{row: "upstream-grpc-other", over: []string{clientGRPC}, gets: "5", counted: "success", upstream: ends("5")},
	}
}

func dialsTo(err error) func(*setup) {
	return func(s *setup) {
		s.dial = func(context.Context, string, string) (net.Conn, error) { return nil, err }
	}
}

func answersWith(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// ends ends a call of gRPC with a status.
func ends(code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		begun(w, r)
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", code)
	}
}

// breaksOff resets the connection, or the stream, once it has the request.
func breaksOff(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		resets.leave(conn)
	}
	panic(http.ErrAbortHandler)
}

// tenOf sends ten bytes of an answer of that length, or of none, and then breaks it
// off, or hangs.
func tenOf(length string, hangs bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if length != "" {
			w.Header().Set("Content-Length", length)
		}
		begun(w, r)
		_, _ = io.WriteString(w, "ten bytes.")
		_ = http.NewResponseController(w).Flush()
		if hangs {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	}
}

// pausesInAStream has nothing to tell for longer than a body may stand still.
func pausesInAStream(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "text/event-stream")
	}
	ok := begun(w, r)
	<-time.NewTimer(3 * moment).C
	_, _ = io.WriteString(w, "news")
	if ok {
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	}
}

// goesAway is an upstream over HTTP/2 that ends, for a reason, with its first request.
func goesAway(in *bufio.Reader, out io.Writer) {
	endsAt[*http2.HeadersFrame](in, out, http2.ErrCodeInternal)
}

// leaves is one that ends in good order when a body has begun to come.
func leaves(in *bufio.Reader, out io.Writer) { endsAt[*http2.DataFrame](in, out, http2.ErrCodeNo) }

// endsAt ends a connection at the first frame of a kind, and has taken no request.
func endsAt[F http2.Frame](in *bufio.Reader, out io.Writer, why http2.ErrCode) {
	if _, err := in.Discard(len(http2.ClientPreface)); err != nil {
		return
	}
	f := http2.NewFramer(out, in)
	if f.WriteSettings() != nil {
		return
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		if _, at := frame.(F); at {
			_ = f.WriteGoAway(0, why, nil)
			return
		}
	}
}

// ourRows are the endings that we make.
func ourRows() []blamed {
	every := []string{clientHTTP1, clientHTTP2, clientGRPC}
	full := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	return []blamed{
		{row: "we-exhausted", over: every, gets: "503", getGRPC: "14", counted: "ignored", change: dialsTo(full)},
		{row: "we-draining", over: every, gets: "200", getGRPC: "0", counted: "success", upstream: readAll, act: func(e *ending) {
			body, more := io.Pipe()
			go func() {
				e.eventually("the call", func() bool { return e.guard.Status().InFlight > 0 })
				e.gateway.Drain()
				_ = more.Close()
			}()
			e.ask(body)
		}},
		{row: "we-draining-upgraded", over: []string{clientHTTP1}, gets: "101", counted: "success", upstream: echoUpgraded, act: func(e *ending) {
			rest := e.upgrade()
			e.gateway.Close(canceled())
			if _, err := io.Copy(io.Discard, rest); err != nil && !errors.Is(err, syscall.ECONNRESET) {
				e.Error(err)
			}
		}},
		{
			row: "we-limit-the-rate", over: every, gets: "429", getGRPC: "8", counted: "no call", upstream: readAll,
			change: func(s *setup) { s.limit = ratelimit.Config{Limit: 1, Per: time.Hour} },
			act: func(e *ending) {
				e.ask(nil)
				e.begin()
				e.ask(nil)
			},
		},
		{
			row: "we-limit-one-client", over: every, gets: "429", getGRPC: "8", counted: "no call", upstream: untilTheEnd,
			change: func(s *setup) { s.route.Key, s.route.MaxInFlightPerKey = "{remote_ip}", 1 },
			act: func(e *ending) {
				ctx, leave := context.WithCancel(e.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					first := *e
					first.read(first.open(ctx, nil))
				}()
				e.eventually("the first call", func() bool { return e.guard.Status().InFlight > 0 })
				e.ask(nil)
				leave()
				<-done
				e.begin()
			},
		},
	}
}
