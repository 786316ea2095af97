package pagetest_test

import (
	"testing"
	"time"
)

func TestFirst(t *testing.T) {
	f := newFake(t)
	f.beat(t, time.Second/2)
	b := open(t, f.URL, "/", desktop)
	b.shows("#verdict", "breaker demo is open")
	b.shows("#main", "payments", "forced closed")
	b.shoot("first")
	b.look(look{width: 1440, height: 900, dark: true})
	b.shoot("first-dark")
	b.look(look{width: 380, height: 800})
	b.shoot("first-380")
}
