package telemetry_test

import (
	"context"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/telemetry"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	parent  = "00-" + traceID + "-b7ad6b7169203331-01"
)

func TestTrace_WhatIsValidIsCarriedBesideTheCorrelation(t *testing.T) {
	for _, valid := range []string{parent, parent[:len(parent)-2] + "ff", "01" + parent[2:], "cc" + parent[2:] + "-what-comes.next"} {
		ctx := telemetry.WithCorrelation(telemetry.WithTrace(telemetry.WithCorrelation(t.Context(), "r0"), valid, "rojo=1,congo=2"), "r1")
		got, state := telemetry.Trace(ctx)
		if got != valid || state != "rojo=1,congo=2" || telemetry.TraceID(ctx) != traceID || telemetry.Correlation(ctx) != "r1" {
			t.Errorf("%s: %q, %q, id %q, correlation %q", valid, got, state, telemetry.TraceID(ctx), telemetry.Correlation(ctx))
		}
	}
	below := telemetry.WithTrace(telemetry.WithCorrelation(t.Context(), "r0"), parent, "")
	if got := telemetry.Correlation(below); got != "r0" {
		t.Errorf("a trace hides the correlation: %q", got)
	}
}

func TestTrace_WhatIsMalformedIsNotTrusted(t *testing.T) {
	zeros := strings.Repeat("0", 32)
	for name, wrong := range map[string]string{
		"empty": "", "short": parent[:54], "long": parent + "0", "long with a dash": parent + "-00", "version ff": "ff" + parent[2:], "version": "0x" + parent[2:],
		"upper case": strings.ToUpper(parent), "no trace": "00-" + zeros + parent[35:], "no parent": parent[:36] + zeros[:16] + "-01",
		"dashes": strings.ReplaceAll(parent, "-", "_"), "no hex": parent[:10] + "g" + parent[11:], "flags": parent[:53] + "0g", "spaces": " " + parent,
		"of a version to come, without its dash": "01" + parent[2:] + "00", "with control characters": "01" + parent[2:] + "-a\r\nb", "endless": "01" + parent[2:] + "-" + strings.Repeat("a", 300),
	} {
		ctx := context.Background()
		if got := telemetry.WithTrace(ctx, wrong, "rojo=1"); got != ctx || telemetry.TraceID(got) != "" {
			t.Errorf("%s is trusted: %q", name, wrong)
		}
	}
	ctx := telemetry.WithTrace(t.Context(), parent, "")
	if got := telemetry.TraceID(telemetry.WithTrace(ctx, "nothing", "")); got != traceID {
		t.Errorf("what is malformed hides the trace: %q", got)
	}
}

func FuzzTrace(f *testing.F) {
	f.Add(parent)
	f.Add("cc" + parent[2:] + "-x")
	f.Fuzz(func(t *testing.T, text string) {
		if id := telemetry.TraceID(telemetry.WithTrace(context.Background(), text, "")); id != "" && (len(id) != 32 || !strings.Contains(text, id) || strings.Trim(id, "0123456789abcdef") != "") {
			t.Errorf("%q has trace %q", text, id)
		}
	})
}
