package redis

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/elixirscope/foundation/fault"
)

// oldest is the first version that the store works with. Its scripts need no more than
// 5.0 has, writes after reading the clock; but before 6.2 no release has had the repairs
// of the script engine's security faults.
var oldest = [2]int{6, 2}

// nearlyFull is the share of maxmemory from which a warning is given.
const nearlyFull = 0.9

// Inspect implements [shared.Inspector]. It needs INFO and scripts, and no right to read
// the server's configuration. Of a cluster it asks every primary.
func (s *Store) Inspect(ctx context.Context) (server string, warnings []string, err error) {
	if ctx.Err() != nil {
		return "", nil, gone(ctx, "redis")
	}
	infos, err := s.infos(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return "", nil, gone(ctx, "redis")
		}
		return "", nil, unavailable("redis", "redis could not be asked what it is", err)
	}
	for _, i := range infos {
		if err := i.refusal(); err != nil {
			return i.name(), nil, err
		}
		for _, w := range i.warnings() {
			if len(infos) > 1 {
				w = i["where"] + ": " + w
			}
			warnings = append(warnings, w)
		}
	}
	server = infos[0].name()
	if err := s.tryScript(ctx); err != nil {
		return server, warnings, err
	}
	return server, warnings, nil
}

// tryScript runs what the scripts rely on.
func (s *Store) tryScript(ctx context.Context) error {
	const probe = `redis.call('EXISTS', KEYS[1]) return struct.unpack('<I7', struct.pack('<I7', redis.call('TIME')[1])) > 0 and 1 or 0`
	n, err := s.client.Eval(ctx, probe, []string{s.fleetKey()}).Int()
	switch {
	case err == nil && n == 1:
		return nil
	case ctx.Err() != nil:
		return gone(ctx, "redis")
	}
	return fault.New(fault.Spec{
		Code: fault.Unavailable, Component: component, Name: "redis", Cause: err,
		Message: "redis does not run the scripts that shared limits are made of: the user needs EVAL and EVALSHA, and GET, SET, DEL, TIME and hashes for keys that begin with the namespace",
	})
}

// info is what a server says of itself.
type info map[string]string

// infos asks the server, or every primary of a cluster.
func (s *Store) infos(ctx context.Context) ([]info, error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		i, err := infoOf(ctx, s.client)
		return []info{i}, err
	}
	answers := make(chan info, 1024) // more primaries than a cluster has
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		i, err := infoOf(ctx, node)
		if err == nil {
			i["where"] = node.Options().Addr
			answers <- i
		}
		return err
	})
	close(answers)
	var all []info
	for i := range answers {
		all = append(all, i)
	}
	if err == nil && len(all) == 0 {
		err = fault.New(fault.Spec{Code: fault.Unavailable, Component: component, Name: "redis", Message: "the cluster has no primary"})
	}
	return all, err
}

func infoOf(ctx context.Context, client redis.Cmdable) (info, error) {
	text, err := client.Info(ctx).Result()
	if err != nil {
		return nil, err
	}
	i := info{}
	for line := range strings.Lines(text) {
		if field, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			i[field] = value
		}
	}
	return i, nil
}

// version is the name and the version of the server. Valkey says in fields of its own
// which it is, and in that of Redis which one it is compatible with.
func (i info) version() (kind, version string) {
	if v := i["valkey_version"]; v != "" {
		return "valkey", v
	}
	return "redis", i["redis_version"]
}

// name is the server in a few words.
func (i info) name() string {
	kind, version := i.version()
	if i["cluster_enabled"] == "1" {
		return kind + " " + version + ", cluster"
	}
	return kind + " " + version
}

// refusal is why the server cannot be used, or nil.
func (i info) refusal() error {
	var message string
	kind, version := i.version()
	var major, minor int
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor) // a version of another form is not refused
	switch {
	case kind == "redis" && version != "" && major > 0 && (major < oldest[0] || major == oldest[0] && minor < oldest[1]):
		message = fmt.Sprintf("redis %s is too old for shared limits: they need Redis %d.%d or Valkey", version, oldest[0], oldest[1])
	case i["role"] == "slave":
		message = "this is a replica, which takes no writes: name its primary, or the Sentinels that know it"
	default:
		return nil
	}
	return fault.New(fault.Spec{Code: fault.Unavailable, Component: component, Name: "redis", Message: message})
}

// warnings are what may cost counters or the use of the server.
func (i info) warnings() (all []string) {
	most, _ := strconv.ParseFloat(i["maxmemory"], 64)
	used, _ := strconv.ParseFloat(i["used_memory"], 64)
	policy := i["maxmemory_policy"]
	if most == 0 {
		return nil
	}
	if policy != "" && policy != "noeviction" {
		all = append(all, fmt.Sprintf("maxmemory-policy is %s: when its %s are full the server drops counters, and their limits begin anew; set it to noeviction, or use a server of its own", policy, bytes(most)))
	}
	if used >= nearlyFull*most {
		all = append(all, fmt.Sprintf("%s of its %s of memory are in use (maxmemory): a full server refuses to count, and each instance limits by itself; give it more", bytes(used), bytes(most)))
	}
	return all
}

// bytes writes a number of bytes in a unit that is easy to read.
func bytes(n float64) string {
	const kib = 1024
	unit := "B"
	for _, next := range []string{"KiB", "MiB", "GiB"} {
		if n < kib {
			break
		}
		n, unit = n/kib, next
	}
	return strconv.FormatFloat(math.Round(n*10)/10, 'f', -1, 64) + " " + unit
}
