package gateway

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestUpgrades_CloseEndsThoseThatAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u upgrades
		ended, done := u.add(t.Context())
		left, forget := u.add(t.Context())
		defer forget()
		if u.count() != 2 {
			t.Errorf("count = %d", u.count())
		}
		done()
		done() // twice is harmless
		if ended.Err() == nil || u.count() != 1 {
			t.Errorf("an upgrade that ended is still there: %v, %d", ended.Err(), u.count())
		}
		limit, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		u.wait(limit)
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("waited %v for an upgrade that does not end", waited)
		}
		u.close()
		if left.Err() == nil {
			t.Error("close left an upgrade alive")
		}
		late, forgetLate := u.add(t.Context())
		defer forgetLate()
		if late.Err() == nil {
			t.Error("an upgrade after close lives")
		}
	})
}

func TestUpgrades_WaitReturnsWithTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u upgrades
		_, done := u.add(t.Context())
		time.AfterFunc(3*time.Second, done)
		began := time.Now()
		u.wait(t.Context())
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("waited %v", waited)
		}
		u.wait(t.Context()) // nothing left: at once
	})
}
