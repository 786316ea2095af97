package gateway

import (
	"os"
	"strings"
	"testing"
)

// Every word of the access log and every class is in the tables of docs/gateway.md.
func TestFlags_AreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	words := append([]string{}, flagNames[:]...)
	for class := noFailure + 1; class < upstreamClasses; class++ {
		words = append(words, upstreamClassNames[class], (&requestInfo{failed: class}).words()[0])
	}
	words = append(words, statusClassNames[:1]...)
	words = append(words, partyNames[1:]...)
	for _, word := range words {
		if !strings.Contains(string(text), "`"+word+"`") {
			t.Errorf("%s is missing", word)
		}
	}
}

// A flag has a word, and each word is one flag's.
func TestFlags_HaveAWordEach(t *testing.T) {
	for bit := range 16 {
		words := (&requestInfo{flags: 1 << bit}).words()
		if last := flagNoRoute; flags(1<<bit) <= last && len(words) != 1 || flags(1<<bit) > last && len(words) != 0 {
			t.Errorf("flag %d has the words %v", bit, words)
		}
	}
}
