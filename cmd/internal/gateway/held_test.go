package gateway_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
)

// impatient is an upstream that lets nobody keep it waiting for longer than limit, as
// most servers do: for the next part of an answer that does not fit in any buffer, and
// for the next part of an upload.
type impatient struct {
	limit  time.Duration
	gaveUp chan error
}

const tooMuch = 64 << 20

func (u *impatient) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	server := http.NewResponseController(w)
	if r.Method == http.MethodPost {
		_ = server.SetReadDeadline(time.Now().Add(u.limit))
		_, err = io.Copy(io.Discard, r.Body)
	} else {
		w.Header().Set("Content-Length", strconv.Itoa(tooMuch))
		part := make([]byte, 64<<10)
		for n := 0; n < tooMuch && err == nil; n += len(part) {
			_ = server.SetWriteDeadline(time.Now().Add(u.limit))
			_, err = w.Write(part)
		}
	}
	u.gaveUp <- err
	panic(http.ErrAbortHandler)
}

// The limits of an upstream for slow clients must not open the breaker for all
// others.
func TestAnUpstreamThatGivesUpASlowReaderIsNotToBlame(t *testing.T) {
	for _, c := range []struct{ name, from, to string }{
		{"HTTP/1 to HTTP/1", "1", "1"}, {"HTTP/2 to HTTP/1", "2", "1"}, {"HTTP/1 to HTTP/2", "1", "2"}, {"HTTP/2 to HTTP/2", "2", "2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			const clients = 6
			up := &impatient{limit: time.Second, gaveUp: make(chan error, clients)}
			r := h2cRig(t, up, func(s *setup) { s.route.H2C = c.to == "2" })
			client := r.client
			if c.from == "2" {
				client = r.http2()
			}
			var answers []*http.Response
			for range clients {
				resp, err := client.Do(r.request(http.MethodGet, "/", nil))
				if err != nil {
					t.Fatal(err)
				}
				answers = append(answers, resp)
			}
			for range clients { // who pause for longer than the upstream likes
				if err := <-up.gaveUp; err == nil {
					t.Fatal("the answer fits into buffers")
				}
			}
			var reads sync.WaitGroup
			for _, resp := range answers {
				reads.Go(func() {
					if n, err := io.Copy(io.Discard, resp.Body); err == nil {
						t.Errorf("%d bytes ended as if they were all", n)
					}
					_ = resp.Body.Close()
				})
			}
			reads.Wait()
			r.nobodyBlamed(clients, true)
		})
	}
}

func TestAnUpstreamThatGivesUpASlowUploadIsNotToBlame(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		const clients = 6
		up := &impatient{limit: 500 * time.Millisecond, gaveUp: make(chan error, clients)}
		r := h2cRig(t, up, func(s *setup) { s.route.H2C = h2 })
		var conns []io.Writer
		for range clients {
			conn, _ := r.raw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\nabc")
			conns = append(conns, conn)
		}
		for range clients {
			if err := <-up.gaveUp; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("the upstream saw %v", err)
			}
		}
		for _, conn := range conns {
			for err := error(nil); err == nil; { // goes on until the gateway has had enough
				_, err = conn.Write(make([]byte, 100_000))
			}
		}
		r.nobodyBlamed(clients, true)
	}
}

// What an upstream breaks off that nobody has kept waiting is its failure.
func TestAnUpstreamThatBreaksOffAtOnceFailed(t *testing.T) {
	upload := func(r *rig) *http.Request {
		return r.request(http.MethodPost, "/", io.LimitReader(endless{}, 1<<20))
	}
	get := func(r *rig) *http.Request { return r.request(http.MethodGet, "/", nil) }
	for name, request := range map[string]func(*rig) *http.Request{"upload": upload, "download": get} {
		for _, h2 := range []bool{false, true} {
			r := h2cRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					w.Header().Set("Content-Length", strconv.Itoa(tooMuch))
					_, _ = w.Write(make([]byte, 1<<20))
				}
				_, _ = io.Copy(io.Discard, r.Body)
				panic(http.ErrAbortHandler)
			}), func(s *setup) { s.route.H2C = h2 })
			if resp, err := r.client.Do(request(r)); err == nil {
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			if c := r.outcomes(1); c != (breaker.Counts{Failures: 1}) {
				t.Errorf("%s, HTTP/2 %v: counted %+v", name, h2, c)
			}
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A call whose server has said its last word is over, whatever its client, who waits
// for that word, would have said.
func TestACallThatItsServerEndsIsOverForAClientThatListens(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"with an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = io.WriteString(w, "word")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set("Grpc-Status", "0")
		},
		"without one": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			r := h2cRig(t, h, func(*setup) {})
			body, talk := io.Pipe()
			defer talk.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // for a test that would hang
			defer cancel()
			req := r.request(http.MethodPost, "/", body).WithContext(ctx)
			req.Header.Set("Content-Type", "application/grpc")
			resp, err := r.http2().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if _, err := io.ReadAll(resp.Body); err != nil || resp.Header.Get("Grpc-Status")+resp.Trailer.Get("Grpc-Status") == "" {
				t.Errorf("%v, %v %v", err, resp.Header, resp.Trailer)
			}
			r.outcomes(1)
		})
	}
}
