package cli

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) breakerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "breaker", Short: "Take a breaker in hand, or give it back", GroupID: groupAct,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.forceCommand("force-open", "forced-open", "Refuse every call until released or expired"),
		a.forceCommand("force-closed", "forced-closed", "Admit every call until released or expired"),
		a.releaseCommand(), a.resetBreakerCommand(),
	)
	return cmd
}

func (a *app) forceCommand(use, state, short string) *cobra.Command {
	var request adminapi.OverrideRequest
	var lasting length
	cmd := &cobra.Command{
		Use: use + " NAME --reason TEXT [--for 1h]", Short: short, Args: takes("NAME"), ValidArgsFunction: breakerNames(a),
		Example: "  foundation breaker " + use + " payments --for 1h --reason 'maintenance of the bank'",
		RunE: a.run(func(ctx context.Context, args []string) error {
			if request.Reason == "" {
				return usage(errors.New("an override needs a reason: whoever finds the breaker like this will ask"), "add --reason 'why'")
			}
			if err := lasting.check(); err != nil {
				return err
			}
			request.State, request.ForSeconds = state, lasting.Seconds()
			return a.changeBreaker(ctx, http.MethodPut, args[0], "/override", request)
		}),
	}
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why, for those who find the breaker like this")
	lasting.register(cmd, "when the override ends by itself, as in 1h or 1d (default: until released)")
	return cmd
}

func (a *app) releaseCommand() *cobra.Command {
	return &cobra.Command{
		Use: "auto NAME", Short: "End an override: the breaker decides again", Args: takes("NAME"), ValidArgsFunction: breakerNames(a),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.changeBreaker(ctx, http.MethodDelete, args[0], "/override", nil)
		}),
	}
}

func (a *app) resetBreakerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reset NAME", Short: "Close a breaker and forget what it counted", Args: takes("NAME"), ValidArgsFunction: breakerNames(a),
		RunE: a.run(func(ctx context.Context, args []string) error {
			return a.changeBreaker(ctx, http.MethodPost, args[0], "/reset", nil)
		}),
	}
}

// changeBreaker sends a change and shows the breaker as it is afterwards.
func (a *app) changeBreaker(ctx context.Context, method, name, action string, in any) error {
	var b adminapi.Breaker
	if err := a.send(ctx, method, "/v1/breakers/"+url.PathEscape(name)+action, in, &b); err != nil {
		return err
	}
	return a.print(b, func() error { return a.show(breakerTable([]adminapi.Breaker{b})) })
}
