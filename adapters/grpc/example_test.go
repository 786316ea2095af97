package grpc_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	guardgrpc "github.com/elixirscope/foundation/adapters/grpc"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard/guardtest"
)

func ExampleUnaryServerInterceptor() {
	g := guardtest.Admit()
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(guardgrpc.UnaryServerInterceptor(g, guardgrpc.KeyByPeer())),
		grpc.ChainStreamInterceptor(guardgrpc.StreamServerInterceptor(g, guardgrpc.KeyByPeer())),
	)
	server.RegisterService(&shop, nil)
	defer server.Stop()
	fmt.Println(len(server.GetServiceInfo()["test.Shop"].Methods))
	// Output: 4
}

func ExampleUnaryClientInterceptor() {
	g := guardtest.Refuse(fault.CircuitOpen)
	conn, err := grpc.NewClient("passthrough:///payments.internal:443",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(guardgrpc.UnaryClientInterceptor(g)),
		grpc.WithChainStreamInterceptor(guardgrpc.StreamClientInterceptor(g)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	err = echo(context.Background(), conn, "fine") // not sent
	fmt.Println(errors.Is(err, fault.CircuitOpen), status.Code(err))
	// Output: true Unavailable
}

func ExampleStatusError() {
	err := guardgrpc.StatusError(fault.New(fault.Spec{Code: fault.RateLimited, Name: "per_client", RetryAt: time.Now().Add(time.Minute)}))
	s := status.Convert(err)
	fmt.Println(s.Code(), s.Message(), len(s.Details()))
	// Output: ResourceExhausted rate limit reached 1
}

func ExampleCodeOutcome() {
	fmt.Println(guardgrpc.CodeOutcome(codes.NotFound), guardgrpc.CodeOutcome(codes.Canceled), guardgrpc.CodeOutcome(codes.Unavailable))
	// Output: success ignored failure
}
