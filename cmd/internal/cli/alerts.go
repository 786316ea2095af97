package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) alertsCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "alerts", Short: "List the alerts, and silence those that are known", GroupID: groupLook,
		Long: "List the alerts: those that want somebody first. An alert says what was seen, against what,\n" +
			"since when and over how many calls. Suppressed is one whose operation is a part of another\n" +
			"that has the same alert.",
		Example: "  foundation alerts\n  foundation alerts --all",
		Args:    cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var list adminapi.List[adminapi.Alert]
			if err := a.get(ctx, "/v1/alerts", &list); err != nil {
				return err
			}
			return a.print(list, func() error { return a.showAlerts(ctx, list.Items, all) })
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those that have ended")
	cmd.AddCommand(a.silenceCommand(), a.silencesCommand(), a.unsilenceCommand())
	return cmd
}

func (a *app) showAlerts(ctx context.Context, alerts []adminapi.Alert, all bool) error {
	var shown []adminapi.Alert
	for i := range alerts {
		if all || alerts[i].State != "resolved" {
			shown = append(shown, alerts[i])
		}
	}
	if len(shown) == 0 {
		text := "no alert is on"
		if n := len(alerts); n > 0 && !all {
			text += fmt.Sprintf("; %d have ended: see 'foundation alerts --all'", n)
		}
		var s adminapi.Status
		if err := a.get(ctx, "/v1/status", &s); err != nil {
			return err
		}
		if !s.Performance.Running { // that nobody looks is not that all is well
			text += "; and no operation is watched: the monitor does not run, see performance in the configuration"
		}
		a.say("%s", text)
		return nil
	}
	return a.show(alertTable(shown))
}

func alertTable(alerts []adminapi.Alert) *table {
	t := newTable("STATE", "OPERATION", "KIND", "FOR", ">CALLS", "WHAT WAS SEEN", "NOTE")
	for i := range alerts {
		v := &alerts[i]
		t.row(alertState(v), v.Operation, v.Kind, lasted(v), v.Calls, v.Text, alertNote(v))
	}
	return t
}

func alertState(v *adminapi.Alert) cell {
	switch {
	case v.State == "firing" && v.Severity == "error":
		return cell{"✗ firing", bad}
	case v.State == "firing":
		return cell{"▲ firing", warn}
	case v.State == "resolved":
		return cell{"● resolved", good}
	}
	return cell{"○ " + v.State, faint}
}

func lasted(v *adminapi.Alert) string {
	if v.State == "resolved" {
		return since(v.ResolvedAt.Sub(v.Since).Seconds())
	}
	return since(v.SinceSeconds)
}

func alertNote(v *adminapi.Alert) string {
	switch {
	case v.State == "suppressed":
		return "a part of " + v.SuppressedBy
	case v.State == "silenced":
		return fmt.Sprintf("by %s for %s: %s", v.SilencedBy, since(v.SilenceSeconds), v.SilenceReason)
	case v.Accepted:
		return "it has lasted and is normal now"
	case v.State == "resolved":
		return v.ResolvedAt.Local().Format("15:04:05Z07:00")
	}
	return ""
}

func (a *app) silenceCommand() *cobra.Command {
	var request adminapi.SilenceRequest
	var lasting length
	cmd := &cobra.Command{
		Use: "silence NAME --for DURATION --reason TEXT", Short: "Call nobody for the alerts of an operation", Args: takes("NAME"),
		ValidArgsFunction: operationNames(a),
		Long: "Call nobody for the alerts of an operation, until the time is over. They are shown and\n" +
			"recorded all the same. A silence takes the place of one for the same operation and kind, and\n" +
			"ends with the process.",
		Example: "  foundation alerts silence checkout --kind latency --for 1h --reason 'the provider migrates'",
		RunE: a.run(func(ctx context.Context, args []string) error {
			if request.ForSeconds = lasting.Seconds(); lasting.Duration <= 0 {
				return usage(errors.New("a silence needs an end"), "add --for 1h")
			}
			if request.Reason == "" {
				return usage(errors.New("a silence needs a reason: whoever finds the alert will ask"), "add --reason 'why'")
			}
			var s adminapi.Silence
			if err := a.send(ctx, http.MethodPut, "/v1/silences/"+url.PathEscape(args[0]), request, &s); err != nil {
				return err
			}
			return a.print(s, func() error { return a.show(silenceTable([]adminapi.Silence{s})) })
		}),
	}
	cmd.Flags().StringVar(&request.Kind, "kind", "", "latency, errors, throughput or objective; all of them without it")
	lasting.register(cmd, "for how long, as in 1h or 1d")
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why, for those who find the alert silent")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions([]string{"latency", "errors", "throughput", "objective"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) silencesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "silences", Short: "List the silences", Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var list adminapi.List[adminapi.Silence]
			if err := a.get(ctx, "/v1/silences", &list); err != nil {
				return err
			}
			return a.print(list, func() error { return a.showSilences(list.Items) })
		}),
	}
}

