package grpc_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	guardgrpc "github.com/elixirscope/foundation/adapters/grpc"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
)

var guardCall = guard.Call{}

type stream struct {
	*testing.T
	grpc.ClientStream
}

func openStream(ctx context.Context, t *testing.T, conn *grpc.ClientConn, desc *grpc.StreamDesc) stream {
	t.Helper()
	s, err := conn.NewStream(ctx, desc, "/test.Shop/"+desc.StreamName)
	if err != nil {
		t.Fatal(err)
	}
	return stream{t, s}
}

func (s stream) send(what string) {
	s.Helper()
	if err := s.SendMsg(wrapperspb.String(what)); err != nil {
		s.Fatal(err)
	}
}

func (s stream) receive() (string, error) {
	out := new(text)
	err := s.RecvMsg(out)
	return out.Value, err
}

func guardedClient(t *testing.T, g *guard.Guard) *grpc.ClientConn {
	return dial(t, true, nil, grpc.WithChainStreamInterceptor(guardgrpc.StreamClientInterceptor(g)))
}

func TestStream_ClientOutcomeIsThatOfTheEnd(t *testing.T) {
	for what, want := range map[string]outcome.Outcome{"fine": outcome.Success, "5": outcome.Success, "10": outcome.Ignored, "14": outcome.Failure} {
		g, b := newGuard(t, 0)
		s := openStream(t.Context(), t, guardedClient(t, g), manyDesc)
		s.send(what)
		_ = s.CloseSend()
		var err error
		for n := 0; err == nil; n++ {
			if _, err = s.receive(); err == nil && free(g) {
				t.Errorf("%s: the place was free after message %d", what, n+1)
			}
		}
		if what == "fine" != errors.Is(err, io.EOF) {
			t.Errorf("%s: ended with %v", what, err)
		}
		if got := b.State() == breaker.StateOpen; got != (want == outcome.Failure) || !free(g) {
			t.Errorf("%s: open %v, want %v", what, got, want)
		}
	}
}

func TestStream_ClientStreamEndsWithItsOneAnswer(t *testing.T) {
	g, b := newGuard(t, 0)
	s := openStream(t.Context(), t, guardedClient(t, g), sumDesc)
	for range 5 {
		s.send("fine")
	}
	_ = s.CloseSend()
	if n, err := s.receive(); n != "5" || err != nil || !free(g) || b.State() != breaker.StateClosed {
		t.Errorf("%s, %v", n, err)
	}
}

func TestStream_Conversation(t *testing.T) {
	g, _ := newGuard(t, 0)
	s := openStream(t.Context(), t, guardedClient(t, g), talkDesc)
	for _, word := range []string{"one", "two", "three"} {
		s.send(word)
		if got, err := s.receive(); got != word || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if free(g) {
		t.Error("the place was free in the middle")
	}
	_ = s.CloseSend()
	if _, err := s.receive(); !errors.Is(err, io.EOF) || !free(g) {
		t.Errorf("ended with %v", err)
	}
}

func TestStream_AbandonedByCancelingGivesThePlaceBack(t *testing.T) {
	g, b := newGuard(t, 0)
	conn := guardedClient(t, g)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		s := openStream(ctx, t, conn, talkDesc)
		s.send("one")
		cancel() // and never receives
		waitFor(t, "the place comes back", func() bool { return free(g) })
	}
	if b.State() != breaker.StateClosed {
		t.Error("callers that left opened the breaker")
	}
}

func TestStream_RefusedClientIsNotOpened(t *testing.T) {
	g, b := newGuard(t, 0)
	conn := guardedClient(t, g)
	s := openStream(t.Context(), t, conn, manyDesc)
	s.send("14")
	_ = s.CloseSend()
	for err := error(nil); err == nil; {
		_, err = s.receive()
	}
	if b.State() != breaker.StateOpen {
		t.Fatal("closed")
	}
	_, err := conn.NewStream(t.Context(), manyDesc, "/test.Shop/Many")
	if !errors.Is(err, fault.CircuitOpen) || status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestStream_Server(t *testing.T) {
	for what, want := range map[string]outcome.Outcome{"fine": outcome.Success, "5": outcome.Success, "plain": outcome.Failure, "14": outcome.Failure} {
		g, b := newGuard(t, 0)
		conn := dial(t, false, []grpc.ServerOption{grpc.ChainStreamInterceptor(guardgrpc.StreamServerInterceptor(g))})
		s := openStream(t.Context(), t, conn, talkDesc)
		s.send("one")
		if _, err := s.receive(); err != nil {
			t.Fatal(err)
		}
		if free(g) {
			t.Errorf("%s: the place was free in the middle", what)
		}
		refused := openStream(t.Context(), t, conn, talkDesc)
		if _, err := refused.receive(); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%s: a second stream got %v", what, err)
		}
		s.send(what)
		_ = s.CloseSend()
		for err := error(nil); err == nil; {
			_, err = s.receive()
		}
		waitFor(t, what+" ends", func() bool { return b.State() == breaker.StateOpen == (want == outcome.Failure) })
		waitFor(t, "the place comes back", func() bool { return free(g) })
	}
}

// The time limit bounds no stream, so shadow mode must not say that it would have.
func TestStream_ShadowReportsNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, err := guard.New("shop", guard.Config{Timeout: time.Second, Mode: mode.Shadow})
		if err != nil {
			t.Fatal(err)
		}
		err = guardgrpc.StreamServerInterceptor(g)(nil, serverStream{ctx: t.Context()}, &grpc.StreamServerInfo{FullMethod: "/test.Shop/Talk"},
			func(any, grpc.ServerStream) error { time.Sleep(time.Minute); return nil })
		if err != nil {
			t.Fatal(err)
		}
		s, err := guardgrpc.StreamClientInterceptor(g)(t.Context(), talkDesc, nil, "/test.Shop/Talk",
			func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
				return endingStream{}, nil
			})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := s.RecvMsg(nil); !errors.Is(err, io.EOF) {
			t.Errorf("ended with %v", err)
		}
		if st := g.Status(); st.WouldRefuse[fault.CallTimeout] != 0 || st.Results[guard.Succeeded] != 2 {
			t.Errorf("would refuse %v, results %v", st.WouldRefuse, st.Results)
		}
	})
}

type serverStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s serverStream) Context() context.Context { return s.ctx }

type endingStream struct{ grpc.ClientStream }

func (endingStream) RecvMsg(any) error { return io.EOF }
