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
// The interceptors see what the application calls. The attempts of a retry policy
// in the service config happen below them and count as one call.
//
// # Errors
//
// A refused call returns an error that is both a [fault.Error] and a gRPC status;
// see [StatusError].
package grpc
