package protect

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
)

// WriteHeader implements [http.ResponseWriter]. The first final status ends the
// guard's time limit; if that has passed, the answer is the timeout's.
func (e *exchange) WriteHeader(status int) {
	switch {
	case e.status != 0:
		if !e.late {
			e.ResponseWriter.WriteHeader(status) // net/http reports the superfluous call
		}
	case status >= 100 && status < 200 && status != http.StatusSwitchingProtocols:
		e.ResponseWriter.WriteHeader(status) // informational: the answer is yet to come
	case e.begin(status):
		e.ResponseWriter.WriteHeader(status)
	}
}

// Write implements [http.ResponseWriter].
func (e *exchange) Write(p []byte) (int, error) {
	if !e.writable() {
		return 0, http.ErrHandlerTimeout
	}
	n, err := e.ResponseWriter.Write(p)
	e.wrote(err)
	return n, err
}

// WriteString implements [io.StringWriter].
func (e *exchange) WriteString(s string) (int, error) {
	if !e.writable() {
		return 0, http.ErrHandlerTimeout
	}
	n, err := io.WriteString(e.ResponseWriter, s)
	e.wrote(err)
	return n, err
}

// wrote notes a client to whom nothing can be written any more. Its server may tell
// the context a moment later only, when the handler has given up already.
func (e *exchange) wrote(err error) {
	if err != nil && !errors.Is(err, http.ErrBodyNotAllowed) && !errors.Is(err, http.ErrContentLength) {
		e.gone.Store(true)
	}
}

// ReadFrom implements [io.ReaderFrom], so that files still go out by sendfile.
func (e *exchange) ReadFrom(src io.Reader) (int64, error) {
	if !e.writable() {
		return 0, http.ErrHandlerTimeout
	}
	return io.Copy(e.ResponseWriter, src)
}

// FlushError is what [http.ResponseController] calls; flushing sends the header.
func (e *exchange) FlushError() error {
	if !e.writable() {
		return http.ErrHandlerTimeout
	}
	return http.NewResponseController(e.ResponseWriter).Flush()
}

// Flush implements [http.Flusher].
func (e *exchange) Flush() { _ = e.FlushError() }

// Hijack implements [http.Hijacker]. The connection is the handler's from then
// on and has no time limit; the call counts as answered.
func (e *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if e.late || e.status == 0 && !e.limit.disarm() {
		return nil, nil, http.ErrHandlerTimeout
	}
	conn, rw, err := http.NewResponseController(e.ResponseWriter).Hijack()
	if err == nil {
		e.upgraded()
	}
	return conn, rw, err
}

// Unwrap lets [http.ResponseController] reach what is not wrapped: deadlines and
// full duplex.
func (e *exchange) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// writable begins the answer with 200 if nothing has, as net/http does.
func (e *exchange) writable() bool {
	if e.status == 0 {
		return e.begin(http.StatusOK)
	}
	return !e.late
}

// begin records the first final status and ends the time limit. If the limit was
// faster, it answers with the timeout and reports false.
func (e *exchange) begin(status int) bool {
	if !e.limit.disarm() {
		e.answerLate()
		return false
	}
	e.status = status
	e.token.Answered()
	e.tellQuota()
	e.markRetried(status)
	switch {
	case status == http.StatusSwitchingProtocols:
		e.upgraded()
	case e.over:
		e.settle()
	}
	return true
}
