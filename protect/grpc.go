package protect

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// speaksGRPC reports whether the client of r waits for a gRPC status. To it, a
// refusal by HTTP status is an intermediary that is out of order.
func speaksGRPC(r *http.Request) bool {
	if r.ProtoMajor < 2 {
		return false
	}
	rest, ok := strings.CutPrefix(r.Header.Get("Content-Type"), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// writeGRPCRefusal answers in gRPC's form for a call without messages: HTTP status
// 200, and the status of the call in the header.
func writeGRPCRefusal(w http.ResponseWriter, code fault.Code, retryAfter time.Duration) {
	h := w.Header()
	h.Del("Content-Length")
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", strconv.FormatUint(uint64(code.GRPCCode()), 10))
	h.Set("Grpc-Message", code.Title())
	if retryAfter > 0 { // what a client with a retry policy waits for
		h.Set("Grpc-Retry-Pushback-Ms", strconv.FormatInt(ceil(retryAfter, time.Millisecond), 10))
	}
	w.WriteHeader(http.StatusOK)
}
