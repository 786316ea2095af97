package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/breaker"
)

// healthy is an upstream that does whatever upstreams do, and none of it wrongly. By
// its path it is asked for one of them.
func healthy(w http.ResponseWriter, r *http.Request) {
	answer := http.NewResponseController(w)
	switch r.URL.Path {
	case "/echo":
		_ = answer.EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	case "/read": // it gives up when the client does
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
	case "/early":
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case "/stream":
		for i := range 5 {
			_, _ = fmt.Fprintf(w, "%d\n", i)
			_ = answer.Flush()
		}
	case "/large":
		w.Header().Set("Content-Length", strconv.Itoa(1<<20))
		_, _ = w.Write(make([]byte, 1<<20))
	case "/hint":
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusNoContent)
	case "/trailer":
		w.Header().Set("Trailer", "X-End")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-End", "yes")
	case "/close":
		w.Header().Set("Connection", "close")
	case "/grpc":
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	case "/upgrade":
		if protocol := r.Header.Get("Upgrade"); protocol != "" {
			switchTo(w, protocol)
		}
	default:
		_, _ = io.WriteString(w, "hello")
	}
}

// What a hostile client puts together. Most of it is right by itself: requests that
// are refused at once search little.
var (
	methods  = []string{"GET", "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "PRI", "get", "A B", "G\x80T", "M-SEARCH", ""}
	versions = []string{"HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.1 ", "http/1.1", ""}
	targets  = []string{
		"/", "/echo", "/read", "/early", "/stream", "/large", "/hint", "/trailer", "/close", "/grpc", "/upgrade", "/echo?a=b",
		"*", "//", "/%2e%2e/", "/?a b", "/?\x80", "/\x7f", "http://a%80b/echo", "http://x/echo", "http://u:p@x/", "x:y", "/#f", "/?", "",
	}
	fields = [][2]string{
		{"host", "x"},
		{"host", "a b"},
		{"host", "\xff"},
		{"host", ""},
		{"host", "a@b"},
		{"host", "x:99999"},
		{"connection", "close"},
		{"connection", "keep-alive"},
		{"connection", "upgrade"},
		{"connection", "Upgrade, X-Forwarded-For, Host"},
		{"connection", "content-length, te"},
		{"connection", ""},
		{"keep-alive", "x"},
		{"proxy-connection", "upgrade"},
		{"upgrade", "websocket"},
		{"upgrade", "websocket, x"},
		{"upgrade", "\x80"},
		{"upgrade", "a\tb"},
		{"upgrade", "h2c"},
		{"upgrade", "x/1"},
		{"upgrade", ""},
		{"upgrade", "HTTP/2.0"},
		{"upgrade", "websocket/13"},
		{"http2-settings", "AAMAAABk"},
		{"trailer", "X-Sum"},
		{"trailer", "X A"},
		{"trailer", "X:A"},
		{"trailer", "\xc3\xa9"},
		{"trailer", "Content-Length"},
		{"trailer", ","},
		{"te", "trailers"},
		{"te", "gzip"},
		{"te", "trailers, deflate"},
		{"transfer-encoding", "chunked"},
		{"transfer-encoding", "gzip, chunked"},
		{"transfer-encoding", "\x0bchunked"},
		{"transfer-encoding", "identity"},
		{"content-length", "0"},
		{"content-length", "5"},
		{"content-length", "300000"},
		{"content-length", "-1"},
		{"content-length", "5, 5"},
		{"content-length", "99999999999999"},
		{"expect", "100-continue"},
		{"expect", "x"},
		{"content-type", "application/grpc"},
		{"content-type", "\x80"},
		{"grpc-timeout", "1n"},
		{"grpc-timeout", "x"},
		{"grpc-encoding", "x"},
		{"x-forwarded-for", "\x80"},
		{"x-forwarded-host", "a b"},
		{"x-request-id", "\x80"},
		{"range", "bytes=9-1"},
		{"cookie", "a=b; c"},
		{"cookie", strings.Repeat("a=b; ", 400)},
		{"x-large", strings.Repeat("x", 12<<10)},
		{"user-agent", ""},
		{"priority", "u=9"},
		{"x y", "z"},
		{"x\x80", "y"},
		{"x", "a\x00b"},
		{"x", " padded "},
		{"", "x"},
		{":path", "/"},
		{":protocol", "websocket"},
		{"accept-encoding", "gzip"},
	}
	bodies = []string{
		"", "hello", "5\r\nhello\r\n0\r\n\r\n", "5\r\nhel", "0\r\nX-Sum: 1\r\n\r\n", "0\r\nX A: 1\r\n\r\n", "0\r\nX: a\x00b\r\n\r\n", "zz\r\n", "ffffffffffffffff\r\n", "5;x=y\r\nhello\r\n0\r\n\r\n",
		strings.Repeat("x", 300000), "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x00\x81\x05hello", "\x00\x00\x00\x00\x05hello",
	}
)

// farewell is how a client ends a connection.
type farewell int

const (
	closes     farewell = iota
	resets              // so that the other side's writes fail
	halfCloses          // and reads what comes
	reads               // what comes within a moment
	farewells
)

// leave does so. What it reads is worth nothing: others do the checking.
func (f farewell) leave(conn net.Conn) {
	switch f {
	case resets:
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	case halfCloses, reads:
		if tcp, ok := conn.(*net.TCPConn); ok && f == halfCloses {
			_ = tcp.CloseWrite()
		}
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, _ = io.Copy(io.Discard, conn)
	}
	_ = conn.Close()
}

// drawHTTP1 returns what a client writes on one connection of HTTP/1, in pieces.
func drawHTTP1(t *rapid.T) []string {
	var pieces []string
	for range rapid.IntRange(1, 3).Draw(t, "requests") {
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s %s\r\n", rapid.SampledFrom(methods).Draw(t, "method"), rapid.SampledFrom(targets).Draw(t, "target"), rapid.SampledFrom(versions).Draw(t, "version"))
		if rapid.IntRange(0, 9).Draw(t, "with a host") > 0 {
			b.WriteString("Host: x\r\n")
		}
		for _, f := range rapid.SliceOfN(rapid.SampledFrom(fields), 0, 5).Draw(t, "fields") {
			fmt.Fprintf(&b, "%s: %s\r\n", f[0], f[1])
		}
		b.WriteString("\r\n")
		pieces = append(pieces, b.String())
		if rapid.Bool().Draw(t, "with a body") {
			pieces = append(pieces, rapid.SampledFrom(bodies).Draw(t, "body"))
		}
	}
	if rapid.IntRange(0, 19).Draw(t, "spoilt") == 0 {
		pieces = append(pieces, string(rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "bytes")))
	}
	return pieces
}

