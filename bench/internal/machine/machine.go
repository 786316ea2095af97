// Package machine names the machine that figures come from.
package machine

import (
	"os"
	"strings"
)

// Processor returns the model of the processor, as far as the system tells it.
func Processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // elsewhere than on Linux there is none
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
