package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "Check, show and compare configurations", GroupID: groupAct, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.validateCommand(), a.showConfigCommand(), a.diffCommand(), a.schemaCommand(), a.historyCommand(), a.rollbackCommand())
	return cmd
}

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE", Short: "Check a configuration file without a daemon", Args: takes("FILE"),
		Long: "Check a configuration file and report every fault with its line and column.\nThe exit code is 0 if a daemon would take it and 1 if not; warnings do not count.",
		RunE: a.run(func(ctx context.Context, args []string) error { return a.validate(ctx, args[0]) }),
	}
}

// Validation is the answer of config validate.
type Validation struct {
	APIVersion string `json:"api_version"`
	File       string `json:"file"`
	Valid      bool   `json:"valid"`
	Guards     int    `json:"guards"`
	Breakers   int    `json:"breakers"`
	RateLimits int    `json:"rate_limits"`
	Pools      int    `json:"pools"`
	Routes     int    `json:"routes"`
	Warnings   []any  `json:"warnings"`
}

func (a *app) validate(ctx context.Context, file string) error {
	c, err := config.Load(ctx, file, config.ParseOptions{LookupEnv: a.env.LookupEnv, Registry: registry()})
	if err != nil {
		return failed(err)
	}
	v := Validation{
		APIVersion: adminapi.Version, File: file, Valid: true, Warnings: []any{},
		Guards: len(c.Guards), Breakers: len(c.Breakers), RateLimits: len(c.RateLimits), Pools: len(c.Pools),
	}
	if g := settings.GatewayOf(c); g != nil {
		v.Routes = len(g.Routes)
	}
	warnings, err := c.Validate(registry())
	if err != nil {
		return failed(err)
	}
	for _, w := range warnings {
		v.Warnings = append(v.Warnings, w)
	}
	return a.print(v, func() error {
		for _, w := range warnings {
			fmt.Fprintln(a.env.Stderr, w.String())
		}
		a.say("%s is valid: %d guards, %d breakers, %d rate limits, %d pools, %d routes", file, v.Guards, v.Breakers, v.RateLimits, v.Pools, v.Routes)
		return nil
	})
}

func (a *app) showConfigCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show [REVISION]", Short: "Show the configuration that the daemon runs, or ran", Args: cobra.MaximumNArgs(1),
		Long: "Show the configuration that the daemon runs or, with REVISION, one that it ran, variables\nas they were written and secrets hidden.",
		RunE: a.run(func(ctx context.Context, args []string) error {
			if len(args) == 1 {
				return a.showRevision(ctx, args[0])
			}
			var c adminapi.Config
			if err := a.get(ctx, "/v1/config", &c); err != nil {
				return err
			}
			return a.print(c, func() error {
				a.say("# revision %d from %s, in use since %s\n%s", c.Revision, c.Source, timeText(c.AppliedAt.Format("2006-01-02T15:04:05Z07:00")), c.YAML)
				return nil
			})
		}),
	}
}

func (a *app) diffCommand() *cobra.Command {
	return &cobra.Command{
		Use: "diff [FILE | REVISION REVISION]", Short: "Show what a reload, or a file, would change, or two revisions", Args: cobra.MaximumNArgs(2),
		Long: "Show what the daemon would change if it read its file again or, with FILE, if it\nwere given that one, or in which lines two revisions differ. Nothing is changed.",
		RunE: a.run(func(ctx context.Context, args []string) error {
			if len(args) == 2 {
				return a.diffRevisions(ctx, args[0], args[1])
			}
			var applied adminapi.Applied
			if err := a.plan(ctx, args, &applied); err != nil {
				return err
			}
			return a.print(applied, func() error { return a.showApplied(applied) })
		}),
	}
}

func (a *app) plan(ctx context.Context, args []string, applied *adminapi.Applied) error {
	if len(args) == 0 {
		return a.send(ctx, http.MethodPost, "/v1/reload?dry_run=1", nil, applied)
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return failed(fmt.Errorf("read the configuration: %w", err))
	}
	return a.send(ctx, http.MethodPut, "/v1/config?dry_run=1", adminapi.ConfigRequest{YAML: string(text)}, applied)
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Write the JSON Schema of the configuration file, for editors", Args: cobra.NoArgs,
		RunE: a.run(func(context.Context, []string) error {
			schema, err := config.JSONSchema(registry())
			if err != nil {
				return err
			}
			_, err = a.env.Stdout.Write(schema)
			return err
		}),
	}
}
