package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/protect"
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
	if code := resp.Header.Get("Grpc-Status"); code != "" { // an answer without messages has it here
		reportGRPC(ctx, code)
		return
	}
	resp.Body = &grpcBody{resp.Body, ctx, resp}
}

func isGRPC(h http.Header) bool {
	rest, ok := strings.CutPrefix(h.Get("Content-Type"), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// Read implements io.Reader.
func (b *grpcBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		reportGRPC(b.ctx, b.resp.Trailer.Get("Grpc-Status"))
	}
	return n, err
}

// reportGRPC tells the guard what a code means for the health of the upstream, by
// the table of adapters/grpc, which would bring all of gRPC along. What is not
// reported is a success.
func reportGRPC(ctx context.Context, code string) {
	switch code {
	case "2", "4", "8", "13", "14", "15": // Unknown, DeadlineExceeded, ResourceExhausted, Internal, Unavailable, DataLoss
		protect.ReportError(ctx, badStatus(code))
	case "1", "10": // Canceled, Aborted
		protect.ReportError(ctx, guard.Neutral(badStatus(code)))
	}
}

func badStatus(code string) error {
	return fault.New(fault.Spec{Code: fault.OperationFailed, Component: "gateway", Message: "the upstream answered with gRPC code " + code})
}
