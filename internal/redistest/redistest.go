// Package redistest runs real Redis servers for tests: each in a directory of its own,
// on a free port of the loopback interface, to be stopped, killed and started again;
// alone, as a cluster, as a replica, and watched by a Sentinel. Valkey serves as well.
package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/elixirscope/foundation/internal/testkit"
)

// ErrMissing is returned by [New] when there is neither Redis nor Valkey on the path.
var ErrMissing = errors.New("neither redis-server nor valkey-server is on the path: install one, as with apt-get install redis-server")

// Server is one server, running or not.
type Server struct {
	dir    string
	port   int
	args   []string // beside the port and the directory
	binary string
	cmd    *exec.Cmd
	done   chan struct{} // closed when cmd has ended
}

// New prepares a server and does not start it. Args are settings as on the command
// line, as in "--maxmemory", "2mb"; by default nothing is persisted. Remove it at the
// end.
func New(args ...string) (*Server, error) {
	binary, err := find()
	if err != nil {
		return nil, err
	}
	port, err := testkit.FreePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "redistest-")
	if err != nil {
		return nil, err
	}
	return &Server{dir: dir, port: port, args: args, binary: binary}, nil
}

func find() (string, error) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrMissing
}

// Port is where the server listens on the loopback interface.
func (s *Server) Port() int { return s.port }

// Addr is the address at which the server listens.
func (s *Server) Addr() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// URL is how clients name the server.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Start starts the server and returns once it answers, or with an error if it ends
// before or ctx does.
func (s *Server) Start(ctx context.Context) error {
	var log bytes.Buffer
	args := append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--daemonize", "no",
		"--save", "", "--appendonly", "no", "--loglevel", "warning",
	}, s.args...)
	if len(s.args) > 0 && s.args[0] == sentinelConfig {
		args = []string{s.dir + "/" + sentinelConfig, "--sentinel"}
	}
	cmd := exec.Command(s.binary, args...) //nolint:gosec,noctx // found on the path; ended by Kill
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &log, &log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() {
		_ = cmd.Wait() // ended by a signal, or says why in its log
		close(done)
	}()
	err := poll(ctx, done, func() error { return s.answers(ctx) })
	if errors.Is(err, errEnded) {
		return fmt.Errorf("%s ended at once: %s", s.binary, log.Bytes())
	}
	return err
}

// answers reports whether the server takes commands: it says so in no other way.
func (s *Server) answers(ctx context.Context) error {
	_, err := s.Do(ctx, "PING")
	return err
}

var errEnded = errors.New("the server has ended")

// poll asks until ok returns nil, done is closed or ctx ends. A nil done is never closed.
func poll(ctx context.Context, done <-chan struct{}, ok func() error) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-done:
			return errEnded
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// Kill ends the server as a crash would; its port stays its own.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill() // it may have ended already
		<-s.done
	}
}

// Stop makes the server stand still: its connections stay and nothing is answered,
// until Continue.
func (s *Server) Stop() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// Continue lets a server go on that was stopped.
func (s *Server) Continue() error { return s.cmd.Process.Signal(syscall.SIGCONT) }

// Remove kills the server, if it runs, and deletes its files.
func (s *Server) Remove() error {
	s.Kill()
	return os.RemoveAll(s.dir)
}
