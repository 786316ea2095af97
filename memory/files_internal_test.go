package memory

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"
)

// tree makes a file system of texts.
func tree(texts map[string]string) fstest.MapFS {
	all := fstest.MapFS{}
	for name, text := range texts {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

const (
	mountV2 = "30 22 0:27 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n"
	mountV1 = "30 22 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n34 30 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	calm    = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
	events  = "low 0\nhigh 0\nmax 2\noom 0\noom_kill 0\n"
)

// nested is a container of version 2 within a slice that has the smaller limit.
func nested() map[string]string {
	return map[string]string{
		"proc/self/cgroup":                            "0::/pods/web\n",
		"proc/self/mountinfo":                         mountV2,
		"sys/fs/cgroup/pods/web/memory.max":           "1000000\n",
		"sys/fs/cgroup/pods/web/memory.high":          "max\n",
		"sys/fs/cgroup/pods/web/memory.current":       "500000\n",
		"sys/fs/cgroup/pods/web/memory.stat":          "anon 1\ninactive_file 100000\n",
		"sys/fs/cgroup/pods/web/memory.events":        events,
		"sys/fs/cgroup/pods/web/memory.pressure":      "some avg10=7.50 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.25 avg60=0.00 avg300=0.00 total=1\n",
		"sys/fs/cgroup/pods/memory.max":               "max\n",
		"sys/fs/cgroup/pods/memory.high":              "2000000\n",
		"sys/fs/cgroup/pods/memory.current":           "1800000\n",
		"sys/fs/cgroup/pods/memory.stat":              "inactive_file 0\n",
		"sys/fs/cgroup/pods/memory.events":            events,
		"proc/meminfo":                                "MemTotal: 100 kB\nMemAvailable: 1 kB\n",
		"proc/pressure/memory":                        calm,
		"sys/fs/cgroup/elsewhere/memory.max":          "1\n",
		"sys/fs/cgroup/pods/web/below/memory.max":     "1\n",
		"sys/fs/cgroup/pods/web/below/memory.current": "1\n",
	}
}

func v1() map[string]string {
	return map[string]string{
		"proc/self/cgroup":    "4:memory:/process/web\n0::/\n",
		"proc/self/mountinfo": mountV1,
		"sys/fs/cgroup/memory/process/web/memory.limit_in_bytes": "1000000\n",
		"sys/fs/cgroup/memory/process/web/memory.usage_in_bytes": "900000\n",
		"sys/fs/cgroup/memory/process/web/memory.stat":           "inactive_file 1\nhierarchical_memory_limit 800000\ntotal_inactive_file 100000\n",
		"sys/fs/cgroup/memory/process/web/memory.failcnt":        "3\n",
		"sys/fs/cgroup/memory/process/memory.limit_in_bytes":     "9223372036854771712\n",
		"sys/fs/cgroup/memory/memory.limit_in_bytes":             "9223372036854771712\n",
		"proc/pressure/memory":                                   calm,
	}
}

// without returns the texts with some replaced, or removed where they are "-".
func with(texts map[string]string, changes ...string) map[string]string {
	texts = maps.Clone(texts)
	for i := 0; i+1 < len(changes); i += 2 {
		if texts[changes[i]] = changes[i+1]; changes[i+1] == "-" {
			delete(texts, changes[i])
		}
	}
	return texts
}

func termsOf(texts map[string]string, configured int64, g goStats) ([]Term, system) {
	f := files{root: tree(texts)}
	s := f.sample(time.Unix(0, 0), configured > 0)
	terms := s.terms(&g, configured, 4096)
	return terms, s
}

func TestFiles_FindWhatBoundsTheProcess(t *testing.T) {
	const web = "sys/fs/cgroup/pods/web/"
	for name, tt := range map[string]struct {
		texts      map[string]string
		configured int64
		want       string
		unread     int
	}{
		"version 2, up the hierarchy":       {nested(), 0, "cgroup /sys/fs/cgroup/pods/web 400000/1000000, cgroup /sys/fs/cgroup/pods 1800000/2000000", 0},
		"the smaller of max and high":       {with(nested(), web+"memory.high", "800000\n"), 0, "cgroup /sys/fs/cgroup/pods/web 400000/800000, cgroup /sys/fs/cgroup/pods 1800000/2000000", 0},
		"version 1, with an unseen limit":   {v1(), 0, "cgroup /sys/fs/cgroup/memory/process/web 800000/1000000, cgroup /sys/fs/cgroup/memory/process/web 800000/800000", 0},
		"a container sees itself as root":   {with(nested(), "proc/self/mountinfo", "30 22 0:27 /pods /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "sys/fs/cgroup/web/memory.max", "10\n", "sys/fs/cgroup/web/memory.current", "5\n", "sys/fs/cgroup/web/memory.stat", "inactive_file 0\n", "sys/fs/cgroup/web/memory.events", events, "sys/fs/cgroup/web/memory.pressure", calm), 0, "cgroup /sys/fs/cgroup/web 5/10", 0},
		"no limit: what is left on machine": {with(nested(), web+"memory.max", "max\n", "sys/fs/cgroup/pods/memory.high", "max\n"), 0, "machine 101376/102400", 0},
		"no control groups":                 {map[string]string{"proc/meminfo": "MemTotal: 1000 kB\nMemAvailable: 250 kB\n", "proc/pressure/memory": calm}, 0, "machine 768000/1024000", 0},
		"another system":                    {nil, 0, "", 1},
		"a configured limit":                {with(nested(), "proc/self/statm", "9 5 1 1 0 1 0\n"), 40960, "configured 20480/40960, cgroup /sys/fs/cgroup/pods/web 400000/1000000, cgroup /sys/fs/cgroup/pods 1800000/2000000", 0},
		"a configured limit, elsewhere":     {nil, 40960, "configured 100/40960", 2},
	} {
		terms, s := termsOf(tt.texts, tt.configured, goStats{mapped: 100})
		var got []string
		for _, term := range terms {
			got = append(got, fmt.Sprintf("%s %d/%d", term.Source, term.Used, term.Limit))
		}
		if strings.Join(got, ", ") != tt.want || len(s.unread) != tt.unread {
			t.Errorf("%s: got %v, unread %q; want %s", name, got, s.unread, tt.want)
		}
	}
}

// What cannot be read or understood is not known, and said: never taken for little.
func TestFiles_GarbageIsUnknown(t *testing.T) {
	const web = "sys/fs/cgroup/pods/web/"
	huge := strings.Repeat("inactive_file 4\n", 5000)
	for name, change := range map[string][2]string{
		"current is text":     {web + "memory.current", "plenty\n"},
		"current is cut":      {web + "memory.current", "50"},
		"current is empty":    {web + "memory.current", ""},
		"current is negative": {web + "memory.current", "-5\n"},
		"current is absurd":   {web + "memory.current", "18446744073709551615\n"},
		"current is missing":  {web + "memory.current", "-"},
		"current is huge":     {web + "memory.current", huge},
		"current is binary":   {web + "memory.current", "\x00\x00\n"},
		"the limit is text":   {web + "memory.max", "lots\n"},
		"the limit is 0":      {web + "memory.max", "0\n"},
		"the limit is cut":    {web + "memory.max", "10000"},
	} {
		terms, s := termsOf(with(nested(), change[0], change[1]), 0, goStats{})
		for _, term := range terms {
			if strings.HasSuffix(term.Source, "/web") {
				t.Errorf("%s: it is taken for %+v", name, term)
			}
		}
		if len(s.unread) != 1 || !strings.HasPrefix(s.unread[0], "/"+change[0]+": ") {
			t.Errorf("%s: said is %q", name, s.unread)
		}
	}
	for name, change := range map[string][2]string{
		"stat is missing":       {web + "memory.stat", "-"},
		"stat is huge":          {web + "memory.stat", huge},
		"inactive is cut":       {web + "memory.stat", "inactive_file 100"},
		"inactive is text":      {web + "memory.stat", "inactive_file all\n"},
		"more than is in use":   {web + "memory.stat", "inactive_file 600000\n"},
		"pressure is text":      {web + "memory.pressure", "much\n"},
		"pressure is above all": {web + "memory.pressure", "some avg10=101.00 avg60=\nfull avg10=0.00 avg60=\n"},
	} {
		terms, s := termsOf(with(nested(), change[0], change[1]), 0, goStats{})
		used := uint64(400_000)
		if strings.HasSuffix(change[0], "stat") {
			used = 500_000 // nothing is deducted
		}
		if terms[0].Used != used || s.stalls.ok == strings.HasSuffix(change[0], "pressure") {
			t.Errorf("%s: %+v, %+v", name, terms[0], s.stalls)
		}
	}
}

// changing is a file system whose files end in the middle every other time, fail, or are
// replaced while they are read.
type changing struct {
	fs.FS

	n *atomic.Uint64
}

var errGone = errors.New("no such device")

func (c changing) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return &torn{f, c.n}, nil
}

type torn struct {
	fs.File

	n *atomic.Uint64
}

func (t *torn) Read(p []byte) (int, error) {
	switch mix(t.n.Add(1)) % 40 {
	case 0:
		return 0, errGone
	case 1:
		return t.File.Read(p[:min(3, len(p))])
	case 2:
		n, err := t.File.Read(p[:min(4, len(p))])
		return copy(p, bytes.ToUpper(p[:n])), err
	}
	return t.File.Read(p)
}

// Whatever happens to the files meanwhile, what is known of a group is what its files say.
func TestFiles_ChangeWhileTheyAreRead(t *testing.T) {
	var n atomic.Uint64
	f := files{root: changing{tree(nested()), &n}}
	seen := 0
	for i := range 2000 {
		s := f.sample(time.Unix(int64(i)*11, 0), false)
		for _, term := range s.terms(&goStats{}, 0, 4096) {
			seen++
			if term.Used != 400_000 && term.Used != 500_000 && term.Used != 1_800_000 && term.Source != "machine" {
				t.Fatalf("%+v of %+v", term, s)
			}
		}
	}
	if seen == 0 {
		t.Error("nothing was ever known")
	}
}

// Garbage that the runtime collects before its own limit is reached is no shortage; without
// such a limit, or with too little room beside it, all that is used counts.
func TestTerms_GarbageCountsWhereNothingCollectsIt(t *testing.T) {
	g := goStats{mapped: 900, objects: 800, live: 300, limit: reading{900, true}}
	group := func(limit, current uint64) system {
		return system{groups: []groupUse{{group: group{dir: "a", limit: limit}, current: reading{current, true}, inactive: reading{0, true}}}}
	}
	for name, tt := range map[string]struct {
		g    goStats
		s    system
		want []uint64
	}{
		"within a larger group":          {g, group(1000, 950), []uint64{400, 450}},
		"beside too much that is not Go": {g, group(1000, 1050), []uint64{400, 1050}},
		"in a smaller group":             {g, group(850, 840), []uint64{400, 840}},
		"without a limit of its own":     {goStats{mapped: 900, objects: 800, live: 300}, group(1000, 950), []uint64{950}},
		"before the first collection":    {goStats{mapped: 900, objects: 800, limit: reading{900, true}}, group(1000, 950), []uint64{900, 950}},
	} {
		var got []uint64
		for _, term := range tt.s.terms(&tt.g, 0, 4096) {
			got = append(got, term.Used)
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestCounters_WhatAdvancesIsSaid(t *testing.T) {
	sys := func(ran, out uint64) *system {
		return &system{groups: []groupUse{{group: group{dir: "g"}, ran: reading{ran, true}, out: reading{out, true}}}}
	}
	var c counters
	for i, tt := range []struct {
		s       *system
		limiter uint64
		short   bool
		want    string
	}{
		{sys(5, 1), 7, true, ""}, // what was before says nothing
		{sys(6, 1), 7, false, ""},
		{sys(7, 1), 7, true, "reached its limit"},
		{sys(7, 2), 7, false, "ran out of memory"},
		{&system{}, 7, true, ""},
		{sys(9, 9), 7, true, ""}, // not known before
		{sys(9, 9), 8, false, "holds it back"},
		{sys(9, 9), 8, true, ""},
	} {
		var why string
		if why, c = c.hard(tt.s, &goStats{limiter: tt.limiter}, tt.short); !strings.Contains(why, tt.want) || tt.want == "" && why != "" {
			t.Errorf("step %d: %q, want %q", i, why, tt.want)
		}
	}
}

// The pace is that of the minima: a heap that a collection brings back to where it was does
// not grow.
func TestPace_SeesGrowthAndNoSawtooth(t *testing.T) {
	grow, saw := pace{}, pace{}
	now := time.Unix(0, 0)
	var soon time.Duration
	for i := range 60 {
		now = now.Add(250 * time.Millisecond)
		soon = grow.add(0.3+0.01*float64(i), now)
		if s := saw.add(0.3+0.05*float64(i%8), now); s != 0 && s < time.Minute {
			t.Errorf("a sawtooth is foreseen to end in %v", s)
		}
	}
	if soon <= 0 || soon > 4*time.Second { // 0.04 a second, and 0.89 was reached
		t.Errorf("the limit is foreseen in %v", soon)
	}
}

func TestShare_OfCollecting(t *testing.T) {
	var s share
	now := time.Unix(0, 0)
	var got float64
	for i := range 40 {
		now = now.Add(250 * time.Millisecond)
		got = s.add(&goStats{gcCPU: 0.3 * float64(i), cpu: float64(i)}, now)
	}
	if got < 0.29 || got > 0.31 {
		t.Errorf("it is %v", got)
	}
}

// opening counts how often files are opened.
type opening struct {
	fs.FS

	names []string
	files []fs.File
}

func (o *opening) Open(name string) (fs.File, error) {
	f, err := o.FS.Open(name)
	if err == nil {
		o.names, o.files = append(o.names, name), append(o.files, f)
	}
	return f, err
}

// Opening a file of the system costs more than reading it, so it is opened once for many
// samples; what is written into it is seen at once, and a file in its place with the next
// search.
func TestFiles_AreOpenedOnceAndReadAgain(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "proc", "meminfo")
	write := func(kilobytes int) {
		t.Helper()
		if err := os.WriteFile(name, fmt.Appendf(nil, "MemTotal: 1000 kB\nMemAvailable: %d kB\n", kilobytes), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	root := &opening{FS: os.DirFS(dir)}
	f, now := files{root: root}, time.Unix(1, 0)
	for _, kilobytes := range []int{900, 90, 500} {
		write(kilobytes)
		if s := f.sample(now, false); s.available != (reading{uint64(kilobytes) << 10, true}) {
			t.Errorf("%d kB are read as %+v", kilobytes, s.available)
		}
	}
	if len(root.names) != 1 {
		t.Errorf("opened %v, want one file once", root.names)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	write(300)
	if s := f.sample(now.Add(findEvery), false); s.available.n != 300<<10 {
		t.Errorf("after the search it is %+v", s.available)
	}
	f.close()
	for i, file := range root.files {
		if _, err := file.Stat(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s is left open", root.names[i])
		}
	}
}
