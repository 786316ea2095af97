package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) checkCommand() *cobra.Command {
	request := adminapi.CheckRequest{}
	cmd := &cobra.Command{
		Use: "check RULE KEY [--take N]", Short: "Ask whether a rate limit would allow a key", GroupID: groupLook,
		Long: "Ask what a rule says of a key. Nothing is taken, unless --take says how much.\n" +
			"A key of several parts is written with \"/\" between them, each percent-encoded.\n" +
			"The exit code is 0 if the key is allowed and 1 if it is denied.",
		Args: takes("RULE", "KEY"), ValidArgsFunction: ruleNames(a),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if request.Take < 0 {
				return usage(errors.New("--take must not be negative"), "")
			}
			request.Rule, request.Key = args[0], a.keyArgument(args[1])
			var d adminapi.Decision
			if err := a.send(ctx, http.MethodPost, "/v1/check", request, &d); err != nil {
				return err
			}
			return a.answerDecision(d)
		}),
	}
	cmd.Flags().Int64Var(&request.Take, "take", 0, "take this many tokens as a call would")
	return cmd
}

func (a *app) answerDecision(d adminapi.Decision) error {
	if err := a.print(d, func() error { return a.show(decisionTable(d)) }); err != nil {
		return err
	}
	if !d.Allowed {
		return answeredNo(errors.New("denied"))
	}
	return nil
}

func decisionTable(d adminapi.Decision) *table {
	t := newTable("RULE", "KEY", "ANSWER", ">TAKEN", ">LIMIT", ">REMAINING", "RETRY IN", "FULL IN", "SOURCE", "OVERRIDE")
	answer := cell{"● allowed", good}
	if !d.Allowed {
		answer = cell{"○ denied", bad}
	}
	t.row(d.Rule, d.Key, answer, d.Taken, d.Limit, d.Remaining, seconds(d.RetryAfterSeconds), seconds(d.ResetAfterSeconds), d.Source, overrideText(d.Override))
	return t
}

func yesText(yes bool) string {
	if yes {
		return "yes"
	}
	return ""
}

// overrideText is short: what the key takes at once is in the column LIMIT.
func overrideText(o *adminapi.KeyOverride) string {
	switch {
	case o == nil:
		return ""
	case o.Exempt:
		return "exempt"
	}
	return fmt.Sprintf("%d/%s", o.Limit, seconds(o.PerSeconds))
}

func (a *app) rateLimitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rate-limit", Aliases: []string{"rate_limit", "ratelimit"}, Short: "Look at a key of a rate limit, or give it its tokens back", GroupID: groupAct,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.peekCommand(), a.resetKeyCommand(), a.deniedCommand())
	return cmd
}

func keyPath(rule, key string) string {
	return "/v1/rate_limits/" + url.PathEscape(rule) + "/keys/" + url.PathEscape(key)
}

func (a *app) peekCommand() *cobra.Command {
	return &cobra.Command{
		Use: "peek RULE KEY", Short: "Show what a key has left, taking nothing", Args: takes("RULE", "KEY"), ValidArgsFunction: ruleNames(a),
		RunE: a.run(func(ctx context.Context, args []string) error {
			var d adminapi.Decision
			if err := a.get(ctx, keyPath(args[0], a.keyArgument(args[1])), &d); err != nil {
				return err
			}
			return a.print(d, func() error { return a.show(decisionTable(d)) })
		}),
	}
}

func (a *app) resetKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reset RULE KEY", Short: "Forget what a key has used", Args: takes("RULE", "KEY"), ValidArgsFunction: ruleNames(a),
		RunE: a.run(func(ctx context.Context, args []string) error {
			var d adminapi.Decision
			if err := a.send(ctx, http.MethodDelete, keyPath(args[0], a.keyArgument(args[1])), nil, &d); err != nil {
				return err
			}
			return a.print(d, func() error { return a.show(decisionTable(d)) })
		}),
	}
}

func (a *app) deniedCommand() *cobra.Command {
	return &cobra.Command{
		Use: "denied RULE", Short: "List the keys that a rule denied most often", Args: takes("RULE"), ValidArgsFunction: ruleNames(a),
		RunE: a.run(func(ctx context.Context, args []string) error {
			var rule adminapi.RateLimit
			if err := a.get(ctx, "/v1/rate_limits/"+url.PathEscape(args[0]), &rule); err != nil {
				return err
			}
			return a.print(rule.TopDenied, func() error {
				t := newTable("KEY", ">DENIED", "OVERRIDE")
				for _, k := range rule.TopDenied {
					t.row(k.Key, k.Denied, yesText(k.Override))
				}
				return a.show(t)
			})
		}),
	}
}
