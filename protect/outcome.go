package protect

import (
	"net/http"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/errclass"
	"github.com/elixirscope/foundation/outcome"
)

// StatusOutcome says what a response status means for the health of who sent it:
//
//	5xx       failure, but 501 and 505
//	429, 499  ignored: a limit, or a client that left, says nothing about health
//	others    success: the server answered, also when it answered no
//
// 501 and 505 are such a no: they speak of the method and the version of the request,
// so a client that sends five of either would open the breaker for everybody else.
// 0, which no response has, is a failure.
func StatusOutcome(status int) outcome.Outcome {
	switch {
	case status == http.StatusTooManyRequests || status == statusClientClosed:
		return outcome.Ignored
	case status == http.StatusNotImplemented || status == http.StatusHTTPVersionNotSupported:
		return outcome.Success
	case status < 100 || status >= 500:
		return outcome.Failure
	default:
		return outcome.Success
	}
}

// settle tells tok what an answer's status means. One that failed is among the breaker's
// last errors by its status, as status_503.
func (o *options) settle(tok *guard.Token, status int) {
	how := o.outcome(status)
	if how != outcome.Failure {
		tok.Settle(how, nil)
		return
	}
	tok.Settle(how, errclass.Status(status))
}
