package gateway

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// The client of a gRPC call says in grpc-timeout for how long it will wait. The
// gateway keeps that limit itself and passes it on as it came: the upstream's clock
// starts later and rings after ours.

const grpcTimeoutHeader = "Grpc-Timeout"

// errGRPCTimeout is answered here: servers of gRPC answer it with Internal, which
// reads as a fault of theirs.
var errGRPCTimeout = fault.New(fault.Spec{
	Code: fault.InvalidArgument, Component: "gateway", Message: "invalid grpc-timeout: want up to eight digits and one of H, M, S, m, u, n, as in 250m",
})

// deadlineSlack is how much earlier than our timer an upstream's may ring that had
// the client's deadline from the request.
const deadlineSlack = 50 * time.Millisecond

// boundByClient returns ctx with the deadline that the client of a gRPC call has
// set, if it has. Its release must be called, also where there is none.
func boundByClient(ctx context.Context, r *http.Request) (_ context.Context, release context.CancelFunc, err error) {
	said := r.Header[grpcTimeoutHeader]
	if len(said) == 0 || !speaksGRPC(r) {
		return ctx, func() {}, nil
	}
	limit, ok := parseGRPCTimeout(said[0])
	if !ok || len(said) > 1 {
		return ctx, func() {}, errGRPCTimeout
	}
	ctx, release = context.WithTimeout(ctx, limit)
	return ctx, release, nil
}

// parseGRPCTimeout reads a timeout as the protocol of gRPC over HTTP/2 writes it.
// What does not fit in a time.Duration is as good as no limit.
func parseGRPCTimeout(text string) (time.Duration, bool) {
	const digits = 8
	if len(text) < 2 || len(text) > digits+1 {
		return 0, false
	}
	unit := grpcUnit(text[len(text)-1])
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 63)
	if err != nil || unit == 0 {
		return 0, false
	}
	if n > math.MaxInt64/uint64(unit) {
		return math.MaxInt64, true
	}
	return time.Duration(n) * unit, true
}

// grpcUnit returns 0 for what is no unit.
func grpcUnit(c byte) time.Duration {
	switch c {
	case 'H':
		return time.Hour
	case 'M':
		return time.Minute
	case 'S':
		return time.Second
	case 'm':
		return time.Millisecond
	case 'u':
		return time.Microsecond
	case 'n':
		return time.Nanosecond
	default:
		return 0
	}
}

// clientGaveUp reports whether the client's own deadline has passed. An upstream
// that has it from the request may say so a moment earlier, which is waited out, so
// that the guard sees whose deadline it was.
func clientGaveUp(ctx context.Context) bool {
	at, ok := ctx.Deadline()
	if ok && time.Until(at) <= deadlineSlack {
		<-ctx.Done()
	}
	return errors.Is(ctx.Err(), context.DeadlineExceeded)
}
