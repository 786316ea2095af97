package admin

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/perf"
)

// How bad a row is, the worst last.
const (
	levelIdle = "idle"
	levelOK   = "ok"
	levelNote = "note"
	levelWarn = "warn"
	levelBad  = "bad"
)

var levels = []string{levelIdle, levelOK, levelNote, levelWarn, levelBad}

// stateIdle is the state of what had no traffic.
const stateIdle = "idle"

// frameRows are all parts, worst first.
func frameRows(s *adminapi.Status, of recents, now time.Time) []adminapi.FrameRow {
	rows := make([]adminapi.FrameRow, 0, len(s.Guards)+len(s.Breakers)+len(s.RateLimits)+len(s.Pools)+len(s.Routes))
	used := usesOf(s, of)
	for i := range s.Breakers {
		rows = append(rows, breakerRow(&s.Breakers[i], used["breaker/"+s.Breakers[i].Name], now))
	}
	for i := range s.Guards {
		rows = append(rows, guardRow(&s.Guards[i], of, used))
	}
	for i := range s.RateLimits {
		rows = append(rows, rateLimitRow(&s.RateLimits[i], used["rate_limit/"+s.RateLimits[i].Name]))
	}
	for i := range s.Pools {
		rows = append(rows, poolRow(&s.Pools[i], of, used["pool/"+s.Pools[i].Name], now))
	}
	names := upstreamNames(s.Routes) // all at once: each for itself looks at all others
	for i := range s.Routes {
		t := &s.Routes[i]
		rows = append(rows, routeRow(t, of))
		for j := range t.Upstreams {
			rows = append(rows, upstreamRow(t, &t.Upstreams[j], names[0]))
			names = names[1:]
		}
	}
	for i := range rows {
		finish(&rows[i])
	}
	slices.SortFunc(rows, byWeight)
	return rows
}

func byWeight(x, y adminapi.FrameRow) int {
	return cmp.Or(cmp.Compare(y.Weight, x.Weight), cmp.Compare(x.ID, y.ID))
}

// finish fills in what follows from the other fields, and rounds what nobody reads further: a
// row that says the same is not sent again.
func finish(r *adminapi.FrameRow) {
	if r.ID == "" {
		r.ID = r.Kind + "/" + r.Name
	}
	rank := uint64(max(0, slices.Index(levels, r.Level)))
	if r.Level == levelOK && strings.HasPrefix(r.Name, "foundation.") {
		rank = 0 // a part of the layer itself that is well interests nobody
	}
	bad := uint64(r.RefusedRate*60) + uint64(r.FailureRatio*float64(r.Calls))
	r.Weight = rank*1e12 + uint64(math.Round(1000*min(1, r.Share)))*1e9 + min(bad, 1e9-1)
	for _, v := range []*float64{
		&r.Share, &r.Rate, &r.NowRate, &r.SuccessRatio, &r.FailureRatio, &r.SlowRatio, &r.RefusedRate, &r.P50Seconds, &r.P95Seconds, &r.P99Seconds,
	} {
		*v = digits(*v)
	}
	if r.Calls == 0 { // the window grows from step to step: an idle row is not to be sent for that
		r.WindowSeconds = 0
	}
	if r.Counted == nil {
		r.Counted = []adminapi.Fact{}
	}
}

// digits rounds to four significant ones.
func digits(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	unit := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*unit) / unit
}

// nowRate is how many calls came in a second of late.
func (s *glance) nowRate() float64 {
	if s == nil {
		return 0
	}
	return float64(s.latest.Calls()+s.latest.Ignored+s.latest.Refused) / perf.LatestSpan.Seconds()
}

// uses are the calls of all guards that use a part.
type uses struct {
	guards                   int
	window                   float64
	calls, succeeded, failed uint64
	refused                  uint64 // by this part
	nowRate                  float64
	troubled                 bool // a guard is in trouble because of it
	share                    float64
	failureLimit             float64
	last                     adminapi.ErrorClass
}

// usesOf sums up, for each breaker, rule and pool, the guards that use it.
func usesOf(s *adminapi.Status, of recents) map[string]*uses {
	all := map[string]*uses{}
	for i := range s.Guards {
		g := &s.Guards[i]
		add := func(kind, name string, codes ...fault.Code) {
			if name == "" {
				return
			}
			u := all[kind+"/"+name]
			if u == nil {
				u = new(uses)
				all[kind+"/"+name] = u
			}
			u.add(g, of.of[g.Name], codes)
		}
		add("breaker", g.Breaker, fault.CircuitOpen)
		add("rate_limit", g.RateLimit, fault.RateLimited)
		add("pool", g.Pool, fault.PoolFull, fault.PoolTimeout, fault.WorkerFailed)
	}
	for i := range s.Breakers {
		b := &s.Breakers[i]
		u := all["breaker/"+b.Name]
		if u == nil {
			continue
		}
		if len(b.LastErrors) > 0 {
			u.last = b.LastErrors[0]
		}
		u.failureLimit = factOf(b.Counted, "failure_ratio").Limit
	}
	return all
}

