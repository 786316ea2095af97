package experiments_test

import (
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/internal/plot"
)

var write = flag.Bool("write", false, "make the long runs, and write docs/experiments and the tables of docs/experiments.md")

const docs = "../../docs"

// figure writes a picture, if it is asked for.
func figure(t *testing.T, name string, f plot.Figure) {
	t.Helper()
	if !*write {
		return
	}
	if err := os.WriteFile(filepath.Join(docs, "experiments", name+".svg"), []byte(f.SVG()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// data writes all figures of an experiment, if they are asked for.
func data(t *testing.T, name string, rows [][]string) {
	t.Helper()
	if !*write {
		return
	}
	var b strings.Builder
	err := csv.NewWriter(&b).WriteAll(rows)
	if err == nil {
		err = os.WriteFile(filepath.Join(docs, "experiments", name+".csv"), []byte(b.String()), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// table puts a table, whose first row is its head, between the marks of its name in
// docs/experiments.md. Short runs only look for the marks.
func table(t *testing.T, name string, rows [][]string) {
	t.Helper()
	path := filepath.Join(docs, "experiments.md")
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- table "+name+" -->\n", "<!-- end of table "+name+" -->\n"
	before, rest, found := strings.Cut(string(page), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no marks for the table %q", path, name)
	}
	if !*write {
		return
	}
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|---|" + strings.Repeat("---:|", len(row)-1) + "\n")
		}
	}
	if err := os.WriteFile(path, []byte(before+begin+b.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }
func exact(v float64) string   { return fmt.Sprintf("%.4f", v) }
