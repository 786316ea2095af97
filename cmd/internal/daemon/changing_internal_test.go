package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

// A reload that waited for a path of a file system that was away held the drain up.
func TestChanging_TheStopAndTheCallerEndTheWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer, err := foundation.Open(t.Context(), foundation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		d := &Daemon{layer: layer, turn: make(chan struct{}, 1)}
		d.life, d.end = context.WithCancel(t.Context())
		change := func(ctx context.Context) error {
			_, err := d.changing(ctx, func(ctx context.Context) (config.Applied, error) {
				return layer.Config().Apply(ctx, &config.Config{}, config.By{})
			})
			return err
		}
		hanging := make(chan error)
		go func() {
			_, err := d.changing(t.Context(), func(ctx context.Context) (config.Applied, error) {
				<-ctx.Done() // as a read of a file that hangs does
				return config.Applied{}, context.Cause(ctx)
			})
			hanging <- err
		}()
		synctest.Wait()
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		if err := change(impatient); !errors.Is(err, fault.Canceled) {
			t.Errorf("a caller that gave up: %v", err)
		}
		waiting := make(chan error)
		go func() { waiting <- change(t.Context()) }()
		synctest.Wait()
		d.forbidReloads()
		for name, ended := range map[string]chan error{"the change that hangs": hanging, "the one behind it": waiting} {
			if err := <-ended; !errors.Is(err, fault.Closed) {
				t.Errorf("%s ended with %v", name, err)
			}
		}
		if err := change(t.Context()); !errors.Is(err, fault.Closed) {
			t.Errorf("a change after the stop: %v", err)
		}
		if err := layer.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
