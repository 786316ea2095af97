package logs_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/logs"
)

func TestJSON_DurationsAreSeconds(t *testing.T) {
	var out bytes.Buffer
	slog.New(logs.JSON(&out, slog.LevelInfo)).Info("breaker is closed", slog.Duration("lasted", 3040*time.Millisecond), slog.Group("next", slog.Duration("in", time.Minute)))
	if got := out.String(); !strings.Contains(got, `"lasted_seconds":3.04`) || !strings.Contains(got, `"next":{"in_seconds":60}`) {
		t.Error(got)
	}
}