func (u *uses) add(g *adminapi.Guard, s *glance, codes []fault.Code) {
	r := &g.Recent
	u.guards++
	u.window = max(u.window, r.WindowSeconds)
	u.calls += r.Calls
	u.succeeded += r.Succeeded
	u.failed += r.Failed + r.TimedOut
	u.nowRate += s.nowRate()
	for _, code := range codes {
		u.refused += r.RefusedBy[code.String()]
		if r.Trouble == troubleRefuses && r.Reason == code.String() {
			u.troubled, u.share = true, max(u.share, r.Share)
		}
	}
}

// fill gives a row the numbers of those who use the part.
func (u *uses) fill(r *adminapi.FrameRow) {
	if u == nil {
		return
	}
	r.WindowSeconds, r.Calls, r.NowRate, r.Share = u.window, u.calls, u.nowRate, u.share
	if u.window > 0 {
		r.Rate, r.RefusedRate = float64(u.calls)/u.window, float64(u.refused)/u.window
	}
	r.SuccessRatio, r.FailureRatio = ratios(u.succeeded, u.failed)
}

// ratios are the shares of the calls that ran.
func ratios(succeeded, failed uint64) (success, failure float64) {
	ran := succeeded + failed
	if ran == 0 {
		return 0, 0
	}
	return float64(succeeded) / float64(ran), float64(failed) / float64(ran)
}

func factOf(facts []adminapi.Fact, name string) adminapi.Fact {
	for i := range facts {
		if facts[i].Name == name && facts[i].Bounded {
			return facts[i]
		}
	}
	return adminapi.Fact{}
}

func breakerRow(b *adminapi.Breaker, u *uses, now time.Time) adminapi.FrameRow {
	r := adminapi.FrameRow{
		Kind: "breaker", Name: b.Name, State: b.State, Since: breakerSince(b), NextAt: after(now, b.RetryAfterSeconds), Override: b.Override.State, Until: b.Override.Until, Mode: b.Mode,
		Counted: b.Counted, Members: b.MemberCount,
	}
	u.fill(&r)
	if f := factOf(b.Counted, "failure_ratio"); f.Bounded {
		r.FailureRatio, r.FailureLimit = f.Value, f.Limit
	}
	if f := factOf(b.Counted, "slow_ratio"); f.Bounded {
		r.SlowRatio, r.SlowLimit = f.Value, f.Limit
	}
	if len(b.LastErrors) > 0 {
		r.LastError, r.LastErrorAt = b.LastErrors[0].Class, b.LastErrors[0].Last
	}
	for i := range b.Members {
		if o := &b.Members[i].Override; r.Override == "" && o.State != "" {
			r.Override, r.Until = o.State, o.Until
		}
	}
	r.Level = breakerLevel(b, &r, u)
	return r
}

// breakerSince is since when a breaker stands as it does: a probe in vain is no new beginning.
func breakerSince(b *adminapi.Breaker) time.Time {
	if b.Override.State != "" {
		return b.Since
	}
	return troubleSince(b)
}

func breakerLevel(b *adminapi.Breaker, r *adminapi.FrameRow, u *uses) string {
	switch {
	case b.Mode == "shadow" && b.State != breaker.StateClosed.String():
		return levelNote
	case b.State == breaker.StateOpen.String():
		return levelBad
	case b.State == breaker.StateHalfOpen.String(), r.Override != "", u != nil && u.troubled:
		return levelWarn
	case r.Calls == 0 && (u != nil || b.Succeeded+b.Failed+b.Ignored == 0):
		return levelIdle
	}
	return levelOK
}

// after is so many seconds from now, to a tenth: it is not to be another one in each frame.
func after(now time.Time, seconds float64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return now.Add(time.Duration(seconds * float64(time.Second))).Round(100 * time.Millisecond)
}

// fillRecent gives a row what a guard or a route did of late.
func fillRecent(r *adminapi.FrameRow, v *adminapi.Recent, s *glance) {
	r.State, r.Level, r.Since, r.Share, r.Reason = levelOK, levelOK, v.Since, v.Share, v.Reason
	r.WindowSeconds, r.Calls, r.Rate, r.NowRate = v.WindowSeconds, v.Calls, v.Rate, s.nowRate()
	r.SuccessRatio, r.FailureRatio = ratios(v.Succeeded, v.Failed+v.TimedOut)
	r.P50Seconds, r.P99Seconds = v.P50Seconds, v.P99Seconds
	if s != nil {
		r.P95Seconds = s.p95
	}
	if v.WindowSeconds > 0 {
		r.RefusedRate = float64(v.Refused) / v.WindowSeconds
	}
	switch {
	case v.Trouble == troubleLeave || v.Trouble == troubleSlow:
		r.State, r.Level = v.Trouble, levelWarn
	case v.Trouble != "":
		r.State, r.Level = v.Trouble, levelBad
	case v.Calls == 0 && r.InFlight == 0:
		r.State, r.Level = stateIdle, levelIdle
	}
}

