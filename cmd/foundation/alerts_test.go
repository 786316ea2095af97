package main_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const (
	rulesFile     = "../../deploy/prometheus/foundation.rules.yaml"
	dashboardFile = "../../deploy/grafana/foundation.json"
	runbooks      = "../../docs/runbooks"
)

// query is an expression of a rule or a panel, and the labels that the text beside it names.
type query struct {
	where, expr string
	named       []string
}

// alert is a rule as Prometheus reads it.
type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	raw, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	if err := yaml.Load(raw, &file, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

var (
	labelOfAlert  = regexp.MustCompile(`\$labels\.(\w+)`)
	labelOfLegend = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)
)

func firsts(matches [][]string) (all []string) {
	for _, m := range matches {
		all = append(all, m[1])
	}
	return all
}

// queries are all of the rules and of the dashboard.
func queries(t *testing.T) (all []query) {
	t.Helper()
	for _, a := range alerts(t) {
		text := a.Annotations["summary"] + a.Annotations["description"]
		all = append(all, query{a.Alert, a.Expr, firsts(labelOfAlert.FindAllStringSubmatch(text, -1))})
	}
	raw, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
		Annotations struct{ List []struct{ Name, Expr string } }
	}
	if err := json.Unmarshal(raw, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all = append(all, query{p.Title, target.Expr, firsts(labelOfLegend.FindAllStringSubmatch(target.LegendFormat, -1))})
		}
	}
	for _, v := range dashboard.Templating.List {
		if v.Definition != "" {
			all = append(all, query{where: v.Name, expr: v.Definition})
		}
	}
	for _, a := range dashboard.Annotations.List {
		all = append(all, query{where: a.Name, expr: a.Expr})
	}
	return all
}

