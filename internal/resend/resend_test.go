package resend_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/internal/resend"
)

// source is a body that counts its closings.
type source struct {
	io.Reader
	closed int
}

func (s *source) Close() error { s.closed++; return nil }

func TestBody_WhatAnotherAttemptHas(t *testing.T) {
	for about, c := range map[string]struct {
		text  string
		use   func(*resend.Body)
		again string // what another attempt reads; "-" if there is none
		shut  int    // how often the source is closed in the end
	}{
		"sent":                          {"text", func(b *resend.Body) { _, _ = io.ReadAll(b); _ = b.Close() }, "text", 1},
		"sent, and not closed yet":      {"text", func(b *resend.Body) { _, _ = io.ReadAll(b) }, "text", 0},
		"not asked for":                 {"text", func(b *resend.Body) { _ = b.Close() }, "text", 1},
		"not asked for, nor closed":     {"text", func(*resend.Body) {}, "-", 0},
		"a part":                        {"text", func(b *resend.Body) { _, _ = b.Read(make([]byte, 2)); _ = b.Close() }, "-", 1},
		"all of it, but not to its end": {"text", func(b *resend.Body) { _, _ = b.Read(make([]byte, 4)); _ = b.Close() }, "-", 1},
		"shorter than it said":          {"tex", func(b *resend.Body) { _, _ = io.ReadAll(b); _ = b.Close() }, "-", 1},
		"longer than it said":           {"texts", func(b *resend.Body) { _, _ = io.ReadAll(b); _ = b.Close() }, "-", 1},
		"read after it was closed":      {"text", func(b *resend.Body) { _ = b.Close(); _, _ = b.Read(make([]byte, 2)) }, "text", 1},
	} {
		s := &source{Reader: strings.NewReader(c.text)}
		b := resend.Keep(s, 4)
		c.use(b)
		body, ok := b.Again()
		if ok != (c.again != "-") {
			t.Errorf("%s: %v", about, ok)
			continue
		}
		if ok {
			if text, err := io.ReadAll(body); string(text) != c.again || err != nil {
				t.Errorf("%s: %q, %v", about, text, err)
			}
			_ = body.Close()
		}
		b.Release()
		b.Release()
		if s.closed != c.shut {
			t.Errorf("%s: closed %d times", about, s.closed)
		}
	}
}

// A body that was given back and not used is closed all the same, and a transport that closes
// late does so itself.
func TestBody_IsClosedInTheEnd(t *testing.T) {
	s := &source{Reader: strings.NewReader("text")}
	b := resend.Keep(s, 4)
	_ = b.Close()
	body, _ := b.Again()
	_ = body.Close() // there is no other attempt after all
	if _, err := body.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) || s.closed != 0 {
		t.Errorf("%v, closed %d times", err, s.closed)
	}
	b.Release()
	if s.closed != 1 {
		t.Errorf("released: closed %d times", s.closed)
	}
	s = &source{Reader: strings.NewReader("text")}
	b = resend.Keep(s, 4)
	b.Release()
	_ = b.Close()
	if s.closed != 1 {
		t.Errorf("closed late: %d times", s.closed)
	}
}

func TestIdempotent(t *testing.T) {
	for about, c := range map[string]struct {
		method string
		header http.Header
		length int64
		again  bool
		keeps  bool
	}{
		"GET":             {http.MethodGet, nil, 0, true, false},
		"PUT":             {http.MethodPut, nil, 4, true, true},
		"PUT, large":      {http.MethodPut, nil, resend.MaxBody + 1, true, false},
		"PUT, unknown":    {http.MethodPut, nil, -1, true, false},
		"POST":            {http.MethodPost, nil, 4, false, true},
		"POST with a key": {http.MethodPost, http.Header{"Idempotency-Key": {"7"}}, 4, true, true},
		"PATCH, old key":  {http.MethodPatch, http.Header{"X-Idempotency-Key": {"7"}}, resend.MaxBody, true, true},
		"an upgrade":      {http.MethodGet, http.Header{"Upgrade": {"websocket"}}, 0, false, false},
	} {
		r := &http.Request{Method: c.method, Header: c.header, ContentLength: c.length}
		if resend.Idempotent(r) != c.again || resend.Keepable(r) != c.keeps {
			t.Errorf("%s: %v, kept %v", about, resend.Idempotent(r), resend.Keepable(r))
		}
	}
	if resend.Keepable(&http.Request{ContentLength: 4, Trailer: http.Header{"X": nil}}) {
		t.Error("a body with trailers is kept")
	}
}

// The goroutine of an attempt that has ended, and closed the body unread, may come to read it while
// the next attempt sends it: it gets nothing, and the next one all.
func TestBody_AnEarlierAttemptTakesNothingFromTheNextOne(t *testing.T) {
	kept := resend.Keep(io.NopCloser(strings.NewReader("whole")), 5)
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	again, ok := kept.Again()
	if !ok {
		t.Fatal("there is no other attempt")
	}
	if n, err := kept.Read(make([]byte, 3)); n != 0 || err == nil {
		t.Errorf("the earlier attempt read %d bytes, %v", n, err)
	}
	_ = kept.Close() // late, too
	if text, err := io.ReadAll(again); string(text) != "whole" || err != nil {
		t.Errorf("the next one read %q, %v", text, err)
	}
}
