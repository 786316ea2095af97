package protect_test

import (
	"testing"

	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
)

func TestStatusOutcome(t *testing.T) {
	for status, want := range map[int]outcome.Outcome{
		101: outcome.Success, 200: outcome.Success, 204: outcome.Success, 304: outcome.Success,
		400: outcome.Success, 401: outcome.Success, 404: outcome.Success, 408: outcome.Success, 409: outcome.Success, 422: outcome.Success,
		501: outcome.Success, 505: outcome.Success, // of the request: its method, its version
		429: outcome.Ignored, 499: outcome.Ignored,
		500: outcome.Failure, 502: outcome.Failure, 503: outcome.Failure, 504: outcome.Failure, 599: outcome.Failure, 0: outcome.Failure, 999: outcome.Failure,
	} {
		if got := protect.StatusOutcome(status); got != want {
			t.Errorf("%d is %v, want %v", status, got, want)
		}
	}
}
