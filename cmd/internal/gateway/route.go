package gateway

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/errclass"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
)

// route is one row of the table, made of one route of the configuration.
type route struct {
	name, match string
	guardName   string
	target      *url.URL // the first of those that there are
	upstream    string   // how they are called
	stripPrefix string
	keepHost    bool
	speaksHTTP2 bool // to the upstream, or may
	tellsQuota  bool
	trustsMark  bool // that an answer was retried further in
	retries     bool // the guard's policy does
	bodyIdle    time.Duration
	streamIdle  time.Duration // of event streams and gRPC: only what the route itself says; 0: none
	maxBody     int64
	key         keyTemplate
	heldKey     keyTemplate
	maxPerKey   int           // 0: no limit
	maxUpgraded int           // 0: no limit
	upgradeIdle time.Duration // 0: no limit
	held        *held
	traffic     *traffic
	priority    priorityTemplate
	h2c         bool
	hosts       *upstreams.Set
	policy      upstreams.Policy
	members     []upstreams.Member // as configured
	lookup      *lookup            // that finds the hosts; nil if they are listed
	naming      naming             // for it
	checks      *settings.UpstreamCheck
	floor       time.Duration // how long a client's deadline must have been to say something of a host
	upgrades    *upgrades
	alarms      alarms
	exhaustion  *exhaustion
	log         *slog.Logger
	handler     http.Handler // behind the guard
}

// buffers are shared by all routes: 32 KiB are what a copy uses by default.
var buffers = &bufferPool{sync.Pool{New: func() any { return new([bufferSize]byte) }}}

const bufferSize = 32 << 10

type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte {
	b, _ := p.pool.Get().(*[bufferSize]byte)
	return b[:]
}

func (p *bufferPool) Put(b []byte) {
	if len(b) == bufferSize {
		p.pool.Put((*[bufferSize]byte)(b))
	}
}

// newRoute makes the row without its guard, which exists only once the layer
// has taken over the configuration, and without its connections.
func newRoute(c settings.Route, defaults settings.Gateway) (*route, error) {
	target, err := upstreamURL(c.Targets()[0])
	if err != nil {
		return nil, err
	}
	key, err := settings.ParseKey(c.Key)
	if err != nil {
		return nil, err
	}
	priority, err := parsePriority(c.Priority)
	if err != nil {
		return nil, err
	}
	rt := &route{
		name: c.Label(), match: c.Match, guardName: c.Guard, target: target, upstream: upstreamLabel(target, c), stripPrefix: strings.TrimSuffix(c.StripPrefix, "/"), keepHost: c.PreserveHost, tellsQuota: c.RateLimitHeaders, trustsMark: c.TrustRetried,
		bodyIdle: c.IdleTimeout, streamIdle: c.IdleTimeout, maxBody: defaults.Limits.MaxBody, key: key, priority: priority,
		h2c: c.H2C, speaksHTTP2: c.H2C || target.Scheme == "https",
		heldKey: heldKey(key), maxPerKey: max(0, c.MaxInFlightPerKey), maxUpgraded: max(0, cmp.Or(c.MaxUpgraded, settings.DefaultMaxUpgraded)),
		upgradeIdle: max(0, cmp.Or(c.IdleTimeout, defaults.Limits.UpgradeIdleTimeout)), held: &held{}, traffic: &traffic{},
		policy: policyOf(c), checks: c.Check, floor: deadlineFloor,
	}
	if rt.bodyIdle == 0 {
		rt.bodyIdle = defaults.Limits.BodyIdleTimeout
	}
	return rt, nil
}

// bind puts the proxy behind the guard.
func (rt *route) bind(g *guard.Guard, up *upgrades, log *slog.Logger) {
	proxy := http.Handler(&httputil.ReverseProxy{
		Rewrite:        rt.rewrite,
		Transport:      rt,
		BufferPool:     buffers,
		ErrorHandler:   rt.answerError,
		ModifyResponse: rt.watch,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	})
	if g != nil {
		cfg := g.Config()
		rt.floor, rt.retries = cfg.DeadlineFloor, cfg.Retry != nil
		opts := []protect.Option{protect.KeyBy(rt.key.of), protect.RefuseWith(refuse), protect.IdempotentBy(askedTwice)}
		if rt.several() {
			opts = append(opts, protect.Target(rt.name), protect.Targets(func(r *http.Request) guard.Balancer { return infoOf(r.Context()) }))
		} else {
			opts = append(opts, protect.Target(rt.target.Host))
		}
		if rt.tellsQuota {
			opts = append(opts, protect.RateLimitHeaders())
		}
		proxy = protect.Handler(rt.boundUpgrades(wakeUploads(proxy)), g, opts...)
	} else {
		proxy = rt.boundUpgrades(proxy)
	}
	rt.upgrades, rt.log, rt.handler = up, log, proxy
}

