package daemon

import (
	"crypto/sha256"
	"os"
	"slices"
)

// fingerprint is the content of some files; the zero value stands for files
// that could not be read.
type fingerprint [sha256.Size]byte

// watch notices that files have changed. It compares contents, not times or
// names: a ConfigMap's files are symbolic links that are swapped, editors
// replace the file they edit, and a copy may be half done when it is looked at.
type watch struct {
	paths   func() []string
	read    func(string) ([]byte, error)
	applied fingerprint // what was last handed to changed
	last    fingerprint // what the look before saw
}

func newWatch(paths func() []string) *watch {
	w := &watch{paths: paths, read: os.ReadFile}
	w.applied, _ = w.look()
	w.last = w.applied
	return w
}

// look reads the files; ok is false if one of them is missing, as it is for a
// moment while it is replaced.
func (w *watch) look() (seen fingerprint, ok bool) {
	hash := sha256.New()
	for _, path := range slices.Sorted(slices.Values(w.paths())) {
		content, err := w.read(path)
		if err != nil {
			return fingerprint{}, false
		}
		sum := sha256.Sum256(content)
		hash.Write([]byte(path))
		hash.Write(sum[:])
	}
	return fingerprint(hash.Sum(nil)), true
}

// changed reports whether the files differ from what was last applied and are
// the same twice in a row: a file that is being written is not read in the
// middle. What it reports counts as applied, also if it is then refused, so
// that one faulty file is reported once and its repair is noticed.
func (w *watch) changed() bool {
	seen, ok := w.look()
	if !ok {
		return false
	}
	stable := seen == w.last
	w.last = seen
	if !stable || seen == w.applied {
		return false
	}
	w.applied = seen
	return true
}

// accept notes that the present files have been applied by other means.
func (w *watch) accept() {
	if seen, ok := w.look(); ok {
		w.applied, w.last = seen, seen
	}
}
