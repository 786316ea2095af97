// Package localfile reads the small files that a configuration names: itself,
// certificates, keys, tokens. Whatever stands at the path, a read takes neither more
// memory nor more time than the caller has allowed.
package localfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// MaxSecret bounds certificates, keys, tokens and whatever else is named by a
// configuration and is not one.
const MaxSecret = 1 << 20

// Timeout is how long a read may take. A file on a network share that is away
// does not answer at all.
const Timeout = 5 * time.Second

// The errors of a read, beside those of the system. They are wrapped in a
// [fs.PathError].
var (
	ErrNotRegular = errors.New("not a regular file")
	ErrTooLarge   = errors.New("larger than is allowed")
	ErrTimeout    = fmt.Errorf("not read within %v", Timeout)
)

// Read returns the content of the regular file at path, which has at most limit
// bytes. Anything else at the path, as a directory, a FIFO, a device or a socket,
// is refused without being read. It returns after [Timeout] at the latest, and as soon
// as ctx ends, with every error a *[fs.PathError]. It is safe for concurrent use.
func Read(ctx context.Context, path string, limit int64) ([]byte, error) {
	return process.read(ctx, path, limit)
}

// process is shared by all of a process, because what it bounds is: every read that
// hangs in the kernel holds a thread, of which a process has a limited number.
var process = reader{load: load}

// reader knows the paths whose reading hangs, and does not try them again.
type reader struct {
	load func(path string, limit int64) ([]byte, error)

	mu      sync.Mutex
	hanging map[string]int
}

type result struct {
	content []byte
	err     error
}

func (r *reader) read(ctx context.Context, path string, limit int64) ([]byte, error) {
	if r.hangs(path) {
		return nil, failed(path, ErrTimeout)
	}
	done := make(chan result, 1)
	go func() {
		content, err := r.load(path, limit)
		done <- result{content, err}
	}()
	timer := time.NewTimer(Timeout)
	select {
	case res := <-done:
		timer.Stop()
		return res.content, res.err
	case <-timer.C:
		r.add(path, 1)
		go r.wait(path, done)
		return nil, failed(path, ErrTimeout)
	case <-ctx.Done():
		go r.leave(path, done, timer)
		return nil, failed(path, context.Cause(ctx))
	}
}

// wait stays with a read that hangs, because the kernel cannot be told to give up.
func (r *reader) wait(path string, done <-chan result) {
	<-done
	r.add(path, -1)
}

// leave stays with a read that nobody waits for: it may hang, too.
func (r *reader) leave(path string, done <-chan result, timer *time.Timer) {
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		r.add(path, 1)
		r.wait(path, done)
	}
}

func (r *reader) hangs(path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hanging[path] > 0
}

func (r *reader) add(path string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hanging == nil {
		r.hanging = make(map[string]int)
	}
	if r.hanging[path] += n; r.hanging[path] == 0 {
		delete(r.hanging, path)
	}
}

func failed(path string, err error) error { return &fs.PathError{Op: "read", Path: path, Err: err} }

// load looks before it opens, because to open a device may be to do something, and
// again at what it has opened. O_NONBLOCK keeps a FIFO from waiting for its writer.
func load(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // a PathError
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err //nolint:wrapcheck // a PathError
	}
	defer f.Close() //nolint:errcheck // nothing was written
	return readAll(f, path, limit)
}

func readAll(f *os.File, path string, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err //nolint:wrapcheck // a PathError
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	// The size is only what the file system says: files of /proc have none.
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(content)) > limit {
		return nil, failed(path, fmt.Errorf("%w: at most %d bytes", ErrTooLarge, limit))
	}
	return content, err
}

func regular(path string, info fs.FileInfo) error {
	switch {
	case info.Mode().IsRegular():
		return nil
	case info.IsDir():
		return failed(path, syscall.EISDIR)
	}
	return failed(path, ErrNotRegular)
}
