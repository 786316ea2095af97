package main_test

import (
	"cmp"
	"database/sql"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/protect/sqlguard"
	"github.com/elixirscope/foundation/telemetry"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

const metricsPage = "../../docs/metrics.md"

// fullConfig has every part that emits metrics, so that a scrape of it has all there are.
const fullConfig = `version: 1
namespace: shop
shared: { redis: "redis://127.0.0.1:1" }
admin: { listen: %[2]q }
probes: { listen: %[3]q }
storage: { path: %[5]q }
memory: { limit: 4GiB }
performance:
  objectives: { checkout: { success: 0.999, period: 24h } }
  webhook: "http://%[4]s/"
health:
  checks: { orders_db: { tcp: %[4]q, groups: [shop] } }
breakers:
  payments: { failure_threshold: 5, consecutive_failures: 5, failure_ratio: 0.5, slow_ratio: 0.9, slow_after: 1s }
  tenants: { per: key }
rate_limits:
  per_client: { limit: 100, per: 1m }
  per_tenant: { limit: 1000, per: 1m, scope: shared, prefetch: 10 }
retries:
  standard: { attempt_timeout: 500ms }
pools:
  orders_db: { worker: http, options: { base_url: "http://%[4]s" }, size: 2 }
guards:
  checkout: { rate_limit: per_client, breaker: payments, timeout: 2s, concurrency: 64, retry: standard, hedge: { after: p95 } }
  search: { breaker: tenants, timeout: 1s }
  orders: { pool: orders_db, timeout: 1s }
gateway:
  listen: %[1]q
  routes:
    - { name: pay, match: "/payments/", upstream: "http://%[4]s", guard: checkout, key: "{remote_ip}", max_in_flight_per_key: 16 }
    - { name: search, match: "/search/", upstream: "http://%[4]s", guard: search, key: "{remote_ip}" }
    - { name: shop, match: "/shop/", upstreams: [ "http://%[4]s", "http://localhost:%[6]s" ], check: { path: / } }
    - { name: mail, match: "/mail/", dns: "http://localhost:%[6]s" }
`

// full runs a daemon with fullConfig that has served a request of each route.
func full(t *testing.T) (d *daemon, probes string) {
	t.Helper()
	upstream, probes := freeAddress(t), freeAddress(t)
	startUpstream(t, upstream)
	data := filepath.Join(t.TempDir(), "data")
	d = serve(t, func(gateway, admin string) string {
		_, port, _ := net.SplitHostPort(upstream)
		return fmt.Sprintf(fullConfig, gateway, admin, probes, upstream, data, port)
	})
	for _, path := range []string{"/payments/", "/search/", "/shop/", "/mail/"} {
		if got := d.status("http://" + d.gateway + path); got != http.StatusOK {
			t.Fatalf("%s answers %d", path, got)
		}
	}
	return d, probes
}

// metric is what a scrape tells of one metric.
type metric struct {
	name, kind, help string
	labels           map[string]map[string]bool // the values that each label had
}

var (
	headLine   = regexp.MustCompile(`(?m)^# (HELP|TYPE) (\S+) (.*)$`)
	seriesLine = regexp.MustCompile(`(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+$`)
	labelPair  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"`)
)

// metricsOf reads the text of a scrape.
func metricsOf(text string) map[string]*metric {
	all := map[string]*metric{}
	for _, m := range headLine.FindAllStringSubmatch(text, -1) {
		it := all[m[2]]
		if it == nil {
			it = &metric{name: m[2], labels: map[string]map[string]bool{}}
			all[m[2]] = it
		}
		if m[1] == "TYPE" {
			it.kind = m[3]
		} else {
			it.help = m[3]
		}
	}
	for _, m := range seriesLine.FindAllStringSubmatch(text, -1) {
		it := all[m[1]]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			it = cmp.Or(it, all[strings.TrimSuffix(m[1], suffix)])
		}
		for _, pair := range labelPair.FindAllStringSubmatch(m[2], -1) {
			if it.labels[pair[1]] == nil {
				it.labels[pair[1]] = map[string]bool{}
			}
			it.labels[pair[1]][pair[2]] = true
		}
	}
	return all
}

// scrape returns what a daemon with everything in it exports.
func scrape(t *testing.T) map[string]*metric {
	t.Helper()
	d, probes := full(t)
	all := metricsOf(d.text("http://" + probes + "/metrics"))
	if n := len(all); n < 80 {
		t.Fatalf("only %d metrics were found", n)
	}
	return all
}

// configured are the labels whose values come from the configuration, or from the build.
var configured = []string{
	"breaker", "check", "cleaner", "db", "goversion", "guard", "limiter", "operation", "pool", "revision", "route", "service", "upstream", "version",
}

