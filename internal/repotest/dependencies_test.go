package repotest_test

import (
	"regexp"
	"strings"
	"testing"
)

const page = "docs/dependencies.md"

var (
	requirement = regexp.MustCompile(`(?m)^(?:require)?\s+(\S+\.\S+) (v\S+)$`)
	pageRow     = regexp.MustCompile("(?m)^\\| `(\\S+)` \\| (v\\S+) \\| .+ \\|$")
)

// A dependency that nobody can give a reason for is one to remove.
func TestDependencies_EachHasItsReason(t *testing.T) {
	for _, section := range []struct{ title, file string }{
		{"root", "go.mod"}, {"adapters", "adapters/go.mod"}, {"cmd", "cmd/go.mod"},
	} {
		_, text, ok := strings.Cut(read(t, page), "\n## "+section.title+"\n")
		if !ok {
			t.Errorf("%s has no section %s", page, section.title)
			continue
		}
		text, _, _ = strings.Cut(text, "\n## ")
		explained := pairsOf(pageRow, text)
		required := pairsOf(requirement, read(t, section.file)) // lines that end in "// indirect" do not match
		for path, version := range required {
			if !strings.HasPrefix(path, module) && explained[path] != version {
				t.Errorf("%s requires %s %s, of which section %q of %s says %q", section.file, path, version, section.title, page, explained[path])
			}
		}
		for path := range explained {
			if required[path] == "" {
				t.Errorf("section %q of %s explains %s, which %s does not require", section.title, page, path, section.file)
			}
		}
	}
}

func pairsOf(pattern *regexp.Regexp, text string) map[string]string {
	pairs := map[string]string{}
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		pairs[m[1]] = m[2]
	}
	return pairs
}
