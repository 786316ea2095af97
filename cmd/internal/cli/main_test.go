package cli_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC //nolint:gosmopolitan // what people see has the zone of this machine
	goleak.VerifyTestMain(m)
}
