package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/cmd/internal/cells"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) statusCommand() *cobra.Command {
	var watch, fleet bool
	every := length{2 * time.Second}
	cmd := &cobra.Command{
		Use: "status", Short: "Show the whole layer on one page", GroupID: groupLook, Args: cobra.NoArgs,
		Long: "Show a verdict, what is wrong in words with the command that tells more, and every route,\n" +
			"guard, breaker, rate limit and pool, worst first. Rates, durations and what did not succeed\n" +
			"are of the last minute; 'get' has the numbers since the start.\n" +
			"With --fleet, the instances that share rate limits, as the one that is asked has heard of them.",
		RunE: a.run(func(ctx context.Context, _ []string) error {
			page := a.printStatus
			if fleet {
				page = a.printFleet
			}
			if watch {
				return a.watchStatus(ctx, every.Duration, page)
			}
			return page(ctx)
		}),
	}
	cmd.Flags().BoolVar(&fleet, "fleet", false, "show the instances that share rate limits")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show it again and again until interrupted")
	cmd.Flags().Var(&every, "every", "pause between two looks of --watch")
	return cmd
}

func (a *app) printStatus(ctx context.Context) error {
	var status adminapi.Status
	if err := a.get(ctx, "/v1/status", &status); err != nil {
		return err
	}
	return a.print(status, func() error { return a.statusPage(&status) })
}

const clearScreen = "\x1b[H\x1b[2J"

