// Package grpc puts guards around gRPC calls, for clients and for servers, unary
// and streaming.
//
// # Usage
//
//	conn, err := grpc.NewClient(target,
//		grpc.WithChainUnaryInterceptor(guardgrpc.UnaryClientInterceptor(payments)),
//		grpc.WithChainStreamInterceptor(guardgrpc.StreamClientInterceptor(payments)))
//	server := grpc.NewServer(
//		grpc.ChainUnaryInterceptor(guardgrpc.UnaryServerInterceptor(checkout, guardgrpc.KeyByPeer())),
//		grpc.ChainStreamInterceptor(guardgrpc.StreamServerInterceptor(checkout, guardgrpc.KeyByPeer())))
//
// # Streams
//
// A stream holds its place in the guard until it ends; its outcome is that of
// its end. The guard's timeout does not bound streams, only unary calls: give a
// stream's context a deadline if it should have one.
//
// # Retries
//
// Under a guard with retries, unary calls to methods that [Idempotent] names are made again
// after a failure. gRPC has retries of its own, below the interceptors, which count as one call;
// docs/retries.md says how the two go together. Use one of them.
//
// # Errors
//
// A refused call returns an error that is both a [fault.Error] and a gRPC status;
// see [StatusError].
package grpc
