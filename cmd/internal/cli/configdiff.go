package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) diffCommand() *cobra.Command {
	return &cobra.Command{
		Use: "diff [FILE | REVISION REVISION]", Short: "Show what a reload, or a file, would change, or two revisions", Args: cobra.MaximumNArgs(2),
		Long: "Show what the daemon would change if it read its file again or, with FILE (- is stdin), if\n" +
			"that took the place of what it runs, or in which lines two revisions differ. Nothing is\n" +
			"changed.\n\n" +
			"FILE is read here, with the variables and files of this process, and may be any: the one\n" +
			"of another environment, too. Variables are compared as they are written. Secrets are shown\n" +
			"nowhere; that one differs is.",
		Example: "  foundation config diff\n  foundation config diff foundation.yaml\n  git show HEAD:foundation.yaml | foundation config diff -\n  foundation config diff 3 4",
		RunE: a.run(func(ctx context.Context, args []string) error {
			switch len(args) {
			case 2:
				return a.diffRevisions(ctx, args[0], args[1])
			case 1:
				return a.diffFile(ctx, args[0])
			}
			var applied adminapi.Applied
			if err := a.send(ctx, http.MethodPost, "/v1/reload?dry_run=1", nil, &applied); err != nil {
				return err
			}
			return a.print(applied, func() error { return a.showApplied(applied) })
		}),
	}
}

// FileDifference is the answer of config diff with a file.
type FileDifference struct {
	adminapi.Applied

	File string `json:"file"`
	// Unsure are the paths of secrets in the file that may differ from what runs.
	Unsure []string `json:"unsure"`
}

// shownDocument is [adminapi.ConfigDocument] as a client reads it.
type shownDocument struct {
	Revision uint64          `json:"revision"`
	Hash     string          `json:"hash"`
	Document json.RawMessage `json:"document"`
}

// diffFile compares here: a file may name variables that the daemon does not have, and set
// what it would not take from anybody over the network.
func (a *app) diffFile(ctx context.Context, file string) error {
	next, err := a.load(ctx, file)
	if err != nil {
		return failed(err)
	}
	warnings, err := next.Validate(registry())
	if err != nil {
		return failed(err)
	}
	var now shownDocument
	if err := a.get(ctx, "/v1/config?format=json", &now); err != nil {
		return err
	}
	changes, unsure, err := config.Compare(now.Document, now.Hash, next, registry())
	if err != nil {
		return failed(err)
	}
	d := FileDifference{File: shownFile(file), Unsure: append([]string{}, unsure...), Applied: adminapi.Applied{
		APIVersion: adminapi.Version, Revision: now.Revision, DryRun: true, Changes: adminapi.ChangesOf(changes), Warnings: append([]fault.Problem{}, warnings...),
	}}
	return a.print(d, func() error { return a.showDifference(d) })
}

func (a *app) showDifference(d FileDifference) error {
	if len(d.Changes) > 0 || len(d.Unsure) == 0 {
		if err := a.showApplied(d.Applied); err != nil {
			return err
		}
	}
	if len(d.Unsure) > 0 {
		fmt.Fprintf(a.env.Stderr, "The daemon does not show its secrets: whether %s the same as here cannot be told.\n",
			strings.Join(d.Unsure, ", ")+map[bool]string{true: " is", false: " are"}[len(d.Unsure) == 1])
	}
	return nil
}

func (a *app) applyCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "apply FILE", Short: "Hand the daemon a configuration in place of the one it runs", Args: takes("FILE"),
		Long: "Hand the daemon a configuration (- is stdin) in place of the one it runs. It is in force at\n" +
			"once and, until the daemon's file changes, after a restart. 'config diff FILE' shows before\n" +
			"what would change.\n\n" +
			"What reaches into the daemon's machine (variables, files, storage, admin, where workers\n" +
			"connect to) must stand there as 'config show' shows it: only its own file sets that.",
		Example: "  foundation config show > now.yaml\n  foundation config apply now.yaml --reason 'a higher limit for the sale'",
		RunE: a.run(func(ctx context.Context, args []string) error {
			text, err := a.readFile(ctx, args[0])
			if err != nil {
				return failed(err)
			}
			var applied adminapi.Applied
			path := "/v1/config"
			if reason != "" {
				path += "?reason=" + url.QueryEscape(reason)
			}
			if err := a.send(ctx, http.MethodPut, path, adminapi.ConfigRequest{YAML: string(text)}, &applied); err != nil {
				return err
			}
			return a.print(applied, func() error { return a.showApplied(applied) })
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who read the history later")
	return cmd
}
