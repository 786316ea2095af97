package adminapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// ErrUnreachable is returned when no daemon answers at the address.
var ErrUnreachable = errors.New("no daemon answers")

// ErrWantsTLS is returned for a plain request to a daemon that serves TLS.
var ErrWantsTLS = errors.New("the daemon speaks TLS")

// maxAnswer bounds what the client reads of one answer.
const maxAnswer = 64 << 20

// Client talks to a daemon's admin API. It is safe for concurrent use.
type Client struct {
	// Address is "host:port" or a URL.
	Address string
	// Token is sent as a bearer token unless it is empty.
	Token string
	// HTTP is used for the requests; nil means http.DefaultClient.
	HTTP *http.Client
}

// Get reads path into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.do(ctx, http.MethodGet, path, nil, out)
}

// Send sends in as JSON with the given method and reads the answer into out,
// which may be nil.
func (c *Client) Send(ctx context.Context, method, path string, in, out any) error {
	if in == nil {
		in = struct{}{}
	}
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	return c.do(ctx, method, path, body, out)
}

func (c *Client) do(ctx context.Context, method, path string, body []byte, out any) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	return decode(resp, out)
}

// send sends a request and returns its answer, whose body the caller closes.
func (c *Client) send(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	return c.sendWith(ctx, method, path, body, nil)
}

func (c *Client) sendWith(ctx context.Context, method, path string, body []byte, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base()+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%q is not the address of a daemon: %w", c.Address, err)
	}
	maps.Copy(req.Header, header)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := c.http().Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, c.base(), cause(err))
	}
	return resp, nil
}

// cause drops the method and URL that url.Error repeats.
func cause(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func decode(resp *http.Response, out any) error {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%w any more: %w", ErrUnreachable, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		if bytes.Contains(raw, []byte("HTTP request to an HTTPS server")) { // the words of net/http
			return ErrWantsTLS
		}
		p := new(Problem)
		if json.Unmarshal(raw, p) != nil || p.Code == "" {
			return fmt.Errorf("the server answered %s and not as a daemon of this kind does", resp.Status)
		}
		return p
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("the server answered %s, but not as a daemon of this kind does: %w", resp.Status, err)
	}
	return nil
}

func (c *Client) base() string {
	if strings.Contains(c.Address, "://") {
		return strings.TrimSuffix(c.Address, "/")
	}
	return "http://" + c.Address
}

func (c *Client) http() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return http.DefaultClient
}
