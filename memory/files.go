package memory

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

const (
	// maxFile bounds what is read of a file: those that are meant have a few kilobytes.
	maxFile = 64 << 10
	// maxGroups bounds how far up the hierarchy is followed.
	maxGroups = 32
	// findEvery is how often groups and limits are looked for: they can be changed, and
	// seldom are.
	findEvery = 10 * time.Second
)

// files reads what the system says of the memory. It belongs to one goroutine.
type files struct {
	root   fs.FS
	buf    []byte
	kept   map[string]again // until the next search
	groups []group          // those with a limit, the process's own first
	own    string           // the directory of the process's own group, "" if it has none
	found  time.Time
	// unread says what could not be read or understood, of the last search and since.
	lost, unread []string
}

// group is a control group with a limit.
type group struct {
	version int
	dir     string
	limit   uint64
	// inherited says that the limit is that of a group above, which cannot be seen.
	inherited bool
}

// groupUse is what a group uses.
type groupUse struct {
	group

	current, inactive reading
	// ran counts how often the group has reached its limit, and out how often that was not
	// relieved.
	ran, out reading
}

// system is what the files said at one moment.
type system struct {
	groups           []groupUse
	total, available reading // of the machine
	resident         reading // of the process, in pages
	stalls           pressure
	unread           []string
}

var errTooLarge = errors.New("the file is larger than 64 KiB")

// again is a file of the system that can be read again without being opened: the kernel
// writes its text anew, and opening costs several times what reading does. A file that
// was replaced by another under its name is noticed at the next search.
type again interface {
	io.ReaderAt
	io.Closer
	Fd() uintptr // which files of other kinds do not have
}

