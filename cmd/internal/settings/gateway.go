package settings

import (
	"cmp"
	"time"
)

// Gateway sets up the reverse proxy of the daemon. A library user has no need
// of it.
type Gateway struct {
	// Listen is the address of the gateway, as in "127.0.0.1:8080"; default 127.0.0.1:8080.
	Listen string `yaml:"listen"`
	// TLS makes the gateway serve HTTPS.
	TLS *TLS `yaml:"tls"`
	// Drain says how the gateway stops.
	Drain Drain `yaml:"drain"`
	// TrustedProxies are the addresses or networks (CIDR) whose X-Forwarded-For is believed; default none.
	TrustedProxies []string `yaml:"trusted_proxies"`
	// Limits bound what a client may send and how slowly.
	Limits Limits `yaml:"limits"`
	// AccessLog says which requests are logged.
	AccessLog AccessLog `yaml:"access_log"`
	// Routes say which request goes where, and through which guard.
	Routes []Route `yaml:"routes"`
}

// Drain says how a server stops: it first fails its readiness, keeps accepting
// for Delay, so that load balancers notice, and then waits for requests in
// flight for at most Timeout.
type Drain struct {
	// Delay is how long requests are still accepted after readiness went off; default 0s.
	Delay time.Duration `yaml:"delay" config:"allowzero"`
	// Timeout is how long requests in flight may take to finish; default 25s.
	Timeout time.Duration `yaml:"timeout"`
}

// TLS is the server side of TLS. The files are read again when they change.
type TLS struct {
	// CertFile is the path of the certificate chain, PEM.
	CertFile string `yaml:"cert_file" config:"local"`
	// KeyFile is the path of the private key, PEM.
	KeyFile string `yaml:"key_file" config:"local"`
	// ClientCAFile is the path of the authorities of client certificates, PEM; if it is set, clients must show one.
	ClientCAFile string `yaml:"client_ca_file" config:"local"`
}

// UpstreamTLS is the client side of TLS to an upstream.
type UpstreamTLS struct {
	// CAFile is the path of the authorities that are trusted, PEM; default the system's.
	CAFile string `yaml:"ca_file" config:"local"`
	// ServerName is the name that the certificate must have; default the upstream's host.
	ServerName string `yaml:"server_name"`
	// CertFile is the path of the certificate that is shown to the upstream, PEM.
	CertFile string `yaml:"cert_file" config:"local"`
	// KeyFile is the path of that certificate's private key, PEM.
	KeyFile string `yaml:"key_file" config:"local"`
}

// Limits bound what a client may send and how slowly.
type Limits struct {
	// MaxBody is the greatest size of a request's body, with a unit; 0 means no limit; default 0.
	MaxBody int64 `yaml:"max_body" config:"size,allowzero"`
	// MaxHeader is the greatest size of a request's header, with a unit; default 64KiB.
	MaxHeader int64 `yaml:"max_header" config:"size"`
	// ReadHeaderTimeout is how long a client may take to send the header; default 10s.
	ReadHeaderTimeout time.Duration `yaml:"read_header_timeout"`
	// IdleTimeout is how long a connection may wait for its next request; default 2m.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// BodyIdleTimeout is how long a body may stand still, in either direction; default 1m.
	BodyIdleTimeout time.Duration `yaml:"body_idle_timeout"`
	// MaxConnections is the greatest number of open client connections; a new one takes the place of the one that has been idle for longest; default no limit.
	MaxConnections int `yaml:"max_connections"`
	// MaxConnectionsPerClient is the greatest number of open connections from one address, an IPv6 address by its /64; those of trusted_proxies do not count; 0 means no limit; default 0.
	MaxConnectionsPerClient int `yaml:"max_connections_per_client" config:"allowzero"`
	// UpgradeIdleTimeout is how long a connection that left HTTP, as WebSockets do, may be silent in both directions, unless the route has an idle_timeout; 0 (negative in Go) means for ever; default 15m.
	UpgradeIdleTimeout time.Duration `yaml:"upgrade_idle_timeout" config:"zero"`
}

