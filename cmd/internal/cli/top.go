package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/cmd/internal/top"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) topCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use: "top", Short: "Watch the whole layer, worst first", GroupID: groupLook, Args: cobra.NoArgs,
		Long: "Show what is wrong, the totals and one row for each guard, breaker, rate limit,\n" +
			"pool and route, worst first, once a second. Parts without traffic have their\n" +
			"rows, too. Keys:\n" +
			"  w s n r e d l i   sort: worst first, state, name, rate, errors, refused,\n" +
			"                    latency, in use; the same key again turns it round\n" +
			"  /                 filter by words, as in '/breaker open'\n" +
			"  ↑ ↓ Enter         choose a row, and what 'foundation why' says of it\n" +
			"  p, Esc, q         pause, reset, quit\n" +
			"A connection that is lost is said with the age of what is shown, and begun\n" +
			"again. With --once it prints one frame, as for a ticket, and needs no terminal.",
		Example: "  foundation top\n  foundation top --once > ticket.txt\n  foundation top --once -o json",
		RunE: a.run(func(ctx context.Context, _ []string) error {
			if !once && a.output == outputTable && !a.env.Terminal {
				return usage(errors.New("top draws on a terminal, and the output is none"), "print one frame with --once")
			}
			var f adminapi.Frame
			if err := a.get(ctx, "/v1/frame", &f); err != nil {
				return err
			}
			if once || a.output != outputTable {
				return a.print(f, func() error {
					_, err := io.WriteString(a.env.Stdout, top.Text(&f, a.colour(), topWidth))
					return err
				})
			}
			return a.top(ctx, &f)
		}),
	}
	cmd.Flags().BoolVar(&once, "once", false, "print one frame as text and end")
	return cmd
}

// topWidth is how wide a frame is that is printed: it has all columns.
const topWidth = 120

func (a *app) top(ctx context.Context, first *adminapi.Frame) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	watcher := &adminapi.Watcher{Client: client}
	return top.Run(ctx, top.Options{
		Address: client.Address, First: first, Watch: watcher.Watch, Why: a.whyText, Colour: a.colour(), In: a.env.Stdin, Out: a.env.Stdout,
	})
}

// whyText is what the command why prints.
func (a *app) whyText(ctx context.Context, kind, name string) (string, error) {
	var w adminapi.Why
	if err := a.get(ctx, fmt.Sprintf("/v1/why/%s/%s", url.PathEscape(kind), url.PathEscape(name)), &w); err != nil {
		return "", err
	}
	var out bytes.Buffer
	written := *a
	written.env.Stdout = &out
	err := written.whyPage(&w)
	return out.String(), err
}
