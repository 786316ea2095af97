package redistest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Do sends one command over a connection of its own and returns the answer as text,
// the elements of an array one a line. It speaks the protocol by itself, so that every
// module can use this package, also those without a client. What the server answers
// with an error is an error.
func (s *Server) Do(ctx context.Context, args ...string) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return "", err
	}
	defer conn.Close() //nolint:errcheck // the answer is what counts
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return "", err
	}
	return answer(bufio.NewReader(conn))
}

func answer(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("an empty answer")
	}
	rest := line[1:]
	switch line[0] {
	case '+', ':':
		return rest, nil
	case '-':
		return "", errors.New(rest)
	case '$', '*':
	default:
		return "", fmt.Errorf("an answer of unknown form: %q", line)
	}
	n, err := strconv.Atoi(rest)
	if err != nil || n < 0 { // -1 stands for nothing
		return "", err
	}
	if line[0] == '$' {
		body := make([]byte, n+len("\r\n"))
		_, err := io.ReadFull(r, body)
		return string(body[:n]), err
	}
	all := make([]string, n)
	for i := range all {
		if all[i], err = answer(r); err != nil {
			return "", err
		}
	}
	return strings.Join(all, "\n"), nil
}