// AccessLog says which requests are logged.
type AccessLog struct {
	// Mode is off, sampled or all; default off.
	Mode string `yaml:"mode"`
	// Sample is the share of requests that sampled logs, from 0 to 1; default 0.01. Refusals and errors are always logged by it.
	Sample float64 `yaml:"sample"`
}

// The modes of an access log.
const (
	AccessLogOff     = "off"
	AccessLogSampled = "sampled"
	AccessLogAll     = "all"
)

// Route says where the requests that match a pattern go.
type Route struct {
	// Name names the route in the status, metrics, alerts and the access log; a name as everywhere, and no other route's; default its match.
	Name string `yaml:"name"`
	// Match is a pattern of net/http's ServeMux, as in "/payments/" or "GET api.example.org/v1/{id}".
	Match string `yaml:"match"`
	// Upstream is the http or https URL that the requests go to; its path is put before theirs. A route has one of upstream, upstreams and dns.
	Upstream string `yaml:"upstream"`
	// Upstreams are the URLs of several hosts that requests are spread over; they differ in host and port alone.
	Upstreams []string `yaml:"upstreams"`
	// DNS is a URL whose host is looked up again and again; requests are spread over all of its addresses.
	DNS string `yaml:"dns"`
	// DNSEvery is how often the addresses of dns are looked up; from 1s to 1h, default 30s.
	DNSEvery time.Duration `yaml:"dns_every"`
	// Eject says when one of several hosts gets no requests for a while; default on.
	Eject Eject `yaml:"eject"`
	// Check asks every host by itself whether it is well; default it is not asked.
	Check *UpstreamCheck `yaml:"check"`
	// Guard names the guard that the requests pass; default none.
	Guard string `yaml:"guard"`
	// Key says whose limit a request counts against, see ParseKey; default the rule's one shared bucket.
	Key string `yaml:"key"`
	// MaxInFlightPerKey is how many requests of one key may be in flight at a time, streams and upgraded connections included; a key with {remote_ip} counts by that part alone; 0 (negative in Go) means no limit; default no limit, because behind a proxy that is not trusted all clients look like one.
	MaxInFlightPerKey int `yaml:"max_in_flight_per_key" config:"zero"`
	// MaxUpgraded is how many connections of the route may have left HTTP, as WebSockets do; they hold no place of the guard's concurrency; 0 (negative in Go) means no limit; default 1024.
	MaxUpgraded int `yaml:"max_upgraded" config:"zero"`
	// Priority is critical, normal, best_effort, bulk, or a template such as "{header:X-Priority}"; default the guard's.
	Priority string `yaml:"priority"`
	// StripPrefix is removed from the path before the request is forwarded.
	StripPrefix string `yaml:"strip_prefix"`
	// PreserveHost forwards the client's Host header instead of the upstream's host; default false.
	PreserveHost bool `yaml:"preserve_host"`
	// H2C speaks HTTP/2 without TLS to an http upstream; default false.
	H2C bool `yaml:"h2c"`
	// RateLimitHeaders tells also admitted clients what the guard's rate limit has left, in RateLimit and RateLimit-Policy; default false: refusals alone carry them.
	RateLimitHeaders bool `yaml:"rate_limit_headers"`
	// TrustRetried believes the upstream where it marks a failed answer with Foundation-Retried, as one that was retried further in, and passes the field on; default false: the field is removed.
	TrustRetried bool `yaml:"trust_retried"`
	// TLS says how an https upstream is checked.
	TLS *UpstreamTLS `yaml:"tls"`
	// IdleTimeout is how long a body may stand still; default the gateway's body_idle_timeout, upgrade_idle_timeout for connections that left HTTP, and no limit for event streams and gRPC.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
}

// Eject says when one of several hosts of a route gets no requests for a while. Never are more than
// half of them ejected.
type Eject struct {
	// Off ejects nothing; default false.
	Off bool `yaml:"off"`
	// Failures is how many failures in a row eject a host; 0 (negative in Go) means none do; default 5.
	Failures int `yaml:"failures" config:"zero"`
	// Rate is the share of failed requests that ejects a host, if it is at least twice that of the other hosts; up to 1, 0 (negative in Go) means none does; default 0.5.
	Rate float64 `yaml:"rate" config:"zero"`
	// Volume is how many requests a host must have had within window before its rate counts; default 20.
	Volume int `yaml:"volume"`
	// Window is the time that rate and volume look back; from 1s to 10m, default 10s.
	Window time.Duration `yaml:"window"`
	// For is how long the first ejection takes; each further one takes that much longer, and a host that does well for so long has one taken back; at least 100ms, default 10s.
	For time.Duration `yaml:"for"`
	// MaxFor is how long an ejection takes at most; default 5m, or for if that is longer.
	MaxFor time.Duration `yaml:"max_for"`
	// SlowStart is how long the share of a host grows that returns or is new; 0 (negative in Go) means not at all; default 10s.
	SlowStart time.Duration `yaml:"slow_start" config:"zero"`
}

