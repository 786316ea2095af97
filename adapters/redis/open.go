package redis

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elixirscope/foundation/fault"
)

// The settings of a client of our own, where the URL does not say otherwise. A store has
// few batches under way at once, so it needs few connections, but at once; and whoever waits for
// it waits for milliseconds.
const (
	poolSize    = 8
	minIdle     = 2
	dialTimeout = time.Second
)

// Open returns a store with a client of its own, which Close closes. The URL is one of
//
//	redis://[user:password@]host:port[/database]                 one server
//	rediss://…                                                   the same over TLS
//	unix:///path/to/redis.sock                                   the same over a socket
//	redis+cluster://host:port[?addr=host2:port2&addr=…]          a cluster, by some of its nodes
//	redis+sentinel://host:port[/database]?master_name=main&addr=host2:port2    by its Sentinels
//
// with rediss+cluster:// and rediss+sentinel:// over TLS. The first three are read by
// [redis.ParseURL] of go-redis, the cluster's by [redis.ParseClusterURL] and the
// Sentinels' by [redis.ParseFailoverURL]; query parameters set further options of theirs, as in
// ?dial_timeout=500ms&pool_size=20. Timeouts and the pool have values of their own for this
// use; nothing is retried. Nothing is connected yet.
//
// An error does not contain the URL, which may hold a password.
func Open(address string, o Options) (*Store, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	dial, err := read(address, or(o.Timeout, defaultTimeout))
	if err != nil {
		return nil, invalid(address, err)
	}
	client := dial()
	s, err := New(client, o)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	s.own = true
	return s, nil
}

// Check returns what [Open] would refuse of a URL, and connects to nothing.
func Check(address string) error {
	if _, err := read(address, defaultTimeout); err != nil {
		return invalid(address, err)
	}
	return nil
}

func invalid(address string, err error) error {
	return fault.New(fault.Spec{Code: fault.InvalidConfig, Component: component, Name: "redis", Problems: []fault.Problem{
		{Field: "redis", Message: withoutSecret(address, err)},
	}})
}

// read returns how to make the client for an address, whose exchanges may take so long.
func read(address string, timeout time.Duration) (dial func() redis.UniversalClient, err error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return nil, errors.New("must be a URL, as in redis://127.0.0.1:6379")
	}
	switch plain, kind, _ := strings.Cut(scheme, "+"); kind {
	case "":
		options, err := redis.ParseURL(address)
		if err != nil {
			return nil, err
		}
		tune(options, timeout)
		return func() redis.UniversalClient { return redis.NewClient(options) }, nil
	case "cluster":
		return readCluster(plain+"://"+rest, timeout)
	case "sentinel":
		return readSentinel(plain+"://"+rest, timeout)
	}
	return nil, errors.New("must begin with redis://, rediss://, unix://, redis+cluster:// or redis+sentinel://")
}

func tune(o *redis.Options, timeout time.Duration) {
	o.ContextTimeoutEnabled = true
	o.MaxRetries = -1 // a take that may have been executed must not be sent again
	o.DialerRetries = 1
	o.PoolSize = or(o.PoolSize, poolSize)
	o.MinIdleConns = or(o.MinIdleConns, minIdle)
	o.DialTimeout = or(o.DialTimeout, dialTimeout)
	o.ReadTimeout = or(o.ReadTimeout, timeout)
	o.WriteTimeout = or(o.WriteTimeout, timeout)
}

func readCluster(address string, timeout time.Duration) (dial func() redis.UniversalClient, err error) {
	o, err := redis.ParseClusterURL(address)
	if err != nil {
		return nil, err
	}
	o.ContextTimeoutEnabled = true
	o.DialerRetries = 1
	o.PoolSize = or(o.PoolSize, poolSize)
	o.DialTimeout = or(o.DialTimeout, dialTimeout)
	o.ReadTimeout = or(o.ReadTimeout, timeout)
	o.WriteTimeout = or(o.WriteTimeout, timeout)
	return func() redis.UniversalClient { return redis.NewClusterClient(o) }, nil // follows redirections, which say that nothing was executed
}

func readSentinel(address string, timeout time.Duration) (dial func() redis.UniversalClient, err error) {
	o, err := redis.ParseFailoverURL(address)
	if err != nil {
		return nil, err
	}
	if o.MasterName == "" {
		return nil, errors.New("needs the name under which the Sentinels know the primary, as in ?master_name=main")
	}
	o.ContextTimeoutEnabled = true
	o.MaxRetries, o.DialerRetries = -1, 1
	o.PoolSize = or(o.PoolSize, poolSize)
	o.MinIdleConns = or(o.MinIdleConns, minIdle)
	o.DialTimeout = or(o.DialTimeout, dialTimeout)
	o.ReadTimeout = or(o.ReadTimeout, timeout)
	o.WriteTimeout = or(o.WriteTimeout, timeout)
	return func() redis.UniversalClient { return redis.NewFailoverClient(o) }, nil
}

// or returns v, or what stands for it if it is not set.
func or[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// withoutSecret is the message of an error about an address, without any part of it that may
// be a password: one with a character that ends it early has its rest in what is then read as
// the port, the path or an option, which is what the errors of parsers show.
func withoutSecret(address string, err error) string {
	u, broken := errors.AsType[*url.Error](err)
	if broken {
		err = u.Err
	}
	_, rest, _ := strings.Cut(address, "://")
	end := max(strings.IndexAny(rest, "/?#"), 0)
	if broken && strings.Contains(rest, "@") || strings.Contains(rest[end:], "@") && end > 0 {
		return "cannot be read: in a user name and a password, the characters / ? # [ ] @ and % must be written as %2F %3F %23 %5B %5D %40 and %25"
	}
	return strings.TrimPrefix(err.Error(), "redis: ")
}
