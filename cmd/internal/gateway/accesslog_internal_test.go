package gateway

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

// A write that fails once the client's time to read is over failed for that, also where
// the server of HTTP/2 says only that the stream is closed.
func TestPastReading(t *testing.T) {
	closed := errors.New("http2: stream closed")
	now := time.Now()
	for name, c := range map[string]struct {
		w    responseWriter
		err  error
		want bool
	}{
		"a deadline":                    {responseWriter{}, fmt.Errorf("write: %w", os.ErrDeadlineExceeded), true},
		"closed after its time":         {responseWriter{clock: true, read: now.Add(-time.Second)}, closed, true},
		"closed within its time":        {responseWriter{clock: true, read: now.Add(time.Hour)}, closed, false},
		"closed while the clock stands": {responseWriter{read: now.Add(-time.Second)}, closed, false},
	} {
		if got := c.w.pastReading(c.err); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
