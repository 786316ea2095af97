package repotest_test

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

var update = flag.Bool("update", false, "write docs/events.md")

const eventsPage = "docs/events.md"

// computedNames are the events whose names stand in no constant, by package and type.
var computedNames = map[string]string{"eventstore.counted": "guard.refused"}

// synonyms are the names of the seed that mean the same.
var synonyms = map[string]string{
	"rate_limiter.request_denied": "rate_limiter.denied", "connection_pool.timeout": "connection_pool.checkout_timeout",
}

// catalogued is one event as the page shows it.
type catalogued struct {
	name, pkg, typ, text string
	kept                 string // whether a recorder keeps it
	fields               []field
}

type field struct{ name, typ, text string }

// The catalogue is written from the types that have a method EventName, their fields and
// their comments: a reader of events knows the data by it.
func TestEvents_TheCatalogueIsCurrent(t *testing.T) {
	var events []catalogued
	for _, p := range packages(t) {
		events = append(events, eventsOf(t, p)...)
	}
	slices.SortFunc(events, func(a, b catalogued) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(events); i++ {
		if events[i].name == events[i-1].name {
			t.Errorf("%s is the name of two events", events[i].name)
		}
	}
	got := cataloguePage(events)
	if *update {
		if err := os.WriteFile(filepath.Join(root, eventsPage), []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if text := read(t, eventsPage); text != got {
		t.Errorf("%s is out of date: run make docs", eventsPage)
	}
	if len(events) < 20 {
		t.Errorf("only %d events were found", len(events))
	}
}

func eventsOf(t *testing.T, p *pkg) (events []catalogued) {
	t.Helper()
	types, kept, constants := map[string]*ast.TypeSpec{}, map[string]string{}, map[string]string{}
	docs := map[string]string{}
	for _, file := range p.files {
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if decl.Recv != nil && decl.Name.Name == "Edge" {
					kept[receiverOf(decl)] = keeps(decl)
				}
			case *ast.GenDecl:
				collect(decl, types, docs, constants)
			}
		}
	}
	for _, file := range p.files {
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "EventName" {
				continue
			}
			typ := receiverOf(fn)
			name, ok := textOf(returned(fn), constants)
			if computed := computedNames[p.dir+"."+typ]; computed != "" {
				name, ok = computed, true
			}
			if !ok {
				t.Errorf("the name of event %s in %s cannot be read: say it in computedNames", typ, p.dir)
				continue
			}
			events = append(events, catalogued{
				name: name, pkg: p.dir, typ: typ, text: oneLine(docs[typ]), kept: cmp.Or(kept[typ], "no"), fields: fieldsOf(types[typ]),
			})
		}
	}
	return events
}

// keeps says whether an Edge gives its events a severity.
func keeps(edge *ast.FuncDecl) string {
	with, without := false, false
	ast.Inspect(edge.Body, func(n ast.Node) bool {
		if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) == 2 {
			none, literal := r.Results[1].(*ast.BasicLit)
			without = without || literal && none.Value == `""`
			with = with || !literal || none.Value != `""`
		}
		return true
	})
	switch {
	case with && without:
		return "at times"
	case with:
		return "yes"
	}
	return "no"
}

func collect(decl *ast.GenDecl, types map[string]*ast.TypeSpec, docs, constants map[string]string) {
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			types[spec.Name.Name] = spec
			docs[spec.Name.Name] = spec.Doc.Text() + decl.Doc.Text()
		case *ast.ValueSpec:
			for i, name := range spec.Names {
				if decl.Tok == token.CONST && i < len(spec.Values) {
					if text, ok := textOf(spec.Values[i], constants); ok {
						constants[name.Name] = text
					}
				}
			}
		}
	}
}

func receiverOf(fn *ast.FuncDecl) string {
	return strings.TrimPrefix(typeName(fn.Recv.List[0].Type), "*")
}

func returned(fn *ast.FuncDecl) ast.Expr {
	if len(fn.Body.List) == 1 {
		if r, ok := fn.Body.List[0].(*ast.ReturnStmt); ok && len(r.Results) == 1 {
			return r.Results[0]
		}
	}
	return nil
}