func (a *app) showSilences(silences []adminapi.Silence) error {
	if len(silences) == 0 {
		a.say("there are no silences")
		return nil
	}
	return a.show(silenceTable(silences))
}

func (a *app) unsilenceCommand() *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use: "unsilence NAME", Short: "End a silence", Args: takes("NAME"), ValidArgsFunction: operationNames(a),
		Example: "  foundation alerts unsilence checkout --kind latency",
		RunE: a.run(func(ctx context.Context, args []string) error {
			path := "/v1/silences/" + url.PathEscape(args[0])
			if kind != "" {
				path += "?kind=" + url.QueryEscape(kind)
			}
			var list adminapi.List[adminapi.Silence]
			if err := a.send(ctx, http.MethodDelete, path, nil, &list); err != nil {
				return err
			}
			return a.print(list, func() error { return a.showSilences(list.Items) })
		}),
	}
	cmd.Flags().StringVar(&kind, "kind", "", "that of the silence; without it that for all kinds")
	return cmd
}

func silenceTable(silences []adminapi.Silence) *table {
	t := newTable("OPERATION", "KIND", "LEFT", "BY", "REASON")
	for _, s := range silences {
		kind := s.Kind
		if kind == "" {
			kind = "all"
		}
		t.row(s.Operation, kind, since(s.RemainingSeconds), s.Actor, s.Reason)
	}
	return t
}

func operationNames(a *app) cobra.CompletionFunc {
	return completeNames(a, "operations", operationName)
}

func operationName(o adminapi.Operation) string { return o.Name }

func operationTable(operations []adminapi.Operation) *table {
	t := newTable("NAME", "STATE", ">RATE", ">ERRORS", ">REFUSED", ">P50", ">P90", ">P99", "NORMAL", "OBJECTIVES", "ALERTS")
	for i := range operations {
		o := &operations[i]
		t.row(o.Name, operationState(o), fmt.Sprintf("%.3g/s", o.Rate), percent(o.ErrorRatio), count(o.Refused, warn),
			seconds(o.P50Seconds), seconds(o.P90Seconds), seconds(o.P99Seconds), normalText(o), objectivesText(o.Objectives), alertsText(o.Alerts))
	}
	return t
}

func percent(share float64) string {
	if share == 0 {
		return "0"
	}
	return fmt.Sprintf("%.3g%%", 100*share)
}

func operationState(o *adminapi.Operation) cell {
	switch o.State {
	case "normal":
		return cell{"● normal", good}
	case "alerting":
		return cell{"✗ alerting", bad}
	case "learning":
		return cell{"◐ learning, " + since(o.WarmUpLeftSeconds) + " left", warn}
	}
	return cell{"○ " + o.State, faint}
}

// normalText says what is normal, in the order of the columns.
func normalText(o *adminapi.Operation) string {
	var parts []string
	if n := &o.Normal; n.Rate > 0 || n.LatencySeconds > 0 {
		parts = append(parts, fmt.Sprintf("%.3g/s", n.Rate), percent(n.ErrorRatio), seconds(n.LatencySeconds))
	}
	return strings.Join(parts, " ")
}

func objectivesText(objectives []adminapi.Objective) string {
	var parts []string
	for _, o := range objectives {
		parts = append(parts, fmt.Sprintf("%s %s%% spent", o.Measure, fmt.Sprintf("%.3g", 100*o.Spent)))
	}
	return strings.Join(parts, ", ")
}

func alertsText(alerts []adminapi.Alert) string {
	var parts []string
	for i := range alerts {
		text := alerts[i].Kind
		if alerts[i].State != "firing" {
			text += " (" + alerts[i].State + ")"
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}
