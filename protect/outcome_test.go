package protect_test

import (
	"testing"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/protect"
)

func TestStatusOutcome(t *testing.T) {
	for status, want := range map[int]breaker.Outcome{
		101: breaker.Success, 200: breaker.Success, 204: breaker.Success, 304: breaker.Success,
		400: breaker.Success, 401: breaker.Success, 404: breaker.Success, 408: breaker.Success, 409: breaker.Success, 422: breaker.Success,
		501: breaker.Success, 505: breaker.Success, // of the request: its method, its version
		429: breaker.Ignored, 499: breaker.Ignored,
		500: breaker.Failure, 502: breaker.Failure, 503: breaker.Failure, 504: breaker.Failure, 599: breaker.Failure, 0: breaker.Failure, 999: breaker.Failure,
	} {
		if got := protect.StatusOutcome(status); got != want {
			t.Errorf("%d is %v, want %v", status, got, want)
		}
	}
}