// frameWriter writes the frames of a client of HTTP/2, right ones and wrong ones.
type frameWriter struct {
	*http2.Framer

	out     bytes.Buffer
	block   bytes.Buffer
	encoder *hpack.Encoder
}

func newFrameWriter() *frameWriter {
	w := &frameWriter{}
	w.Framer = http2.NewFramer(&w.out, nil)
	w.AllowIllegalWrites = true
	w.encoder = hpack.NewEncoder(&w.block)
	return w
}

// take returns what was written since.
func (w *frameWriter) take() string {
	text := w.out.String()
	w.out.Reset()
	return text
}

// drawHTTP2 returns what a client writes on one connection of HTTP/2, in pieces.
func drawHTTP2(t *rapid.T) []string {
	w := newFrameWriter()
	pieces := []string{http2.ClientPreface}
	settings := []http2.Setting{}
	if rapid.IntRange(0, 3).Draw(t, "settings") == 0 {
		settings = append(settings, http2.Setting{ID: http2.SettingInitialWindowSize, Val: rapid.SampledFrom([]uint32{0, 1, 1 << 20}).Draw(t, "window")})
	}
	_ = w.WriteSettings(settings...)
	pieces = append(pieces, w.take())
	next := uint32(1)
	for range rapid.IntRange(1, 8).Draw(t, "frames") {
		next = w.draw(t, next)
		pieces = append(pieces, w.take())
	}
	return pieces
}

