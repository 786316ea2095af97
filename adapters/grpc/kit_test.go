package grpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// perform does what a request asks for: a number is the code to answer with.
func perform(ctx context.Context, what string) error {
	switch what {
	case "wait":
		<-ctx.Done()
		return ctx.Err()
	case "plain":
		return errors.New("no status")
	case "panic":
		panic("the handler has a bug")
	}
	if code, err := strconv.Atoi(what); err == nil {
		return status.Error(codes.Code(code), "as you wish")
	}
	return nil
}

type text = wrapperspb.StringValue

// shop is a service written out by hand, as the generator would.
var shop = grpc.ServiceDesc{
	ServiceName: "test.Shop", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: func(_ any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
		in := new(text)
		if err := decode(in); err != nil {
			return nil, err
		}
		handle := func(ctx context.Context, req any) (any, error) {
			return req, perform(ctx, req.(*text).Value)
		}
		if intercept == nil {
			return handle(ctx, in)
		}
		return intercept(ctx, in, &grpc.UnaryServerInfo{FullMethod: "/test.Shop/Echo"}, handle)
	}}},
	Streams: []grpc.StreamDesc{
		{StreamName: "Many", ServerStreams: true, Handler: many},
		{StreamName: "Sum", ClientStreams: true, Handler: sum},
		{StreamName: "Talk", ClientStreams: true, ServerStreams: true, Handler: talk},
	},
}

var manyDesc, sumDesc, talkDesc = &shop.Streams[0], &shop.Streams[1], &shop.Streams[2]

// many answers three times and then does what it was asked.
func many(_ any, s grpc.ServerStream) error {
	in := new(text)
	if err := s.RecvMsg(in); err != nil {
		return err
	}
	for range 3 {
		if err := s.SendMsg(in); err != nil {
			return err
		}
	}
	return perform(s.Context(), in.Value)
}

// sum counts what it gets and answers once.
func sum(_ any, s grpc.ServerStream) error {
	for n := 0; ; n++ {
		in := new(text)
		err := s.RecvMsg(in)
		if errors.Is(err, io.EOF) {
			return s.SendMsg(wrapperspb.String(strconv.Itoa(n)))
		}
		if err == nil {
			err = perform(s.Context(), in.Value)
		}
		if err != nil {
			return err
		}
	}
}

// talk answers each message.
func talk(_ any, s grpc.ServerStream) error {
	for {
		in := new(text)
		err := s.RecvMsg(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = perform(s.Context(), in.Value)
		}
		if err == nil {
			err = s.SendMsg(in)
		}
		if err != nil {
			return err
		}
	}
}

// dial starts a real server, over TCP or over memory, and connects to it.
func dial(t testing.TB, overTCP bool, server []grpc.ServerOption, client ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	var listener net.Listener
	target := "passthrough:///memory"
	if overTCP {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener, target = l, l.Addr().String()
	} else {
		memory := bufconn.Listen(1 << 20)
		listener = memory
		client = append(client, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return memory.DialContext(ctx) }))
	}
	s := grpc.NewServer(server...)
	s.RegisterService(&shop, nil)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(listener) }()
	conn, err := grpc.NewClient(target, append(client, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); s.Stop(); <-done })
	return conn
}

func echo(ctx context.Context, conn *grpc.ClientConn, what string) error {
	return conn.Invoke(ctx, "/test.Shop/Echo", wrapperspb.String(what), new(text))
}

func newGuard(t testing.TB, timeout time.Duration) (*guard.Guard, *breaker.Breaker) {
	t.Helper()
	b, err := breaker.New("shop", breaker.Config{FailureThreshold: 1, Window: time.Minute, Cooldown: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	g, err := guard.New("shop", guard.Config{Breaker: b, Concurrency: 1, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	return g, b
}

// free reports whether no call is in flight. Places are given out before the
// breaker is asked, so a refusal by an open breaker says that there is one.
func free(g *guard.Guard) bool {
	tok, err := g.Enter(context.Background(), guard.Call{})
	if err != nil {
		return !errors.Is(err, fault.ConcurrencyLimited)
	}
	tok.Settle(outcome.Ignored, nil)
	tok.Close()
	return true
}

// waitFor polls what a server's goroutine brings about.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
