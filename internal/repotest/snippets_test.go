package repotest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// known are the packages that snippets name, by the name that they use for them: those of
// the library, and of the standard library what they need.
var known = map[string]string{
	"context": "context", "errors": "errors", "fmt": "fmt", "http": "net/http", "os": "os", "slog": "log/slog", "sql": "database/sql",
	"strings": "strings", "time": "time", "url": "net/url", "rate": "", "gobreaker": "", "circuitbreaker": "", "failsafe": "", "bulkhead": "", "timeout": "", "fallback": "", "retrypolicy": "",
	"adapters": module + "/adapters", "guardgrpc": module + "/adapters/grpc", "grpc": "google.golang.org/grpc", "pgxguard": module + "/adapters/postgres/pgxguard",
	"postgres": module + "/adapters/postgres", "prometheus": module + "/adapters/prometheus", "sqlite": module + "/adapters/sqlite", "pgstore": module + "/adapters/postgres/pgstore",
}

// exported is where the compiler has left what a package exports.
type exported struct{ ImportPath, Name, Export string }

// exports compiles the library and what it needs, or finds it in the cache.
func exports(t *testing.T) map[string]exported {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Name,Export", "./...", "./adapters/...", "net/http")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(absolute(t), "go.work"))
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, complaint.String())
	}
	all := map[string]exported{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var e exported
		if err := d.Decode(&e); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[e.ImportPath] = e
	}
}

// checker type-checks snippets.
type checker struct {
	fset  *token.FileSet
	imp   types.Importer
	paths map[string]string // of packages, by the name that snippets use
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	all := exports(t)
	c := &checker{fset: token.NewFileSet(), paths: map[string]string{}}
	for path, e := range all {
		if strings.HasPrefix(path, module) && !strings.Contains(path, "/internal/") && !strings.Contains(path, "/adapters/") && e.Name != "main" {
			c.paths[e.Name] = path
		}
	}
	for name, path := range known {
		if path != "" {
			c.paths[name] = path
		}
	}
	c.imp = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(all[path].Export) })
	return c
}

// A snippet is not a program: what it uses without declaring it is the reader's own. What
// depends on that is not checked; the rest is.
var forgiven = regexp.MustCompile(`^undefined: \w+$|^declared and not used: |^missing return$|^too many return values|no new variables on left side|redeclared in this block|is not used$|^other declaration of `)

var omitted = strings.NewReplacer("{ … }", "{ }", "(…)", "()", "\t…\n", "\n")

// faults returns what the compiler has against a snippet.
func (c *checker) faults(snippet string) (faults []string) {
	file, err := c.parse(omitted.Replace(snippet))
	if err != nil {
		return []string{err.Error()}
	}
	conf := types.Config{Importer: c.imp, Error: func(err error) {
		if e, ok := errors.AsType[types.Error](err); ok && !e.Soft && !forgiven.MatchString(e.Msg) {
			faults = append(faults, e.Msg)
		}
	}}
	_, _ = conf.Check("snippet", c.fset, []*ast.File{file}, nil) // Error has heard them
	return faults
}

// parse takes a snippet as a file, as declarations or as statements, and adds the imports
// of the packages that it names.
func (c *checker) parse(snippet string) (*ast.File, error) {
	if strings.HasPrefix(snippet, "package ") {
		return parser.ParseFile(c.fset, "snippet.go", snippet, 0)
	}
	var failed error
	for _, form := range []string{"package p;%s\n%s", "package p;%s\nfunc _() {\n%s\n}"} {
		file, err := parser.ParseFile(c.fset, "snippet.go", fmt.Sprintf(form, "", snippet), 0)
		if err == nil {
			return parser.ParseFile(c.fset, "snippet.go", fmt.Sprintf(form, c.imports(file), snippet), 0)
		}
		failed = err
	}
	return nil, failed
}

func (c *checker) imports(file *ast.File) string {
	used := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := s.X.(*ast.Ident); ok && slices.Contains(file.Unresolved, id) {
				used[id.Name] = true
			}
		}
		return true
	})
	var b strings.Builder
	for name := range used {
		if path := c.paths[name]; path != "" {
			fmt.Fprintf(&b, "import %s %q;", name, path)
		}
	}
	return b.String()
}

// TestSnippets_AreWhatTheCompilerTakes checks the Go of README and docs: names, fields,
// arguments and results of the library are those of today.
func TestSnippets_AreWhatTheCompilerTakes(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	c, n := newChecker(t), 0
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		name, err := filepath.Rel(root, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(read(t, name), -1) {
			if m[1] != "go" {
				continue
			}
			n++
			for _, fault := range c.faults(m[2]) {
				t.Errorf("%s: %s\n%s", name, fault, m[2])
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d snippets were found", n)
	}
}

func TestSnippets_WhatIsWrongIsFound(t *testing.T) {
	c := newChecker(t)
	for snippet, want := range map[string]string{
		`b, err := breaker.New(name, breaker.Config{FailureThreshold: 3})`: "",
		`b, err := breaker.New(name, breaker.Config{FailureTreshold: 3})`:  "unknown field FailureTreshold in struct literal of type breaker.Config",
		`b := breaker.New(name, breaker.Config{})`:                         "assignment mismatch: 1 variable but breaker.New returns 2 values",
		"b, _ := breaker.New(name, breaker.Config{})\nb.Trip()":            "b.Trip undefined (type *breaker.Breaker has no field or method Trip)",
		`x := breaker.Newest(name)`:                                        "undefined: breaker.Newest",
		`mine.Do(yours)`:                                                   "",
		"if err := mine(); err != nil { … }\nfunc(":                        "snippet.go:3:6: expected '(', found newline (and 1 more errors)",
	} {
		got := strings.Join(c.faults(snippet), "; ")
		if got != want && !(strings.HasPrefix(want, "snippet.go") && got != "") {
			t.Errorf("%s:\n%q, want\n%q", snippet, got, want)
		}
	}
}
