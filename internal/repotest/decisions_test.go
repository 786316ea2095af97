package repotest_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// All pages have the same form, so that a reader finds the costs of each decision.
func TestDecisions_HaveTheSameHeadings(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "decisions", "0*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	heading := regexp.MustCompile(`(?m)^\*\*(.*?)\*\*`)
	order := []string{"Decision.", "Why.", "Costs."}
	for _, page := range pages {
		var have []string
		for _, m := range heading.FindAllStringSubmatch(read(t, "docs/decisions/"+filepath.Base(page)), -1) {
			if slices.Contains(order, m[1]) {
				have = append(have, m[1])
			}
		}
		if !slices.Equal(have, order) {
			t.Errorf("%s has the headings %q, want %q in this order", filepath.Base(page), have, order)
		}
	}
}
