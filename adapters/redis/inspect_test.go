package redis_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	redisstore "github.com/elixirscope/foundation/adapters/redis"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/redistest"
)

func TestInspectASound(t *testing.T) {
	one := single(t)
	cluster, _ := oneNode(t)
	for address, suffix := range map[string]string{one.URL(): "", cluster: ", cluster"} {
		server, warnings, err := fresh(t, address).Inspect(t.Context())
		name, version, _ := strings.Cut(strings.TrimSuffix(server, suffix), " ")
		if err != nil || len(warnings) > 0 || !strings.HasSuffix(server, suffix) || name != "redis" && name != "valkey" || !strings.Contains(version, ".") {
			t.Errorf("%q, %q, %v", server, warnings, err)
		}
	}
}

func TestInspectAServerThatEvicts(t *testing.T) {
	server := single(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	s := fresh(t, server.URL())
	check := func(want string) {
		t.Helper()
		_, warnings, err := s.Inspect(t.Context())
		if err != nil || want == "" && len(warnings) > 0 || want != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], want)) {
			t.Errorf("%q, %v", warnings, err)
		}
	}
	check("maxmemory-policy is allkeys-lru: when its 100 MiB are full")
	redistest.Run(t, server, "CONFIG", "SET", "maxmemory", "0")
	check("") // nothing is evicted
	redistest.Run(t, server, "CONFIG", "SET", "maxmemory-policy", "noeviction")
	check("")
}

// A user who may not do what the store does is told so before the first call, one who
// may not read the configuration is none the worse.
func TestInspectAsAUserWithFewRights(t *testing.T) {
	server := single(t)
	redistest.Run(t, server, "ACL", "SETUSER", "few", "on", ">secret", "~few:*", "+@scripting", "+get", "+set", "+del", "+time", "+hset", "+hdel", "+hgetall", "+pexpire", "+exists", "+info", "+hello", "+client")
	redistest.Run(t, server, "ACL", "SETUSER", "none", "on", ">secret", "~few:*", "+info", "+hello", "+client")
	few := open(t, "redis://few:secret@"+server.Addr(), "few")
	if _, warnings, err := few.Inspect(t.Context()); err != nil || len(warnings) > 0 {
		t.Error(warnings, err)
	}
	take(t, few, hourly(1), user, 1)
	none := open(t, "redis://none:secret@"+server.Addr(), "few")
	if _, _, err := none.Inspect(t.Context()); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "does not run the scripts") {
		t.Error(err)
	}
	if _, err := none.Take(t.Context(), hourly(1), user, 1); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "NOPERM") {
		t.Error(err)
	}
}

func TestInspectNothing(t *testing.T) {
	server := single(t)
	s := fresh(t, server.URL())
	server.Kill()
	if _, _, err := s.Inspect(t.Context()); !errors.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Inspect(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestInspectServersOfOtherVersions(t *testing.T) {
	for info, want := range map[string]string{
		"redis_version:6.0.16\r\n":                             "redis 6.0.16 is too old for shared limits: they need Redis 6.2 or Valkey",
		"redis_version:5.0.7\r\nrole:master\r\n":               "too old",
		"redis_version:3.2.1\r\n":                              "too old",
		"redis_version:6.2.0\r\n":                              "",
		"redis_version:10.0.0\r\n":                             "",
		"redis_version:7.2.4\r\nvalkey_version:8.1.0\r\n":      "",
		"redis_version:255.255.255\r\n":                        "",
		"redis_version:unstable\r\n":                           "",
		"redis_version:7.0.0\r\nrole:slave\r\n":                "this is a replica",
		"redis_version:7.0.0\r\nmaxmemory:\r\nused_memory:x\r": "",
	} {
		server, _, err := fresh(t, "redis://"+pretend(t, info)).Inspect(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", info, err)
		}
		if strings.Contains(info, "valkey") && server != "valkey 8.1.0" {
			t.Error(server)
		}
	}
}

// pretend returns the address of a server that answers INFO with a text and every script
// with 1.
func pretend(t *testing.T, info string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerAs(conn, info)
		}
	}()
	return l.Addr().String()
}

func answerAs(conn net.Conn, info string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		var n int
		if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
			return
		}
		var words []string
		for range n {
			var size int
			if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
				return
			}
			word := make([]byte, size+2)
			if _, err := io.ReadFull(r, word); err != nil {
				return
			}
			words = append(words, strings.ToLower(string(word[:size])))
		}
		reply := "+OK\r\n"
		switch words[0] {
		case "hello":
			reply = "-ERR unknown command\r\n"
		case "info":
			reply = fmt.Sprintf("$%d\r\n%s\r\n", len(info), info)
		case "eval", "evalsha":
			reply = ":1\r\n"
		}
		if _, err := io.WriteString(conn, reply); err != nil {
			return
		}
	}
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]string{
		"":                                       "must be a URL",
		"127.0.0.1:6379":                         "must be a URL",
		"http://127.0.0.1":                       "scheme",
		"redis+other://127.0.0.1":                "must begin with redis://",
		"redis://:secret@127.0.0.1:6379/x":       "database",
		"redis://:secret@127.0.0.1:6379?nope=1":  "nope",
		"redis://:secret@127.0.0.1:po%rt":        "",
		"redis+sentinel://:secret@127.0.0.1":     "needs the name under which the Sentinels know the primary",
		"redis+cluster://:secret@127.0.0.1?no=1": "no",
	} {
		_, err := redisstore.Open(url, redisstore.Options{Namespace: "urls"})
		if !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, url := range []string{
		"redis://127.0.0.1", "rediss://user:secret@127.0.0.1:6379/2?skip_verify=true", "unix:///tmp/redis.sock?db=1", "redis://127.0.0.1?dial_timeout=500ms&pool_size=20",
		"redis+cluster://127.0.0.1:6379?addr=127.0.0.1:6380", "rediss+cluster://127.0.0.1:6379", "redis+sentinel://127.0.0.1:26379/0?master_name=main&addr=127.0.0.1:26380",
		"rediss+sentinel://127.0.0.1:26379?master_name=main",
	} {
		s, err := redisstore.Open(url, redisstore.Options{Namespace: "urls"})
		if err != nil {
			t.Errorf("%q: %v", url, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
}
