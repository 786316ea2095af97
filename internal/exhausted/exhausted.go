// Package exhausted tells errors that say that this machine, or this process, has
// run out of something: descriptors, ports, memory for sockets. Whatever was called
// was not reached and cannot be blamed.
package exhausted

import "errors"

// By reports whether the operating system refused a call because it has run out of
// something, and what the reason is called. It looks through whatever wraps the
// reason.
func By(err error) (reason string, ok bool) {
	for _, lack := range lacks {
		if errors.Is(err, lack) {
			return lack.Error(), true
		}
	}
	return "", false
}

// Texts lists the reasons as the operating system's errors say them.
func Texts() []string {
	texts := make([]string, 0, len(lacks))
	for _, lack := range lacks {
		texts = append(texts, lack.Error())
	}
	return texts
}
