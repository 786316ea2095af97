package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// server is one listener with what answers on it.
type server struct {
	name     string // also the field of the configuration: "gateway", "admin", "probes"
	listener net.Listener
	http     *http.Server
	faults   *listenerFaults
	certs    *certificates // nil without TLS
	done     chan struct{} // closed when serving ended
	err      error         // why, valid once done is closed
}

// listen opens address. The error says what to do, because a taken port is the
// commonest way for a start to fail.
func listen(ctx context.Context, name, address string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", address)
	if err == nil {
		return ln, nil
	}
	message := fmt.Sprintf("cannot listen on %s: %v", address, cause(err))
	if errors.Is(err, syscall.EADDRINUSE) {
		message = fmt.Sprintf("%s is in use by another process: stop it, or choose another address in %s.listen", address, name)
	}
	return nil, fault.New(fault.Spec{Code: fault.Unavailable, Component: "foundation", Name: name, Message: message})
}

func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

func (s *server) address() string { return s.listener.Addr().String() }

// serve answers until the server is shut down.
func (s *server) serve() {
	defer close(s.done)
	ln := s.listener
	if s.certs != nil {
		ln = tls.NewListener(ln, s.certs.server())
	}
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		s.err = fmt.Errorf("%s: %w", s.name, err)
	}
}

// shutdown stops accepting, waits for requests until ctx ends, and then cuts
// those that are left.
func (s *server) shutdown(ctx context.Context) error {
	if s == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("%s: requests were still running when the time to drain was over: %w", s.name, errors.Join(err, s.http.Close()))
	}
	return err
}

// The limits of the admin and probe listeners, which have no settings of their own.
const (
	adminHeaderTimeout = 5 * time.Second
	adminIdleTimeout   = time.Minute
	adminReadTimeout   = 30 * time.Second
	adminHeaderBytes   = 32 << 10
)

func adminServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: adminHeaderTimeout, ReadTimeout: adminReadTimeout,
		IdleTimeout: adminIdleTimeout, MaxHeaderBytes: adminHeaderBytes,
	}
}
