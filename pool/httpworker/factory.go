package httpworker

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/pool/internal/shared"
)

// Kind returns the kind, for foundation.Options.Kinds.
func Kind() pool.Kind { return pool.KindOf(New) }

// New returns a factory of clients as o says.
func New(o Options) (pool.Factory[*Client], error) {
	if err := o.Validate(); err != nil {
		return pool.Factory[*Client]{}, err
	}
	f := &factory{options: o.effective()}
	base, err := url.Parse(o.BaseURL)
	if err != nil {
		return pool.Factory[*Client]{}, err
	}
	f.base = pathed(base)
	f.transport = shared.New(f.open, (*http.Transport).CloseIdleConnections)
	functions := pool.Factory[*Client]{New: f.make, Close: f.end}
	if o.HealthPath != "" {
		functions.Check = f.test
	}
	return functions, nil
}

type factory struct {
	options   Options
	base      *url.URL
	transport *shared.Resource[*http.Transport]
	stats     counters
}

// idlePerHost is above the two that net/http keeps by default: all workers of a
// pool go to the same host, and a connection that is not kept is dialed again.
const idlePerHost = 64

func (f *factory) open() (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: f.options.Timeout, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: idlePerHost,
		IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
	}
	if f.options.Proxy != "" {
		proxy, err := url.Parse(f.options.Proxy)
		if err != nil {
			return nil, err
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	return t, nil
}

func (f *factory) make(context.Context) (*Client, error) {
	take := f.transport.Take
	if f.options.Isolate {
		take = f.open
	}
	transport, err := take()
	if err != nil {
		return nil, err
	}
	c := &Client{options: f.options, base: f.base, stats: &f.stats}
	c.http = &http.Client{Transport: transport, CheckRedirect: c.redirect}
	return c, nil
}

func (f *factory) end(c *Client) {
	if f.options.Isolate {
		c.http.CloseIdleConnections()
		return
	}
	f.transport.Drop()
}

func (f *factory) test(ctx context.Context, c *Client) error {
	answer, err := c.exchange(ctx, Request{Path: f.options.HealthPath}) // and not Do: a check is no request of the user's
	if err != nil {
		return err
	}
	if answer.Status >= http.StatusInternalServerError {
		return fmt.Errorf("%s answered %d", f.options.HealthPath, answer.Status)
	}
	return nil
}
