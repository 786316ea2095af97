package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/cli"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// watched is a frame of an incident.
func watched() adminapi.Frame {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	return adminapi.Frame{
		APIVersion: "v1", Full: true, At: at, Verdict: "attention", Namespace: "shop", Score: 70, Memory: adminapi.FrameMemory{Level: "off"},
		Findings: []adminapi.Finding{{Kind: "breaker", Name: "payments", Text: "breaker payments is open for 13s", Command: "foundation why breaker payments"}},
		Rows:     []adminapi.FrameRow{{ID: "breaker/payments", Kind: "breaker", Name: "payments", Level: "bad", State: "open", Since: at.Add(-13 * time.Second), NextAt: at.Add(4 * time.Second)}},
	}
}

func TestTop_OncePrintsAFrameWithoutATerminal(t *testing.T) {
	addr, requests := daemon(t)
	got := run(t, nil, "top", "--once", "--addr", addr)
	for _, want := range []string{"2026-01-31 12:00:00Z", "▲ attention", "✗ breaker payments is open for 13s", "  → foundation why breaker payments", "○ OPEN          breaker  payments"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%q is missing\n%s%s", want, got.out, got.err)
		}
	}
	if got.code != cli.ExitOK || strings.Contains(got.out, "\x1b") || len(*requests) != 1 || (*requests)[0] != "GET /v1/frame" {
		t.Errorf("%+v %q", got, *requests)
	}
	var f adminapi.Frame
	if got := run(t, nil, "top", "--once", "-o", "json", "--addr", addr); json.Unmarshal([]byte(got.out), &f) != nil || len(f.Rows) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestTop_SaysWhatItNeeds(t *testing.T) {
	addr, _ := daemon(t)
	if got := run(t, nil, "top", "--addr", addr); got.code != cli.ExitUsage || !strings.Contains(got.err, "--once") {
		t.Errorf("without a terminal: %+v", got)
	}
	if got := run(t, nil, "top", "--once", "--addr", "127.0.0.1:1"); got.code != cli.ExitUnreachable {
		t.Errorf("without a daemon: %+v", got)
	}
}
