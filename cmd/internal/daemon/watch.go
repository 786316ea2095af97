package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"slices"
	"sync"

	"github.com/elixirscope/foundation/internal/localfile"
)

// fingerprint is the content of some files; the zero value stands for files
// that could not be read.
type fingerprint [sha256.Size]byte

// watch notices that files have changed. It compares contents, not times or
// names: a ConfigMap's files are symbolic links that are swapped, editors
// replace the file they edit, and a copy may be half done when it is looked at.
type watch struct {
	// paths lists the files; one of the optional ones may be missing.
	paths func() (required, optional []string)
	read  func(ctx context.Context, path string) ([]byte, error)

	mu      sync.Mutex  // not held while files are read
	applied fingerprint // what was last handed to changed
	last    fingerprint // what the look before saw
}

// maxWatched is what the largest of the files may have, which is the configuration.
const maxWatched = 8 << 20

func newWatch(ctx context.Context, paths func() (required, optional []string)) *watch {
	w := &watch{paths: paths, read: func(ctx context.Context, path string) ([]byte, error) { return localfile.Read(ctx, path, maxWatched) }}
	w.accept(ctx)
	return w
}

// look reads the files.
func (w *watch) look(ctx context.Context) fingerprint {
	hash := sha256.New()
	required, optional := w.paths()
	for _, path := range slices.Sorted(slices.Values(slices.Concat(required, optional))) {
		content, err := w.read(ctx, path)
		if errors.Is(err, fs.ErrNotExist) && !slices.Contains(required, path) {
			continue
		}
		if err != nil {
			return fingerprint{}
		}
		sum := sha256.Sum256(content)
		hash.Write([]byte(path))
		hash.Write(sum[:])
	}
	return fingerprint(hash.Sum(nil))
}

// changed reports whether the files differ from what was last applied and are
// the same twice in a row: a file that is being written is not read in the
// middle. What it reports counts as applied, also if it is then refused, so
// that one faulty file is reported once and its repair is noticed. A file that
// cannot be read counts as a change, too: the reload says what is wrong. One that is
// missing for a moment, while it is replaced, is not seen so twice.
func (w *watch) changed(ctx context.Context) bool {
	seen := w.look(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	stable := seen == w.last
	w.last = seen
	if !stable || seen == w.applied {
		return false
	}
	w.applied = seen
	return true
}

// accept notes that the present files have been applied by other means.
func (w *watch) accept(ctx context.Context) {
	seen := w.look(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.applied, w.last = seen, seen
}
