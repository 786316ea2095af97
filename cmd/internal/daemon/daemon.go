package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/adapters/prometheus"
	"github.com/elixirscope/foundation/admin"
	"github.com/elixirscope/foundation/cmd/internal/gateway"
	"github.com/elixirscope/foundation/cmd/internal/sdnotify"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/health/healthhttp"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/supervise"
)

// Options say what a daemon runs. Only ConfigFile is required.
type Options struct {
	ConfigFile string
	LookupEnv  func(string) (string, bool)
	Log        *slog.Logger
	// LogLevel is the level of Log, which the admin API may change; nil offers none.
	LogLevel *slog.LevelVar
	// LogDropped counts the lines that Log has lost; nil if it loses none.
	LogDropped func() uint64
	Kinds      map[string]pool.Kind
	// Manager is told how the daemon is; nil where no service manager listens.
	Manager *sdnotify.Notifier
	// Build names the program in the status, as in "foundation v1.2.3".
	Build string
	// WatchEvery is the pause between two looks at the files; 0 means 2 s and a
	// negative one that they are not watched.
	WatchEvery time.Duration
	// Switches and Switch are what else the admin API may put into other states; nil is nothing.
	// See [admin.Program].
	Switches func() []admin.Switch
	Switch   func(ctx context.Context, name, state string) error
}

const defaultWatch = 2 * time.Second

// Daemon is a running layer. Make one with [New].
type Daemon struct {
	options   Options
	log       *slog.Logger
	layer     *foundation.Foundation
	gateway   *gateway.Gateway
	admin     *admin.API
	directory atomic.Pointer[directory] // of the storage, nil if it is of another kind or away
	backups   chan struct{}             // holds one while a backup is made and sent
	started   time.Time
	servers   []*server // in the order of their start
	watch     *watch
	serving   atomic.Bool
	ready     atomic.Bool
	draining  atomic.Bool
	// unreadable is why the last reload did not get as far as the configuration, or past it:
	// a certificate that cannot be read.
	unreadable atomic.Pointer[error]
	refused    atomic.Pointer[string] // what was logged last of a reload that nobody asked for

	// turn admits one change at a time, and then the stop: a reload that began must not
	// bring to life what the stop has ended. It is a channel so that a caller can give up.
	// It is held while files are read, which ends with life.
	turn chan struct{}

	life     context.Context //nolint:containedctx // it ends when the stop begins, and what changes the configuration with it
	end      context.CancelFunc
	stopOnce sync.Once
	stopErr  error
}

// New reads the configuration, opens the layer and every listener. On an error
// nothing is left open.
func New(ctx context.Context, o Options) (_ *Daemon, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.LogDropped == nil {
		o.LogDropped = func() uint64 { return 0 }
	}
	if o.LookupEnv == nil {
		o.LookupEnv = func(string) (string, bool) { return "", false }
	}
	d := &Daemon{options: o, log: o.Log, gateway: gateway.New(o.Log), started: time.Now(), turn: make(chan struct{}, 1), backups: make(chan struct{}, 1)}
	d.life, d.end = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			err = errors.Join(err, d.abandon(ctx))
		}
	}()
	if err := d.openLayer(ctx); err != nil {
		return nil, err
	}
	d.admin = admin.New(d.layer, admin.Options{Access: accessOf(settings.AdminOf(d.layer.Config().Current().Config)), Metrics: d.metrics(), Log: o.Log, LogLevel: o.LogLevel, Program: d.program()})
	if err := d.openListeners(ctx, d.layer.Config().Current().Config); err != nil {
		return nil, err
	}
	d.watch = newWatch(ctx, d.watched)
	return d, nil
}

func (d *Daemon) openLayer(ctx context.Context) (err error) {
	d.layer, err = foundation.Open(ctx, foundation.Options{
		ConfigFile: d.options.ConfigFile, LookupEnv: d.options.LookupEnv, Logger: d.log, Kinds: d.options.Kinds,
		Sections: d.sections(), Stores: d.stores(), Shared: openShared, Instance: d.instance, Node: node(), Monitors: true, Cleaners: d.cleaners(), Webhook: sendWebhook, Checks: settings.Checks(),
	})
	if err != nil {
		return err
	}
	d.followRoutes()
	d.gateway.Announce(d.layer.Bus())
	if settings.GatewayOf(d.layer.Config().Current().Config) == nil {
		return nil
	}
	return d.layer.Supervise("upstreams", d.gateway)
}

// followRoutes lets the monitor follow the routes in use.
func (d *Daemon) followRoutes() { d.layer.Performance().Follow("routes", d.gateway.Operations()) }

