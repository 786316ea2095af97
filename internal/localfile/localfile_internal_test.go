package localfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestRead_WhatIsNoSmallRegularFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, size := range map[string]int{"fits": 8, "large": 9} {
		if err := os.WriteFile(at(name), []byte(strings.Repeat("x", size)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(at("fits"), at("link")); err != nil { // as a mounted secret is
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		at("fits"): nil, at("link"): nil, at("large"): ErrTooLarge, at("none"): fs.ErrNotExist, dir: syscall.EISDIR,
		at("fifo"): ErrNotRegular, "/dev/zero": ErrNotRegular, "/dev/null": ErrNotRegular,
	} {
		content, err := Read(t.Context(), path, 8)
		if !errors.Is(err, want) || want == nil && string(content) != "xxxxxxxx" {
			t.Errorf("%s: %q, %v", path, content, err)
		}
		if _, ok := errors.AsType[*fs.PathError](err); !ok && err != nil || err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("%s: the error does not name it: %v", path, err)
		}
	}
}

// What is looked at first may be another by the time it is opened.
func TestLoad_LooksAtWhatItHasOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := readAll(f, path, 8); !errors.Is(err, ErrNotRegular) {
		t.Errorf("%v", err)
	}
}

func TestRead_AFileThatHangsIsGivenUpAndNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var reads atomic.Int32
		r := reader{load: func(path string, _ int64) ([]byte, error) {
			if path == "hung" {
				reads.Add(1)
				<-release
			}
			return []byte("content"), nil
		}}
		begun := time.Now()
		if _, err := r.read(t.Context(), "hung", 8); !errors.Is(err, ErrTimeout) || time.Since(begun) != Timeout {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		begun = time.Now()
		if _, err := r.read(t.Context(), "hung", 8); !errors.Is(err, ErrTimeout) || time.Since(begun) != 0 || reads.Load() != 1 {
			t.Errorf("after %v and %d reads: %v", time.Since(begun), reads.Load(), err)
		}
		if content, err := r.read(t.Context(), "other", 8); err != nil || string(content) != "content" {
			t.Errorf("another file: %q, %v", content, err)
		}
		close(release)
		synctest.Wait()
		if content, err := r.read(t.Context(), "hung", 8); err != nil || string(content) != "content" {
			t.Errorf("once it answers: %q, %v", content, err)
		}
	})
}

func TestRead_EndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := reader{load: func(string, int64) ([]byte, error) { <-release; return nil, nil }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		if _, err := r.read(ctx, "hung", 8); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		if r.hangs("hung") {
			t.Error("a read that was given up counts as one that hangs")
		}
		time.Sleep(Timeout)
		synctest.Wait()
		if !r.hangs("hung") {
			t.Error("a read that was given up and hangs is not known")
		}
		close(release)
		synctest.Wait()
		if r.hangs("hung") {
			t.Error("it hangs although it has ended")
		}
	})
}
