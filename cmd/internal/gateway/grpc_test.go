package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The HTTP status of a gRPC answer is 200 also when the service is down.
func TestTheStatusOfAGRPCCallDecidesItsOutcome(t *testing.T) {
	for _, c := range []struct {
		code                        string
		success, failure, neutrally uint64
	}{
		{"", 1, 0, 0},
		{"0", 1, 0, 0},
		{"3", 1, 0, 0},
		{"5", 1, 0, 0},
		{"6", 1, 0, 0},
		{"7", 1, 0, 0},
		{"9", 1, 0, 0},
		{"11", 1, 0, 0},
		{"12", 1, 0, 0},
		{"16", 1, 0, 0},
		{"2", 0, 1, 0},
		{"4", 0, 1, 0},
		{"14", 0, 1, 0},
		{"15", 0, 1, 0},
		{"1", 0, 0, 1},
		{"8", 0, 0, 1},
		{"10", 0, 0, 1},
		{"13", 0, 0, 1},
	} {
		for _, end := range []struct {
			body    string
			trailer bool
		}{{"", false}, {"", true}, {"message", true}} {
			body := end.body
			r, begin := conversation(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/grpc")
				name := "Grpc-Status"
				if end.trailer {
					_, _ = io.WriteString(w, body)
					name = http.TrailerPrefix + name
				}
				if c.code != "" {
					w.Header().Set(name, c.code)
				}
			})
			resp := begin(strings.NewReader("request"))
			if got, err := io.ReadAll(resp.Body); string(got) != body || err != nil {
				t.Errorf("code %s: %q, %v", c.code, got, err)
			}
			if got := resp.Header.Get("Grpc-Status") + resp.Trailer.Get("Grpc-Status"); got != c.code {
				t.Errorf("code %s came as %q", c.code, got)
			}
			if n := r.outcomes(1); n.Successes != c.success || n.Failures != c.failure || n.Ignored != c.neutrally {
				t.Errorf("code %q with %v: counted %+v", c.code, end, n)
			}
		}
	}
}
