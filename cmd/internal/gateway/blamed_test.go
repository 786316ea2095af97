package gateway_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/guard"
)

// The protocols that a client speaks. The upstream of a rig speaks the same, where a
// row does not say otherwise.
const (
	clientHTTP1 = "HTTP/1"
	clientHTTP2 = "HTTP/2"
	clientGRPC  = "gRPC"
)

// blamed is one row of the table in docs/gateway.md: a way in which a request can end.
type blamed struct {
	row     string
	over    []string
	gets    string // by the client: a status, "cut", or "gone" if it has left
	getGRPC string // where a gRPC client gets another one: of the call, or "HTTP" and a status
	counted string // a value of the label outcome of foundation_calls_total, or "no call"

	upstream http.HandlerFunc
	serve    func(in *bufio.Reader, out io.Writer) // in its place, over HTTP/2
	to       string                                // how the upstream is spoken to
	change   func(*setup)
	act      func(*ending) // what the client does; nil: it asks and reads what comes
}

// ending is one request on its way to its end.
type ending struct {
	*rig

	over   string
	before upstreams.Counts        // of the host, before the one request
	calls  map[guard.Result]uint64 // that came before
	got    string
	client *http.Client
}

// TestWhoIsBlamed is the table of docs/gateway.md: each row is a subtest, and has one
// for each protocol.
func TestWhoIsBlamed(t *testing.T) {
	for _, b := range blamedRows() {
		for _, over := range b.over {
			t.Run(b.row+"/"+over, func(t *testing.T) { b.test(t, over) })
		}
	}
}

func blamedRows() []blamed { return slices.Concat(clientsRows(), upstreamsRows(), ourRows()) }

func (b blamed) test(t *testing.T, over string) {
	to := b.to
	switch {
	case to != "":
	case over == clientHTTP1:
		to = overHTTP1
	default:
		to = overH2C
	}
	upstream := b.upstream
	if upstream == nil {
		upstream = healthy
	}
	url, change := upstreamOver(t, to, upstream)
	if b.serve != nil {
		url = rawUpstream(t, b.serve)
	}
	var log accessLines
	r := newRigTo(t, url, func(s *setup) {
		s.gateway.AccessLog.Mode, s.log = settings.AccessLogAll, &log
		change(s)
		if b.change != nil {
			b.change(s)
		}
	})
	e := &ending{rig: r, over: over, client: r.client}
	if over != clientHTTP1 {
		e.client = r.http2()
	}
	e.begin()
	if b.act == nil {
		e.ask(strings.NewReader("body"))
	} else {
		b.act(e)
	}
	want := b.gets
	if over == clientGRPC && b.getGRPC != "" {
		want = b.getGRPC
	}
	if e.got != want {
		t.Errorf("the client got %q, want %q", e.got, want)
	}
	if got := e.counted(); got != b.counted {
		t.Errorf("counted as %s, want %s", got, b.counted)
	}
	if got, want := e.countedOfHost(), map[string]string{"timeout": "failure", "canceled": "ignored"}[b.counted]; got != cmp.Or(want, b.counted) {
		t.Errorf("the host counts it as %s, want as %s", got, b.counted)
	}
	b.checkFlags(t, e, &log)
}

// countedOfHost says as what the host counts the request: as its breaker would.
func (e *ending) countedOfHost() string {
	switch n := e.gateway.Routes()[0].Upstreams.Hosts[0].Counts; {
	case n.Failures > e.before.Failures:
		return "failure"
	case n.Ignored > e.before.Ignored:
		return "ignored"
	case n.Successes > e.before.Successes:
		return "success"
	}
	return "no call"
}

// begin notes the calls that came before the one that counts.
func (e *ending) begin() {
	e.calls = maps.Clone(e.settled())
	e.before = e.gateway.Routes()[0].Upstreams.Hosts[0].Counts
}

func (e *ending) settled() map[guard.Result]uint64 {
	e.eventually("the end of all calls", func() bool { return e.guard.Status().InFlight == 0 })
	return e.guard.Status().Results
}

// counted says as what the one request was counted, once nothing runs any more.
func (e *ending) counted() string {
	e.server.CloseClientConnections()
	e.server.Close()
	var counted []string
	for result, n := range e.settled() {
		for range n - e.calls[result] {
			counted = append(counted, result.String())
		}
	}
	if len(counted) == 0 {
		return "no call"
	}
	return strings.Join(counted, ", ")
}

// open sends a request with body and the fields, in pairs, and returns its answer, or
// nil if there is none.
func (e *ending) open(ctx context.Context, body io.Reader, fields ...string) *http.Response {
	e.Helper()
	req := e.request(http.MethodPost, "/", body).WithContext(ctx)
	if e.over == clientGRPC {
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("Te", "trailers")
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	resp, err := e.client.Do(req)
	switch {
	case errors.Is(err, context.Canceled):
		e.got = "gone"
		return nil
	case err != nil:
		e.got = "cut"
		return nil
	}
	e.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// read reads what is left of resp and notes what the client got.
func (e *ending) read(resp *http.Response) {
	if resp == nil {
		return
	}
	_, err := io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	switch status := resp.Header.Get("Grpc-Status") + resp.Trailer.Get("Grpc-Status"); {
	case errors.Is(err, context.Canceled):
		e.got = "gone"
	case err != nil:
		e.got = "cut"
	case e.over == clientGRPC && status != "":
		e.got = status
	case e.over == clientGRPC:
		e.got = "HTTP " + strconv.Itoa(resp.StatusCode)
	default:
		e.got = strconv.Itoa(resp.StatusCode)
	}
}

func (e *ending) ask(body io.Reader, fields ...string) {
	e.Helper()
	e.read(e.open(e.Context(), body, fields...))
}

// reply answers well, in the form of the protocol.
func reply(w http.ResponseWriter, r *http.Request) {
	if begun(w, r) {
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	}
}

// begun sends the header of an answer and reports whether it is one of gRPC.
func begun(w http.ResponseWriter, r *http.Request) bool {
	kind := r.Header.Get("Content-Type")
	if kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	_ = http.NewResponseController(w).Flush()
	return kind == "application/grpc"
}

// The page and the test are one table.
func TestTheTableOfTheBlamedIsThatOfTheTest(t *testing.T) {
	page, err := os.ReadFile("../../../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, tested []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\|.*\\| ([^|]*) \\| ([^|]*) \\|$").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, m[1]+": "+m[2]+", over "+m[3])
	}
	for _, b := range blamedRows() {
		tested = append(tested, b.row+": "+b.counted+", over "+strings.Join(b.over, ", "))
	}
	for _, row := range documented {
		if !slices.Contains(tested, row) {
			t.Errorf("the page has a row without a test: %s", row)
		}
	}
	for _, row := range tested {
		if !slices.Contains(documented, row) {
			t.Errorf("the test has a row that the page has not: %s", row)
		}
	}
}
