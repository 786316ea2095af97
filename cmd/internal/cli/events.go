package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// eventFilter chooses events by what the flags say.
type eventFilter struct {
	kind, severity, name, correlation, since, until string
	components                                      []string
	limit                                           int
}

func (a *app) eventsCommand() *cobra.Command {
	var filter eventFilter
	var follow bool
	cmd := &cobra.Command{
		Use: "events", Short: "Show what happened, the newest last", GroupID: groupLook, Args: cobra.NoArgs,
		Long: "Show the newest recorded events that match, oldest of them first, and with --follow\n" +
			"those that come. A daemon that restarts is waited for, and nothing is missed that it\n" +
			"recorded. With --follow -o json is one object a line.",
		Example: "  foundation events --since 15m --severity warning\n  foundation events -f --type 'circuit_breaker.*'\n  foundation events --name payments -o json",
		RunE: a.run(func(ctx context.Context, _ []string) error {
			if follow {
				return a.followEvents(ctx, &filter)
			}
			return a.printEvents(ctx, &filter)
		}),
	}
	filter.register(cmd)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with those that come, until interrupted")
	return cmd
}

func (f *eventFilter) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "not before: how long ago, as in 15m or 7d, or a time, as in 2026-01-31T12:00:00Z")
	flags.StringVar(&f.until, "until", "", "not after, in the same form")
	flags.StringVar(&f.kind, "type", "", "type of the events, where * stands for anything, as in 'circuit_breaker.*'")
	flags.StringVar(&f.severity, "severity", "", "least severity: info, warning or error")
	flags.StringArrayVar(&f.components, "component", nil, "kind of part, as in circuit_breaker; repeated for several")
	flags.StringVar(&f.name, "name", "", "name of the part")
	flags.StringVar(&f.correlation, "correlation", "", "correlation id of a request")
	flags.IntVarP(&f.limit, "limit", "n", 100, "how many of the newest are shown at most")
	_ = cmd.RegisterFlagCompletionFunc("severity", cobra.FixedCompletions([]string{"info", "warning", "error"}, cobra.ShellCompDirectiveNoFileComp))
}

