package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) whyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "why [[KIND] NAME]", Short: "Say what is wrong with a part, since when, and what to try", GroupID: groupLook,
		Long: "Say in one screen what is wrong with a guard, breaker, rate_limit, pool, route, service or\n" +
			"check, or with memory: the numbers against their thresholds, the last errors, whoever holds\n" +
			"its places, the keys that are denied most, what changed in the half hour before it began,\n" +
			"and what to try. KIND may be left out where the name belongs to one part alone. A route is\n" +
			"also found by its match. Without a name it is about what hurts most.",
		Example: "  foundation why checkout\n  foundation why breaker payments\n  foundation why route /payments/",
		Args: func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0, 1, 2:
				return nil
			}
			return fmt.Errorf("%q is one argument too many: this takes KIND and NAME", args[2])
		},
		ValidArgsFunction: a.completeWhy,
		RunE: a.run(func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				worst, err := a.worst(ctx)
				if err != nil || worst == nil {
					return err
				}
				args = worst
			}
			parts := []string{"/v1/why"}
			for _, arg := range args {
				parts = append(parts, url.PathEscape(arg))
			}
			var w adminapi.Why
			if err := a.get(ctx, strings.Join(parts, "/"), &w); err != nil {
				return err
			}
			return a.print(w, func() error { return a.whyPage(&w) })
		}),
	}
}

// worst is what the status would ask about first, nil if it finds nothing: then that is said.
func (a *app) worst(ctx context.Context) ([]string, error) {
	var s adminapi.Status
	if err := a.get(ctx, "/v1/status", &s); err != nil {
		return nil, err
	}
	for i := range s.Findings {
		if f := &s.Findings[i]; strings.HasPrefix(f.Command, "foundation why ") {
			if f.Name == "" {
				return []string{f.Kind}, nil
			}
			return []string{f.Kind, f.Name}, nil
		}
	}
	a.say("%s: nothing of which 'foundation status' says why", s.Verdict)
	return nil, nil
}

// completeWhy completes kinds and names.
func (a *app) completeWhy(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmdContext(cmd)), completionTimeout)
	defer cancel()
	var s adminapi.Status
	if client, err := a.client(); len(args) > 1 || err != nil || client.Get(ctx, "/v1/status", &s) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	of := map[string][]string{}
	for i := range s.Guards {
		of["guard"] = append(of["guard"], s.Guards[i].Name)
	}
	for i := range s.Breakers {
		of["breaker"] = append(of["breaker"], s.Breakers[i].Name)
	}
	for i := range s.RateLimits {
		of["rate_limit"] = append(of["rate_limit"], s.RateLimits[i].Name)
	}
	for i := range s.Pools {
		of["pool"] = append(of["pool"], s.Pools[i].Name)
	}
	for i := range s.Routes {
		of["route"] = append(of["route"], s.Routes[i].Name)
	}
	if len(args) == 1 {
		return of[strings.ReplaceAll(args[0], "-", "_")], cobra.ShellCompDirectiveNoFileComp
	}
	names := []string{"guard", "breaker", "rate_limit", "pool", "route", "service", "check", "memory"}
	for _, more := range of {
		names = append(names, more...)
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) whyPage(w *adminapi.Why) error {
	glyph := cell{"● ", good}
	if !w.Well {
		glyph = cell{"✗ ", bad}
	}
	for i, line := range wrapped(printable(w.Verdict), pageWidth-2) {
		if i > 0 {
			glyph = cell{"  ", plain}
		}
		a.say("%s%s", paint(glyph.text, glyph.style, a.colour()), line)
	}
	err := errors.Join(
		a.section("NUMBERS", len(w.Numbers), func() *table { return numberTable(w.Numbers) }),
		a.section("PARTS", len(w.Parts), func() *table { return partStates(w.Parts) }),
	)
	a.whyErrors(w.Errors)
	err = errors.Join(err,
		a.section("HOLDS ITS PLACES", len(w.Holders), func() *table { return holderTable(w.Holders) }),
		a.section("DENIED MOST, SINCE THE START", len(w.Denied), func() *table { return deniedTable(w.Denied) }),
		a.section("CHANGED BEFORE IT BEGAN", len(w.Before), func() *table { return beforeTable(w.Before) }),
	)
	if !w.Well && len(w.Before) == 0 {
		a.say("\n%s", paint("CHANGED BEFORE IT BEGAN", bold, a.colour()))
		a.say("nothing that is known, in the half hour before")
	}
	if w.BeforeNote != "" {
		a.sayWrapped("", w.BeforeNote)
	}
	a.tryLines(w.Try)
	return err
}

