package repotest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	maxFunction = 80  // lines, from the signature to the brace
	maxFile     = 700 // lines
)

func TestReader_EveryPackageHasAComment(t *testing.T) {
	for _, p := range packages(t) {
		documented := false
		for _, file := range p.files {
			documented = documented || file.Doc.Text() != ""
		}
		if !documented {
			t.Errorf("package %s in %s has no package comment", p.name, p.dir)
		}
	}
}

func TestReader_EveryExportedIdentifierIsDocumented(t *testing.T) {
	for _, p := range packages(t) {
		for _, file := range p.files {
			for _, decl := range file.Decls {
				for _, id := range undocumented(decl) {
					t.Errorf("%s: %s is exported and has no comment", p.fset.Position(id.Pos()), id.Name)
				}
			}
		}
	}
}

// undocumented returns the exported names that decl declares without a comment.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Doc == nil && decl.Name.IsExported() && exportedReceiver(decl) {
			return []*ast.Ident{decl.Name}
		}
	case *ast.GenDecl:
		var bare []*ast.Ident
		for _, spec := range decl.Specs {
			bare = append(bare, undocumentedSpec(decl, spec)...)
		}
		return bare
	}
	return nil
}

func undocumentedSpec(decl *ast.GenDecl, spec ast.Spec) []*ast.Ident {
	var bare []*ast.Ident
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() && spec.Doc == nil && decl.Doc == nil {
			bare = append(bare, spec.Name)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() && spec.Doc == nil && spec.Comment == nil && decl.Doc == nil {
				bare = append(bare, name)
			}
		}
	}
	return bare
}

// exportedReceiver reports whether decl is a function, or a method of an
// exported type.
func exportedReceiver(decl *ast.FuncDecl) bool {
	if decl.Recv == nil {
		return true
	}
	receiver := decl.Recv.List[0].Type
	for {
		switch t := receiver.(type) {
		case *ast.StarExpr:
			receiver = t.X
		case *ast.IndexExpr:
			receiver = t.X
		case *ast.IndexListExpr:
			receiver = t.X
		default:
			id, ok := t.(*ast.Ident)
			return ok && id.IsExported()
		}
	}
}

func TestReader_FunctionsAndFilesStayShort(t *testing.T) {
	for _, p := range packages(t) {
		for name, file := range p.files {
			if n := p.fset.Position(file.FileEnd).Line; n > maxFile && !ast.IsGenerated(file) {
				t.Errorf("%s/%s has %d lines, more than %d", p.dir, name, n, maxFile)
			}
			for _, decl := range file.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				from, to := p.fset.Position(fn.Pos()), p.fset.Position(fn.End())
				if n := to.Line - from.Line + 1; n > maxFunction {
					t.Errorf("%s: %s has %d lines, more than %d", from, fn.Name.Name, n, maxFunction)
				}
			}
		}
	}
}

var (
	link   = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)
	quoted = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
)

func TestReader_LinksOfThePagesLeadSomewhere(t *testing.T) {
	walk(t, ".md", func(path string) {
		text := quoted.ReplaceAllString(read(t, path), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			target := filepath.Join(root, filepath.Dir(path), m[1])
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which does not exist", path, m[1])
			}
		}
	})
}

// A test that may skip itself is a test that nobody knows to have run: the one
// way is testkit.Missing, which the last line of `make test` reports. An action of
// a random history may skip itself: another one takes its place.
func TestReader_NoTestSkipsItself(t *testing.T) {
	walk(t, "_test.go", func(path string) {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join(root, path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		var scopes []map[string]string // of the functions around, from parameter to type
		ast.PreorderStack(file, nil, func(n ast.Node, stack []ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !strings.HasPrefix(method.Sel.Name, "Skip") {
				return true
			}
			scopes = scopes[:0]
			for _, outer := range stack {
				scopes = append(scopes, parameters(outer))
			}
			if receiver, ok := method.X.(*ast.Ident); ok && strings.HasPrefix(typeIn(scopes, receiver.Name), "testing.") {
				t.Errorf("%s calls %s.%s: use testkit.Missing", fset.Position(call.Pos()), receiver.Name, method.Sel.Name)
			}
			return true
		})
	})
}

// parameters returns the types of n's parameters, by name, if n is a function.
func parameters(n ast.Node) map[string]string {
	var fn *ast.FuncType
	switch n := n.(type) {
	case *ast.FuncDecl:
		fn = n.Type
	case *ast.FuncLit:
		fn = n.Type
	default:
		return nil
	}
	types := map[string]string{}
	for _, field := range fn.Params.List {
		for _, name := range field.Names {
			types[name.Name] = strings.TrimPrefix(typeName(field.Type), "*")
		}
	}
	return types
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return "*" + typeName(e.X)
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	case *ast.Ident:
		return e.Name
	default:
		return ""
	}
}

// typeIn looks a parameter up from the innermost function outwards.
func typeIn(scopes []map[string]string, name string) string {
	for _, scope := range slices.Backward(scopes) {
		if found, ok := scope[name]; ok {
			return found
		}
	}
	return ""
}
