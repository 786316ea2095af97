package quickstart_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/quickstart"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// run runs a quickstart until the test has seen enough of it.
func run(t *testing.T, upstream string, look func(a quickstart.Addresses, c *http.Client)) (page string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	ready, ended := make(chan quickstart.Addresses, 1), make(chan error, 1)
	var out strings.Builder
	go func() {
		ended <- quickstart.Run(ctx, quickstart.Options{
			Upstream: upstream, Out: &out, Program: "foundation", Ready: func(a quickstart.Addresses) { ready <- a },
		})
	}()
	select {
	case a := <-ready:
		look(a, &http.Client{Transport: transport})
	case err := <-ended:
		t.Fatalf("it ended: %v", err)
	}
	transport.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return out.String()
}

func status(t *testing.T, c *http.Client, method, url, user string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-User", user)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// TestWhatThePagePromises does what the page tells the user to do.
func TestWhatThePagePromises(t *testing.T) {
	page := run(t, "", func(a quickstart.Addresses, c *http.Client) {
		for i := range 6 {
			if got, want := status(t, c, "GET", "http://"+a.Gateway, "alice"), map[bool]int{true: 200, false: 429}[i < 5]; got != want {
				t.Errorf("request %d: %d, want %d", i+1, got, want)
			}
		}
		if got := status(t, c, "GET", "http://"+a.Gateway, "bob"); got != 200 {
			t.Errorf("another user: %d", got)
		}
		status(t, c, "POST", a.Upstream+"/-/break", "")
		for i, want := range []int{502, 502, 502, 503, 503} {
			if got := status(t, c, "GET", "http://"+a.Gateway, "carol"); got != want {
				t.Errorf("broken, request %d: %d, want %d", i+1, got, want)
			}
		}
		status(t, c, "POST", a.Upstream+"/-/heal", "")
		if got := status(t, c, "GET", "http://"+a.Admin+"/v1/status", ""); got != 200 {
			t.Errorf("admin: %d", got)
		}
	})
	for _, want := range []string{"page     http://127.0.0.1:", "foundation top", "curl -i http://", "/-/break", "/-/heal", "foundation status", "Ctrl-C"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page\n%s", want, page)
		}
	}
}

// TestSwitch: the page has a switch for the sample upstream, and what is switched is recorded.
func TestSwitch(t *testing.T) {
	run(t, "", func(a quickstart.Addresses, c *http.Client) {
		client := adminapi.Client{Address: a.Admin, HTTP: c}
		var f adminapi.Frame
		if err := client.Get(t.Context(), "/v1/frame", &f); err != nil || len(f.Switches) != 1 || f.Switches[0].State != "ok" || f.Switches[0].Name != "upstream" {
			t.Fatalf("%v %+v", err, f.Switches)
		}
		for _, state := range f.Switches[0].States {
			var now adminapi.List[adminapi.Switch]
			err := client.Send(t.Context(), http.MethodPut, "/v1/switches/upstream", adminapi.SwitchRequest{State: state, Reason: "a test"}, &now)
			if err != nil || len(now.Items) != 1 || now.Items[0].State != state {
				t.Errorf("%s: %v %+v", state, err, now)
			}
		}
		for _, bad := range []struct{ name, state, reason string }{{"upstream", "asleep", "x"}, {"upstream", "ok", ""}, {"gateway", "ok", "x"}} {
			if err := client.Send(t.Context(), http.MethodPut, "/v1/switches/"+bad.name, adminapi.SwitchRequest{State: bad.state, Reason: bad.reason}, nil); err == nil {
				t.Errorf("%+v was taken", bad)
			}
		}
		var events adminapi.Events
		if err := client.Get(t.Context(), "/v1/events?type=switch.changed", &events); err != nil || len(events.Items) != len(f.Switches[0].States) {
			t.Errorf("%v %+v", err, events.Items)
		} else if data := string(events.Items[0].Data); !strings.Contains(data, `"a test"`) || !strings.Contains(data, `"local"`) {
			t.Error(data)
		}
	})
}

func TestUpstreamOfOnesOwn(t *testing.T) {
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer own.Close()
	page := run(t, own.URL, func(a quickstart.Addresses, c *http.Client) {
		if got := status(t, c, "GET", "http://"+a.Gateway, "alice"); got != http.StatusTeapot {
			t.Errorf("got %d", got)
		}
		var f adminapi.Frame
		if err := (&adminapi.Client{Address: a.Admin, HTTP: c}).Get(t.Context(), "/v1/frame", &f); err != nil || len(f.Switches) != 0 {
			t.Errorf("%v %+v", err, f.Switches)
		}
	})
	if strings.Contains(page, "/-/break") {
		t.Error("the page offers to break what is not ours")
	}
}

func TestUpstreamThatIsNoURL(t *testing.T) {
	err := quickstart.Run(t.Context(), quickstart.Options{Upstream: "localhost", Out: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "upstream") {
		t.Errorf("got %v", err)
	}
}

func TestSampleUpstream(t *testing.T) {
	u := quickstart.NewUpstream()
	server := httptest.NewServer(u)
	defer server.Close()
	c := server.Client()
	for _, step := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 200},
		{"POST", "/-/fail", 200},
		{"GET", "/", 500},
		{"POST", "/-/heal", 200},
		{"GET", "/any/path", 200},
		{"GET", "/-/seen", 200},
		{"GET", "/-/fail", 404},
		{"POST", "/-/other", 404},
		{"POST", "/-/ok", 200},
	} {
		if got := status(t, c, step.method, server.URL+step.path, ""); got != step.want {
			t.Errorf("%s %s: %d, want %d", step.method, step.path, got, step.want)
		}
	}
	if u.Seen() != 3 {
		t.Errorf("seen %d", u.Seen())
	}
	status(t, c, "POST", server.URL+"/-/break", "")
	if resp, err := c.Get(server.URL); err == nil {
		resp.Body.Close()
		t.Error("a broken upstream answered")
	}
}