// rewrite makes the request for the upstream.
func (rt *route) rewrite(pr *httputil.ProxyRequest) {
	if rt.stripPrefix != "" {
		stripPrefix(pr.Out.URL, rt.stripPrefix)
	}
	pr.Out.URL.RawQuery = pr.In.URL.RawQuery // the proxy drops what Go cannot parse, as "a=1;b=2"
	info := infoOf(pr.In.Context())
	pr.SetURL(info.aim.next(rt).Peer().URL)
	if rt.keepHost {
		pr.Out.Host = pr.In.Host
	}
	if info.timed {
		info.asked = clock.Now()
	}
	info.forward(pr.Out.Header, pr.In)
	if info.untraced {
		dropTrace(pr.Out.Header)
	}
	pr.Out.Header[requestIDHeader] = info.idField()
	if info.upload != nil && pr.Out.Body != nil {
		pr.Out.Body = sentBody{pr.Out.Body, info.upload}
	}
	if pr.Out.Header.Get("Expect") != "" && !rt.speaksHTTP2 {
		pr.Out.Close = true // else the transport sends the body also to an upstream that has answered without it
	}
}

// errBodyIdle ends a request whose body stood still for too long.
var errBodyIdle error = &errclass.NamedError{Class: errclass.Timeout, Text: "the body stood still for too long"}

// watch keeps an eye on a response. The request has one id, the gateway's: what an
// upstream sends back would stand beside it. That an answer was retried is passed on only if
// the upstream is trusted: it would switch off the retries of everybody further out.
func (rt *route) watch(resp *http.Response) error {
	delete(resp.Header, requestIDHeader)
	if !rt.trustsMark {
		delete(resp.Header, protect.RetriedHeader)
	}
	info := infoOf(resp.Request.Context())
	info.heard(resp.StatusCode)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		if err := checkChange(resp); err != nil {
			return err
		}
		info.account.Settle(outcome.Success, upstreams.LastError{}) // whatever becomes of the connection
		rt.watchUpgrade(resp)
	} else {
		if resp.Body != http.NoBody && resp.ContentLength != 0 {
			rt.watchBody(resp)
			makeRoomForTrailers(resp)
		}
		watchGRPC(resp)
	}
	endsCall(resp, info)
	return nil
}

// watchBody ends a response whose body stands still.
func (rt *route) watchBody(resp *http.Response) {
	ctx := resp.Request.Context()
	info, idle := infoOf(ctx), rt.bodyIdle
	if isStream(resp.Header) {
		idle = rt.streamIdle
	}
	info.transfer.begin(ctx, resp.ContentLength >= 0)
	if info.upload != nil && !info.upload.ended.Load() {
		resp.Body = newTalkBody(resp.Body, info, idle)
		return
	}
	body := &info.download
	body.ReadCloser, body.idle, body.info, body.alarms = resp.Body, idle, info, &rt.alarms
	resp.Body = body
}

// makeRoomForTrailers drops the length of an answer that has announced trailers, which
// HTTP/2 may have beside it. In HTTP/1 they come after chunks only. That the upstream
// keeps the length is still watched.
func makeRoomForTrailers(resp *http.Response) {
	if len(resp.Trailer) > 0 && infoOf(resp.Request.Context()).request.ProtoMajor == 1 {
		delete(resp.Header, "Content-Length")
	}
}

// heard notes that the upstream's header is here.
func (i *requestInfo) heard(status int) {
	if i.timed {
		i.header = clock.Now().Sub(i.asked)
	}
	if status >= http.StatusInternalServerError && protect.StatusOutcome(status) == outcome.Failure {
		i.failedAs(failedStatus, errclass.Status(status))
	}
}

// refuse answers a call that the guard, or a limit of the route, refused, and one whose
// upstream did not answer.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	info := infoOf(r.Context())
	switch code := protect.RefusalCode(err); {
	case isRefusal(code):
		info.refusal = code
	case code == fault.Canceled:
		info.flag(flagClientCanceled)
	case code == fault.InvalidArgument:
		info.flag(flagBadRequest)
	case code == fault.CallTimeout && info.failed == noFailure && clientGaveUp(r.Context()):
		info.flag(flagClientDeadline)
	}
	info.hurry(r)
	protect.WriteRefusal(w, r, err)
}

