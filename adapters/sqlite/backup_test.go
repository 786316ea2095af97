package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/elixirscope/foundation/adapters/sqlite"
	"github.com/elixirscope/foundation/fault"
)

func TestBackupIsADatabaseOfItsOwn(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, 100)
	copied := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(copied, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	add(t, s, 1) // not in the copy
	info, err := os.Stat(copied)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others can read it", info.Mode(), err)
	}
	for _, path := range []string{copied, filepath.Dir(copied)} {
		r, err := sqlite.Check(t.Context(), path)
		if err != nil || r.Events != 100 || r.OldestSeq != 1 || r.NewestSeq != 100 || r.NewestTime.IsZero() || r.Version != r.Newest || r.Bytes == 0 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	t.Chdir(filepath.Dir(copied))
	for _, path := range []string{file, "."} {
		if _, err := sqlite.Check(t.Context(), path); err != nil {
			t.Errorf("the relative path %s: %v", path, err)
		}
	}
	back := open(t, filepath.Dir(copied))
	if n := count(t, back); n != 100 {
		t.Errorf("the copy holds %d events", n)
	}
}

func TestBackup_LeavesNothingBehindAfterAFault(t *testing.T) {
	s := open(t, t.TempDir())
	add(t, s, 1)
	path := filepath.Join(t.TempDir(), "copy")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantFault(t, s.Backup(ctx, path), fault.Canceled)
	wantFault(t, s.Backup(t.Context(), filepath.Join(t.TempDir(), "missing", "copy")), fault.Unavailable, "no such file")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantFault(t, s.Backup(t.Context(), path), fault.Closed)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was left: %v", err)
	}
}

func TestCheck_AfterAKillReadsTheLog(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	s := open(t, from)
	add(t, s, 10)
	for _, name := range []string{file, file + "-wal"} { // what a process that is killed leaves
		raw, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := sqlite.Check(t.Context(), to)
	if err != nil || r.Events != 10 || r.LogBytes == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	back := open(t, to)
	if n := count(t, back); n != 10 {
		t.Errorf("after the check %d events are left", n)
	}
}

func TestCheck_SaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	_, err := sqlite.Check(t.Context(), filepath.Join(dir, "missing"))
	wantFault(t, err, fault.NotFound, "missing")
	_, err = sqlite.Check(t.Context(), dir)
	wantFault(t, err, fault.NotFound, file)
	s := open(t, dir)
	add(t, s, 2000)
	_, err = sqlite.Check(t.Context(), dir)
	wantFault(t, err, fault.Unavailable, "in use by process")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Check(t.Context(), dir); err != nil {
		t.Error(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	for i := len(raw) / 2; i < len(raw)/2+8192; i++ {
		raw[i] = 0x55
	}
	if err := os.WriteFile(filepath.Join(dir, file), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Check(t.Context(), dir)
	wantFault(t, err, fault.DataCorrupt, "damaged", "backup")
	if err := os.WriteFile(filepath.Join(dir, file), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Check(t.Context(), dir)
	wantFault(t, err, fault.DataCorrupt)
}
