package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	fenced = regexp.MustCompile("(?s)```[a-z]*\n(.*?)```")
	inline = regexp.MustCompile("`(foundation [a-z][^`]*)`")
	flags  = regexp.MustCompile(`(?:^|\s)(--?[a-z][a-z-]*)`)
)

// shown returns the commands of the program that a page shows: those of its blocks, and
// those within its text.
func shown(text string) (blocks, texts []string) {
	for _, block := range fenced.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(line, " #")
			line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
			if strings.HasPrefix(line, "foundation ") {
				blocks = append(blocks, line)
			}
		}
	}
	for _, m := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		texts = append(texts, m[1])
	}
	return blocks, texts
}

// words splits a command as a shell would that knows quotes and nothing else.
func words(command string) (all []string) {
	for _, w := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`).FindAllStringSubmatch(command, -1) {
		all = append(all, w[1]+w[2]+w[3])
	}
	return all[1:]
}

// path is the command without its arguments and flags.
func path(command string) (path []string) {
	for _, w := range words(command) {
		if !regexp.MustCompile(`^[a-z][a-z_-]*$`).MatchString(w) {
			break
		}
		path = append(path, w)
	}
	return path
}

// TestTheCommandsOfThePagesExist asks for the help of every command that a page shows, and
// compares its flags.
func TestTheCommandsOfThePagesExist(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(runbooks + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	help := func(path []string) string {
		key := strings.Join(path, " ")
		if known[key] == "" {
			out, err := exec.Command(binary, append(slices.Clone(path), "--help")...).CombinedOutput()
			if err != nil {
				out = nil
			}
			known[key] = string(out) + " "
		}
		return known[key]
	}
	n := 0
	for _, page := range append(append(pages, more...), "../../README.md", "../../SECURITY.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks, texts := shown(string(text))
		for _, command := range append(blocks, texts...) {
			n++
			if fault := unknown(command, help); fault != "" {
				t.Errorf("%s: %s: %s", filepath.Base(page), command, fault)
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d commands were found", n)
	}
}

// unknown says what of a command the program does not know. The words behind the command
// itself are arguments, which its help tells of in capitals.
func unknown(command string, help func(path []string) string) string {
	p := path(command)
	for len(p) > 0 {
		text := help(p)
		usage := "\n  foundation " + strings.Join(p, " ")
		_, lines, _ := strings.Cut(text, "\nUsage:")
		lines, _, _ = strings.Cut(lines, "\n\n") // what follows are examples, which are no promise
		if i := strings.Index(lines, usage); i >= 0 {
			line, _, _ := strings.Cut(lines[i+1:], "\n")
			rest := strings.ReplaceAll(strings.TrimPrefix(line, usage[1:]), "COMMAND", "") // which is one of those listed
			if len(p) < len(path(command)) && !strings.ContainsAny(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
				return "there is no such command"
			}
			for _, f := range flags.FindAllStringSubmatch(command, -1) {
				if !regexp.MustCompile(`(?m)(^|[\s,])` + regexp.QuoteMeta(f[1]) + `([\s,=]|$)`).MatchString(text) {
					return "it has no flag " + f[1]
				}
			}
			return ""
		}
		p = p[:len(p)-1]
	}
	return "there is no such command"
}

func TestUnknownCommandsAreFound(t *testing.T) {
	help := func(path []string) string {
		out, _ := exec.Command(binary, append(slices.Clone(path), "--help")...).CombinedOutput() // the text says it
		return string(out)
	}
	for command, want := range map[string]string{
		"foundation status -o json":                                "",
		"foundation get breakers payments":                         "",
		"foundation get breakrs payments":                          "there is no such command",
		"foundation frobnicate":                                    "there is no such command",
		"foundation breaker force-open NAME --for 1h --reason 'x'": "",
		"foundation breaker force-open NAME --fro 1h":              "it has no flag --fro",
	} {
		if got := unknown(command, help); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}

// TestTheFirstCommandsOfTheRunbooksAnswer runs them against a daemon that has the parts
// that they name.
func TestTheFirstCommandsOfTheRunbooksAnswer(t *testing.T) {
	pages, err := filepath.Glob(runbooks + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	d, _ := full(t)
	done := map[string]bool{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks, _ := shown(string(text))
		if len(blocks) != 2 && filepath.Base(page) != "README.md" {
			t.Errorf("%s: %d commands come first, want 2", filepath.Base(page), len(blocks))
		}
		for _, command := range blocks {
			if done[command] {
				continue
			}
			done[command] = true
			cmd := exec.Command(binary, words(command)...)
			cmd.Env = append(cmd.Environ(), "FOUNDATION_ADDR="+d.admin)
			cmd.Dir = filepath.Dir(d.file)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s", filepath.Base(page), command, err, out)
			}
		}
	}
}
