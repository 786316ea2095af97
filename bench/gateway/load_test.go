package main

import (
	"testing"
	"time"
)

const printed = `Running 1s test @ http://127.0.0.1:40613/50
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.33ms  565.79us  11.26ms   90.30%
    Req/Sec    24.37k     2.12k   27.10k    70.00%
  24211 requests in 1.00s, 4.09MB read
Requests/sec:  24172.05
Transfer/sec:      4.08MB
`

func TestReadsWhatWrkPrints(t *testing.T) {
	s, err := read([]byte(printed))
	if err != nil || s.perSecond != 24172.05 || s.requests != 24211 {
		t.Errorf("%+v, %v", s, err)
	}
	for _, fault := range []string{"  Non-2xx or 3xx responses: 7\n", "  Socket errors: connect 0, read 3, write 0, timeout 0\n"} {
		if _, err := read([]byte(printed + fault)); err == nil {
			t.Errorf("%q was no fault", fault)
		}
	}
	if _, err := read([]byte("unable to connect")); err == nil {
		t.Error("no figures were no fault")
	}
}

func TestSum_ComparesWithinARound(t *testing.T) {
	first := []sample{{100, 100, time.Millisecond}, {50, 50, time.Millisecond}, {200, 200, time.Millisecond}}
	mine := []sample{{110, 110, time.Millisecond}, {45, 45, time.Millisecond}, {220, 220, time.Millisecond}}
	r := sum("mine", 50, mine, first)
	if r.perSecond != 110 || r.beside != 1.1 || r.processor != 3*time.Millisecond/375 {
		t.Errorf("%+v", r)
	}
}
