package admin

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// deniedRetries is how many failures to one target must have been left as they are within the
// window of its budget, for that to be told: as many as calls in trouble must be.
const deniedRetries = troubledCalls

// budgetWindow names the window of a budget of retries.
const budgetWindow = "in the last 10s"

// spent returns the budget of g that denied most, nil if none is worth a word.
func spent(g *adminapi.Guard) *adminapi.RetryBudget {
	var worst *adminapi.RetryBudget
	for i := range g.Retries.Budgets {
		if b := &g.Retries.Budgets[i]; b.Denied >= deniedRetries && (worst == nil || b.Denied > worst.Denied) {
			worst = b
		}
	}
	return worst
}

// judgeRetries names the guards that fail too often for their retries to hide it, and are well
// beside that: where a guard is in trouble, its own finding says it.
func (s *verdict) judgeRetries() {
	for i := range s.Guards {
		g := &s.Guards[i]
		if spent(g) == nil || s.covered["guard "+g.Name] {
			continue
		}
		s.covered["guard "+g.Name] = true
		s.find(rankDegraded, adminapi.Finding{
			Kind: "guard", Name: g.Name, Text: spentSentence(g), Command: "why guard " + quoted(g.Name), Takes: s.coverRoutes(),
		})
	}
}

func spentSentence(g *adminapi.Guard) string { return "retries of guard " + g.Name + spentNumbers(g) }

// spentText adds to what is wrong with a guard that retries hide it no longer.
func spentText(g *adminapi.Guard) string {
	if spent(g) == nil {
		return ""
	}
	return "; its retries" + spentNumbers(g)
}

// spentNumbers says what the budget that denied most allowed, and what it did not.
func spentNumbers(g *adminapi.Guard) string {
	b, to := spent(g), ""
	if b.Target != "" {
		to = " to " + b.Target
	}
	return fmt.Sprintf("%s are used up: %d of %s %s (%s and one a second are allowed), and %s not tried again", to, b.Retries,
		counted(b.FirstAttempts, "first attempt", "first attempts"), budgetWindow, percentText(g.Retries.Share), counted(b.Denied, "failure was", "failures were"))
}

// shownBudgets bounds the targets of an explanation.
const shownBudgets = 5

// retriesOf adds what a guard tries again, why it does not, and the budgets of its targets,
// those first that have denied most.
func (e *explanation) retriesOf(g *adminapi.Guard) {
	r := &g.Retries
	if r.Attempts == 0 {
		return
	}
	e.number("attempts", float64(r.Attempts), "", false, "that a call may have at most")
	var first, retries uint64
	for i := range r.Budgets {
		first, retries = first+r.Budgets[i].FirstAttempts, retries+r.Budgets[i].Retries
	}
	e.against("retried", shareOf(retries, first), r.Share, "ratio", spent(g) != nil, fmt.Sprintf("%d retries of %s %s; one a second is allowed beside", retries, counted(first, "first attempt", "first attempts"), budgetWindow))
	e.number("retries", float64(r.Retried), "", false, "since the start"+split(r.RetriedFor, 0))
	e.number("not tried again", float64(r.Stopped), "", false, "calls that failed, since the start"+split(r.StoppedBy, 0))
	all := slices.SortedStableFunc(slices.Values(r.Budgets), func(x, y adminapi.RetryBudget) int {
		return cmp.Or(cmp.Compare(y.Denied, x.Denied), cmp.Compare(y.Retries, x.Retries), cmp.Compare(y.FirstAttempts, x.FirstAttempts))
	})
	for _, b := range all[:min(len(all), shownBudgets)] {
		if b.FirstAttempts+b.Retries+b.Denied > 0 {
			e.part("retry_budget", cmp.Or(b.Target, "(no target)"), b.Denied == 0, budgetState(&b))
		}
	}
	if spent(g) != nil {
		e.try("", "find out why calls fail, and do not raise the budget of the retries: they would add to the load of what is failing")
	}
}

func budgetState(b *adminapi.RetryBudget) string {
	return fmt.Sprintf("%s for %s %s, %d left; %s not tried again", counted(b.Retries, "retry", "retries"),
		counted(b.FirstAttempts, "first attempt", "first attempts"), budgetWindow, b.Left, counted(b.Denied, "failure was", "failures were"))
}
