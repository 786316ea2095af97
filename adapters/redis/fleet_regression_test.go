package redis_test

import (
	"errors"
	"testing"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/redistest"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// What is wrong with the list of the instances alone made the store seem away again and again, though
// it counted.
func TestRegression_AListOfInstancesThatCannotBeKept(t *testing.T) {
	server := single(t)
	for name, c := range map[string]struct {
		spoil []string
		want  fault.Code
	}{
		"somebody else's key": {[]string{"SET", "spoilt:{instances}", "theirs"}, fault.DataCorrupt},
		"a user without the right": {
			[]string{"ACL", "SETUSER", "default", "-hset", "-hdel"}, fault.InvalidConfig,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, server.URL(), "spoilt")
			redistest.Run(t, server, c.spoil...)
			defer redistest.Run(t, server, "ACL", "SETUSER", "default", "+@all")
			defer redistest.Run(t, server, "DEL", "spoilt:{instances}")
			_, err := s.Beat(t.Context(), shared.Instance{ID: "a"}, time.Second)
			if !errors.Is(err, c.want) || !shared.Answered(err) {
				t.Errorf("beat: %v", err)
			}
			if d, err := s.Take(t.Context(), hourly(10), user, 1); err != nil || !d.OK {
				t.Errorf("take: %+v, %v", d, err)
			}
		})
	}
}
