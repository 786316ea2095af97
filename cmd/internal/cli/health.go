package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) getHealthCommand() *cobra.Command {
	var group string
	var all bool
	cmd := &cobra.Command{
		Use: "health [NAME]", Short: "Show what is not well, root causes first, and the checks",
		Long: "Show the status, the score with what it lost and why, readiness and liveness, and as a tree\n" +
			"what is not well: a root cause, and below it what it impacts. Checks are always listed,\n" +
			"parts of the layer when they are not well, or with --all. NAME shows one of them whole.",
		Example: "  foundation get health\n  foundation get health orders_db\n  foundation get health --group shop",
		Args:    cobra.MaximumNArgs(1), ValidArgsFunction: a.completeHealth,
		RunE: a.run(func(ctx context.Context, args []string) error {
			if len(args) == 1 {
				return a.getComponent(ctx, args[0], group)
			}
			var h adminapi.Health
			if err := a.get(ctx, "/v1/health"+query(group), &h); err != nil {
				return err
			}
			return a.print(h, func() error { return a.healthPage(&h, all) })
		}),
	}
	cmd.Flags().StringVar(&group, "group", "", "what belongs to this group alone")
	cmd.Flags().BoolVar(&all, "all", false, "also list the parts of the layer that are well")
	return cmd
}

func query(group string) string {
	if group == "" {
		return ""
	}
	return "?group=" + url.QueryEscape(group)
}

func (a *app) getComponent(ctx context.Context, name, group string) error {
	if group != "" {
		return usage(errors.New("--group lists a group, and NAME shows one component"), "leave one of them out")
	}
	var c adminapi.HealthComponent
	if err := a.get(ctx, "/v1/health/"+escapedPath(name), &c); err != nil {
		return err
	}
	return a.print(c, func() error { return a.showFields(c, healthTable([]branch{{component: &c}})) })
}

// escapedPath escapes a name that may have slashes, which stay.
func escapedPath(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

func (a *app) completeHealth(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmdContext(cmd)), completionTimeout)
	defer cancel()
	var h adminapi.Health
	if client, err := a.client(); err != nil || client.Get(ctx, "/v1/health", &h) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for i := range h.Components {
		names = append(names, h.Components[i].Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) healthPage(h *adminapi.Health, all bool) error {
	head := healthWord(h.Status)
	a.say("%s  score %d  %s  %s", paint(head.text, head.style, a.colour()), h.Score, decided("ready", h.Ready, h.NotReady), decided("live", h.Live, h.NotLive))
	for _, d := range h.Deductions {
		a.say("  −%-3d %s: %s", d.Points, printable(d.Component), printable(d.Why))
	}
	shown := make([]adminapi.HealthComponent, 0, len(h.Components))
	for i := range h.Components {
		if c := &h.Components[i]; all || c.IsCheck || c.Status != "pass" {
			shown = append(shown, *c)
		}
	}
	if len(shown) > 0 {
		a.say("")
		if err := a.show(healthTable(treeOf(shown))); err != nil {
			return err
		}
	}
	if more := len(h.Components) - len(shown); more > 0 {
		a.say("\nparts of the layer that are well: %d; --all lists them", more)
	}
	return nil
}

// decided says how a probe answers, and why not otherwise.
func decided(what string, yes bool, why []string) string {
	if yes {
		return what
	}
	text := "NOT " + strings.ToUpper(what)
	if len(why) > 0 {
		text += " (" + printable(strings.Join(why, "; ")) + ")"
	}
	return text
}

// branch is a component with its place in the tree.
type branch struct {
	component *adminapi.HealthComponent
	depth     int
}

// treeOf puts what is impacted below what it depends on, in the order of the wire: what is
// not well first.
func treeOf(components []adminapi.HealthComponent) []branch {
	var out []branch
	done := make(map[string]bool, len(components))
	var add func(c *adminapi.HealthComponent, depth int)
	add = func(c *adminapi.HealthComponent, depth int) {
		if done[c.Name] {
			return
		}
		done[c.Name] = true
		out = append(out, branch{c, depth})
		for i := range components {
			if below := &components[i]; below.Impacted && slices.Contains(below.DependsOn, c.Name) {
				add(below, depth+1)
			}
		}
		for i := range components { // what stands between may be well
			if below := &components[i]; below.Impacted && slices.Contains(below.Causes, c.Name) {
				add(below, depth+1)
			}
		}
	}
	for _, impacted := range []bool{false, true} { // the cause of what is impacted may not be among them
		for i := range components {
			if components[i].Impacted == impacted {
				add(&components[i], 0)
			}
		}
	}
	return out
}

func healthTable(tree []branch) *table {
	t := newTable("NAME", "STATUS", "FOR", "WEIGHT", "LAST", "WHY", "MORE")
	for _, b := range tree {
		c := b.component
		name := c.Name
		if b.depth > 0 {
			name = strings.Repeat("   ", b.depth-1) + "└─ " + name
		}
		t.row(name, healthWord(c.Status), since(c.SinceSeconds), weight(c), lastRun(c), whyNot(c), more(c))
	}
	return t
}

func healthWord(status string) cell {
	switch status {
	case "pass":
		return cell{"● pass", good}
	case "warn":
		return cell{"▲ warn", warn}
	case "fail":
		return cell{"✗ FAIL", bad}
	}
	return cell{"? " + status, warn}
}

// weight is what the component decides.
func weight(c *adminapi.HealthComponent) string {
	text := c.Criticality
	if c.Readiness {
		text += ", readiness"
	}
	if c.Liveness {
		text += ", liveness"
	}
	return text
}

func lastRun(c *adminapi.HealthComponent) string {
	if !c.IsCheck {
		return ""
	}
	text := spaced(c.Outcome)
	if c.InARow > 1 {
		text += fmt.Sprintf(" ×%d", c.InARow)
	}
	return text
}

func whyNot(c *adminapi.HealthComponent) string {
	if !c.Impacted {
		return c.Output
	}
	text := "because of " + strings.Join(c.Causes, ", ")
	if c.Output != "" {
		text += ": " + c.Output
	}
	return text
}

// more is the command that tells more, where it is another than this one.
func more(c *adminapi.HealthComponent) string {
	if c.Status == "pass" || c.IsCheck {
		return ""
	}
	return c.See
}