// read returns the text of a file, which is good until the next read.
func (f *files) read(name string) ([]byte, error) {
	if file := f.kept[name]; file != nil {
		if text, err := f.whole(file.ReadAt); err == nil {
			return text, nil
		}
		_ = file.Close() // of a group that is gone, perhaps
		delete(f.kept, name)
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	if file, ok := file.(again); ok {
		if f.kept == nil {
			f.kept = make(map[string]again)
		}
		f.kept[name] = file
		return f.whole(file.ReadAt)
	}
	defer func() { _ = file.Close() }() // nothing was written
	return f.whole(func(p []byte, _ int64) (int, error) { return file.Read(p) })
}

// whole reads all that there is.
func (f *files) whole(read func(p []byte, at int64) (int, error)) ([]byte, error) {
	if f.buf == nil {
		f.buf = make([]byte, maxFile+1)
	}
	n := 0
	for n < len(f.buf) {
		m, err := read(f.buf[n:], int64(n))
		n += m
		if errors.Is(err, io.EOF) {
			return f.buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, errTooLarge
}

// close closes what is kept open.
func (f *files) close() {
	for _, file := range f.kept {
		_ = file.Close() // nothing was written
	}
	f.kept = nil
}

// note remembers that a file said nothing that can be used.
func (f *files) note(name string, err error) {
	why := "cannot be understood"
	if err != nil {
		why = strings.TrimPrefix(err.Error(), "open "+name+": ")
	}
	f.unread = append(f.unread, fmt.Sprintf("/%s: %.200s", name, why))
}

// value reads a file and parses it; what cannot be read is not known, and noted.
func (f *files) value(name string, parse func([]byte) reading) reading {
	text, err := f.read(name)
	if err != nil {
		f.note(name, err)
		return reading{}
	}
	r := parse(text)
	if !r.ok {
		f.note(name, nil)
	}
	return r
}

// sample reads what is needed now. limited says that the process itself has a limit.
func (f *files) sample(now time.Time, limited bool) system {
	f.unread = nil
	if f.found.IsZero() || now.Sub(f.found) >= findEvery || now.Before(f.found) {
		f.close()
		f.find()
		f.found, f.lost, f.unread = now, f.unread, nil
	}
	var s system
	for _, g := range f.groups {
		s.groups = append(s.groups, f.use(g))
	}
	if len(f.groups) == 0 {
		s.total, s.available = f.machine()
	}
	if limited {
		s.resident = f.value("proc/self/statm", resident)
	}
	s.stalls = f.stalls()
	s.unread = slices.Concat(f.lost, f.unread)
	return s
}

// find looks for the groups of the process that have a limit, from its own upwards.
func (f *files) find() {
	f.groups, f.own = nil, ""
	cgroups, err := f.read("proc/self/cgroup")
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.note("proc/self/cgroup", err)
		}
		return // a system without control groups
	}
	cgroups = slices.Clone(cgroups)
	mounts, err := f.read("proc/self/mountinfo")
	if err != nil {
		f.note("proc/self/mountinfo", err)
		return
	}
	h, ok := hierarchyOf(cgroups, mounts)
	if !ok {
		return
	}
	f.own = path.Join(h.mount, h.path)
	for dir := f.own; len(f.groups) < maxGroups; dir = path.Dir(dir) {
		f.limited(h.version, dir)
		if dir == h.mount || !strings.HasPrefix(dir, h.mount+"/") {
			break
		}
	}
	if h.version == 1 {
		f.inherit()
	}
}

// limited adds a group if it has a limit.
func (f *files) limited(version int, dir string) {
	names := []string{"memory.max", "memory.high"} // from high on everything waits for memory to be reclaimed
	if version == 1 {
		names = []string{"memory.limit_in_bytes"}
	}
	least := uint64(0)
	for _, name := range names {
		text, err := f.read(path.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // the root of the hierarchy has none
		case err != nil:
			f.note(path.Join(dir, name), err)
			continue
		}
		l, set := limit(text)
		switch {
		case !l.ok:
			f.note(path.Join(dir, name), nil)
		case set && (least == 0 || l.n < least):
			least = l.n
		}
	}
	if least > 0 {
		f.groups = append(f.groups, group{version: version, dir: dir, limit: least})
	}
}

// inherit adds the limit of groups above that a container cannot see: version 1 tells it.
func (f *files) inherit() {
	text, err := f.read(path.Join(f.own, "memory.stat"))
	if err != nil {
		return // noted where its use is read
	}
	l := keyed(text, "hierarchical_memory_limit")
	if !l.ok || l.n == 0 {
		return
	}
	for _, g := range f.groups {
		if g.limit <= l.n {
			return
		}
	}
	f.groups = append(f.groups, group{version: 1, dir: f.own, limit: l.n, inherited: true})
}

// use reads how much a group uses.
func (f *files) use(g group) groupUse {
	u := groupUse{group: g}
	current, inactive := "memory.current", "inactive_file"
	if g.version == 1 {
		current, inactive = "memory.usage_in_bytes", "total_inactive_file"
	}
	u.current = f.value(path.Join(g.dir, current), amount)
	u.inactive = f.value(path.Join(g.dir, "memory.stat"), func(text []byte) reading { return keyed(text, inactive) })
	if g.version == 1 {
		u.ran = f.value(path.Join(g.dir, "memory.failcnt"), number)
		return u
	}
	u.out = f.value(path.Join(g.dir, "memory.events"), func(text []byte) reading {
		u.ran = keyed(text, "max")
		oom, killed := keyed(text, "oom"), keyed(text, "oom_kill")
		return reading{oom.n + killed.n, oom.ok && killed.ok}
	})
	return u
}

// machine reads how much memory the machine has, where no group bounds the process.
func (f *files) machine() (total, available reading) {
	available = f.value("proc/meminfo", func(text []byte) reading {
		total = keyed(text, "MemTotal:")
		return keyed(text, "MemAvailable:")
	})
	return total, available
}

// stalls reads the pressure stall information of the process's group, or of the machine.
// Many systems have none.
func (f *files) stalls() pressure {
	name := "proc/pressure/memory"
	if len(f.groups) > 0 && f.groups[0].version == 2 {
		name = path.Join(f.own, "memory.pressure")
	}
	text, err := f.read(name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errors.ErrUnsupported) {
			f.note(name, err)
		}
		return pressure{}
	}
	p := stalls(text)
	if !p.ok {
		f.note(name, nil)
	}
	return p
}
