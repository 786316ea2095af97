package cli

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// length is the value of a flag that is a duration, as those of the configuration file: with
// days, as in 1d or 1d12h. The zero length was not given.
type length struct{ time.Duration }

func (l *length) register(cmd *cobra.Command, usage string) { cmd.Flags().Var(l, "for", usage) }

// check refuses a time that is over before it begins.
func (l *length) check() error {
	if l.Duration < 0 {
		return usage(errors.New("--for must not be negative"), "")
	}
	return nil
}

// Set implements [pflag.Value].
func (l *length) Set(text string) error {
	d, err := parseDuration(text)
	if err != nil {
		return err
	}
	l.Duration = d
	return nil
}

// Type implements [pflag.Value].
func (*length) Type() string { return "duration" }

// String implements [pflag.Value].
func (l *length) String() string {
	if l.Duration == 0 {
		return ""
	}
	return durationText(l.Duration)
}

var errDuration = errors.New("write a number and a unit, as in 90s, 15m, 2h or 1d")

const day = 24 * time.Hour

// parseDuration reads what [time.ParseDuration] does, and days before it.
func parseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, errDuration
		}
		return d, nil
	}
	const most = 1000 * 365
	n, err := strconv.ParseFloat(days, 64)
	if err != nil || n < -most || n > most {
		return 0, errDuration
	}
	d := time.Duration(n * float64(day))
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 || n < 0 {
		return 0, errDuration
	}
	return d + more, nil
}

// durationText renders a duration with its days and without what is zero: 1d2h, 1m30s.
func durationText(d time.Duration) string {
	if d < day {
		return trimZeros(d.String())
	}
	days, rest := d/day, d%day
	text := strconv.FormatInt(int64(days), 10) + "d"
	if rest > 0 {
		text += trimZeros(rest.String())
	}
	return text
}
