package protect_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/protect"
)

// A transport goes to the request's host, unless it is told what it goes to.
func TestTheTargetOfATransportIsTheHost(t *testing.T) {
	for _, c := range []struct {
		opts []protect.Option
		want []string
	}{
		{nil, []string{"a.example", "b.example:8443"}},
		{[]protect.Option{protect.Target("shard-7")}, []string{"shard-7"}},
	} {
		group, err := breaker.NewGroup("hosts", breaker.Config{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		g, err := guard.New("g", guard.Config{Breakers: group, PerTarget: true})
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: protect.Transport(answering{}, g, c.opts...)}
		for _, url := range []string{"https://A.example/x", "https://a.example/y", "https://b.example:8443/"} {
			resp, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
		var got []string
		for _, b := range group.Members() {
			got = append(got, b.Status().Member)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("members %s, want %s", strings.Join(got, " "), strings.Join(c.want, " "))
		}
	}
}

// answering is a network where everybody answers.
type answering struct{}

func (answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
}

// onlyB names b whatever it is asked.
type onlyB struct{}

func (onlyB) Next(func(string) bool) string { return "b" }

// The balancer that belongs to a request chooses the breaker that judges it.
func TestTheTargetsOfAHandlerChooseTheMember(t *testing.T) {
	group, err := breaker.NewGroup("hosts", breaker.Config{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	g, err := guard.New("g", guard.Config{Breakers: group, PerTarget: true})
	if err != nil {
		t.Fatal(err)
	}
	asked := ""
	h := protect.Handler(http.NotFoundHandler(), g, protect.Target("set"), protect.Targets(func(r *http.Request) guard.Balancer {
		asked = r.URL.Path
		return onlyB{}
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/x", nil))
	if got := group.Members(); asked != "/x" || len(got) != 1 || got[0].Status().Member != "b" {
		t.Errorf("asked for %q, %d members", asked, len(got))
	}
}