// refusedBody is how long a refused client may still send: the server drains
// what is left of a body before it answers.
const refusedBody = time.Second

// hurry keeps a client that does not send its body from delaying its refusal.
func (i *requestInfo) hurry(r *http.Request) {
	if i.deadlines != nil && r.ContentLength != 0 {
		_ = i.deadlines.SetReadDeadline(time.Now().Add(refusedBody)) // a closed connection is told by Write
	}
}

// leaveTooLarge gives up the connection of a client that sends too much: the rest
// is not worth reading. A stream of HTTP/2 is reset by itself.
func (i *requestInfo) leaveTooLarge(r *http.Request) {
	if r.ProtoMajor < 2 {
		i.Header().Set("Connection", "close")
	}
	i.hurry(r)
}

// refuseTooLarge answers a client that sends, or announces, more than a body may have.
func (i *requestInfo) refuseTooLarge(w http.ResponseWriter, r *http.Request) {
	i.flag(flagBodyTooLarge)
	i.leaveTooLarge(r)
	writeProblem(w, r, http.StatusRequestEntityTooLarge, fault.InvalidArgument)
}

// answerError answers where the upstream did not, and tells the guard why, which
// the status alone would not.
func (rt *route) answerError(w http.ResponseWriter, r *http.Request, err error) {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		infoOf(r.Context()).tell(r.Context(), guard.Neutral(err))
		infoOf(r.Context()).refuseTooLarge(w, r)
		return
	}
	if bad, is := clientsFault(err); is {
		infoOf(r.Context()).tell(r.Context(), guard.Neutral(err))
		infoOf(r.Context()).refuseBad(r, bad)
		return
	}
	if f, own := rt.exhaustion.ownFault(r.Context(), infoOf(r.Context()).upstream(), err); own {
		infoOf(r.Context()).tell(r.Context(), guard.Neutral(f))
		refuse(w, r, f)
		return
	}
	if clientGaveUp(r.Context()) {
		err = context.DeadlineExceeded
	}
	f := classify(r.Context(), err)
	infoOf(r.Context()).tell(r.Context(), infoOf(r.Context()).verdict(r.Context(), f))
	refuse(w, r, f)
}

// verdict is what the guard is to make of f: a client that left, or that has not
// sent its body when the time is over, says nothing about the upstream. Else
// anybody could open the breaker for all others with a few unfinished uploads.
func (i *requestInfo) verdict(ctx context.Context, f *fault.Error) error {
	switch {
	case f.Code() == fault.Canceled:
		return guard.Neutral(f)
	case i.upload != nil && i.upload.blames(f, time.Now()):
		i.flag(i.upload.faultOf(f))
		return guard.Neutral(f)
	}
	if clientGaveUp(ctx) { // how much of that counts is the guard's to judge
		i.flag(flagClientDeadline)
		return f
	}
	i.unreached(f)
	if errclass.Leaving(f) {
		return guard.Neutral(f)
	}
	return f
}

// unreached counts a failure of the upstream that came in place of its header.
func (i *requestInfo) unreached(f *fault.Error) {
	class, err := classAndCause(f)
	i.failedAs(class, err)
}

// classAndCause tells what kind of failure err is, and what is behind it.
func classAndCause(err error) (upstreamClass, error) {
	f, is := errors.AsType[*fault.Error](err)
	if !is {
		return classOf(err), err
	}
	class := classOf(f)
	switch cause := errors.Unwrap(f); {
	case f.Code() == fault.CallTimeout && class == failedOther:
		return failedTimeout, err
	case f.Code() == fault.OperationFailed && cause != nil:
		return class, cause
	}
	return class, err
}

// classify says what an error of the round trip means.
func classify(ctx context.Context, err error) *fault.Error {
	spec := fault.Spec{Code: fault.OperationFailed, Component: "gateway", Message: "the upstream cannot be reached", Cause: err}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if f, ok := errors.AsType[*fault.Error](context.Cause(ctx)); ok {
		return f
	}
	switch {
	case errors.Is(err, errUploadFailed), ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		spec.Code, spec.Message = fault.Canceled, "the client left"
	case errors.Is(err, context.DeadlineExceeded):
		spec.Code, spec.Message = fault.CallTimeout, "the upstream did not answer in time"
	}
	return fault.New(spec)
}
