// Package suggest finds the known word that a misspelt one may stand for.
package suggest

import (
	"slices"
	"strings"
)

// For returns `; did you mean "x"?` for the known word nearest to word, or
// a list of the known words when none is near and they are few, or "".
func For(word string, known []string) string {
	best, distance := "", 1+max(2, len(word)/3)
	for _, k := range known {
		if d := editDistance(strings.ToLower(word), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return "; did you mean \"" + best + "\"?"
	}
	const few = 12
	if len(known) == 0 || len(known) > few {
		return ""
	}
	known = slices.Sorted(slices.Values(known))
	return "; known: " + strings.Join(known, ", ")
}

// editDistance is the least number of letters to insert, remove, replace or
// swap with their neighbour to get from a to b.
func editDistance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return maxWord
	}
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}

// maxWord bounds the words that are compared for a suggestion, because the work
// grows with the product of their lengths.
const maxWord = 100
