package testkit

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Golden compares got with the file at path, which it writes first if update is
// set.
func Golden(t *testing.T, path, got string, update bool) {
	t.Helper()
	if update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as it was; look, then run twice: go test -update. %s", path, firstDifference(got, string(want)))
	}
}

func firstDifference(got, want string) string {
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i, line := range gotLines {
		if i >= len(wantLines) || line != wantLines[i] {
			return fmt.Sprintf("From line %d:\n%s", i+1, strings.Join(gotLines[i:min(len(gotLines), i+20)], "\n"))
		}
	}
	return fmt.Sprintf("It ends in line %d", len(gotLines))
}
