// Package pgtest runs a real PostgreSQL server for tests: in a directory of its
// own, on a free port, to be stopped, killed and started again.
package pgtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/elixirscope/foundation/internal/testkit"
)

// ErrMissing is returned by [New] when there is no PostgreSQL on the path.
var ErrMissing = errors.New("initdb and postgres are not on the path: install them, as with apt-get install postgresql, and link them from /usr/lib/postgresql/*/bin")

// Server is one database cluster, running or not.
type Server struct {
	dir  string
	port int
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// New makes a database cluster and does not start it. Remove it at the end.
func New() (*Server, error) {
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return nil, ErrMissing
	}
	if _, err := exec.LookPath("postgres"); err != nil {
		return nil, ErrMissing
	}
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	if err := s.initialize(initdb); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

func (s *Server) initialize(initdb string) error {
	port, err := testkit.FreePort()
	if err != nil {
		return err
	}
	s.port = port
	if err := s.giveAway(); err != nil {
		return err
	}
	cmd := exec.Command(initdb, "-D", s.data(), "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C") //nolint:gosec,noctx // found on the path
	if out, err := s.run(cmd).CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// DSN is how to reach the server.
func (s *Server) DSN() string {
	return "postgres://tester@127.0.0.1:" + strconv.Itoa(s.port) + "/postgres?sslmode=disable"
}

// Start starts the server and returns once it answers. After a Kill the orphans of
// the old server may hold its memory for a moment, in which a new one ends at once:
// Start tries until ctx is done.
func (s *Server) Start(ctx context.Context) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := s.launch(ctx, ticker)
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// launch starts one server process and returns nil once it answers, or an error if
// it ends before.
func (s *Server) launch(ctx context.Context, ticker *time.Ticker) error {
	var log bytes.Buffer
	cmd := s.run(exec.Command("postgres", "-D", s.data(), "-p", strconv.Itoa(s.port), "-h", "127.0.0.1", "-k", "", //nolint:gosec,noctx // stopped by Stop or Kill
		"-c", "fsync=off", "-c", "max_connections=100", "-c", "shared_buffers=16MB"))
	cmd.Stderr = &log
	done := make(chan struct{})
	s.cmd, s.done = cmd, done
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = cmd.Wait() // ended by a signal, or says why in its log
		close(done)
	}()
	for {
		err := s.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-done:
			return fmt.Errorf("postgres ended at once: %s", log.Bytes())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// answers reports whether the server takes a session. It speaks the protocol by itself,
// so that every module can use this package, also those without a driver: the server
// answers a start message with 'R' (it trusts everybody), or with 'E' as long as it
// starts.
func (s *Server) answers(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(s.port))
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // the answer is what counts
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	const version3, parameters = 3 << 16, "user\x00tester\x00database\x00postgres\x00\x00"
	start := binary.BigEndian.AppendUint32(nil, uint32(8+len(parameters)))
	start = append(binary.BigEndian.AppendUint32(start, version3), parameters...)
	if _, err := conn.Write(start); err != nil {
		return err
	}
	var kind [1]byte
	if _, err := io.ReadFull(conn, kind[:]); err != nil {
		return err
	}
	if kind[0] != 'R' {
		return fmt.Errorf("the server answers with %q", kind)
	}
	_, err = conn.Write([]byte{'X', 0, 0, 0, 4}) // Terminate
	return err
}

// Port is where the server listens on the loopback interface.
func (s *Server) Port() int { return s.port }

// Stop ends the server in order: connections are cut, nothing is lost.
func (s *Server) Stop() { s.signal(syscall.SIGINT, s.cmd.Process.Pid) }

// Kill ends the server and all its processes as a crash would.
func (s *Server) Kill() {
	s.signal(syscall.SIGKILL, -s.cmd.Process.Pid)
}

func (s *Server) signal(sig syscall.Signal, pid int) {
	if s.cmd == nil {
		return
	}
	_ = syscall.Kill(pid, sig) // it may have ended already
	<-s.done
}

// Remove kills the server, if it runs, and deletes its files.
func (s *Server) Remove() error {
	if s.cmd != nil && s.cmd.Process != nil {
		s.Kill()
	}
	return os.RemoveAll(s.dir)
}

// run prepares cmd: in a process group of its own, so that Kill reaches every
// process, and as a user without rights, because PostgreSQL refuses to run as root.
func (s *Server) run(cmd *exec.Cmd) *exec.Cmd {
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if id, ok := unprivileged(); ok {
		cmd.SysProcAttr.Credential = id
	}
	return cmd
}

func (s *Server) giveAway() error {
	id, ok := unprivileged()
	if !ok {
		return nil
	}
	return os.Chown(s.dir, int(id.Uid), int(id.Gid))
}

// unprivileged returns whom to run as; false unless this process is root.
func unprivileged() (*syscall.Credential, bool) {
	if os.Geteuid() != 0 {
		return nil, false
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.ParseUint(u.Uid, 10, 32) // decimal on every Unix
			gid, _ := strconv.ParseUint(u.Gid, 10, 32)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, true
		}
	}
	return nil, false
}
