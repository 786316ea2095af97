package gateway_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/gateway"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

// series are the samples of a gateway by name and labels, with the number of time series
// that a scrape makes of them.
func series(g *gateway.Gateway) (values map[string]float64, number int) {
	// buckets are those of adapters/prometheus with the one without an end, the sum and the count.
	const buckets = 18 + 1 + 2
	values = map[string]float64{}
	g.Collect(func(s telemetry.Sample) {
		if !strings.HasPrefix(s.Desc.Name, "foundation_route_") {
			return
		}
		var labels []string
		for i, l := range s.Desc.Labels {
			labels = append(labels, l+"="+s.Labels[i])
		}
		key := strings.TrimPrefix(s.Desc.Name, "foundation_route_") + "{" + strings.Join(labels, ",") + "}"
		if _, twice := values[key]; twice {
			panic(key + " is there twice")
		}
		number++
		values[key] = s.Value
		if s.Desc.Kind == telemetry.Histogram {
			values[key] = float64(s.Distribution.Count())
			number += buckets - 1
		}
	})
	return values, number
}

// connectionsUnread is the one metric that is of no route.
func connectionsUnread(g *gateway.Gateway) (value float64) {
	g.Collect(func(s telemetry.Sample) {
		if s.Desc.Name == "foundation_gateway_connections_unread_total" {
			value = s.Value
		}
	})
	return value
}

// docs/gateway.md tells the number.
func TestMetrics_EverySeriesExistsFromTheStartAndThereAreFew(t *testing.T) {
	const each = 51
	r := newRig(t, http.HandlerFunc(hello), func(s *setup) {
		s.route.Name = "pay"
		s.gateway.Routes = []settings.Route{{Match: "/other/", Upstream: "http://127.0.0.1:1"}}
	})
	before, n := series(r.gateway)
	if n != 2*each {
		t.Errorf("%d series of 2 routes, want %d of each", n, each)
	}
	for key, value := range before {
		if value != 0 || !strings.Contains(key, "{route=pay") && !strings.Contains(key, "{route=/other/") {
			t.Errorf("%s %v", key, value)
		}
	}
	r.get("/")
	r.server.Close()
	if _, n := series(r.gateway); n != 2*each {
		t.Errorf("%d series after a request", n)
	}
	table, err := r.gateway.Prepare(t.Context(), settings.Gateway{Routes: []settings.Route{{Name: "pay", Match: "/", Upstream: "http://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.gateway.Use(table, nil); err != nil {
		t.Fatal(err)
	}
	if after, n := series(r.gateway); n != each || after["requests_total{route=pay,status=2xx}"] != 1 {
		t.Errorf("%d series of the route that is left: %v", n, after)
	}
}

func TestMetrics_SayWhatTheStatusSays(t *testing.T) {
	r := newRig(t, http.HandlerFunc(statusUpstream), func(s *setup) { s.route.Name, s.limit = "pay", ratelimit.Config{Limit: 2} })
	r.get("/503")
	r.do(r.request(http.MethodPost, "/", strings.NewReader("abc")))
	r.get("/")
	r.server.Close()
	values, _ := series(r.gateway)
	var got []string
	for key, v := range values {
		if v != 0 {
			got = append(got, fmt.Sprint(strings.Replace(key, "route=pay", "", 1), " ", v))
		}
	}
	slices.Sort(got)
	want := []string{
		"duration_seconds{} 3", "rejections_total{,reason=rate_limited} 1", "request_bytes_total{} 3",
		"requests_total{,status=2xx} 1", "requests_total{,status=4xx} 1", "requests_total{,status=5xx} 1",
		"upstream_errors_total{,class=status_5xx} 1",
	}
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "response_bytes_total") })
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// docs/gateway.md tells the numbers.
func TestMetrics_OfHosts(t *testing.T) {
	c := newCluster(t, 3)
	r := c.rig(nil)
	for range 30 {
		r.get("/x")
	}
	r.outcomes(30)
	values, all := map[string]float64{}, 0
	r.gateway.Collect(func(s telemetry.Sample) {
		if name, is := strings.CutPrefix(s.Desc.Name, "foundation_upstream_"); is {
			values[name+" "+strings.Join(s.Labels, " ")] = s.Value
			all++
		}
	})
	if all != 1+9*3 || len(values) != all {
		t.Errorf("%d series, %d of them different: %v", all, len(values), values)
	}
	sum := 0.0
	for _, m := range c.hosts {
		sum += values["attempts_total all "+m.address()+" success"]
		if values["hosts all "+m.address()+" active"] != 1 {
			t.Errorf("%s is not active: %v", m.address(), values)
		}
	}
	if sum != 30 {
		t.Errorf("%v attempts of 30", sum)
	}
}

// What the DNS gave is no label.
func TestMetrics_OfALookup(t *testing.T) {
	d := newDNSRig(t, 2, "127.0.0.1", "127.0.0.2")
	d.until("the first answer", func() bool { return len(d.hosts()) == 2 })
	for range 10 {
		d.get("/x")
	}
	d.gateway.Collect(func(s telemetry.Sample) {
		if !strings.HasPrefix(s.Desc.Name, "foundation_upstream_") {
			return
		}
		if len(s.Labels) > 1 && s.Labels[1] != "shop.test:"+d.port {
			t.Errorf("%s has the label %q", s.Desc.Name, s.Labels[1])
		}
		if s.Desc.Name == "foundation_upstream_hosts" && s.Labels[2] == "active" && s.Value != 2 {
			t.Errorf("%v active hosts", s.Value)
		}
	})
}