// UpstreamCheck asks the hosts of a route by themselves, beside what their requests tell.
type UpstreamCheck struct {
	// Path is what GET must answer with a status below 400, as in "/healthz".
	Path string `yaml:"path"`
	// Every is the time from one check of a host to the next; from 100ms to 24h, default 10s.
	Every time.Duration `yaml:"every"`
	// Timeout bounds one check and is at most every; default 2s, or half of every if that is less.
	Timeout time.Duration `yaml:"timeout"`
	// FailAfter is the number of failed checks in a row after which a host gets no requests, up to 10; default 3.
	FailAfter int `yaml:"fail_after"`
	// PassAfter is the number of passed checks in a row after which it gets some again, up to 10; default 2.
	PassAfter int `yaml:"pass_after"`
}

// Label is what the route is called where one has to be named: its name, or its match,
// which no name can be taken for.
func (r *Route) Label() string { return cmp.Or(r.Name, r.Match) }

// The defaults of a gateway.
const (
	DefaultGatewayListen     = "127.0.0.1:8080"
	DefaultDrainTimeout      = 25 * time.Second
	DefaultMaxHeader         = 64 << 10
	DefaultReadHeaderTimeout = 10 * time.Second
	DefaultIdleTimeout       = 2 * time.Minute
	DefaultBodyIdleTimeout   = time.Minute
	DefaultAccessLogSample   = 0.01
	// DefaultUpgradeIdleTimeout lets a WebSocket be quiet for longer than anything on the way does.
	DefaultUpgradeIdleTimeout = 15 * time.Minute
	DefaultMaxUpgraded        = 1024
	DefaultDNSEvery           = 30 * time.Second
)

// The defaults of ejections.
const (
	DefaultEjectFailures = 5
	DefaultEjectRate     = 0.5
	DefaultEjectVolume   = 20
	DefaultEjectWindow   = 10 * time.Second
	DefaultEjectFor      = 10 * time.Second
	DefaultEjectMaxFor   = 5 * time.Minute
	DefaultSlowStart     = 10 * time.Second
)

// WithDefaults returns e with its defaults filled in.
func (e Eject) WithDefaults() Eject {
	setDefault(&e.Failures, DefaultEjectFailures)
	setDefault(&e.Rate, DefaultEjectRate)
	setDefault(&e.Volume, DefaultEjectVolume)
	setDefault(&e.Window, DefaultEjectWindow)
	setDefault(&e.For, DefaultEjectFor)
	setDefault(&e.MaxFor, max(DefaultEjectMaxFor, e.For))
	setDefault(&e.SlowStart, DefaultSlowStart)
	return e
}

// WithDefaults returns g with its defaults filled in.
func (g Gateway) WithDefaults() Gateway {
	setDefault(&g.Listen, DefaultGatewayListen)
	setDefault(&g.Drain.Timeout, DefaultDrainTimeout)
	setDefault(&g.Limits.MaxHeader, DefaultMaxHeader)
	setDefault(&g.Limits.ReadHeaderTimeout, DefaultReadHeaderTimeout)
	setDefault(&g.Limits.IdleTimeout, DefaultIdleTimeout)
	setDefault(&g.Limits.BodyIdleTimeout, DefaultBodyIdleTimeout)
	setDefault(&g.Limits.UpgradeIdleTimeout, DefaultUpgradeIdleTimeout)
	setDefault(&g.AccessLog.Mode, AccessLogOff)
	setDefault(&g.AccessLog.Sample, DefaultAccessLogSample)
	return g
}

// setDefault gives *field a value if it has none.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
