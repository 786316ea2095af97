package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/errclass"
)

// grpcBody is the body of a gRPC answer, whose HTTP status is 200 whatever became of
// the call: the truth comes after the body, in the trailers.
type grpcBody struct {
	io.ReadCloser

	ctx  context.Context //nolint:containedctx // of the request, which errors are reported to
	resp *http.Response
}

// watchGRPC makes the guard learn the outcome of a gRPC call.
func watchGRPC(resp *http.Response) {
	if resp.ProtoMajor < 2 || !isGRPC(resp.Header) {
		return
	}
	ctx := resp.Request.Context()
	if code := resp.Header.Get(grpcStatusHeader); code != "" { // an answer without messages has it here
		reportGRPC(ctx, code)
		return
	}
	resp.Body = &grpcBody{resp.Body, ctx, resp}
}

const grpcStatusHeader = "Grpc-Status"

// speaksGRPC reports whether the client waits for a gRPC status.
func speaksGRPC(r *http.Request) bool { return r.ProtoMajor >= 2 && isGRPC(r.Header) }

func isGRPC(h http.Header) bool {
	rest, ok := strings.CutPrefix(h.Get("Content-Type"), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// Read implements io.Reader.
func (b *grpcBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		reportGRPC(b.ctx, b.resp.Trailer.Get(grpcStatusHeader))
	case clientGaveUp(b.ctx):
		b.endLate()
		return n, io.EOF
	}
	return n, err
}

// endLate ends the answer as a server does whose time is over, rather than by
// breaking it off, which a client takes for Internal. Of an answer that has begun it
// says nothing about the upstream: streams take as long as their clients want.
func (b *grpcBody) endLate() {
	infoOf(b.ctx).flag(flagClientDeadline)
	infoOf(b.ctx).tell(b.ctx, guard.Neutral(context.DeadlineExceeded))
	if b.resp.Trailer == nil {
		b.resp.Trailer = http.Header{}
	}
	b.resp.Trailer.Set(grpcStatusHeader, strconv.FormatUint(uint64(fault.CallTimeout.GRPCCode()), 10))
	b.resp.Trailer.Set("Grpc-Message", fault.CallTimeout.Title())
}

// reportGRPC tells the guard what a code means for the health of the upstream. The
// table is that of adapters/grpc, which would bring all of gRPC along, but for
// Internal: the gateway's clients are strangers, and Internal is what every server
// of gRPC answers to a message that it cannot parse. What is not reported is a
// success.
func reportGRPC(ctx context.Context, code string) {
	switch code {
	case "4": // DeadlineExceeded, whose deadline it may have been
		if clientGaveUp(ctx) {
			infoOf(ctx).tell(ctx, guard.Neutral(badStatus(code)))
			return
		}
		reportFailure(ctx, code)
	case "2", "14", "15": // Unknown, Unavailable, DataLoss
		reportFailure(ctx, code)
	case "1", "8", "10", "13": // Canceled, ResourceExhausted, Aborted, Internal
		infoOf(ctx).tell(ctx, guard.Neutral(badStatus(code)))
	}
}

func reportFailure(ctx context.Context, code string) {
	err := badStatus(code)
	infoOf(ctx).failedAs(failedGRPC, err)
	infoOf(ctx).tell(ctx, err)
}

func badStatus(code string) error {
	return fault.New(fault.Spec{Code: fault.OperationFailed, Component: "gateway", Message: "the upstream answered with gRPC code " + code, Cause: &errclass.NamedError{
		Class: errclass.Class("grpc_" + code), Text: "the answer has gRPC code " + code,
	}})
}
