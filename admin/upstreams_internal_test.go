package admin

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// hostAt is a host of a route in a state.
func hostAt(name, state string) adminapi.Upstream {
	u := adminapi.Upstream{Name: name, Route: "search", State: state, Since: noon.Add(-12 * time.Second), SinceSeconds: 12, Share: 1, Requests: 100}
	switch state {
	case hostEjected:
		u.Reason, u.Until, u.RemainingSeconds, u.Share = "5 failures in a row (refused)", noon.Add(8*time.Second), 8, 0
		u.ConsecutiveFailures, u.Failures, u.Ejections = 5, 5, 1
		u.LastError = adminapi.UpstreamError{Class: "refused", Reason: "connection refused", At: noon.Add(-12 * time.Second)}
	case hostUnwell:
		u.Reason, u.Check, u.Share = "the answer is 503", "the answer is 503", 0
	}
	return u
}

// hosted is a status with one route, which has hosts in these states.
func hosted(states ...string) adminapi.Status {
	s := calm()
	r := adminapi.Route{Name: "search", Match: "/search/", Upstream: "10.0.0.1:80 +2", Recent: sick("", "", 0)}
	outs := 0
	for i, state := range states {
		r.Upstreams = append(r.Upstreams, hostAt("10.0.0."+string(rune('1'+i))+":80", state))
		if state == hostEjected || state == hostUnwell {
			outs++
		}
	}
	if 2*outs > len(states) {
		r.Panic = adminapi.Panic{On: true, Since: noon.Add(-5 * time.Second), SinceSeconds: 5}
	}
	slices.SortStableFunc(r.Upstreams, worstHost)
	s.Routes = []adminapi.Route{r}
	return s
}

// A host that was tried in vain is out for as long as it fails, not since it was tried last.
func TestVerdict_AHostThatIsEjectedAgainAndAgain(t *testing.T) {
	s := hosted(hostActive, hostEjected, hostActive)
	u := &s.Routes[0].Upstreams[0]
	u.FailingSince, u.FailingSeconds, u.EjectionsInRow = noon.Add(-time.Hour), 3600, 60
	_, got := judged(&s)
	if len(got) != 1 || !strings.Contains(got[0], "upstream 10.0.0.2:80 is ejected, 60 times since 13:15:10Z (1h), now for another 8s: 5 failures in a row (refused); 1 of 3 is out") {
		t.Errorf("%q", got)
	}
	if !s.Findings[0].Since.Equal(u.FailingSince) {
		t.Errorf("since %v", s.Findings[0].Since)
	}
}

func TestVerdict_HostsThatAreOut(t *testing.T) {
	for _, c := range []struct {
		states        []string
		text, command string
	}{
		{[]string{hostActive, hostEjected, hostActive}, "route search: upstream 10.0.0.2:80 is ejected since 14:14:58Z, for another 8s: 5 failures in a row (refused); 1 of 3 is out", "foundation why upstream 10.0.0.2:80"},
		{[]string{hostUnwell, hostActive, hostActive}, "route search: upstream 10.0.0.1:80 fails its check since 14:14:58Z (12s): the answer is 503; 1 of 3 is out", "foundation why upstream 10.0.0.1:80"},
		{
			[]string{hostUnwell, hostEjected, hostActive, hostActive},
			"route search: 2 of 4 upstreams are out: 10.0.0.2:80 ejected: 5 failures in a row (refused); 10.0.0.1:80 check failed: the answer is 503", "foundation why upstream 10.0.0.2:80",
		},
		{
			[]string{hostUnwell, hostEjected, hostActive},
			"route search: 2 of 3 upstreams are out (10.0.0.2:80 ejected: 5 failures in a row (refused); 10.0.0.1:80 check failed: the answer is 503), so that all of them get requests, since 14:15:05Z (5s)",
			"foundation why route search",
		},
		{[]string{hostActive, hostSlowStart}, "", ""},
	} {
		s := hosted(c.states...)
		(&verdict{Status: &s}).judge()
		if c.text == "" {
			if len(s.Findings) > 0 {
				t.Errorf("%v: %+v", c.states, s.Findings)
			}
			continue
		}
		if len(s.Findings) != 1 || s.Findings[0].Text != c.text || s.Findings[0].Command != c.command {
			t.Errorf("%v: %+v", c.states, s.Findings)
		}
	}
}

