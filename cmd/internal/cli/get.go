package cli

import (
	"context"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) getCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "get", Short: "List the parts of one kind, or show one part", GroupID: groupLook,
		Long: "List the routes, upstreams, guards, breakers, rate limits, pools, operations, services or\ninstances, worst first, or show one of them by its name; or the memory, or how everything is, root causes first.",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	routes := getKind(a, "routes", "route", routeTable, func(r adminapi.Route) string { return r.Name })
	routes.Long = "Show what the requests of each route came to, in the last minute and since the start: by the\n" +
		"class of their status, whoever answered, and how many clients left; what the guard, a limit of\n" +
		"the route or the gateway itself refused, by reason; failures of the upstream, by class; bytes\n" +
		"of bodies, answers that were cut off, and clients that were cut because they read nothing."
	hosts := getKind(a, "upstreams", "upstream", upstreamTable, func(u adminapi.Upstream) string { return u.Name })
	hosts.Long = "Show the hosts that the requests of each route go to, the worst first: which of them are ejected\n" +
		"or fail their check, for how long still, and what part of its usual requests each one gets. NAME\n" +
		"is host and port; where several routes go to a host, ROUTE/HOST:PORT is the one of a route."
	instances := getKind(a, "instances", "instance", instanceTable, instanceName)
	instances.Long = "Show the instances that share rate limits, as the one that is asked (→) has heard of them through the\n" +
		"store; 'status --fleet' says in words what there is to say of them."
	cmd.AddCommand(
		routes,
		hosts,
		getKind(a, "guards", "guard", guardTable, func(g adminapi.Guard) string { return g.Name }),
		getKind(a, "breakers", "breaker", breakerTable, func(b adminapi.Breaker) string { return b.Name }),
		getKind(a, "rate_limits", "rate_limit", rateLimitTable, func(r adminapi.RateLimit) string { return r.Name }),
		getKind(a, "pools", "pool", poolTable, func(p adminapi.Pool) string { return p.Name }),
		getKind(a, "operations", "operation", operationTable, operationName),
		getKind(a, "services", "service", serviceTable, serviceName),
		instances,
		a.getHealthCommand(),
		a.getMemoryCommand(),
	)
	return cmd
}

// getKind makes the subcommand of one kind; people say the singular as often.
func getKind[T any](a *app, plural, singular string, rows func([]T) *table, name func(T) string) *cobra.Command {
	return &cobra.Command{
		Use: plural + " [NAME]", Aliases: otherNames(plural, singular), Short: "Show " + spaced(plural),
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeNames(a, plural, name),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if len(args) == 1 {
				return getOne(ctx, a, plural, args[0], rows)
			}
			var list adminapi.List[T]
			if err := a.get(ctx, "/v1/"+plural, &list); err != nil {
				return err
			}
			return a.print(list, func() error {
				if len(list.Items) == 0 {
					a.say("no %s are configured", spaced(plural))
					return nil
				}
				return a.show(rows(list.Items))
			})
		}),
	}
}

// otherNames are the other names of a kind, each once.
func otherNames(plural, singular string) (names []string) {
	for _, name := range []string{singular, dashed(plural), dashed(singular)} {
		if name != plural && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func getOne[T any](ctx context.Context, a *app, plural, name string, rows func([]T) *table) error {
	var one T
	if err := a.get(ctx, "/v1/"+plural+"/"+url.PathEscape(name), &one); err != nil {
		return err
	}
	return a.print(one, func() error { return a.showFields(one, rows([]T{one})) })
}

// completeNames asks the daemon for the names that exist; a shell that
// completes must never wait or complain, so errors give no names.
func completeNames[T any](a *app, plural string, name func(T) string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(cmdContext(cmd)), completionTimeout)
		defer cancel()
		var list adminapi.List[T]
		if client, err := a.client(); err != nil || client.Get(ctx, "/v1/"+plural, &list) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, item := range list.Items {
			names = append(names, name(item))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func breakerNames(a *app) cobra.CompletionFunc {
	return completeNames(a, "breakers", func(b adminapi.Breaker) string { return b.Name })
}

func ruleNames(a *app) cobra.CompletionFunc {
	return completeNames(a, "rate_limits", func(r adminapi.RateLimit) string { return r.Name })
}
