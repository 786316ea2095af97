package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/adapters/sqlite"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

const file = "foundation.db"

func wantFault(t *testing.T, err error, code fault.Code, words ...string) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Errorf("got %v, want %v", err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in %v", w, err)
		}
	}
	if n := strings.Count(err.Error(), "storage: "); n != 1 {
		t.Errorf("the fault is wrapped %d times: %v", n, err)
	}
}

func add(t *testing.T, s *sqlite.Storage, n int) {
	t.Helper()
	events := make([]eventstore.Event, n)
	for i := range events {
		events[i] = eventstore.Event{Type: "x", Name: fmt.Sprint(i), Correlation: fmt.Sprint(i), Data: []byte(`{"some":"data that fills a page"}`)}
	}
	if _, err := s.Events().Append(t.Context(), events...); err != nil {
		t.Error(err)
	}
}

func count(t *testing.T, s *sqlite.Storage) int {
	t.Helper()
	st, err := s.Events().Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.Events
}

func TestEveryCommitWaitsForTheDisk(t *testing.T) {
	s := open(t, t.TempDir())
	for query, want := range map[string]int64{
		"SELECT journal_mode = 'wal' FROM pragma_journal_mode": 1,
		"PRAGMA synchronous": 2, // FULL
	} {
		if got, err := s.Int(t.Context(), query); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", query, got, err, want)
		}
	}
}

func TestOnlyTheOwnerReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, dir)
	add(t, s, 1)
	for name, want := range map[string]os.FileMode{"": 0o700, file: 0o600, file + "-wal": 0o600, "foundation.lock": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
}

func TestADirectoryBelongsToOneProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	_, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	wantFault(t, err, fault.Unavailable, dir, fmt.Sprintf("process %d:", os.Getpid()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	add(t, open(t, dir), 1)
}

func TestPlacesThatCannotServe(t *testing.T) {
	dir := t.TempDir()
	place := filepath.Join(dir, "place")
	if err := os.WriteFile(place, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		dir   string
		code  fault.Code
		words string
	}{
		{"", fault.InvalidConfig, "empty"},
		{place, fault.InvalidConfig, "is a file"},
		{filepath.Join(place, "below"), fault.Unavailable, "not a directory"},
		{"/proc/self", fault.Unavailable, "/proc/self"}, // no file can be made there, not even by root
	} {
		_, err := sqlite.Open(t.Context(), tt.dir, sqlite.Options{})
		wantFault(t, err, tt.code, tt.words)
	}
	_, err := sqlite.Open(t.Context(), dir, sqlite.Options{Readers: -1})
	wantFault(t, err, fault.InvalidConfig, "readers -1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = sqlite.Open(ctx, dir, sqlite.Options{})
	wantFault(t, err, fault.Canceled)
	add(t, open(t, dir), 1) // no attempt left the directory locked
}

func TestADatabaseOfANewerVersion(t *testing.T) {
	dir := t.TempDir()
	later, err := sqlite.OpenLater(t.Context(), dir, "CREATE TABLE later (x)")
	if err != nil {
		t.Fatal(err)
	}
	if err := later.Close(); err != nil {
		t.Fatal(err)
	}
	before := read(t, dir, file)
	_, err = sqlite.Open(t.Context(), dir, sqlite.Options{})
	wantFault(t, err, fault.InvalidConfig, "version 3", "later one than 2", "run the newer program")
	if !bytes.Equal(read(t, dir, file), before) {
		t.Error("the file was changed")
	}
}

func TestAMigrationSavesACopyFirst(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.OpenLater(t.Context(), dir, "CREATE TABLE later (x)", "CREATE TABLE events (x)")
	wantFault(t, err, fault.Internal, "version 3", "already exists")
	if n := count(t, open(t, dir)); n != 100 { // the step was not half taken
		t.Errorf("%d events after a migration that failed", n)
	}
	dir = filepath.Join(t.TempDir(), "question? #1 100%")
	s = open(t, dir)
	add(t, s, 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = sqlite.OpenLater(t.Context(), dir, "CREATE TABLE later (x)"); err != nil {
		t.Fatal(err)
	}
	add(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	old := t.TempDir()
	if err := os.WriteFile(filepath.Join(old, file), read(t, dir, file+".v2.bak"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := count(t, open(t, old)); n != 100 {
		t.Errorf("the copy holds %d events, want 100", n)
	}
}

func TestADatabaseOfAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Exec(t.Context(), "PRAGMA application_id=7"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	wantFault(t, err, fault.InvalidConfig, "another program")
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// damaged returns a directory whose database had something written over it.
func damaged(t *testing.T, damage func(data []byte)) string {
	t.Helper()
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, 2000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data := read(t, dir, file)
	damage(data)
	if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestADamagedHeader(t *testing.T) {
	dir := damaged(t, func(data []byte) { copy(data, "no database at all, but something else") })
	_, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	wantFault(t, err, fault.DataCorrupt, "restore a backup")
}

func TestDamagedPages(t *testing.T) {
	dir := damaged(t, func(data []byte) {
		for at := 10 * 4096; at+4096 < len(data); at += 4096 {
			copy(data[at:], bytes.Repeat([]byte{0xa5}, 512))
		}
	})
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		wantFault(t, err, fault.DataCorrupt)
		return
	}
	defer s.Close()
	_, err = s.Events().Find(t.Context(), eventstore.Query{Limit: 5000})
	wantFault(t, err, fault.DataCorrupt, "restore a backup")
	_, err = s.Events().Prune(t.Context(), eventstore.Retention{MaxBytes: 1})
	wantFault(t, err, fault.DataCorrupt, "restore a backup")
}

func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, 10)
	if err := s.Exec(t.Context(), "PRAGMA max_page_count=20"); err != nil {
		t.Fatal(err)
	}
	big := eventstore.Event{Type: "big", Data: []byte(`"` + strings.Repeat("x", 200_000) + `"`)}
	_, err := s.Events().Append(t.Context(), eventstore.Event{Type: "small"}, big)
	wantFault(t, err, fault.Unavailable, "disk is full", "nothing of this was stored")
	if n := count(t, s); n != 10 {
		t.Errorf("%d events, want 10: half a batch was stored", n)
	}
	add(t, s, 1) // there is room for this
	if err := s.Exec(t.Context(), "PRAGMA max_page_count=100000"); err != nil {
		t.Fatal(err)
	}
	stored, err := s.Events().Append(t.Context(), big)
	if err != nil || stored[0].Seq != 12 {
		t.Errorf("after room was made: %v, %v", stored, err)
	}
}

func TestADatabaseThatGoes(t *testing.T) {
	for name, remove := range map[string]func(dir string) error{
		"deleted":          func(dir string) error { return os.Remove(filepath.Join(dir, file)) },
		"deleted log":      func(dir string) error { return os.Remove(filepath.Join(dir, file+"-wal")) },
		"deleted with all": os.RemoveAll,
		"another in its place": func(dir string) error {
			if err := os.Rename(filepath.Join(dir, file), filepath.Join(dir, "old")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, file), nil, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			add(t, s, 10)
			if err := remove(dir); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, err := s.Events().Append(t.Context(), eventstore.Event{Type: "x"})
				wantFault(t, err, fault.DataCorrupt, "while in use", "start")
			}
			// A connection that is open reads on in the file that has gone; a new one cannot.
			if _, err := s.History().List(t.Context(), 0, 0); err != nil {
				wantFault(t, err, fault.DataCorrupt, "while in use", "start")
			} else if strings.HasPrefix(name, "deleted with") {
				t.Error("the history of a directory that is gone can be read")
			}
			_, err := s.Events().Append(t.Context(), eventstore.Event{Type: "x"}) // a reader may have made a log anew
			wantFault(t, err, fault.DataCorrupt, "while in use", "start")
		})
	}
}

func TestCloseStoresWhatWaits(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	acknowledged := make(chan int, 32)
	for range cap(acknowledged) {
		go func() {
			n := 0
			for {
				if _, err := s.Events().Append(context.Background(), eventstore.Event{Type: "x"}); err != nil {
					if !errors.Is(err, fault.Closed) {
						t.Error(err)
					}
					acknowledged <- n
					return
				}
				n++
			}
		}()
	}
	for q := (eventstore.Query{Limit: 1, After: 50}); ; { // until some are stored
		if page, err := s.Events().Find(t.Context(), q); err != nil || len(page.Events) > 0 {
			break
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want := 0
	for range cap(acknowledged) {
		want += <-acknowledged
	}
	if got := count(t, open(t, dir)); got != want {
		t.Errorf("%d events, %d were acknowledged", got, want)
	}
	_, err := s.Events().Find(t.Context(), eventstore.Query{})
	wantFault(t, err, fault.Closed)
}

// An append whose context ends is stored whole or not at all, and the id tells which.
func TestAContextThatEndsMeanwhile(t *testing.T) {
	s := open(t, t.TempDir())
	events := s.Events()
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for range i {
				_ = ctx.Err() // lets the append come a little further each time
			}
			cancel()
		}()
		id := eventstore.NewID()
		_, err := events.Append(ctx, eventstore.Event{Type: "x", ID: id})
		if err != nil && !errors.Is(err, fault.Canceled) {
			t.Fatal(err)
		}
		_, again := events.Append(t.Context(), eventstore.Event{Type: "x", ID: id})
		if stored := errors.Is(again, fault.AlreadyExists); again != nil && !stored || err == nil && !stored {
			t.Errorf("the first append: %v, the second: %v", err, again)
		}
	}
	if n := count(t, s); n != 200 {
		t.Errorf("%d events, want 200", n)
	}
}

// Retention removes slice after slice: whoever appends meanwhile waits for one of them.
func TestAppendsGoOnWhilePruning(t *testing.T) {
	s := open(t, t.TempDir())
	for range 5 {
		add(t, s, 2000)
	}
	type removed struct {
		n   int
		err error
	}
	pruned := make(chan removed)
	go func() {
		n, err := s.Events().Prune(t.Context(), eventstore.Retention{Before: time.Now()})
		pruned <- removed{n, err}
	}()
	tomorrow := time.Now().AddDate(0, 0, 1)
	for appended := 0; ; appended++ {
		select {
		case got := <-pruned:
			if got.n != 10_000 || got.err != nil || appended == 0 || count(t, s) != appended {
				t.Errorf("%d pruned, %v; %d appended meanwhile, %d are there", got.n, got.err, appended, count(t, s))
			}
			return
		default:
			if _, err := s.Events().Append(t.Context(), eventstore.Event{Type: "new", Time: tomorrow}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What is written in one transaction is bounded, however much waits.
func TestAppendsThatDoNotFitOneTransaction(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			add(t, s, 1500)
			big := eventstore.Event{Type: "big", Data: []byte(`"` + strings.Repeat("x", eventstore.MaxData-2) + `"`)}
			if _, err := s.Events().Append(t.Context(), big); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := count(t, s); n != 12*1501 {
		t.Errorf("%d events, want %d", n, 12*1501)
	}
}

func TestCloseWaitsForQueries(t *testing.T) {
	for range 5 {
		dir := t.TempDir()
		s := open(t, dir)
		add(t, s, 3000)
		var wg sync.WaitGroup
		begun := make(chan struct{}, 8)
		for range cap(begun) {
			wg.Go(func() {
				for {
					_, err := s.Events().Find(context.Background(), eventstore.Query{Limit: 3000})
					if err != nil {
						wantFault(t, err, fault.Closed)
						return
					}
					select {
					case begun <- struct{}{}:
					default:
					}
				}
			})
		}
		<-begun
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, file+"-wal")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the log is still there: %v", err)
		}
		wg.Wait()
	}
}
