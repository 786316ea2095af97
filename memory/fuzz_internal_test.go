package memory

import (
	"math"
	"path"
	"strings"
	"testing"
)

// No text makes a parser panic or take what is no number for one, and what ends in the
// middle of a number is not known.
func FuzzParsers(f *testing.F) {
	for _, text := range []string{
		"max\n", "0\n", "4096\n", "4096", "9223372036854771712\n", "18446744073709551615\n", "-1\n", "1e3\n", "", "\n", "4096\n4096\n", "\x00\xff",
		"inactive_file 4096\nanon 1\n", "MemTotal:       16384 kB\nMemAvailable:    8192 kB\n", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n",
		"some avg10=1.50 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", "some avg10=NaN avg60", "some avg10=-1 avg60=\n", "some avg10=101.0 avg60=",
		"4:memory:/a\n0::/b\n", "0::/../x\n", "34 30 0:31 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "1 2 3 4 5 6 7\n",
	} {
		f.Add([]byte(text), []byte(text))
	}
	f.Fuzz(func(t *testing.T, text, more []byte) {
		if r := amount(text); r.ok && (r.n >= plausible || !strings.HasSuffix(string(text), "\n") || strings.Trim(string(text), "0123456789\n") != "") {
			t.Errorf("%q is %d", text, r.n)
		}
		if l, set := limit(text); set && (!l.ok || l.n == 0 || l.n >= plausible) {
			t.Errorf("%q is a limit of %d", text, l.n)
		}
		for _, key := range []string{"inactive_file", "MemTotal:", "max", "oom_kill"} {
			if r := keyed(text, key); r.ok && (r.n >= plausible || !strings.Contains(string(text), key)) {
				t.Errorf("%q has %s %d", text, key, r.n)
			}
		}
		if p := stalls(text); p.ok && (math.IsNaN(p.some+p.full) || p.some < 0 || p.some > 100 || p.full < 0 || p.full > 100) {
			t.Errorf("%q has %v", text, p)
		}
		_ = resident(text)
		if h, ok := hierarchyOf(text, more); ok {
			if dir := path.Join(h.mount, h.path); strings.HasPrefix(dir, "..") || h.mount != "" && !strings.HasPrefix(dir, path.Clean(h.mount)) {
				t.Errorf("%q and %q lead to %q below %q", text, more, dir, h.mount)
			}
		}
	})
}
