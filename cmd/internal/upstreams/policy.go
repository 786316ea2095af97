package upstreams

import "time"

// Policy says when a host is ejected and how it returns. The zero value ejects none.
type Policy struct {
	// Failures in a row eject a host; 0 ejects none for that.
	Failures int
	// Rate is the share of failed attempts, of at least Volume within Window, that ejects a
	// host if it is at least twice that of the other hosts; 0 ejects none for that.
	Rate   float64
	Volume int
	Window time.Duration
	// For is the length of the first ejection. Each further one is longer by as much, up to
	// MaxFor; every time For that a host is not ejected takes one back.
	For, MaxFor time.Duration
	// SlowStart is how long the share of a host grows that returns, or is new; 0 is not at all.
	SlowStart time.Duration
}

// mostEjections is how many in a row make the longest.
func (p *Policy) mostEjections() int { return int((p.MaxFor + p.For - 1) / p.For) }

func (p *Policy) ejects() bool { return p.Failures > 0 || p.Rate > 0 }
