package repotest_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages returns the pages that people read, with their text.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"README.md": "", "ARCHITECTURE.md": "", "SECURITY.md": "", "CONTRIBUTING.md": ""}
	for _, pattern := range []string{"docs/*.md", "docs/runbooks/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range found {
			name, err := filepath.Rel(root, page)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = ""
		}
	}
	for page := range all {
		all[page] = read(t, page)
	}
	return all
}

// tests returns the names of all tests and fuzz targets of the repository.
func tests(t *testing.T) (names []string) {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w+)\(`)
	walk(t, "_test.go", func(path string) {
		for _, m := range declared.FindAllStringSubmatch(read(t, path), -1) {
			names = append(names, m[1])
		}
	})
	return names
}

var namedTest = regexp.MustCompile("`(?:[^`]*[ '])?((?:Test|Fuzz)[A-Z]\\w*)(…?)[^`]*`")

// peers are tests of other libraries that the pages for their users name.
const peers = "coming-from"

// What a page says that a test shows, a test shows.
func TestDocs_TheTestsThatPagesNameExist(t *testing.T) {
	names, n := tests(t), 0
	for page, text := range pages(t) {
		if strings.Contains(page, peers) {
			continue
		}
		for _, m := range namedTest.FindAllStringSubmatch(text, -1) {
			n++
			found := false
			for _, name := range names {
				// A page may name many by how they begin.
				found = found || name == m[1] || strings.HasPrefix(name, m[1]) && (m[2] != "" || len(m[1]) < len("TestScenario_"))
			}
			if !found {
				t.Errorf("%s names %s, and there is no such test", page, m[1])
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d tests were named", n)
	}
}

var namedEvent = regexp.MustCompile("`((?:circuit_breaker|rate_limiter|connection_pool|guard|performance_monitor|memory_manager|health_aggregator|config_server|event_store|registry|supervisor|telemetry)\\.[a-z_]+)`")

func TestDocs_TheEventsThatPagesNameExist(t *testing.T) {
	catalogue, n := read(t, eventsPage), 0
	for page, text := range pages(t) {
		for _, m := range namedEvent.FindAllStringSubmatch(text, -1) {
			n++
			if page != eventsPage && !strings.Contains(catalogue, "\n## "+m[1]+"\n") {
				t.Errorf("%s names the event %s, and there is no such event", page, m[1])
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d events were named", n)
	}
}

var namedFile = regexp.MustCompile("`((?:[a-z_]+/)+[a-z_.]+\\.(?:go|md|yaml|json))`")

func TestDocs_TheFilesThatPagesNameExist(t *testing.T) {
	n := 0
	for page, text := range pages(t) {
		for _, m := range namedFile.FindAllStringSubmatch(text, -1) {
			n++
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names the file %s: %v", page, m[1], err)
			}
		}
	}
	if n == 0 {
		t.Error("no file was named")
	}
}

var namedIdentifier = regexp.MustCompile("`([a-z]+)\\.([A-Z]\\w*)(?:\\.([A-Z]\\w*))?(?:\\(|`|\\{)")

// Names of the library that stand in the text are those of today.
func TestDocs_TheNamesThatPagesNameExist(t *testing.T) {
	exported := map[string]map[string]bool{}
	for _, p := range packages(t) {
		if strings.Contains(p.dir, "internal") || strings.HasPrefix(p.dir, "bench") || strings.HasPrefix(p.dir, "cmd") {
			continue
		}
		if exported[p.name] == nil {
			exported[p.name] = map[string]bool{}
		}
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && id.IsExported() {
					exported[p.name][id.Name] = true // a name that the package has at all
				}
				return true
			})
		}
	}
	n := 0
	for page, text := range pages(t) {
		for _, m := range namedIdentifier.FindAllStringSubmatch(text, -1) {
			names, ours := exported[m[1]]
			if !ours || strings.Contains(page, peers) || m[1] == "main" {
				continue
			}
			n++
			if !names[m[2]] || m[3] != "" && !names[m[3]] {
				t.Errorf("%s names %s, and package %s has no such name", page, strings.Trim(m[0], "`({"), m[1])
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d names were found", n)
	}
}

var (
	namedTarget = regexp.MustCompile("(?m)(?:`|^)make ([a-z-]+)")
	target      = regexp.MustCompile(`(?m)^([a-z-]+):.* ## `)
)

func TestDocs_TheTargetsThatPagesNameExist(t *testing.T) {
	targets, n := map[string]bool{}, 0
	for _, m := range target.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets[m[1]] = true
	}
	for page, text := range pages(t) {
		for _, m := range namedTarget.FindAllStringSubmatch(text, -1) {
			n++
			if !targets[m[1]] {
				t.Errorf("%s names make %s, and the Makefile has no such target", page, m[1])
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d targets were named", n)
	}
}
