package health

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/elixirscope/foundation/fault"
)

// Kind makes the function of a check from what a configuration says is to be checked, such
// as an address or a URL. It connects to nothing; an error says what is wrong with target.
type Kind func(target string) (run func(ctx context.Context) error, err error)

// TCP is the kind of check that connects to a host and port and closes the connection.
func TCP(target string) (func(ctx context.Context) error, error) {
	host, port, err := net.SplitHostPort(target)
	number, numeric := strconv.ParseUint(port, 10, 16)
	if err != nil || host == "" || numeric != nil || number == 0 {
		return nil, fault.New(fault.Spec{
			Code: fault.InvalidConfig, Component: component, Message: `must be a host and a port, as in "db:5432" or "[::1]:5432"`,
		})
	}
	return func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", target)
		if err != nil {
			return cause(ctx, err)
		}
		return conn.Close()
	}, nil
}

// cause is why a connection was not made; the address stands in the configuration.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("there was no answer in time")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}
