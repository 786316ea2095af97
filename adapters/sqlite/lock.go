package sqlite

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/fault"
)

const lockName = "foundation.lock"

// lockDir takes the directory for this process. The file stays when the lock is
// released: were it removed, one process could lock the old file and another a new one.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	held, err := tryLock(f)
	switch {
	case err != nil:
		err = fmt.Errorf("lock %s: %w", f.Name(), err)
	case held:
		err = groupcommit.NewFault(fault.Unavailable, fmt.Sprintf("the directory %s is in use by %s: a directory belongs to one process at a time", dir, holder(f)), nil)
	default:
		err = sign(f)
	}
	if err != nil {
		_ = f.Close() // the first error says more
		return nil, err
	}
	return f, nil
}

// sign writes the number of this process into the lock file, for whoever finds it locked.
func sign(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

func holder(f *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" {
		return "process " + pid
	}
	return "another process"
}
