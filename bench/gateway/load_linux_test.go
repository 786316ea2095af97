package main

import (
	"os"
	"testing"
	"time"
)

func TestProcessorTime(t *testing.T) {
	before := processorTime(os.Getpid())
	for deadline := time.Now().Add(time.Minute); processorTime(os.Getpid()) <= before; {
		if time.Now().After(deadline) {
			t.Fatal("a busy loop uses no processor time")
		}
	}
}
