package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// partOfOperation is the part that an operation of the monitor is about. One of the program's
// own is none of ours.
func partOfOperation(s *adminapi.Status, operation string) (kind, name string) {
	if route, is := strings.CutPrefix(operation, routeOperation); is {
		return "route", route
	}
	if rest, is := strings.CutPrefix(operation, "pool:"); is {
		pool, _, _ := strings.Cut(rest, ":")
		return "pool", pool
	}
	if slices.ContainsFunc(s.Guards, func(g adminapi.Guard) bool { return g.Name == operation }) {
		return "guard", operation
	}
	return "operation", operation
}

// alertSentence says what an alert means for the part that it is about.
func alertSentence(subject string, a *adminapi.Alert) string {
	means := map[string]string{
		"latency": " is slow: ", "errors": " fails more than it may: ", "throughput": " gets other numbers of calls than it should: ", "objective": " uses its objective up too fast: ",
	}[a.Kind]
	return fmt.Sprintf("%s%s%s, since %s (%s), over %s", subject, means, a.Text, clockText(a.Since), span(a.SinceSeconds), counted(a.Calls, "call", "calls"))
}

// alerts adds the alerts of a part: to its numbers, and to what is wrong with it where
// nothing else is.
func (e *explanation) alerts(kind, name string) {
	for i := range e.status.Performance.Alerts {
		a := &e.status.Performance.Alerts[i]
		if k, n := partOfOperation(e.status, a.Operation); k != kind || n != name {
			continue
		}
		unit := map[string]string{"latency": "seconds", "errors": "ratio", "throughput": "per_second"}[a.Kind]
		e.against(strings.ReplaceAll(a.Measure, "_", " "), a.Seen, a.Against, unit, true, "alert by "+a.Cause)
		if e.Well {
			e.Well, e.Since, e.Verdict = false, a.Since, alertSentence(spacedKind(kind)+" "+name, a)
		}
		e.try("get operations "+quoted(a.Operation), "what is normal for it, and its objectives")
		e.try("alerts silence "+quoted(a.Operation)+" --for 1h --reason TEXT", "if it is known")
	}
}
