package cli

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

func TestParseNumber_AgreesWithTheStandardLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", "-", "+", ".", "-.5", "5.", "+7", "1e5", "1E-7", "nan", "Inf", "-inf", "0x1p4", "1_0", "1,5", " 1", "00012", "123456789012345678901234567890", "1e400", "--1", "1.2.3"}
	for range 20000 {
		texts = append(texts, strconv.FormatFloat(math.Ldexp(r.Float64()-0.5, r.IntN(120)-60), 'f', r.IntN(18), 64), strconv.FormatFloat(r.NormFloat64()*1e6, 'g', r.IntN(17)+1, 64))
	}
	for _, text := range texts {
		want, err := strconv.ParseFloat(text, 64)
		got, ok := parseNumber([]byte(text))
		if wantOK := err == nil || math.IsInf(want, 0); ok != wantOK || ok && math.Float64bits(got) != math.Float64bits(want) && !math.IsNaN(want) {
			t.Errorf("%q = %v, %v, want %v, %v", text, got, ok, want, wantOK)
		}
	}
}

func TestParseStamp_AgreesWithTheStandardLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	zone := time.FixedZone("", -(5*3600 + 30*60))
	for range 5000 {
		want := time.Unix(r.Int64N(4e9), r.Int64N(1e9)).In(zone)
		for _, layout := range []string{time.RFC3339Nano, time.RFC3339, "2006-01-02 15:04:05.000", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02", "2006-01-02 15:04:05 -0700"} {
			text := want.Format(layout)
			same, err := time.Parse(layout, text)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := parseStamp([]byte(text)); !ok || !got.Equal(same) {
				t.Errorf("%q = %v, %v, want %v", text, got, ok, same)
			}
		}
	}
	for _, text := range []string{"", "x", "2026", "2026-02-30", "2026-02-28T25:00:00Z", "2026-02-28T23:60:00Z", "2026-02-28T23:00:99Z", "2026-02-28X23:00:00", "2026-02-28T23:00:00Q", "2026-02-28T23:00:00+1", "2026-02-28T23:00:00.Z", "2026/02/28", "nan", "1e99", "-2026-01-01", "20a6-01-01"} {
		if got, ok := parseStamp([]byte(text)); ok && text != "2026" {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	for text, want := range map[string]int64{"1700000000": 1700000000000, "1700000000123": 1700000000123, "1700000000.5": 1700000000500, "0": 0, "-60": -60000} {
		if got, ok := parseStamp([]byte(text)); !ok || got.UnixMilli() != want {
			t.Errorf("%q = %v, %v, want %d ms", text, got, ok, want)
		}
	}
}
