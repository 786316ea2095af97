package main

import (
	"math/rand/v2"
	"runtime"
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