func guardRow(g *adminapi.Guard, of recents, used map[string]*uses) adminapi.FrameRow {
	r := adminapi.FrameRow{Kind: "guard", Name: g.Name, Mode: g.Mode, InFlight: g.InFlight, Limit: int64(g.Concurrency)}
	s := of.of[g.Name]
	if s != nil {
		r.Operation = g.Name
	}
	fillRecent(&r, &g.Recent, s)
	if u := used["breaker/"+g.Breaker]; u != nil {
		r.FailureLimit, r.LastError, r.LastErrorAt = u.failureLimit, u.last.Class, u.last.Last
	}
	return r
}

func routeRow(t *adminapi.Route, of recents) adminapi.FrameRow {
	r := adminapi.FrameRow{Kind: "route", Name: t.Name, Of: t.Guard, InFlight: t.InFlight}
	s := of.of[routeOperation+t.Name]
	if s != nil {
		r.Operation = s.name
	}
	fillRecent(&r, &t.Recent, s)
	if len(t.Failures) > 0 {
		r.LastError, r.LastErrorAt = t.Failures[0].Class, t.Failures[0].Last
	}
	return r
}

// upstreamRow is one host of a route, of which only what is so now is known: its requests are
// counted since the start.
func upstreamRow(t *adminapi.Route, u *adminapi.Upstream, name string) adminapi.FrameRow {
	r := adminapi.FrameRow{
		ID: "upstream/" + t.Name + "/" + u.Name, Kind: "upstream", Name: name, Of: t.Name, State: u.State, Level: levelOK, Since: outSince(u), NextAt: u.Until,
		Reason: u.Reason, InFlight: u.InFlight, LastError: u.LastError.Class, LastErrorAt: u.LastError.At,
	}
	switch {
	case out(u) && t.Panic.On:
		r.Level = levelBad
	case out(u):
		r.Level = levelWarn
	case u.State == hostSlowStart:
		r.Level = levelNote
	case u.Requests == 0 && u.InFlight == 0:
		r.State, r.Level = stateIdle, levelIdle
	}
	return r
}

func rateLimitRow(l *adminapi.RateLimit, u *uses) adminapi.FrameRow {
	r := adminapi.FrameRow{
		Kind: "rate_limit", Name: l.Name, Mode: l.Mode, State: "allows", Level: levelOK, Limit: l.Limit, PerSeconds: l.PerSeconds, Waiting: l.Waiting,
	}
	u.fill(&r)
	r.SuccessRatio, r.FailureRatio = 0, 0 // a rule knows nothing of them
	switch {
	case u != nil && u.troubled:
		r.State, r.Level, r.Reason = "denies", levelWarn, fault.RateLimited.String()
	case u != nil && u.refused > 0:
		r.State, r.Reason = "denies", fault.RateLimited.String()
	case r.Calls == 0 && (u != nil || l.Allowed+l.Denied == 0):
		r.State, r.Level = stateIdle, levelIdle
	}
	return r
}

func poolRow(p *adminapi.Pool, of recents, u *uses, now time.Time) adminapi.FrameRow {
	r := adminapi.FrameRow{
		Kind: "pool", Name: p.Name, State: p.State, Level: levelOK, NextAt: after(now, p.RetryAfterSeconds),
		InFlight: int64(p.CheckedOut), Limit: int64(p.Size + p.MaxOverflow), Waiting: int64(p.Waiting),
	}
	if s := of.of["pool:"+p.Name+":wait"]; s != nil {
		r.Operation, r.Calls, r.NowRate = s.name, s.came(), s.nowRate()
		r.SuccessRatio, r.FailureRatio = ratios(s.Succeeded, s.Failed)
		r.P50Seconds, r.P95Seconds, r.P99Seconds = s.p50, s.p95, s.p99
		if r.WindowSeconds = s.to.Sub(s.from).Seconds(); r.WindowSeconds > 0 {
			r.Rate, r.RefusedRate = float64(r.Calls)/r.WindowSeconds, float64(s.Failed)/r.WindowSeconds
		}
	}
	switch {
	case p.Degraded:
		r.State, r.Level, r.Reason, r.LastError = "degraded", levelBad, fault.WorkerFailed.String(), fault.WorkerFailed.String()
	case u != nil && u.troubled:
		r.Level, r.Share = levelBad, u.share
	case p.State == "full" && p.Waiting > 0:
		r.Level = levelWarn
	case p.State == "overflow" || p.State == "full":
		r.Level = levelNote
	case r.Calls == 0 && p.CheckedOut == 0 && (r.Operation != "" || p.Checkouts == 0):
		r.State, r.Level = stateIdle, levelIdle
	}
	return r
}
