// Command memory makes a storm of requests that hold memory in a real process with a hard
// limit, with and without the memory manager, and tells how many of the runs died, how many
// requests were served and how long they took.
//
// The hard limit is a watchdog: the parent looks at the resident memory of the child every
// 2 ms and kills it above the limit, as the kernel does with a control group.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

const (
	hardLimit = 256 << 20 // bytes of the child
	goLimit   = hardLimit / 10 * 9
)

// variant is a way to run the service.
type variant struct {
	name    string
	manager bool
	limited bool // by GOMEMLIMIT
}

var variants = []variant{
	{"nothing", false, false},
	{"GOMEMLIMIT", false, true},
	{"manager", true, false},
	{"manager and GOMEMLIMIT", true, true},
}

func main() {
	child := flag.Bool("child", false, "be the service; the parent says so")
	manager := flag.Bool("manager", false, "the service has a memory manager")
	runs := flag.Int("runs", 4, "runs of each variant")
	each := flag.Duration("for", 15*time.Second, "how long a run takes")
	figure := flag.String("figure", "", "the `file` to draw the resident memory of the first runs into")
	flag.Parse()
	if *child {
		serve(*manager, *each)
		return
	}
	if err := compare(*runs, *each, *figure); err != nil {
		fmt.Fprintln(os.Stderr, "memory:", err)
		os.Exit(1)
	}
}