// query renders the filter for the API.
func (f *eventFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{
		"type": f.kind, "severity": f.severity, "name": f.name, "correlation": f.correlation, "since": f.since, "until": f.until,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for _, c := range f.components {
		q.Add("component", c)
	}
	return q
}

// newest reads the newest events that match, oldest first.
func (a *app) newest(ctx context.Context, f *eventFilter) (adminapi.Events, error) {
	var page adminapi.Events
	if f.limit < 1 {
		return page, usage(errors.New("--limit must be at least 1"), "")
	}
	q := f.query()
	q.Set("limit", strconv.Itoa(f.limit))
	q.Set("order", "descending")
	err := a.get(ctx, "/v1/events?"+q.Encode(), &page)
	slices.Reverse(page.Items)
	return page, err
}

func (a *app) printEvents(ctx context.Context, f *eventFilter) error {
	page, err := a.newest(ctx, f)
	if err != nil {
		return err
	}
	return a.print(page, func() error {
		switch {
		case page.More && len(page.Items) == 0:
			a.say("no events match among the newest; there was no time to look at the older ones: narrow the search with --since and --until")
		case len(page.Items) == 0:
			a.say("no events match")
		case page.More:
			fmt.Fprintf(a.env.Stderr, "These are the newest %d; there are older ones: see --limit and --until.\n", len(page.Items))
		}
		if len(page.Items) == 0 {
			return nil
		}
		return newEventLines(page.Items).write(a, page.Items)
	})
}

// reconnectPause is how long a daemon that has gone is waited for between attempts.
const reconnectPause = time.Second

// followEvents shows what is there and then what comes. A stream that ends, as that of a
// daemon that restarts, is begun again after the last event that was seen.
func (a *app) followEvents(ctx context.Context, f *eventFilter) error {
	if f.until != "" {
		return usage(errors.New("--until and --follow exclude each other: what comes has no end"), "")
	}
	page, err := a.newest(ctx, f)
	if err != nil {
		return err
	}
	lines := newEventLines(page.Items)
	if err := a.printFollowed(lines, page.Items); err != nil {
		return err
	}
	last := uint64(0)
	if n := len(page.Items); n > 0 {
		last = page.Items[n-1].Seq
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	return a.followFrom(ctx, client, f.query(), last, func(e adminapi.Event) error {
		return a.printFollowed(lines, []adminapi.Event{e})
	})
}

func (a *app) followFrom(ctx context.Context, client *adminapi.Client, q url.Values, last uint64, show func(adminapi.Event) error) error {
	told := false
	for {
		q.Set("after", strconv.FormatUint(last, 10))
		err := client.Follow(ctx, "/v1/events/stream?"+q.Encode(), func(e adminapi.Event) error {
			last, told = e.Seq, false
			return show(e)
		})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // an interruption is how this ends
		}
		switch {
		case errors.Is(err, adminapi.ErrUnreachable):
			if !told {
				fmt.Fprintln(a.env.Stderr, "The daemon does not answer: waiting for it.")
				told = true
			}
		case err != nil:
			return a.explain(err)
		}
		if !clock.Sleep(ctx, reconnectPause) {
			return nil
		}
	}
}

// printFollowed writes events one by one in the chosen form.
func (a *app) printFollowed(lines *eventLines, events []adminapi.Event) error {
	if a.output == "table" {
		return lines.write(a, events)
	}
	for i := range events {
		if err := a.printOne(events[i]); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printOne(e adminapi.Event) error {
	if a.output == "yaml" {
		a.say("---")
		return a.printYAML(e)
	}
	raw, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("render the event: %w", err)
	}
	a.say("%s", escaped(raw))
	return nil
}

// eventLines writes events as lines whose columns stay where they are while more come.
type eventLines struct {
	widths []int
	header bool // it was written
}

var eventHeader = []string{"TIME", "SEVERITY", "TYPE", "NAME", "WHAT"}

const eventTime = "2006-01-02 15:04:05.000Z07:00"

func newEventLines(events []adminapi.Event) *eventLines {
	l := &eventLines{widths: []int{len(time.Now().Format(eventTime)), len("SEVERITY"), len("circuit_breaker.state_change"), len("a.usual_name"), 0}}
	for i := range events {
		l.fit(eventCells(&events[i]))
	}
	return l
}

func (l *eventLines) fit(row []cell) {
	for i, c := range row[:len(row)-1] {
		l.widths[i] = max(l.widths[i], width(c.text))
	}
}

func (l *eventLines) write(a *app, events []adminapi.Event) error {
	var b strings.Builder
	t := newTable(eventHeader...)
	if !l.header && len(events) > 0 {
		l.header = true
		var head []cell
		for _, h := range eventHeader {
			head = append(head, cell{h, bold})
		}
		l.line(&b, t, head, a.colour())
	}
	for i := range events {
		l.line(&b, t, eventCells(&events[i]), a.colour())
	}
	_, err := fmt.Fprint(a.env.Stdout, b.String())
	return err
}

func (l *eventLines) line(b *strings.Builder, t *table, row []cell, colour bool) {
	l.fit(row)
	l.widths[len(row)-1] = width(row[len(row)-1].text)
	t.writeRow(b, row, l.widths, colour)
}

func eventCells(e *adminapi.Event) []cell {
	s := map[string]style{"warning": warn, "error": bad}[e.Severity]
	row := []cell{{e.Time.Local().Format(eventTime), faint}, {e.Severity, s}, {e.Type, plain}, {e.Name, plain}, {eventText(e), plain}}
	for i := range row {
		if row[i].text = printable(row[i].text); row[i].text == "" && i < len(row)-1 {
			row[i].text = "-"
		}
	}
	return row
}
