package redis_test

import (
	"strings"
	"testing"

	redisstore "github.com/elixirscope/foundation/adapters/redis"
)

// A password with a character that must be encoded is read as a port, a path or an option, whose
// errors show it.
func TestRegression_AnErrorAboutAURLShowsNoPassword(t *testing.T) {
	for _, address := range []string{
		"redis://user:s3cret/x@host:6379", "redis://user:12345/s3cret@host:6379/0", "redis://user:s3cret#x@host",
		"redis://user:1234?s3cret=1@host", "redis://user:%zs3cret@host", "redis://user:s3%cret@host", "redis://user:s3cret@ho st",
		"redis+cluster://user:s3cret/x@host:1", "redis+sentinel://user:1/s3cret@host:1?master_name=main", "redis://user:s3cret]@host",
		"//user:s3cret@host", "user:s3cret@host", "redis:user:s3cret@host", "redis//user:s3cret@host://",
	} {
		err := redisstore.Check(address)
		if err == nil || strings.Contains(err.Error(), "s3c") || strings.Contains(err.Error(), "cret") || strings.Contains(err.Error(), "%cr") || strings.Contains(err.Error(), "%zs") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for address, want := range map[string]string{
		"redis://host:x": `invalid port ":x"`, "redis://user:p@host/x": `invalid database number: "x"`, "redis://host?x=1": "unexpected option: x",
	} {
		if err := redisstore.Check(address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
