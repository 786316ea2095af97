package cli

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

// parseNumber reads a decimal number. Those with up to 15 digits are computed exactly without
// a string.
func parseNumber(text []byte) (value float64, ok bool) {
	digits, exponent, seen := uint64(0), 0, 0
	i, negative := 0, len(text) > 0 && text[0] == '-'
	if negative || len(text) > 0 && text[0] == '+' {
		i++
	}
	point := false
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '0' && c <= '9' && seen < 15:
			digits = digits*10 + uint64(c-'0')
			seen++
			if point {
				exponent++
			}
		case c == '.' && !point:
			point = true
		default:
			return slowNumber(text)
		}
	}
	if seen == 0 {
		return 0, false
	}
	value = float64(digits) / powers[exponent] // both are exact, so their quotient is rounded once
	if negative {
		value = -value
	}
	return value, true
}

var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

func slowNumber(text []byte) (value float64, ok bool) {
	value, err := strconv.ParseFloat(string(text), 64)
	return value, err == nil || math.IsInf(value, 0)
}

// parseStamp reads a timestamp: RFC 3339, the same without a zone and with a space, a date, or
// Unix seconds or milliseconds.
func parseStamp(text []byte) (at time.Time, ok bool) {
	if len(text) < len("2006-01-02") || text[4] != '-' {
		return parseUnix(text)
	}
	year, month, day := number(text[0:4]), number(text[5:7]), number(text[8:10])
	if text[7] != '-' || year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return time.Time{}, false
	}
	if len(text) == len("2006-01-02") {
		return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC), true
	}
	clock, zone, ok := parseClock(text[10:])
	if !ok {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Add(clock - zone), true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// parseClock reads what follows the date: T or a space, hour, minute, seconds, a zone.
func parseClock(text []byte) (clock, zone time.Duration, ok bool) {
	if len(text) < len("T15:04") || text[0] != 'T' && text[0] != 't' && text[0] != ' ' || text[3] != ':' {
		return 0, 0, false
	}
	hour, minute := number(text[1:3]), number(text[4:6])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, 0, false
	}
	clock = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	text = text[6:]
	if len(text) >= 3 && text[0] == ':' {
		second := number(text[1:3])
		if second < 0 || second > 60 {
			return 0, 0, false
		}
		clock += time.Duration(second) * time.Second
		var fraction time.Duration
		if fraction, text, ok = parseFraction(text[3:]); !ok {
			return 0, 0, false
		}
		clock += fraction
	}
	zone, ok = parseZone(text)
	return clock, zone, ok
}

func parseFraction(text []byte) (fraction time.Duration, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '.' && text[0] != ',' {
		return 0, text, true
	}
	unit, i := 100*time.Millisecond, 1
	for ; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
		fraction += time.Duration(text[i]-'0') * unit
		unit /= 10
	}
	return fraction, text[i:], i > 1
}

// parseZone reads the offset from UTC; none is UTC.
func parseZone(text []byte) (offset time.Duration, ok bool) {
	text = bytes.TrimPrefix(text, []byte(" "))
	switch {
	case len(text) == 0 || string(text) == "Z" || string(text) == "z" || string(text) == "UTC":
		return 0, true
	case text[0] != '+' && text[0] != '-':
		return 0, false
	}
	digits := text[1:]
	if len(digits) == 5 && digits[2] == ':' {
		digits = []byte{digits[0], digits[1], digits[3], digits[4]}
	}
	if len(digits) != 4 {
		return 0, false
	}
	hour, minute := number(digits[:2]), number(digits[2:])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, false
	}
	offset = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	if text[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// number reads digits alone; -1 if there is anything else.
func number(text []byte) int {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// parseUnix reads seconds, or milliseconds from the year 5138 in seconds on.
func parseUnix(text []byte) (at time.Time, ok bool) {
	const (
		milliseconds = 1e11
		furthest     = 1e15
	)
	v, ok := parseNumber(text)
	if !ok || math.IsNaN(v) || math.Abs(v) > furthest {
		return time.Time{}, false
	}
	if math.Abs(v) >= milliseconds {
		return time.UnixMilli(int64(v)).UTC(), true
	}
	whole, part := math.Modf(v)
	return time.Unix(int64(whole), int64(math.Round(part*1e9))).UTC(), true
}
