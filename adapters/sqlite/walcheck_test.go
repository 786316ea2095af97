package sqlite_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/elixirscope/foundation/adapters/sqlite"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

const frame = 24 + 4096 // bytes of a frame of the log

// crashed returns a directory as a process leaves it that is killed after 40 commits,
// with the log that change makes of its own.
func crashed(t *testing.T, change func(log []byte) []byte) string {
	t.Helper()
	dir, after := t.TempDir(), t.TempDir()
	s := open(t, dir)
	for range 40 {
		add(t, s, 1)
	}
	for name, data := range map[string][]byte{file: read(t, dir, file), file + "-wal": change(read(t, dir, file+"-wal"))} {
		if err := os.WriteFile(filepath.Join(after, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return after
}

func TestALogThatIsDamagedInTheMiddle(t *testing.T) {
	for name, at := range map[string]int{
		"data":             32 + 60*frame + 2000,
		"checksum":         32 + 60*frame + 17,
		"salt":             32 + 60*frame + 9,
		"the first frame":  32 + 100,
		"number of a page": 32 + 60*frame,
	} {
		dir := crashed(t, func(log []byte) []byte {
			log[at] ^= 0x10
			return log
		})
		_, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
		t.Log(name)
		wantFault(t, err, fault.DataCorrupt, "foundation.db-wal is damaged in its frame", "restore a backup")
		_, again := sqlite.Open(t.Context(), dir, sqlite.Options{})
		wantFault(t, again, fault.DataCorrupt) // the first attempt changed nothing
	}
}

// The end of a log is torn by a crash: what was not acknowledged is dropped.
func TestALogWhoseEndIsTorn(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(log []byte) []byte
		events int
	}{
		"whole":                 {func(log []byte) []byte { return log }, 40},
		"a frame too short":     {func(log []byte) []byte { return log[:len(log)-100] }, 39},
		"a frame of zeros":      {func(log []byte) []byte { clear(log[len(log)-frame:]); return log }, 39},
		"a frame out of order":  {func(log []byte) []byte { clear(log[len(log)-2*frame : len(log)-frame]); return log }, 39},
		"nothing":               {func([]byte) []byte { return nil }, -1},
		"half a header":         {func(log []byte) []byte { return log[:16] }, -1},
		"what an earlier left":  {func(log []byte) []byte { return append(log, log...) }, 40},
		"a header that is torn": {func(log []byte) []byte { log[13]++; return log }, -1},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sqlite.Open(t.Context(), crashed(t, tt.change), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			page, err := s.Events().Find(t.Context(), eventstore.Query{})
			if want := max(tt.events, 0); err != nil || len(page.Events) != want {
				t.Errorf("%d events, %v, want %d", len(page.Events), err, want)
			}
		})
	}
}
