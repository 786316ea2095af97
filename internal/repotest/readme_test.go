package repotest_test

import (
	"regexp"
	"strings"
	"testing"
)

const maxProgram = 20 // lines of the README's first program

var block = regexp.MustCompile("(?s)```(\\w+)\n(.*?)```")

// The README's first program is built and run as a user would do it, in a module
// of its own, and prints what the README says it prints.
func TestReadme_TheProgramRuns(t *testing.T) {
	var program, want string
	for _, m := range block.FindAllStringSubmatch(read(t, "README.md"), -1) {
		switch {
		case m[1] == "go" && program == "":
			program = m[2]
		case m[1] == "text" && program != "" && want == "":
			want = m[2]
		}
	}
	if n := strings.Count(program, "\n"); n == 0 || n > maxProgram {
		t.Errorf("the program has %d lines, want 1 to %d", n, maxProgram)
	}
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example.com/reader\n\ngo 1.26.0\n\n"+
		"require "+module+" v0.1.0\n\nreplace "+module+" v0.1.0 => "+absolute(t)+"\n")
	write(t, dir, "main.go", program)
	// What remains of the cooldown depends on how fast the machine is.
	retry := regexp.MustCompile(`retry in [0-9.]+s`)
	if got := retry.ReplaceAllString(goTool(t, dir, "run", "."), "retry in 30s"); got != want {
		t.Errorf("the program prints\n%s\nand the README says\n%s", got, want)
	}
}

// The program that opens a layer needs the module adapters; it builds in a module that says
// what the unpublished versions are, as the README tells its readers to.
func TestReadme_TheServiceBuilds(t *testing.T) {
	var programs []string
	for _, m := range block.FindAllStringSubmatch(read(t, "README.md"), -1) {
		if m[1] == "go" {
			programs = append(programs, m[2])
		}
	}
	if len(programs) != 2 {
		t.Fatalf("the README has %d programs, want 2", len(programs))
	}
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example.com/shop\n\ngo 1.26.0\n\nrequire (\n\t"+module+" v0.1.0\n\t"+module+"/adapters v0.1.0\n)\n\n"+
		"replace (\n\t"+module+" v0.1.0 => "+absolute(t)+"\n\t"+module+"/adapters v0.1.0 => "+absolute(t)+"/adapters\n)\n")
	write(t, dir, "go.sum", read(t, "adapters/go.sum"))
	write(t, dir, "main.go", programs[1])
	goTool(t, dir, "vet", ".")
}

func TestReadme_NamesTheTwoCommands(t *testing.T) {
	text := read(t, "README.md")
	for _, command := range []string{"go run ./cmd/foundation quickstart", "make test"} {
		if !strings.Contains(text, command) {
			t.Errorf("the README does not name %q", command)
		}
	}
}