var (
	selector = regexp.MustCompile(`\b((?:foundation|process|go)_\w+|up)\b(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`\b(?:by|on|without|ignoring|group_left)\s*\(([^)]*)\)`)
	variable = regexp.MustCompile(`label_values\(.*, (\w+)\)`)
)

// ofPrometheus are the labels that a scrape adds.
var ofPrometheus = []string{"job", "instance"}

// find returns the metric of a name in an expression; a histogram has three more.
func find(all map[string]*metric, name string) *metric {
	if name == "up" {
		return &metric{name: name}
	}
	for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
		if m := all[strings.TrimSuffix(name, suffix)]; m != nil && (suffix == "" || m.kind == "histogram") {
			return m
		}
	}
	return nil
}

// faults lists what is wrong with a query beside what a daemon exports.
func (q query) faults(all map[string]*metric) (faults []string) {
	labels := slices.Clone(ofPrometheus)
	for _, s := range selector.FindAllStringSubmatch(q.expr, -1) {
		m := find(all, s[1])
		if m == nil {
			faults = append(faults, "there is no metric "+s[1])
			continue
		}
		labels = slices.AppendSeq(labels, maps.Keys(m.labels))
		faults = append(faults, m.mismatches(s[2])...)
	}
	if len(labels) == len(ofPrometheus) && !strings.Contains(q.expr, "_") && !strings.HasPrefix(q.expr, "up") {
		faults = append(faults, "it names no metric")
	}
	left := labels
	for i, g := range grouping.FindAllStringSubmatch(q.expr, -1) {
		names := strings.FieldsFunc(g[1], func(r rune) bool { return r == ',' || r == ' ' })
		for _, name := range names {
			if !slices.Contains(labels, name) {
				faults = append(faults, "no metric of it has the label "+name)
			}
		}
		if i == 0 && strings.HasPrefix(g[0], "by") {
			left = names
		}
	}
	for _, name := range append(q.named, firsts(variable.FindAllStringSubmatch(q.expr, -1))...) {
		if !slices.Contains(left, name) {
			faults = append(faults, "its result has no label "+name)
		}
	}
	return faults
}

// mismatches lists the matchers that no series can ever meet.
func (m *metric) mismatches(matchers string) (faults []string) {
	for _, pair := range matcher.FindAllStringSubmatch(matchers, -1) {
		label, value := pair[1], pair[3]
		if slices.Contains(ofPrometheus, label) {
			continue
		}
		if m.labels[label] == nil {
			faults = append(faults, m.name+" has no label "+label)
			continue
		}
		if slices.Contains(configured, label) {
			continue
		}
		for v := range strings.SplitSeq(value, "|") {
			if !m.labels[label][v] {
				faults = append(faults, m.name+"{"+label+"} is never "+v)
			}
		}
	}
	return faults
}

// Every metric, label and value that rules and dashboard name is one that a daemon exports.
func TestRulesAndDashboardNameWhatIsThere(t *testing.T) {
	all := scrape(t)
	asked := queries(t)
	for _, q := range asked {
		for _, fault := range q.faults(all) {
			t.Errorf("%s: %s\n%s", q.where, fault, q.expr)
		}
	}
	if len(asked) < 50 {
		t.Errorf("only %d expressions were found", len(asked))
	}
}

// The test above is only worth what its reading of expressions is.
func TestRulesAndDashboard_WhatIsNotThereIsFound(t *testing.T) {
	all := map[string]*metric{
		"foundation_x_total":   {name: "foundation_x_total", kind: "counter", labels: map[string]map[string]bool{"guard": {"a": true}, "outcome": {"success": true}}},
		"foundation_y_seconds": {name: "foundation_y_seconds", kind: "histogram", labels: map[string]map[string]bool{"le": {"1": true}}},
	}
	for _, c := range []struct {
		q    query
		want string
	}{
		{query{expr: `sum by (guard) (rate(foundation_x_total{guard=~"$guard", outcome="success"}[5m])) > 1`, named: []string{"guard"}}, ""},
		{query{expr: `histogram_quantile(0.9, sum by (le) (rate(foundation_y_seconds_bucket[5m])))`}, ""},
		{query{expr: `foundation_z_total`}, "there is no metric foundation_z_total"},
		{query{expr: `foundation_x_total_bucket`}, "there is no metric foundation_x_total_bucket"},
		{query{expr: `foundation_x_total{gard="a"}`}, "foundation_x_total has no label gard"},
		{query{expr: `foundation_x_total{outcome=~"success|failed"}`}, "foundation_x_total{outcome} is never failed"},
		{query{expr: `sum by (pool) (foundation_x_total)`}, "no metric of it has the label pool"},
		{query{expr: `sum by (guard) (foundation_x_total)`, named: []string{"outcome"}}, "its result has no label outcome"},
		{query{expr: `1 > 0`}, "it names no metric"},
	} {
		if got := strings.Join(c.q.faults(all), "; "); got != c.want {
			t.Errorf("%s: %q, want %q", c.q.expr, got, c.want)
		}
	}
}

var kebab = regexp.MustCompile(`([a-z])([A-Z])`)

// Whoever is called by an alert finds a page that says what to do.
func TestEveryAlertHasARunbook(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(runbooks, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]bool{"README.md": true}
	for _, a := range alerts(t) {
		page := strings.ToLower(kebab.ReplaceAllString(strings.TrimPrefix(a.Alert, "Foundation"), "$1-$2")) + ".md"
		pages[page] = true
		text, err := os.ReadFile(filepath.Join(runbooks, page))
		for _, part := range []string{"# " + a.Alert + "\n", "\n## First\n", "\n## Causes\n", "\n## What to do\n"} {
			if err != nil || !strings.Contains(string(text), part) {
				t.Errorf("docs/runbooks/%s lacks %q (%v)", page, strings.TrimSpace(part), err)
			}
		}
		if url := a.Annotations["runbook_url"]; !strings.HasSuffix(url, "/docs/runbooks/"+page) {
			t.Errorf("%s: runbook_url is %q, want one that ends in %s", a.Alert, url, page)
		}
		if !strings.Contains(string(index), "["+a.Alert+"]("+page+")") {
			t.Errorf("docs/runbooks/README.md does not list %s", a.Alert)
		}
		if severity := a.Labels["severity"]; severity != "critical" && severity != "warning" {
			t.Errorf("%s: severity %q", a.Alert, severity)
		}
	}
	files, err := filepath.Glob(runbooks + "/*.md")
	if err != nil || len(files) != len(pages) {
		t.Errorf("%d pages for %d alerts (%v)", len(files)-1, len(pages)-1, err)
	}
}
