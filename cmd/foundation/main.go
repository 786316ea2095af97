// Command foundation runs the protection layer as a gateway beside any HTTP
// service, and talks to a running one. See docs/cli.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/elixirscope/foundation/cmd/internal/cli"
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	endings := make(chan os.Signal, 2) // room for the second, which must not be lost
	signal.Notify(endings, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-endings
		cancel() // asks for the end
		<-endings
		os.Exit(cli.ExitFailure) // demands it
	}()
	os.Exit(cli.Run(ctx, cli.OSEnv(hangups, ignorePipes), os.Args[1:]))
}

// hangups is called by the commands that reload; to all others SIGHUP keeps its
// usual meaning.
func hangups() (<-chan os.Signal, func()) {
	received := make(chan os.Signal, 1)
	signal.Notify(received, syscall.SIGHUP)
	return received, func() { signal.Stop(received) }
}

// ignorePipes is called by the commands that serve: the runtime would end the
// process when a line is written to a stderr that nobody reads any more.
func ignorePipes() { signal.Ignore(syscall.SIGPIPE) }
