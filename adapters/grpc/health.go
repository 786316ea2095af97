package grpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/elixirscope/foundation/health"
)

// RegisterHealth makes a server answer grpc.health.v1.Health from the reports of a. The
// empty service is readiness: SERVING unless the instance drains or what decides over
// readiness fails. Any other is a group of a, SERVING unless that fails; one that is not
// there is NOT_FOUND for Check and SERVICE_UNKNOWN for Watch. No call runs a check. Watch
// needs the service of a to run, and ends with the stream: GracefulStop waits for it.
func RegisterHealth(s grpc.ServiceRegistrar, a *health.Aggregator) {
	healthpb.RegisterHealthServer(s, &healthServer{aggregator: a})
}

type healthServer struct {
	healthpb.UnimplementedHealthServer

	aggregator *health.Aggregator
}

// Check implements [healthpb.HealthServer].
func (h *healthServer) Check(_ context.Context, request *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	is := serving(h.aggregator.Report(), request.GetService())
	if is == healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, status.Error(codes.NotFound, "there is no group of this name")
	}
	return &healthpb.HealthCheckResponse{Status: is}, nil
}

// List implements [healthpb.HealthServer].
func (h *healthServer) List(context.Context, *healthpb.HealthListRequest) (*healthpb.HealthListResponse, error) {
	r := h.aggregator.Report()
	all := map[string]*healthpb.HealthCheckResponse{"": {Status: serving(r, "")}}
	for _, group := range r.Groups {
		all[group] = &healthpb.HealthCheckResponse{Status: serving(r, group)}
	}
	return &healthpb.HealthListResponse{Statuses: all}, nil
}

// Watch implements [healthpb.HealthServer]: the status at once, and then each other one.
func (h *healthServer) Watch(request *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	told := healthpb.HealthCheckResponse_ServingStatus(-1)
	for {
		r, newer := h.aggregator.Changes()
		if is := serving(r, request.GetService()); is != told {
			if err := stream.Send(&healthpb.HealthCheckResponse{Status: is}); err != nil {
				return err
			}
			told = is
		}
		select {
		case <-newer:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		}
	}
}

// serving is the status of a service: of the whole, or of a group.
func serving(r *health.Report, service string) healthpb.HealthCheckResponse_ServingStatus {
	ok := r.Ready
	if service != "" {
		group, known := r.Group(service)
		if !known {
			return healthpb.HealthCheckResponse_SERVICE_UNKNOWN
		}
		ok = group.Status != health.Fail
	}
	if ok {
		return healthpb.HealthCheckResponse_SERVING
	}
	return healthpb.HealthCheckResponse_NOT_SERVING
}