func TestVerdict_Lookups(t *testing.T) {
	for _, c := range []struct {
		lookup adminapi.Lookup
		text   string
	}{
		{
			adminapi.Lookup{Name: "shop:80", Error: "no such host", At: noon.Add(-time.Minute), Since: noon.Add(-30 * time.Second), SinceSeconds: 30},
			"route search: shop:80 cannot be looked up (no such host), since 14:14:40Z (30s): the 2 hosts found at 14:14:10Z stay",
		},
		{adminapi.Lookup{Name: "shop:80", Error: "no such host"}, "route search: shop:80 cannot be looked up (no such host), and never was: each connection looks it up by itself"},
		{adminapi.Lookup{Name: "shop:80", At: noon, Answers: 1000, Left: 936}, "route search: shop:80 has 1000 addresses, of which 64 are used: a route has no more hosts"},
		{adminapi.Lookup{Name: "shop:80", At: noon, Answers: 2}, ""},
	} {
		s := hosted(hostActive, hostActive)
		s.Routes[0].Lookup = c.lookup
		(&verdict{Status: &s}).judge()
		if c.text == "" && len(s.Findings) > 0 || c.text != "" && (len(s.Findings) != 1 || s.Findings[0].Text != c.text) {
			t.Errorf("%+v: %+v", c.lookup, s.Findings)
		}
	}
}

func TestExplain_AHost(t *testing.T) {
	s := hosted(hostActive, hostEjected, hostActive)
	(&verdict{Status: &s}).judge()
	f := &facts{now: noon, status: &s}
	kind, name, err := f.find("", "10.0.0.2:80")
	if err != nil || kind != "upstream" {
		t.Fatal(kind, name, err)
	}
	w := f.explain(kind, name)
	if w.Well || w.Verdict != "upstream 10.0.0.2:80 is ejected since 14:14:58Z, for another 8s: 5 failures in a row (refused)" || w.SinceSeconds != 12 {
		t.Errorf("%+v", w)
	}
	if len(w.Errors) != 1 || w.Errors[0].Class != "refused" || len(w.Parts) != 3 || w.Parts[0].Kind != "route" || !w.Parts[1].Well {
		t.Errorf("errors %+v, parts %+v", w.Errors, w.Parts)
	}
	if len(w.Try) != 2 || !strings.Contains(w.Try[0].Text, "nothing listens at 10.0.0.2:80") || w.Try[1].Command != "foundation events --type 'gateway.*' --name search --since 30m" {
		t.Errorf("%+v", w.Try)
	}
	if w := f.explain("upstream", "10.0.0.1:80"); !w.Well || w.Verdict != "upstream 10.0.0.1:80 is well: active for 12s" {
		t.Errorf("%+v", w)
	}
	r := f.explain("route", "search")
	if !strings.HasSuffix(r.Verdict, "; 1 of its 3 upstreams are out") || len(r.Parts) != 3 || r.Parts[0].Name != "10.0.0.2:80" || r.Try[0].Command != "foundation why upstream 10.0.0.2:80" {
		t.Errorf("%+v", r)
	}
}

// Two routes may go to one host, whose states are their own.
func TestExplain_AHostOfSeveralRoutes(t *testing.T) {
	s := hosted(hostEjected, hostActive)
	second := s.Routes[0]
	second.Name, second.Match, second.Upstreams = "pay", "/pay/", slices.Clone(second.Upstreams[:1])
	second.Upstreams[0].Route, second.Upstreams[0].State, second.Upstreams[0].ConsecutiveFailures = "pay", hostActive, 0
	s.Routes = append(s.Routes, second)
	(&verdict{Status: &s}).judge()
	if got := s.Findings[0].Command; got != "foundation why upstream search/10.0.0.1:80" {
		t.Error(got)
	}
	f := &facts{now: noon, status: &s}
	if _, _, err := f.find("upstream", "10.0.0.1:80"); err == nil {
		t.Error("a name of two hosts is one's")
	}
	for name, well := range map[string]bool{"search/10.0.0.1:80": false, "pay/10.0.0.1:80": true, "10.0.0.2:80": true} {
		kind, found, err := f.find("upstream", name)
		if err != nil {
			t.Fatal(err)
		}
		if w := f.explain(kind, found); w.Well != well {
			t.Errorf("%s: %+v", name, w)
		}
	}
}
