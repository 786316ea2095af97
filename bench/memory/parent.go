package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// outcome is how a run ended.
type outcome struct {
	served

	died bool
	peak float64   // MiB
	rss  []float64 // MiB, every 50 ms
}

func compare(runs int, each time.Duration, figure string) error {
	all := make([][]outcome, len(variants))
	for range runs {
		for i, v := range variants { // in turns
			o, err := once(v, each)
			if err != nil {
				return err
			}
			all[i] = append(all[i], o)
		}
	}
	fmt.Printf("| | runs that died | critical served | bulk served | refused | p99 of critical | peak |\n|---|---|---|---|---|---|---|\n")
	for i, v := range variants {
		died := 0
		for _, o := range all[i] {
			if o.died {
				died++
			}
		}
		fmt.Printf("| %s | %d of %d | %.0f | %.0f | %.0f | %.1f ms | %.0f MiB |\n", v.name, died, runs,
			median(all[i], func(o outcome) float64 { return float64(o.Critical) }), median(all[i], func(o outcome) float64 { return float64(o.Bulk) }),
			median(all[i], func(o outcome) float64 { return float64(o.Refused) }), median(all[i], func(o outcome) float64 { return o.P99 }),
			median(all[i], func(o outcome) float64 { return o.peak }))
	}
	if figure == "" {
		return nil
	}
	return os.WriteFile(figure, draw(all, each), 0o644)
}

func median(all []outcome, of func(outcome) float64) float64 {
	var values []float64
	for _, o := range all {
		values = append(values, of(o))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// once runs a child and kills it when it is above the limit.
func once(v variant, each time.Duration) (o outcome, err error) {
	self, err := os.Executable()
	if err != nil {
		return o, err
	}
	cmd := exec.CommandContext(context.Background(), self, "-child", "-for="+each.String(), "-manager="+strconv.FormatBool(v.manager))
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=off")
	if v.limited {
		cmd.Env = append(os.Environ(), "GOMEMLIMIT="+strconv.Itoa(goLimit))
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return o, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return o, err
	}
	read := make(chan served, 1)
	go func() { read <- last(out) }()
	ended := make(chan struct{})
	watched := make(chan struct{})
	var seen outcome
	go func() { defer close(watched); seen.watch(cmd.Process, ended) }()
	served := <-read
	err = cmd.Wait()
	close(ended)
	<-watched
	o = seen
	o.served = served
	if _, killed := errors.AsType[*exec.ExitError](err); killed && o.died {
		err = nil
	}
	return o, err
}

// last returns the newest line of the child.
func last(out io.Reader) (s served) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var now served
		if json.Unmarshal(lines.Bytes(), &now) == nil {
			s = now
		}
	}
	return s
}

func (o *outcome) watch(p *os.Process, ended <-chan struct{}) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	statm := fmt.Sprintf("/proc/%d/statm", p.Pid)
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-ended:
			return
		}
		text, err := os.ReadFile(statm)
		fields := strings.Fields(string(text))
		if err != nil || len(fields) < 2 {
			continue
		}
		pages, _ := strconv.ParseInt(fields[1], 10, 64)
		bytes := pages * int64(os.Getpagesize())
		mib := float64(bytes) / (1 << 20)
		o.peak = max(o.peak, mib)
		if i%25 == 0 {
			o.rss = append(o.rss, mib)
		}
		if bytes > hardLimit && !o.died {
			o.died, o.rss = true, append(o.rss, mib)
			_ = p.Kill() // it may have ended meanwhile
		}
	}
}

var colours = []string{"#b3261e", "#b26a00", "#1a7f37", "#0b57d0"}

// draw shows the resident memory of the first run of each variant.
func draw(all [][]outcome, each time.Duration) []byte {
	const width, height, left, top = 720, 360, 60, 20
	most := 1.25 * hardLimit / (1 << 20)
	x := func(i int) float64 { return left + float64(i)*0.05/each.Seconds()*(width-left-20) }
	y := func(mib float64) float64 { return top + (height-top-60)*(1-min(mib, most)/most) }
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12"><rect width="100%%" height="100%%" fill="white"/>`, width, height)
	fmt.Fprintf(&b, `<text x="%d" y="14">resident memory in MiB, first run of each; the process is killed above the dashed line</text>`, left)
	for _, mib := range []float64{0, 64, 128, 192, 256} {
		dash, text := "", "#ddd"
		if mib == 256 {
			dash, text = ` stroke-dasharray="6 4"`, "#333"
		}
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="%s"%s/><text x="%d" y="%.1f" text-anchor="end">%.0f</text>`, left, width-20, y(mib), y(mib), text, dash, left-6, y(mib)+4, mib)
	}
	for s := 0; s <= int(each.Seconds()); s += 2 {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%d s</text>`, x(s*20), height-44, s)
	}
	for v := range variants {
		var points []string
		rss := all[v][0].rss
		for i, mib := range rss {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(i), y(mib)))
		}
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="1.5" points="%s"/>`, colours[v], strings.Join(points, " "))
		if n := len(rss); n > 0 && all[v][0].died {
			fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" fill="%s" text-anchor="middle" font-weight="bold">✕</text>`, x(n-1), y(rss[n-1])+4, colours[v])
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s">%s</text>`, left+v*160, height-16, colours[v], variants[v].name)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
