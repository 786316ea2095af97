package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
)

// mode is how many goroutines work at once.
type mode struct {
	name    string
	workers int
}

func modes() []mode {
	return []mode{{"serial", 1}, {"parallel", parallel()}}
}

// parallel is one goroutine a core, at least two so that there is contention.
func parallel() int { return max(2, runtime.GOMAXPROCS(0)) }

// manyKeys are the texts of 100,000 clients.
var manyKeys = sync.OnceValue(func() []string {
	keys := make([]string, 100_000)
	for i := range keys {
		keys[i] = "client-" + strconv.Itoa(i)
	}
	return keys
})

// stride takes a walk over the keys out of the order in which they were made.
const stride = 12_289

// each calls visit with n keys of the first count, beginning anywhere.
func each(count, n int, visit func(key string)) {
	keys := manyKeys()[:count]
	i := rand.IntN(count)
	for range n {
		visit(keys[i])
		if i += stride % count; i >= count {
			i -= count
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// wrong counts answers that a contender was not set up to give: a limiter that
// refuses although there is plenty. They are reported, not hidden.
var wrong tally

type tally struct {
	mu sync.Mutex // guards n
	n  map[string]int
}

func (t *tally) note(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[string]int{}
	}
	t.n[name]++
}

func (t *tally) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for _, name := range slices.Sorted(maps.Keys(t.n)) {
		out = append(out, fmt.Sprintf("%s answered otherwise than it was set up to, %d times", name, t.n[name]))
	}
	return out
}
