package memory

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// reading is a number of a file: known, or not. The zero reading is not known, and what is
// not known is never taken for 0.
type reading struct {
	n  uint64
	ok bool
}

// plausible bounds what a machine can have: what is above it is garbage, or no limit.
const plausible = 1 << 60

// number parses a file that holds one number and the end of the line. Without that the text
// was cut short, and would be another number.
func number(text []byte) reading {
	line, cut := bytes.CutSuffix(text, []byte("\n"))
	n, err := strconv.ParseUint(string(line), 10, 64)
	return reading{n, cut && err == nil}
}

// limit parses a file that holds a limit. None is said by "max", and by a number that no
// machine has; set is false then.
func limit(text []byte) (l reading, set bool) {
	if string(text) == "max\n" {
		return reading{ok: true}, false
	}
	l = number(text)
	if l.ok && l.n == 0 {
		return reading{}, false // nothing could run in it
	}
	return l, l.ok && l.n < plausible
}

// amount parses a number of bytes that are in use.
func amount(text []byte) reading {
	r := number(text)
	r.ok = r.ok && r.n < plausible
	return r
}

// keyed finds the number of a key in a file of lines, as "inactive_file 4096" or
// "MemTotal:  16384 kB".
func keyed(text []byte, key string) reading {
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if value, ok := bytes.CutPrefix(line, []byte(key)); ok && whole && len(value) > 0 && (value[0] == ' ' || value[0] == '\t') {
			return scaled(strings.Fields(string(value)))
		}
		text = rest
	}
	return reading{}
}

func scaled(fields []string) reading {
	if len(fields) == 0 || len(fields) > 2 || len(fields) == 2 && fields[1] != "kB" {
		return reading{}
	}
	n, err := strconv.ParseUint(fields[0], 10, 64)
	if len(fields) == 2 {
		n *= 1 << 10
	}
	return reading{n, err == nil && n < plausible}
}

// resident parses /proc/self/statm, in pages.
func resident(text []byte) reading {
	fields := strings.Fields(string(text))
	if len(fields) < 2 || !bytes.HasSuffix(text, []byte("\n")) {
		return reading{}
	}
	n, err := strconv.ParseUint(fields[1], 10, 64)
	return reading{n, err == nil && n < plausible>>12}
}

// pressure is what a file of pressure stall information says of the last ten seconds.
type pressure struct {
	some, full float64 // in percent
	ok         bool
}

func stalls(text []byte) pressure {
	some, okSome := average(text, "some ")
	full, okFull := average(text, "full ")
	return pressure{some, full, okSome && okFull}
}

func average(text []byte, kind string) (float64, bool) {
	for line := range bytes.Lines(text) {
		rest, ok := bytes.CutPrefix(line, []byte(kind+"avg10="))
		if !ok {
			continue
		}
		value, _, whole := bytes.Cut(rest, []byte(" "))
		v, err := strconv.ParseFloat(string(value), 64)
		return v, whole && err == nil && !math.IsNaN(v) && v >= 0 && v <= 100
	}
	return 0, false
}

// hierarchy is a mounted hierarchy of control groups that counts memory.
type hierarchy struct {
	version int    // 1 or 2
	mount   string // below the root of the file system, as "sys/fs/cgroup/memory"
	path    string // of the process's group below the mount, "" or "/a/b"
}

// hierarchyOf finds the hierarchy of the process from /proc/self/cgroup and
// /proc/self/mountinfo; false if there is none, or the files say nothing of it.
func hierarchyOf(cgroups, mounts []byte) (hierarchy, bool) {
	h := hierarchy{version: 2}
	path, ok := groupOf(cgroups, func(controllers string) bool { return strings.Contains(","+controllers+",", ",memory,") })
	if ok {
		h.version = 1
	} else if path, ok = groupOf(cgroups, func(controllers string) bool { return controllers == "" }); !ok {
		return hierarchy{}, false
	}
	for line := range strings.Lines(string(mounts)) {
		if root, ok := h.mounted(line); ok {
			h.path = below(root, path)
			return h, true
		}
	}
	return hierarchy{}, false
}

// groupOf returns the path of the first line of /proc/self/cgroup whose controllers are
// wanted: "4:memory:/path", or "0::/path" for version 2.
func groupOf(text []byte, wanted func(controllers string) bool) (string, bool) {
	for line := range strings.Lines(string(text)) {
		line, whole := strings.CutSuffix(line, "\n")
		_, rest, ok := strings.Cut(line, ":")
		controllers, path, found := strings.Cut(rest, ":")
		if whole && ok && found && strings.HasPrefix(path, "/") && wanted(controllers) {
			return path, true
		}
	}
	return "", false
}

// mounted reads a line of /proc/self/mountinfo: whether it mounts this hierarchy, and which
// group is the root of what is mounted.
//
//	34 30 0:31 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
func (h *hierarchy) mounted(line string) (root string, ok bool) {
	before, after, found := strings.Cut(line, " - ")
	left, right := strings.Fields(before), strings.Fields(after)
	if !found || len(left) < 5 || len(right) < 3 || !strings.HasPrefix(left[4], "/") {
		return "", false
	}
	switch {
	case h.version == 2 && right[0] != "cgroup2":
		return "", false
	case h.version == 1 && (right[0] != "cgroup" || !strings.Contains(","+right[2]+",", ",memory,")):
		return "", false
	}
	h.mount = strings.TrimPrefix(left[4], "/")
	return left[3], true
}

// below returns the path of a group below the one that is mounted. A container may see its
// own group as the root, and paths that lead out of it: then the root is all that it sees.
func below(root, path string) string {
	if root != "/" {
		rest, ok := strings.CutPrefix(path, root)
		if !ok || rest != "" && rest[0] != '/' {
			return ""
		}
		path = rest
	}
	if path == "/" || strings.Contains(path, "/..") || strings.Contains(path, "//") || strings.Contains(path, "/./") {
		return ""
	}
	return strings.TrimSuffix(path, "/")
}
