package httpworker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
)

const component = "http_worker"

// Client sends requests to one service. It is lent by a pool; its methods are safe
// for concurrent use all the same.
type Client struct {
	options Options
	base    *url.URL
	http    *http.Client
	stats   *counters
	own     counters
}

// Request is one request. The zero value is a GET of the base URL.
type Request struct {
	Method string // empty means GET
	Path   string // below the base URL
	Query  url.Values
	Header http.Header
	Body   []byte
}

// Response is an answer whose body has been read.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	URL    string // that answered, after redirects
}

// StatusError is the cause of the error of [Client.JSON] for a status of 400 or
// above.
type StatusError struct {
	Status int
	Body   []byte // at most 4 KiB of the answer
}

// Error implements error; it does not repeat the body, which may be anything.
func (e *StatusError) Error() string {
	return fmt.Sprintf("the service answered %d %s", e.Status, http.StatusText(e.Status))
}

// Get asks for path with query, which may be nil.
func (c *Client) Get(ctx context.Context, path string, query url.Values) (*Response, error) {
	return c.Do(ctx, Request{Path: path, Query: query})
}

// Post sends body to path.
func (c *Client) Post(ctx context.Context, path, contentType string, body []byte) (*Response, error) {
	return c.Do(ctx, Request{Method: http.MethodPost, Path: path, Body: body, Header: http.Header{"Content-Type": {contentType}}})
}

// JSON sends in, unless it is nil, and decodes the answer into out, unless that is
// nil. A status of 400 or above is an error with a [StatusError] underneath.
func (c *Client) JSON(ctx context.Context, method, path string, in, out any) error {
	r := Request{Method: method, Path: path, Header: http.Header{"Accept": {"application/json"}}}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return refused("the request is not JSON", err)
		}
		r.Body = body
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.Do(ctx, r)
	if err != nil {
		return err
	}
	if answer.Status >= http.StatusBadRequest {
		cause := &StatusError{answer.Status, answer.Body[:min(len(answer.Body), 4<<10)]}
		return failed("the service refused", cause, fault.Measure("status", float64(answer.Status), ""))
	}
	return decode(answer, out)
}

func decode(answer *Response, out any) error {
	if out == nil {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type")); err == nil && !strings.HasSuffix(kind, "json") {
		return failed("the answer is not JSON", errors.New("it is "+kind))
	}
	if err := json.Unmarshal(answer.Body, out); err != nil {
		return failed("the answer is not the JSON that was expected", err)
	}
	return nil
}

// Do sends r and reads the whole answer, bounded by the options timeout and
// max_response and by ctx.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	began := time.Now()
	answer, err := c.exchange(ctx, r)
	took := time.Since(began)
	c.stats.count(r, answer, err, took)
	c.own.count(r, answer, err, took)
	return answer, err
}

func (c *Client) exchange(ctx context.Context, r Request) (*Response, error) {
	inner, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	request, err := c.request(inner, r)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, c.explain(ctx, inner, err)
	}
	defer answer.Body.Close() //nolint:errcheck // it has been read or given up
	body, err := io.ReadAll(io.LimitReader(answer.Body, min(c.options.MaxResponse, math.MaxInt64-1)+1))
	if err != nil {
		return nil, c.explain(ctx, inner, err)
	}
	if length := int64(len(body)); length > c.options.MaxResponse {
		return nil, failed("the answer is longer than max_response", nil,
			fault.Against("length", float64(length), float64(c.options.MaxResponse), "bytes at least"))
	}
	return &Response{answer.StatusCode, answer.Header, body, answer.Request.URL.Redacted()}, nil
}