func numberTable(numbers []adminapi.Number) *table {
	t := newTable("", "NAME", ">VALUE", ">AGAINST", "…ABOUT")
	for i := range numbers {
		n := &numbers[i]
		mark, value := cell{" ", plain}, cell{amount(n.Value, n.Unit), plain}
		if n.Bad {
			mark, value.style = cell{"✗", bad}, bad
		}
		limit := ""
		if n.Bounded {
			limit = amount(n.Limit, n.Unit)
		}
		t.row(mark, n.Name, value, limit, n.Note)
	}
	return t
}

// amount writes a number in its unit.
func amount(v float64, unit string) string {
	switch unit {
	case "seconds":
		return cmp.Or(seconds(v), "0s")
	case "ratio":
		return strconv.FormatFloat(100*v, 'f', map[bool]int{true: 1, false: 0}[v > 0 && v < 0.1], 64) + "%"
	case "bytes":
		return byteText(int64(v))
	case "per_second":
		return fmt.Sprintf("%.3g/s", v)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func partStates(parts []adminapi.WhyPart) *table {
	t := newTable("", "KIND", "~NAME", "…STATE")
	for _, p := range parts {
		mark := cell{"●", good}
		if !p.Well {
			mark = cell{"✗", bad}
		}
		t.row(mark, spaced(p.Kind), p.Name, p.State)
	}
	return t
}

// whyErrors lists classes of errors with the text of one of them, which is not cut: it often
// says what to do.
func (a *app) whyErrors(list []adminapi.WhyError) {
	if len(list) == 0 {
		return
	}
	a.say("\n%s", paint("LAST ERRORS, COUNTED SINCE THE START", bold, a.colour()))
	for i := range list {
		e := &list[i]
		a.sayWrapped("  ", fmt.Sprintf("%s ×%d, last %s ago at %s (%s)", e.Class, e.Count, since(e.AgoSeconds), timeOfDay(e.Last), e.Where))
		if e.Detail != "" {
			a.sayWrapped("    ", e.Detail)
		}
	}
}

// timeOfDay is a time of today with its zone, as the server writes it in its sentences.
func timeOfDay(at time.Time) string { return at.UTC().Format(time.TimeOnly + "Z") }

func holderTable(holders []adminapi.Holder) *table {
	t := newTable("KIND", "~NAME", ">HELD", ">OLDEST")
	for _, h := range holders {
		t.row(h.Kind, h.Name, h.Held, seconds(h.OldestSeconds))
	}
	return t
}

func deniedTable(keys []adminapi.Denied) *table {
	t := newTable("~KEY", ">DENIED", ">SHARE", ">LAST", "OVERRIDE")
	for _, k := range keys {
		t.row(k.Key, k.Denied, amount(k.Share, "ratio"), since(k.AgoSeconds)+" ago", yesText(k.Override))
	}
	return t
}

func beforeTable(list []adminapi.Before) *table {
	t := newTable("AT", ">BEFORE IT", "WHAT", "BY", "…TEXT")
	for i := range list {
		b := &list[i]
		what := b.What
		if strings.Contains(what, "revision") {
			what += " " + b.Name
		}
		t.row(timeOfDay(b.At), since(b.EarlierSeconds), what, b.Actor, b.Text)
	}
	return t
}

func (a *app) tryLines(list []adminapi.Try) {
	if len(list) == 0 {
		return
	}
	a.say("\n%s", paint("TRY", bold, a.colour()))
	for _, t := range list {
		if t.Command == "" {
			a.sayWrapped("  - ", t.Text)
			continue
		}
		a.say("  - %s", paint(printable(a.ownCommand(t.Command)), bold, a.colour()))
		a.sayWrapped("    ", t.Text)
	}
}
