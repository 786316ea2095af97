package shared_test

import (
	"errors"
	"testing"

	"github.com/elixirscope/foundation/pool/internal/shared"
)

func TestOpenedForTheFirstAndClosedAfterTheLast(t *testing.T) {
	opened, closed := 0, 0
	r := shared.New(func() (int, error) { opened++; return opened, nil }, func(int) { closed++ })
	for round := 1; round <= 2; round++ {
		for range 3 {
			if v, err := r.Take(); v != round || err != nil {
				t.Errorf("round %d: %d, %v", round, v, err)
			}
		}
		for range 3 {
			r.Drop()
		}
		if opened != round || closed != round {
			t.Errorf("round %d: opened %d, closed %d", round, opened, closed)
		}
	}
}

func TestAFailedOpenIsTriedAgain(t *testing.T) {
	err := errors.New("no")
	r := shared.New(func() (int, error) { return 0, err }, func(int) { t.Error("closed what was not opened") })
	if _, got := r.Take(); !errors.Is(got, err) {
		t.Error(got)
	}
	err = nil
	if _, got := r.Take(); got != nil {
		t.Error(got)
	}
}