func (c *Client) request(ctx context.Context, r Request) (*http.Request, error) {
	u, err := locate(c.base, r.Path)
	if err != nil {
		return nil, err
	}
	u.RawQuery = r.Query.Encode()
	request, err := http.NewRequestWithContext(ctx, r.Method, u.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, refused("the request cannot be built", err)
	}
	for name, value := range c.options.Headers {
		request.Header.Set(name, value)
	}
	for name, values := range r.Header {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	return request, nil
}

// locate returns the URL of a path below base.
func locate(base *url.URL, text string) (*url.URL, error) {
	path, err := url.Parse(text)
	if err != nil || path.IsAbs() || path.Host != "" || path.RawQuery != "" || path.Fragment != "" {
		return nil, refused("the path must be a plain path below the base URL, with the query apart", err)
	}
	u := base
	if text != "" {
		u = base.JoinPath(path.EscapedPath())
	}
	u = &url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if prefix := strings.TrimSuffix(base.EscapedPath(), "/"); !strings.HasPrefix(u.EscapedPath()+"/", prefix+"/") {
		return nil, refused("the path leads out of the base URL", nil)
	}
	if text != "" && slices.ContainsFunc(strings.FieldsFunc(u.Path, separates), leadsAway) {
		return nil, refused("the path leads out of the base URL, in escaped form", nil)
	}
	return u, nil
}

// separates reports whether some server takes r for the end of a path segment.
func separates(r rune) bool { return r == '/' || r == '\\' }

// leadsAway reports whether a segment, unescaped, means the folder above. JoinPath
// has resolved those that were not escaped; servers resolve the others.
func leadsAway(segment string) bool { return segment == ".." }

// explain tells the caller's doing, the timeout and the service's failure apart.
func (c *Client) explain(caller, inner context.Context, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // it would repeat the URL, which may hold a secret
	}
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		return fault.New(fault.Spec{Code: fault.Canceled, Component: component, Cause: err})
	case caller.Err() != nil:
		return fault.New(fault.Spec{Code: fault.CallTimeout, Component: component, Cause: err, Message: "the caller's deadline passed"})
	case inner.Err() != nil:
		return fault.New(fault.Spec{
			Code: fault.CallTimeout, Component: component, Cause: err, Message: "no whole answer within the worker's timeout",
			Evidence: []fault.Fact{fault.Measure("timeout", c.options.Timeout.Seconds(), "seconds")},
		})
	default:
		return failed("no answer", err)
	}
}

// redirect is the client's policy: at most so many, and the configured headers,
// which may be credentials, only for the service that they are meant for.
func (c *Client) redirect(next *http.Request, via []*http.Request) error {
	if c.options.MaxRedirects < 0 {
		return http.ErrUseLastResponse
	}
	if len(via) > c.options.MaxRedirects {
		return fmt.Errorf("more than %d redirects", c.options.MaxRedirects)
	}
	if next.URL.Host != c.base.Host || next.URL.Scheme != c.base.Scheme {
		for name := range c.options.Headers {
			next.Header.Del(name)
		}
	}
	return nil
}

func refused(message string, cause error) error {
	return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Message: message, Cause: cause})
}

func failed(message string, cause error, evidence ...fault.Fact) error {
	return fault.New(fault.Spec{Code: fault.OperationFailed, Component: component, Message: message, Cause: cause, Evidence: evidence})
}

// Stats are counts of requests.
type Stats struct {
	Requests  uint64    // sent or tried
	Failures  uint64    // without an answer
	ByClass   [6]uint64 // answers by the first digit of their status; the first is for others
	BytesSent uint64
	BytesRead uint64
	Time      time.Duration // sum over all requests
}

// Stats returns the counts of this worker alone.
func (c *Client) Stats() Stats { return c.own.snapshot() }

// PoolStats returns the counts of all workers that came from the same factory.
func (c *Client) PoolStats() Stats { return c.stats.snapshot() }

type counters struct {
	requests, failures, sent, read atomic.Uint64
	byClass                        [6]atomic.Uint64
	time                           atomic.Int64
}

func (n *counters) count(r Request, answer *Response, err error, took time.Duration) {
	n.requests.Add(1)
	n.sent.Add(uint64(len(r.Body)))
	n.time.Add(int64(took))
	if err != nil {
		n.failures.Add(1)
		return
	}
	n.read.Add(uint64(len(answer.Body)))
	class := answer.Status / 100
	if class >= len(n.byClass) {
		class = 0
	}
	n.byClass[class].Add(1)
}

func (n *counters) snapshot() Stats {
	s := Stats{
		Requests: n.requests.Load(), Failures: n.failures.Load(), BytesSent: n.sent.Load(), BytesRead: n.read.Load(),
		Time: time.Duration(n.time.Load()),
	}
	for i := range n.byClass {
		s.ByClass[i] = n.byClass[i].Load()
	}
	return s
}