// abandon undoes a start that failed in the middle.
func (d *Daemon) abandon(ctx context.Context) error {
	var errs []error
	for _, s := range d.servers {
		errs = append(errs, s.listener.Close())
	}
	if d.layer != nil {
		errs = append(errs, d.layer.Close(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}

// openListeners opens every address before any of them answers, so that a taken
// port ends the start before a request was accepted.
func (d *Daemon) openListeners(ctx context.Context, cfg *config.Config) error {
	own, probes := settings.AdminOf(cfg), settings.ProbesOf(cfg)
	if given := settings.GatewayOf(cfg); given != nil {
		g := given.WithDefaults()
		srv := gatewayServer(d.gateway, g.Limits)
		if err := d.openServer(ctx, "gateway", g.Listen, g.TLS, srv, func(ln net.Listener) net.Listener {
			return limitConnections(d.gateway.Listener(ln), g.Limits.MaxConnections, srv)
		}); err != nil {
			return err
		}
	}
	if own.Listen != settings.ListenOff {
		if err := accessOf(own).CheckListen(own.Listen); err != nil {
			return err
		}
		if err := d.openServer(ctx, "admin", own.Listen, own.TLS, adminServer(d.admin), asItIs); err != nil {
			return err
		}
	}
	if probes.Listen == "" {
		return nil
	}
	return d.openServer(ctx, "probes", probes.Listen, nil, adminServer(d.probes()), asItIs)
}

func (d *Daemon) openServer(ctx context.Context, name, address string, files *settings.TLS, srv *http.Server, wrap func(net.Listener) net.Listener) error {
	certs, err := newCertificates(ctx, files)
	if err != nil {
		return err
	}
	ln, err := listen(ctx, name, address)
	if err != nil {
		return err
	}
	faults := &listenerFaults{listener: name, log: d.log}
	faults.install(srv)
	d.servers = append(d.servers, &server{
		name: name, listener: faults.listen(wrap(ln)), http: srv, faults: faults, certs: certs, done: make(chan struct{}),
	})
	return nil
}

func asItIs(ln net.Listener) net.Listener { return ln }

func gatewayServer(h http.Handler, l settings.Limits) *http.Server {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: l.ReadHeaderTimeout, IdleTimeout: l.IdleTimeout, MaxHeaderBytes: int(l.MaxHeader),
		Protocols: new(http.Protocols),
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetHTTP2(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	return srv
}

func accessOf(s settings.Admin) admin.Access {
	access := admin.Access{
		Tokens: map[string]admin.Token{}, Hosts: s.AllowedHosts,
		ClientCertificates: s.TLS != nil && s.TLS.ClientCAFile != "",
	}
	for _, t := range s.Tokens {
		access.Tokens[t.Name] = admin.Token{Secret: string(t.Token), Write: t.Role == settings.RoleWrite}
	}
	return access
}

// probes answers the probes and GET /metrics, and nothing else: who may ask is not known.
func (d *Daemon) probes() http.Handler {
	probes, metrics := healthhttp.Handler(d.layer.Health(), healthhttp.Options{NotReady: d.notReady}), d.metrics()
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if healthhttp.Answers(r.URL.Path) {
			probes.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
	return mux
}

func (d *Daemon) metrics() http.Handler { return prometheus.Handler(d, processCollectors()...) }

// notReady says why requests are not accepted, or cannot be passed on as far as this
// machine is concerned: others in the balancer may have what it lacks. It is empty where
// nothing stands against it but, perhaps, a check.
func (d *Daemon) notReady() string {
	switch lack := d.gateway.Exhausted(); {
	case !d.ready.Load():
		return "the listeners do not serve yet"
	case d.draining.Load():
		return "the daemon is draining"
	case lack != "":
		return "this machine cannot connect to upstreams: " + lack
	}
	return ""
}

// Start serves. It returns at once.
func (d *Daemon) Start() {
	d.serving.Store(true)
	for _, s := range d.servers {
		d.log.Info("listening", slog.String("listener", s.name), slog.String("address", s.address()), slog.Bool("tls", s.certs != nil))
		go s.serve()
	}
	d.ready.Store(true)
	d.tellManager()
	if d.options.WatchEvery < 0 {
		return
	}
	if err := d.layer.Supervise("watch", supervise.Func(d.watchFiles)); err != nil {
		d.log.Error("the files are not watched", slog.Any("error", err))
	}
}

// watchFiles reloads when a file has changed, until the service or the daemon is stopped.
func (d *Daemon) watchFiles(ctx context.Context) error {
	every := d.options.WatchEvery
	if every == 0 {
		every = defaultWatch
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if d.watch.changed(ctx) && ctx.Err() == nil && d.life.Err() == nil {
				d.reloadUnasked(ctx, "the file has changed")
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// watched lists the files whose contents make the daemon what it is. A file for an
// upstream may be gone: it may have gone with its route, and must not keep the change
// of the configuration that says so from being noticed.
func (d *Daemon) watched() (required, optional []string) {
	required = []string{d.options.ConfigFile}
	for _, s := range d.servers {
		required = append(required, s.certs.paths()...)
	}
	return required, d.gateway.Files()
}

// Address returns where the listener of that name answers, "" if there is none.
func (d *Daemon) Address(name string) string {
	for _, s := range d.servers {
		if s.name == name {
			return s.address()
		}
	}
	return ""
}

// Failed returns a channel that delivers when a listener ends by itself.
func (d *Daemon) Failed() <-chan error {
	failed := make(chan error, len(d.servers))
	for _, s := range d.servers {
		go func() {
			<-s.done
			if s.err != nil {
				failed <- s.err
			}
		}()
	}
	return failed
}