func (a *app) watchStatus(ctx context.Context, every time.Duration, page func(context.Context) error) error {
	if every < 100*time.Millisecond {
		return usage(errors.New("--every must be at least 100ms"), "")
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if a.env.Terminal && a.output == "table" {
			fmt.Fprint(a.env.Stdout, clearScreen)
		}
		if err := page(ctx); err != nil && ctx.Err() == nil { // an interrupted look is no failure
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *app) statusPage(s *adminapi.Status) error {
	style := good
	if s.Verdict != "ok" {
		style = warn
	}
	a.say("%s", paint(verdictGlyph(s.Verdict)+" "+s.Verdict, style, a.colour()))
	for i := range s.Findings {
		a.finding(&s.Findings[i])
	}
	if len(s.Findings) == 0 { // of a daemon that does not tell them apart
		for _, reason := range s.Reasons {
			a.sayWrapped("  - ", reason)
		}
	}
	a.sayWrapped("", fmt.Sprintf("%s, namespace %s, up %s, configuration revision %d%s", s.Build, s.Namespace, seconds(s.UptimeSeconds), s.Config.Revision, driftNote(&s.Config)))
	for _, l := range s.Listeners {
		a.say("%-8s %s://%s", l.Name, map[bool]string{false: "http", true: "https"}[l.TLS], l.Address)
	}
	if h := &s.Health; h.Status != "" {
		a.say("health   %s, score %d%s", h.Status, h.Score, unwell(len(h.Failing)))
	}
	if line := storageLine(&s.Storage); line != "" {
		a.sayWrapped("storage  ", line)
	}
	if s.Shared.On {
		a.sayWrapped("shared   ", sharedLine(&s.Shared))
	}
	if line := memoryLine(&s.Memory); line != "" {
		a.sayWrapped("memory   ", line)
	}
	if l := &s.LogLevel; l.Level != l.Configured {
		a.sayWrapped("log      ", strings.TrimPrefix(logLevelText(l), "log "))
	}
	guards, own := ownApart(s.Guards, func(g *adminapi.Guard) (string, bool) { return g.Name, g.Recent.Trouble == "" })
	breakers, _ := ownApart(s.Breakers, func(b *adminapi.Breaker) (string, bool) { return b.Name, b.State == "closed" && b.Override.State == "" })
	err := errors.Join(
		a.section("ROUTES"+spanNote(s), len(s.Routes), func() *table { return routeStatus(s.Routes) }),
		a.section("GUARDS"+spanNote(s), len(guards), func() *table { return guardStatus(guards) }),
	)
	a.ownNote(own)
	return errors.Join(
		err,
		a.section("BREAKERS", len(breakers), func() *table { return breakerStatus(breakers) }),
		a.section("RATE LIMITS", len(s.RateLimits), func() *table { return rateLimitStatus(s) }),
		a.section("POOLS", len(s.Pools), func() *table { return poolStatus(s.Pools) }),
		a.section("SERVICES THAT DO NOT RUN", len(notRunning(s.Services)), func() *table { return serviceTable(notRunning(s.Services)) }),
	)
}

// ownPrefix begins the names of the parts that the layer itself has.
const ownPrefix = "foundation."

// ownApart leaves out the parts of the layer itself that are well, and counts them.
func ownApart[T any](parts []T, of func(*T) (name string, well bool)) (shown []T, own int) {
	for i := range parts {
		if name, well := of(&parts[i]); well && strings.HasPrefix(name, ownPrefix) {
			own++
		} else {
			shown = append(shown, parts[i])
		}
	}
	return shown, own
}

// ownNote says that parts of the layer itself were left out.
func (a *app) ownNote(n int) {
	if n == 1 {
		a.say("and 1 of the layer itself, which is well")
	} else if n > 1 {
		a.say("and %d of the layer itself, which are well", n)
	}
}

// finding says what is wrong, and on a line of its own which command tells more.
func (a *app) finding(f *adminapi.Finding) {
	a.sayWrapped("  - ", f.Text)
	if f.Command != "" {
		command := a.ownCommand(f.Command)
		a.say("    → %s", paint(printable(command), bold, a.colour()))
	}
}

// ownCommand is a command of the program, as it was called.
func (a *app) ownCommand(command string) string {
	rest, ours := strings.CutPrefix(command, "foundation ")
	if !ours {
		return command
	}
	if a.where.addr != "" { // of the daemon that was asked
		rest += " --addr " + a.where.addr
	}
	return cmp.Or(a.env.Program, "foundation") + " " + rest
}

// sayWrapped writes a text in lines that fit on the page, behind a first word and below it.
func (a *app) sayWrapped(first, text string) {
	lines := wrapped(printable(text), pageWidth-width(first))
	for i, line := range lines {
		if i > 0 {
			first = strings.Repeat(" ", width(first))
		}
		a.say("%s%s", first, line)
	}
}

// wrapped is [cells.Wrap].
func wrapped(text string, most int) []string { return cells.Wrap(text, most) }

// notRunning are the services to look at: those that have done their work are not among
// them.
func notRunning(services []adminapi.Service) (list []adminapi.Service) {
	for i := range services {
		if s := services[i].State; s != "running" && s != "stopped" && s != "completed" {
			list = append(list, services[i])
		}
	}
	return list
}

func verdictGlyph(verdict string) string {
	if verdict == "ok" {
		return "●"
	}
	return "▲"
}

// driftNote says that what runs is not what the file says.
func driftNote(c *adminapi.ConfigStatus) string {
	if !c.Drifted {
		return ""
	}
	return ", drifted from the file: see 'foundation config diff'"
}

// storageLine says where events are recorded and how many there are.
func storageLine(s *adminapi.Storage) string {
	var line string
	switch s.Kind {
	case "":
		return ""
	case "memory":
		line = "memory, which ends with the process"
	case "path":
		line = "directory"
	default:
		line = s.Kind
	}
	line += ": " + numbered(s.Events, "event")
	if s.Bytes > 0 {
		line += ", " + byteText(s.Bytes)
	}
	if s.Away != "" {
		line += " when it was last seen"
	}
	return line + fmt.Sprintf("; %d wait, %d dropped", s.Waiting, s.Dropped)
}

func (a *app) section(title string, rows int, build func() *table) error {
	if rows == 0 {
		return nil
	}
	a.say("\n%s", paint(title, bold, a.colour()))
	return a.show(build().fit(pageWidth))
}

// unwell says how many checks are not well, if any.
func unwell(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "; 1 check is not well"
	}
	return fmt.Sprintf("; %d checks are not well", n)
}
