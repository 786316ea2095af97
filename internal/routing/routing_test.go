package routing_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/internal/routing"
)

func named(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Name", name) })
}

// reference registers with one ServeMux and reports what it objects to.
func reference(mux *http.ServeMux, pattern string) (bad bool) {
	defer func() { bad = recover() != nil }()
	mux.Handle(pattern, named(pattern))
	return false
}

var (
	hosts    = rapid.SampledFrom([]string{"", "", "a.example", "b.example"})
	methods  = rapid.SampledFrom([]string{"", "", "GET ", "POST  ", "HEAD "})
	literals = rapid.SampledFrom([]string{"a", "b", "c", "%61", "a%2Fb", "x.y", "ä", "d", "e", "f", "g", "h"})
	segments = rapid.OneOf(literals, literals, literals, literals, rapid.SampledFrom([]string{"{x}", "{y}", "{$}", "{rest...}", ""}))
	patterns = rapid.Custom(func(t *rapid.T) string {
		return methods.Draw(t, "method") + hosts.Draw(t, "host") + "/" + strings.Join(rapid.SliceOfN(segments, 1, 4).Draw(t, "path"), "/")
	})
	requests = rapid.Custom(func(t *rapid.T) *http.Request {
		path := "/" + strings.Join(rapid.SliceOfN(rapid.OneOf(segments, segments, segments, rapid.SampledFrom([]string{".", "..", "z"})), 0, 5).Draw(t, "path"), "/")
		u, err := url.ParseRequestURI(path)
		if err != nil {
			u = &url.URL{Path: path}
		}
		host := rapid.SampledFrom([]string{"", "a.example", "a.example:80", "b.example", "[::1]:80", "c"}).Draw(t, "host")
		method := rapid.SampledFrom([]string{"GET", "POST", "HEAD", "PUT"}).Draw(t, "method")
		return &http.Request{Method: method, URL: u, Host: host}
	})
)

// A Mux refuses what one ServeMux refuses, and answers what it answers.
func TestAMuxIsAsOneServeMux(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		few := rapid.IntRange(1, 4).Draw(t, "few")
		drawn := rapid.SliceOfN(patterns, 20, 100).Draw(t, "patterns")
		one := http.NewServeMux()
		var good []string
		for _, p := range drawn {
			if reference(one, p) {
				if err := fill(append(slices.Clip(good), p), few); err == nil {
					t.Fatalf("%q was taken beside %q", p, good)
				}
				continue
			}
			good = append(good, p)
		}
		m := routing.Divided(good, few)
		for _, p := range good {
			if err := m.Handle(p, named(p)); err != nil {
				t.Fatalf("%q: %v", p, err)
			}
		}
		for range 50 {
			r := requests.Draw(t, "request")
			want, got := ask(one.Handler(r)), ask(m.Handler(r))
			if want != got {
				t.Fatalf("%s %s%s is answered\n%s, by one ServeMux\n%s", r.Method, r.Host, r.URL, got, want)
			}
		}
	})
}

func fill(patterns []string, few int) error {
	m := routing.Divided(patterns, few)
	for _, p := range patterns {
		if err := m.Handle(p, named(p)); err != nil {
			return err
		}
	}
	return nil
}

func ask(h http.Handler, pattern string) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return fmt.Sprint(pattern, w.Code, w.Header())
}

func TestAConflictNamesTheOther(t *testing.T) {
	m := routing.New([]string{"/a/{x}", "GET /{y}/b", "/a/{x}"})
	if err := m.Handle("/a/{x}", named("")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"/{y}/b", "/a/{x}"} {
		err := m.Handle(p, named(""))
		if c, ok := errors.AsType[*routing.ConflictError](err); !ok || c.With != "/a/{x}" || strings.Contains(err.Error(), "registered at") {
			t.Errorf("%q: %v", p, err)
		}
	}
	if err := m.Handle("no slash", named("")); err == nil || !strings.HasPrefix(err.Error(), "invalid pattern: ") {
		t.Errorf("not a pattern: %v", err)
	}
}

// The work grows with the square of the patterns in one ServeMux only. Times are no
// measure on a machine that is shared.
func TestTheWorkGrowsWithTheNumberOfPatterns(t *testing.T) {
	for _, form := range []string{"/p%d/", "/api/v1/p%d/", "p%d.example/", "GET /{tenant}/p%d/{id}", "/a%d/{x}/"} {
		most := func(n int) int {
			all := make([]string, n)
			for i := range all {
				all[i] = fmt.Sprintf(form, i)
			}
			all = append(all, "/", "/health")
			m := routing.New(all)
			for _, p := range all {
				if err := m.Handle(p, named(p)); err != nil {
					t.Fatal(form, err)
				}
			}
			return m.LargestLeaf()
		}
		if n := most(20_000); n > 200 {
			t.Errorf("%s: %d of 20,000 patterns are compared with one another", form, n)
		}
	}
}

func TestPatternsThatNothingTellsApartAreBounded(t *testing.T) {
	all := make([]string, routing.MaxAlike+1)
	for i := range all {
		all[i] = fmt.Sprintf("M%d /{a}/{b}", i)
	}
	if err := fill(all[1:], 64); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
	if err := fill(all, 64); err == nil || !strings.Contains(err.Error(), "more than 1000 patterns") {
		t.Errorf("one more: %v", err)
	}
}

func BenchmarkRegister(b *testing.B) {
	for _, n := range []int{5_000, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			all := make([]string, n)
			for i := range all {
				all[i] = fmt.Sprintf("/p%d/", i)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := fill(all, 64); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