// draw writes one frame, or a request with its body, and returns the next stream.
func (w *frameWriter) draw(t *rapid.T, next uint32) uint32 {
	stream := rapid.Uint32Range(0, next).Draw(t, "stream")
	end := rapid.Bool().Draw(t, "end")
	body := []byte(rapid.SampledFrom(bodies).Draw(t, "body"))
	body = body[:min(len(body), 16<<10)]
	code := http2.ErrCode(rapid.Uint32Range(0, 14).Draw(t, "code"))
	switch rapid.IntRange(0, 11).Draw(t, "frame") {
	case 0, 1, 2, 3, 4, 5:
		w.drawRequest(t, next, end)
		if !end {
			_ = w.WriteData(next, rapid.Bool().Draw(t, "end of the body"), body)
		}
		if rapid.IntRange(0, 3).Draw(t, "reset") == 0 {
			_ = w.WriteRSTStream(next, code)
		}
		return next + 2
	case 6:
		_ = w.WriteData(stream, end, body)
	case 7:
		_ = w.WriteRSTStream(stream, code)
	case 8:
		_ = w.WriteWindowUpdate(stream, rapid.SampledFrom([]uint32{0, 1, 1 << 16, 1<<31 - 1}).Draw(t, "increment"))
	case 9:
		w.drawTrailers(t, stream)
	case 10:
		_ = w.WriteGoAway(stream, code, nil)
	case 11:
		kind, flags := rapid.Byte().Draw(t, "kind"), rapid.Byte().Draw(t, "flags")
		_ = w.WriteRawFrame(http2.FrameType(kind), http2.Flags(flags), stream, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "payload"))
	}
	return next
}

func (w *frameWriter) drawRequest(t *rapid.T, stream uint32, end bool) {
	w.block.Reset()
	method, path := rapid.SampledFrom(methods).Draw(t, "method"), rapid.SampledFrom(targets).Draw(t, "target")
	authority := rapid.SampledFrom([]string{"x", "x", "x", "a b", "\xff", "a@b", ""}).Draw(t, "authority")
	for _, f := range [][2]string{{":method", method}, {":scheme", "http"}, {":authority", authority}, {":path", path}} {
		_ = w.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	for _, f := range rapid.SliceOfN(rapid.SampledFrom(fields), 0, 4).Draw(t, "fields") {
		_ = w.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	_ = w.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndStream: end, EndHeaders: true, BlockFragment: w.block.Bytes()})
}

func (w *frameWriter) drawTrailers(t *rapid.T, stream uint32) {
	w.block.Reset()
	for _, f := range rapid.SliceOfN(rapid.SampledFrom(fields), 1, 2).Draw(t, "trailers") {
		_ = w.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	_ = w.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndStream: true, EndHeaders: true, BlockFragment: w.block.Bytes()})
}

// fragile makes the breaker of a rig open at the first failure.
func (r *rig) fragile() {
	r.Helper()
	if err := r.breaker.Reconfigure(breaker.Config{FailureThreshold: 1}); err != nil {
		r.Fatal(err)
	}
}

// write writes the pieces on a connection of its own and leaves. The gateway may have
// hung up before all is written.
func (r *rig) write(pieces []string, pause bool, f farewell) {
	r.Helper()
	conn, err := new(net.Dialer).DialContext(r.Context(), "tcp", r.server.Listener.Addr().String())
	if err != nil {
		r.Fatal(err)
	}
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	for _, piece := range pieces {
		if _, err := io.WriteString(conn, piece); err != nil {
			break
		}
		if pause {
			<-time.NewTimer(2 * time.Millisecond).C
		}
	}
	f.leave(conn)
}

// harm says what a client did to others, once nothing of it runs any more.
func (r *rig) harm() string {
	r.Helper()
	for deadline := time.Now().Add(30 * time.Second); r.guard.Status().InFlight > 0; <-time.NewTimer(time.Millisecond).C {
		if time.Now().After(deadline) {
			return fmt.Sprintf("%d requests are in flight for ever", r.guard.Status().InFlight)
		}
	}
	if s := r.breaker.Status(); s.State != breaker.StateClosed {
		return fmt.Sprintf("the breaker is %v: %v", s.State, s.LastErrors)
	}
	if got := r.get("/"); got.StatusCode != http.StatusOK || got.body != "hello" {
		return fmt.Sprintf("an honest client got %d %q", got.StatusCode, got.body)
	}
	return ""
}
