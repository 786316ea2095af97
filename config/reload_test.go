package config_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

// anything is an applier that has no parts.
type anything struct{}

func (anything) Prepare(context.Context, *config.Config, *config.Config, []config.Change) (config.Transition, error) {
	return config.Transition{Commit: func(config.Revision) {}, Abort: func() {}}, nil
}

// slowFile is a configuration file that names another, whose reading waits for release
// once begun is set.
type slowFile struct {
	*config.Server

	path    string
	begun   chan struct{}
	release chan struct{}
}

func newSlowFile(t *testing.T) *slowFile {
	t.Helper()
	f := &slowFile{path: filepath.Join(t.TempDir(), "foundation.yaml")}
	f.write(t, "first")
	var err error
	f.Server, err = config.NewServer(t.Context(), config.ServerOptions{
		Applier: anything{}, File: f.path,
		Parse: config.ParseOptions{ReadFile: func(string) ([]byte, error) {
			if f.begun != nil {
				close(f.begun)
				<-f.release
			}
			return []byte("x"), nil
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func (f *slowFile) write(t *testing.T, guard string) {
	t.Helper()
	text := "version: 1\nguards: { " + guard + ": {} }\nstorage: { postgres: \"${file:/x}\" }\n"
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// guard returns the name of the only guard in force.
func (f *slowFile) guard() string {
	for name := range f.Current().Config.Guards {
		return name
	}
	return ""
}

// hang begins a reload, which stays where it reads. What it ends with is in the
// channel that it returns.
func (f *slowFile) hang(t *testing.T) <-chan error {
	t.Helper()
	f.begun, f.release = make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := f.Reload(t.Context(), config.By{})
		done <- err
	}()
	<-f.begun
	f.begun = nil
	return done
}

func TestReload_AFileThatHangsKeepsNoOtherChangeWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newSlowFile(t)
		done := f.hang(t)
		edit := func(c *config.Config) error {
			c.Guards = map[string]config.Guard{"meanwhile": {}}
			return nil
		}
		if applied, err := f.Edit(t.Context(), edit, config.By{}); err != nil || applied.Revision != 2 {
			t.Errorf("revision %d, %v", applied.Revision, err)
		}
		close(f.release)
		if err := <-done; err != nil || f.guard() != "meanwhile" {
			t.Errorf("a file that says what it said before has changed something: %q, %v", f.guard(), err)
		}
	})
}

func TestReload_AFileThatHangsDoesNotKeepTheServerOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newSlowFile(t)
		f.write(t, "second")
		done := f.hang(t)
		f.Close()
		close(f.release)
		if err := <-done; !errors.Is(err, fault.Closed) || f.Current().Number != 1 {
			t.Errorf("revision %d, %v", f.Current().Number, err)
		}
	})
}

// The reading that began first may end last, with what the file said before.
func TestReload_TheNewestReadingCounts(t *testing.T) {
	for name, tt := range map[string]struct {
		second  string
		want    string
		refused bool
	}{
		"a good one":   {"second", "second", false},
		"a faulty one": {"NoName", "first", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newSlowFile(t)
				f.write(t, "overtaken")
				done := f.hang(t)
				f.write(t, tt.second)
				if _, err := f.Reload(t.Context(), config.By{}); (err != nil) != tt.refused {
					t.Errorf("the second reload: %v", err)
				}
				close(f.release)
				if err := <-done; (err != nil) != tt.refused {
					t.Errorf("the first reload: %v", err)
				}
				if now := f.guard(); now != tt.want {
					t.Errorf("%q is in force", now)
				}
				if s := f.Status(); s.Drifted || (s.LastReloadError != nil) != tt.refused {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}
