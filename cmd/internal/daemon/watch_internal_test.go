package daemon

import (
	"context"
	"errors"
	"os"
	"testing"
)

// files is a file system of a test.
type files map[string]string

func (f files) read(_ context.Context, path string) ([]byte, error) {
	content, ok := f[path]
	if !ok {
		return nil, os.ErrNotExist
	}
	if content == "unreadable" {
		return nil, errors.New("unreadable")
	}
	return []byte(content), nil
}

func newTestWatch(t *testing.T, f files) *watch {
	w := &watch{paths: func() (required, optional []string) { return []string{"a", "b"}, []string{"c"} }, read: f.read}
	w.accept(t.Context())
	return w
}

func TestWatch_ReportsAChangeOnceItWasSeenTwice(t *testing.T) {
	f := files{"a": "1", "b": "1"}
	w := newTestWatch(t, f)
	for _, step := range []struct {
		name string
		do   func()
		want bool
	}{
		{"nothing happened", func() {}, false},
		{"first look at new content", func() { f["a"] = "2" }, false},
		{"second look", func() {}, true},
		{"already reported", func() {}, false},
		{"half written", func() { f["a"] = "3" }, false},
		{"written further", func() { f["a"] = "33" }, false},
		{"stable", func() {}, true},
		{"gone for a moment, as during a replacement", func() { delete(f, "a") }, false},
		{"back unchanged", func() { f["a"] = "33" }, false},
		{"and stays", func() {}, false},
		{"gone", func() { delete(f, "a") }, false},
		{"for good", func() {}, true},
		{"which is told once", func() {}, false},
		{"back", func() { f["a"] = "33" }, false},
		{"which ends the fault", func() {}, true},
		{"unreadable", func() { f["b"] = "unreadable" }, false},
		{"the other file changed", func() { f["b"] = "2" }, false},
		{"seen twice", func() {}, true},
		{"a file that may be missing came", func() { f["c"] = "1" }, false},
		{"and is there", func() {}, true},
		{"and went", func() { delete(f, "c") }, false},
		{"and is gone", func() {}, true},
		{"it cannot be read", func() { f["c"] = "unreadable"; f["a"] = "4" }, false},
		{"which a reload has to say", func() {}, true},
	} {
		step.do()
		if got := w.changed(t.Context()); got != step.want {
			t.Errorf("%s: changed = %v, want %v", step.name, got, step.want)
		}
	}
}

func TestWatch_NoticesTheRepairOfAFaultyFile(t *testing.T) {
	f := files{"a": "good", "b": ""}
	w := newTestWatch(t, f)
	f["a"] = "faulty"
	w.changed(t.Context())
	if !w.changed(t.Context()) {
		t.Fatal("the fault was not noticed")
	}
	f["a"] = "good"
	w.changed(t.Context())
	if !w.changed(t.Context()) {
		t.Error("going back to the first content is a change: the fault was the last that was tried")
	}
}

func TestWatch_AcceptForgetsWhatAReloadTookOver(t *testing.T) {
	f := files{"a": "1", "b": ""}
	w := newTestWatch(t, f)
	f["a"] = "2"
	w.accept(t.Context())
	w.changed(t.Context())
	if w.changed(t.Context()) {
		t.Error("a change that a reload by hand took over was reported again")
	}
}