// TestTheListOfMetricsIsCurrent compares docs/metrics.md with what a daemon exports.
func TestTheListOfMetricsIsCurrent(t *testing.T) {
	all := scrape(t)
	got := listOfMetrics(all)
	if *update {
		if err := os.WriteFile(metricsPage, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(metricsPage)
	if err != nil || string(text) != got {
		t.Errorf("docs/metrics.md is out of date (%v): run make docs", err)
	}
}

var (
	namedMetric = regexp.MustCompile("foundation_[a-z_]+[a-z]")
	suffixNamed = regexp.MustCompile("`…?(_[a-z]+(?:_[a-z]+)*)(?:\\{[a-z,]*\\})?`")
)

// TestTheMetricsThatPagesNameExist reads the other pages, which name metrics in full or, in
// a row, by how they end.
func TestTheMetricsThatPagesNameExist(t *testing.T) {
	list, n := readFile(t, metricsPage), 0
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "../../README.md") {
		if page == metricsPage {
			continue
		}
		text := readFile(t, page)
		for _, name := range namedMetric.FindAllString(text, -1) {
			n++
			if !strings.Contains(list, "`"+name+"`") {
				t.Errorf("%s names the metric %s, and there is no such metric", filepath.Base(page), name)
			}
		}
		for line := range strings.Lines(text) {
			if !strings.Contains(line, "foundation_") {
				continue
			}
			for _, m := range suffixNamed.FindAllStringSubmatch(line, -1) {
				n++
				if !strings.Contains(list, m[1]+"`") {
					t.Errorf("%s names a metric that ends in %s, and there is none", filepath.Base(page), m[1])
				}
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d metrics were named", n)
	}
}

const metricsHead = `# Metrics

Written by a test (` + "`make docs`" + ` renews it) from what a daemon exports in which everything is on. ` + "`GET /metrics`" + ` of the [admin API](admin-api.md) and of the listener
` + "`probes`" + ` answers in the text format of Prometheus or in that of OpenMetrics; a library gets the same from ` + "`adapters/prometheus`" + `. Beside them a daemon exports what
client_golang tells of the process and of the Go runtime (` + "`process_…`, `go_…`" + `). [Rules of alerts](../deploy/prometheus/foundation.rules.yaml) and a
[dashboard](../deploy/grafana/foundation.json) use these names; [operations](operations.md) says what to watch.

Values of labels come from the configuration alone, never from a request. Every series exists from the start and goes with its part, so that a rate is right from
the first event on. The values of a label stand in the list where they are always the same. Durations are in seconds. Histograms have classic buckets, and native
ones (schema 3) for a Prometheus that scrapes them.
`

func listOfMetrics(all map[string]*metric) string {
	var b strings.Builder
	b.WriteString(metricsHead)
	for _, section := range []struct {
		title string
		of    map[string]*metric
	}{{"Of the daemon and of the layer", all}, {"Of a library alone", ofTheLibrary()}} {
		fmt.Fprintf(&b, "\n## %s\n\n| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n", section.title)
		for _, name := range slices.Sorted(maps.Keys(section.of)) {
			if m := section.of[name]; strings.HasPrefix(name, "foundation_") {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, m.kind, m.labelText(), m.help)
			}
		}
	}
	return b.String()
}

// labelText lists the labels, those that name a part first, with their values.
func (m *metric) labelText() string {
	var texts []string
	for _, fixed := range []bool{false, true} {
		for _, name := range slices.Sorted(maps.Keys(m.labels)) {
			if name == "le" || fixed == slices.Contains(configured, name) {
				continue
			}
			text := "`" + name + "`"
			if fixed {
				text += ": " + strings.Join(slices.Sorted(maps.Keys(m.labels[name])), ", ")
			}
			texts = append(texts, text)
		}
	}
	return cmp.Or(strings.Join(texts, "; "), "-")
}

// ofTheLibrary are the metrics of what a program makes in code and no file can name.
func ofTheLibrary() map[string]*metric {
	all := map[string]*metric{}
	sqlguard.NewCollector("db", new(sql.DB)).Collect(func(s telemetry.Sample) { addSample(all, s) })
	return all
}

var kindNames = map[telemetry.Kind]string{telemetry.Counter: "counter", telemetry.Gauge: "gauge", telemetry.Histogram: "histogram"}

func addSample(all map[string]*metric, s telemetry.Sample) {
	m := all[s.Desc.Name]
	if m == nil {
		m = &metric{name: s.Desc.Name, kind: kindNames[s.Desc.Kind], help: s.Desc.Help, labels: map[string]map[string]bool{}}
		all[s.Desc.Name] = m
	}
	for i, label := range s.Desc.Labels {
		if m.labels[label] == nil {
			m.labels[label] = map[string]bool{}
		}
		m.labels[label][s.Labels[i]] = true
	}
}
