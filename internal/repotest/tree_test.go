package repotest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.." // of the repository, as seen from this package
	module = "github.com/elixirscope/foundation"
)

// pkg is one folder of Go files, read without building: build tags and the
// modules' own dependencies do not matter to the rules.
type pkg struct {
	dir   string // relative to the repository, "." for the root package
	name  string
	fset  *token.FileSet
	files map[string]*ast.File // without tests, by file name
}

// packages reads every package of every module.
func packages(t *testing.T) []*pkg {
	t.Helper()
	found := map[string]*pkg{}
	walk(t, ".go", func(path string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		p := found[dir]
		if p == nil {
			p = &pkg{dir: dir, fset: token.NewFileSet(), files: map[string]*ast.File{}}
			found[dir] = p
		}
		file, err := parser.ParseFile(p.fset, filepath.Join(root, path), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		p.name = file.Name.Name
		p.files[filepath.Base(path)] = file
	})
	return slices.SortedFunc(maps.Values(found), func(a, b *pkg) int { return strings.Compare(a.dir, b.dir) })
}

// walk calls visit with the path, relative to the repository, of every file
// whose name ends in suffix.
func walk(t *testing.T, suffix string, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && skipped(d.Name()) {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(path, suffix) {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			visit(filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func skipped(dir string) bool {
	return dir == ".git" || dir == "bin" || dir == "testdata" || dir == "foundation-data"
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// imports returns what the package imports outside its tests.
func (p *pkg) imports() []string {
	seen := map[string]bool{}
	for _, file := range p.files {
		for _, spec := range file.Imports {
			seen[strings.Trim(spec.Path.Value, `"`)] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
