package repotest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A replace in the go.mod of an installed module breaks `go install …@latest`.
// bench is never installed, and measures the packages beside it.
func TestModules_OnlyBenchReplaces(t *testing.T) {
	replace := regexp.MustCompile(`(?m)^\s*replace\b|=>`)
	walk(t, "go.mod", func(path string) {
		if path != "bench/go.mod" && replace.MatchString(read(t, path)) {
			t.Errorf("%s has a replace: put it into go.work", path)
		}
	})
}

// Whoever imports the core inherits the requirements of the root module and
// nothing below them.
func TestModules_AConsumerInheritsFew(t *testing.T) {
	const most = 10
	dir, here := t.TempDir(), absolute(t)
	write(t, dir, "go.mod", "module example.com/consumer\n\ngo 1.26.0\n\n"+
		"require "+module+" v0.1.0\n\nreplace "+module+" v0.1.0 => "+here+"\n")
	var program strings.Builder
	program.WriteString("package consumer\n\nimport (\n")
	for _, p := range packages(t) {
		if p.dir == "breaker" || p.dir == "guard" || p.dir == "pool" {
			program.WriteString("\t_ \"" + module + "/" + p.dir + "\"\n")
		}
	}
	program.WriteString(")\n")
	write(t, dir, "consumer.go", program.String())

	goTool(t, dir, "build", "./...")
	modules := strings.Fields(goTool(t, dir, "list", "-m", "-f", "{{.Path}}", "all"))
	if len(modules) > most {
		t.Errorf("a consumer inherits %d modules, more than %d:\n%s", len(modules), most, strings.Join(modules, "\n"))
	}
	t.Logf("a consumer of breaker, guard and pool lists %d modules", len(modules))
}

// A program that embeds the layer links no web server that it did not ask for: the
// daemon's sections are registered by the daemon.
func TestModules_TheLayerLinksNeitherHTTPNorTLS(t *testing.T) {
	for dep := range strings.FieldsSeq(goTool(t, root, "list", "-mod=readonly", "-deps", ".")) {
		if dep == "net/http" || dep == "crypto/tls" {
			t.Errorf("package foundation links %s", dep)
		}
	}
}

func absolute(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func goTool(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, complaint.String())
	}
	return string(out)
}
