package top

import (
	"context"
	"io"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// Options say what is shown where.
type Options struct {
	// Address names the daemon.
	Address string
	// First is what is shown first.
	First *adminapi.Frame
	// Watch calls show with each frame until the stream or ctx ends; it is called again when it
	// has returned.
	Watch func(ctx context.Context, show func(*adminapi.Frame) error) error
	// Why returns what is to be said of a part, in lines.
	Why func(ctx context.Context, kind, name string) (string, error)
	// Colour is whether there is any.
	Colour bool
	// In and Out are the terminal.
	In  io.Reader
	Out io.Writer
}

// reconnectPause is how long a daemon that has gone is waited for between attempts.
const reconnectPause = time.Second

// Run shows frames on a terminal until the user or ctx ends it.
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	now := time.Now()
	m := model{address: o.Address, colour: o.Colour, why: o.Why, ctx: ctx, now: now, frame: o.First, got: now}
	// Without its context: the library, when that ends, leaves what reads the terminal behind.
	program := tea.NewProgram(m, tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithoutSignalHandler())
	var feeds sync.WaitGroup
	feeds.Go(func() { follow(ctx, o, program.Send) })
	feeds.Go(func() { tick(ctx, program.Send) })
	feeds.Go(func() { <-ctx.Done(); program.Quit() })
	_, err := program.Run()
	cancel()
	feeds.Wait()
	return err
}

// tick tells what time it is, so that the age of what is shown grows.
func tick(ctx context.Context, send func(tea.Msg)) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-ticker.C:
			send(tickMsg(at))
		}
	}
}

// follow sends frames, and why none come.
func follow(ctx context.Context, o Options, send func(tea.Msg)) {
	for ctx.Err() == nil {
		err := o.Watch(ctx, func(f *adminapi.Frame) error {
			send(frameMsg{f, time.Now()})
			return nil
		})
		reason := "the daemon has ended the stream"
		if err != nil {
			reason = err.Error()
		}
		if ctx.Err() != nil {
			return
		}
		send(lostMsg{reason})
		if !clock.Sleep(ctx, reconnectPause) {
			return
		}
	}
}
