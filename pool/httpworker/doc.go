// Package httpworker is the "http" kind of worker: a client of one HTTP service.
//
// # Usage
//
//	pools:
//	  billing: { worker: http, options: { base_url: "https://billing.example.com/v1", timeout: 2s } }
//
//	err := billing.With(ctx, func(ctx context.Context, c *httpworker.Client) error {
//		return c.JSON(ctx, http.MethodPost, "/invoices", order, &invoice)
//	})
//
// The size of the pool bounds how many requests are under way. The workers share
// one http.Transport, so a connection that one of them opened serves the others,
// unless the option isolate gives each its own.
//
// # Errors
//
// An answer is a result whatever its status is; [Client.JSON] alone turns a status
// of 400 or above into an error. Errors are *fault.Error values: operation_failed,
// call_timeout, canceled, or invalid_argument for a request that could not be sent.
// The worker survives all of them.
package httpworker