// textOf returns the constant that an expression is, without the prefix of all names.
func textOf(e ast.Expr, constants map[string]string) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.Ident:
		if e.Name == "Prefix" {
			return "", true
		}
		text, ok := constants[e.Name]
		return text, ok
	case *ast.SelectorExpr:
		return "", e.Sel.Name == "Prefix"
	case *ast.BinaryExpr:
		x, first := textOf(e.X, constants)
		y, second := textOf(e.Y, constants)
		return x + y, first && second
	}
	return "", false
}

func fieldsOf(spec *ast.TypeSpec) (fields []field) {
	if spec == nil {
		return nil
	}
	s, ok := spec.Type.(*ast.StructType)
	if !ok {
		return nil
	}
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			if !name.IsExported() {
				continue
			}
			typ := exprText(f.Type)
			named := field{snake(name.Name), jsonType(typ), oneLine(f.Doc.Text() + f.Comment.Text())}
			if typ == "time.Duration" {
				named.name += "_seconds"
			}
			fields = append(fields, named)
		}
	}
	return fields
}

func exprText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.ArrayType:
		return "[]" + exprText(e.Elt)
	case *ast.SelectorExpr:
		return exprText(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return exprText(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "value"
}

// jsonType is what the data of a stored event has in the place of a Go type.
func jsonType(typ string) string {
	switch typ {
	case "bool":
		return "boolean"
	case "int", "int64", "uint64", "float64", "time.Duration":
		return "number"
	case "time.Time":
		return "time"
	case "Name":
		return "object"
	}
	if strings.HasPrefix(typ, "[]") {
		return "list"
	}
	return "text" // names of states and the like, errors
}

// snake is how package eventstore names fields, which a test of its own holds.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		upper := unicode.IsUpper(r)
		if upper && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func oneLine(comment string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(comment), " "), "|", "\\|")
}

const eventsHead = `# Events

Written from the code by a test (` + "`make docs`" + ` renews it): every event of the layer with its fields. On the bus an event is the Go type, and its name begins with
` + "`elixir_scope.foundation.infra.`" + `. Where events are recorded (see [configuration.md](configuration.md), ` + "`storage`" + `), on the [admin API](admin-api.md) and on the
[command line](cli.md) the type has no prefix, and the fields below are the event's ` + "`data`" + `: names in snake_case, durations as numbers of seconds. Fields at their zero
(0, false, empty, the state ` + "`closed`" + `) are left out.

**Recorded** says whether a recorder keeps the event. What happens with every call is not: it is built only while a program listens. What guards refuse is recorded as
` + "`guard.refused`" + `, once in ten seconds for each guard and code. Events that were sent to ` + "`POST /v1/events`" + ` have the component ` + "`annotation`" + ` and any type; that of a restart by hand
is ` + "`service.restart_requested`" + `, and what else was done by hand for a reason that was given is there as well: ` + "`breaker.release_requested`, `breaker.reset_requested`" + `,
` + "`rate_limit.key_reset_requested`, `silence.end_requested`" + `.
`

func cataloguePage(events []catalogued) string {
	var b strings.Builder
	b.WriteString(eventsHead)
	b.WriteString("\n| Type | Recorded |\n|---|---|\n")
	for _, e := range events {
		fmt.Fprintf(&b, "| `%s` | %s |\n", e.name, e.kept)
	}
	for _, e := range events {
		fmt.Fprintf(&b, "\n## %s\n\n", e.name)
		if ast.IsExported(e.typ) {
			fmt.Fprintf(&b, "`%s.%s`. ", e.pkg, e.typ)
		}
		b.WriteString(strings.TrimSpace(e.text))
		if other := synonyms[e.name]; other != "" {
			fmt.Fprintf(&b, " Also called `%s`.", other)
		}
		b.WriteString("\n")
		if len(e.fields) > 0 {
			b.WriteString("\n| Field | Value | Meaning |\n|---|---|---|\n")
		}
		for _, f := range e.fields {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.name, f.typ, strings.TrimSpace(f.text))
		}
	}
	return b.String()
}
