package protect

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryAfter returns how long the Retry-After field of h asks to wait, measured
// from now, or fallback if the field is missing or says nothing that can be
// understood. It is never negative unless fallback is.
func RetryAfter(h http.Header, fallback time.Duration) time.Duration {
	if d, ok := ParseRetryAfter(h.Get("Retry-After"), time.Now()); ok {
		return d
	}
	return fallback
}

// ParseRetryAfter reads the value of a Retry-After field: whole seconds, or a
// date in one of the three forms that HTTP allows, measured from now. A date in
// the past means 0; seconds beyond what a [time.Duration] holds mean its maximum.
// A value in neither form returns false.
func ParseRetryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.Trim(value, " \t")
	if value == "" {
		return 0, false
	}
	if d, ok := parseSeconds(value); ok {
		return d, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(0, fullYear(value, at, now).Sub(now)), true
}

// parseSeconds accepts digits alone: a sign or a fraction is no delta-seconds,
// and a peer that sends one is not to be guessed at.
func parseSeconds(value string) (time.Duration, bool) {
	for i := range len(value) {
		if value[i] < '0' || value[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n > int64(math.MaxInt64/time.Second) {
		return math.MaxInt64, true
	}
	return time.Duration(n) * time.Second, true
}

// fullYear mends the two-digit years of the RFC 850 form, which package time
// reads as 1969 to 2068: HTTP wants the year that lies at most 50 years ahead.
func fullYear(value string, at, now time.Time) time.Time {
	if !strings.Contains(value, "-") {
		return at // the other two forms spell the year out
	}
	if at.Year()+100 <= now.Year()+50 {
		return at.AddDate(100, 0, 0)
	}
	if at.Year() > now.Year()+50 {
		return at.AddDate(-100, 0, 0)
	}
	return at
}

// ceilSeconds rounds up to whole seconds, which is what the fields of HTTP carry:
// a client that waits for what it is told must not come early.
func ceilSeconds(d time.Duration) int64 { return ceil(d, time.Second) }

// ceil is how many units make d, rounded up and never negative.
func ceil(d, unit time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/unit) + 1
}

// seconds is the reverse; what no duration can say is the greatest.
func seconds(s float64) time.Duration {
	d := s * float64(time.Second)
	if d >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(d)
}
