// Command payments shows a guard in code: a dependency that fails, a breaker that
// opens, a rate limit for each user, and what a caller learns of a refusal.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// bank is a dependency that can be switched off.
type bank struct{ down bool }

var errUnreachable = errors.New("bank: unreachable")

func (b *bank) charge(_ context.Context, cents int) (string, error) {
	if b.down {
		return "", errUnreachable
	}
	return fmt.Sprintf("charged %d.%02d", cents/100, cents%100), nil
}

func run(ctx context.Context, out io.Writer) error {
	payments, err := newGuard()
	if err != nil {
		return err
	}
	var b bank
	pay := func(user string) {
		call := guard.Call{Key: ratelimit.KeyOf("user", user)}
		receipt, err := guard.Do(ctx, payments, call, func(ctx context.Context) (string, error) {
			return b.charge(ctx, 1999)
		})
		fmt.Fprintln(out, user+":", tell(receipt, err))
	}
	pay("ann")
	pay("ann")
	pay("ann") // her limit is two
	pay("ben") // his is his own
	b.down = true
	pay("cat")
	pay("dan") // the second failure opens the breaker
	pay("eve") // and her call does not reach the bank
	return nil
}

// newGuard composes the protections. No file, no goroutine, nothing global.
func newGuard() (*guard.Guard, error) {
	bankBreaker, err := breaker.New("bank", breaker.Config{FailureThreshold: 2, Window: 10 * time.Second, Cooldown: 30 * time.Second})
	if err != nil {
		return nil, err
	}
	perUser, err := ratelimit.New("per_user", ratelimit.Config{Limit: 2, Per: time.Minute})
	if err != nil {
		return nil, err
	}
	return guard.New("payments", guard.Config{Breaker: bankBreaker, RateLimit: perUser, Timeout: 2 * time.Second})
}

// tell explains an error as a caller would want to.
func tell(receipt string, err error) string {
	f, refused := errors.AsType[*fault.Error](err)
	switch {
	case err == nil:
		return receipt
	case refused:
		return fmt.Sprintf("refused: %s, try again in %v", f.Code(), f.RetryAfter().Round(time.Second))
	default:
		return "failed: " + err.Error()
	}
}
