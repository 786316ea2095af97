package healthhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/elixirscope/foundation/fault"
)

// most of a body that is read, so that the server sees its answer taken.
const most = 64 << 10

// Kind is the check of a URL: GET must answer with a status below 400. It follows no
// redirect, takes no proxy from the environment, and makes a connection of its own each
// time, so that it finds out whether one can be made. What the answer says is not told.
func Kind(target string) (func(ctx context.Context) error, error) {
	u, err := url.Parse(target)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, refuse(`must be an http or https URL with a host, as in "http://127.0.0.1:9000/ready"`)
	case u.User != nil:
		return nil, refuse("must hold no user and password")
	case u.Fragment != "":
		return nil, refuse("must have no fragment")
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) error { return get(ctx, client, target) }, nil
}

func refuse(message string) error {
	return fault.New(fault.Spec{Code: fault.InvalidConfig, Component: "health", Message: message})
}

func get(ctx context.Context, client *http.Client, target string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return refuse("the request cannot be made")
	}
	request.Header.Set("User-Agent", "foundation-health")
	response, err := client.Do(request)
	if err != nil {
		return cause(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, most) // an answer that breaks off has had its status
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the answer is %d %s", response.StatusCode, http.StatusText(response.StatusCode))
	}
	return nil
}

// cause is why there was no answer, without the URL, which may hold what is not to be told.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("there was no answer in time")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
