package gateway_test

import (
	"net/http"
	"testing"

	"pgregory.net/rapid"
)

// Whatever one client sends, and however it leaves: the breaker in front of a
// healthy upstream, which opens at the first failure, stays closed, and an honest
// client is served.
func TestProperty_NoClientOpensTheBreaker(t *testing.T) {
	for _, over := range []string{overHTTP1, overH2C, overTLS, overTLSHTTP2} {
		t.Run("to "+over, func(t *testing.T) {
			url, change := upstreamOver(t, over, http.HandlerFunc(healthy))
			r := newRigTo(t, url, func(s *setup) {
				change(s)
				s.route.PreserveHost = true
				s.gateway.Limits.MaxBody = 100_000
			})
			r.fragile()
			rapid.Check(t, func(t *rapid.T) {
				draw := drawHTTP1
				if rapid.Bool().Draw(t, "HTTP/2") {
					draw = drawHTTP2
				}
				for range rapid.IntRange(1, 3).Draw(t, "connections") {
					pieces := draw(t)
					r.write(pieces, rapid.Bool().Draw(t, "with pauses"), farewell(rapid.IntRange(0, int(farewells)-1).Draw(t, "farewell")))
				}
				if harm := r.harm(); harm != "" {
					r.breaker.Reset("the test")
					t.Fatal(harm)
				}
			})
		})
	}
}
