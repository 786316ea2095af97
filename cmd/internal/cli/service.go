package cli

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) serviceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "service", Short: "Restart what runs in the background", GroupID: groupAct,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.restartCommand())
	return cmd
}

func (a *app) restartCommand() *cobra.Command {
	var request adminapi.RestartRequest
	cmd := &cobra.Command{
		Use: "restart NAME --reason TEXT", Short: "Start a service anew at once", Args: takes("NAME"), ValidArgsFunction: completeNames(a, "services", serviceName),
		Long: "Start a service anew at once: one that runs is stopped first, one that backs off waits\n" +
			"no longer, one that has failed or ended begins again. Its failures in a row are forgotten.",
		Example: "  foundation service restart recorder --reason 'the disk has room again'",
		RunE: a.run(func(ctx context.Context, args []string) error {
			if request.Reason == "" {
				return usage(errors.New("a restart needs a reason: whoever reads the events will ask"), "add --reason 'why'")
			}
			var s adminapi.Service
			if err := a.send(ctx, http.MethodPost, "/v1/services/"+url.PathEscape(args[0])+"/restart", request, &s); err != nil {
				return err
			}
			return a.print(s, func() error { return a.show(serviceTable([]adminapi.Service{s})) })
		}),
	}
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why, for those who read the events later")
	return cmd
}

func serviceName(s adminapi.Service) string { return s.Name }

func serviceTable(services []adminapi.Service) *table {
	t := newTable("NAME", "STATE", "FOR", ">STARTS", ">FAILURES", ">IN A ROW", "RETRY IN", "LAST ERROR")
	for _, s := range services {
		t.row(s.Name, serviceState(s.State), since(s.SinceSeconds), s.Incarnation, count(s.TotalFailures, warn), s.Failures, seconds(s.RetryAfterSeconds), s.LastError)
	}
	return t
}

func serviceState(state string) cell {
	switch state {
	case "running":
		return cell{"● running", good}
	case "stopped":
		return cell{"○ stopped", faint}
	case "completed":
		return cell{"✓ completed", faint}
	case "failed":
		return cell{"✗ failed", bad}
	case "backing_off":
		return cell{"◐ backing off", warn}
	}
	return cell{"◐ " + state, warn}
}
