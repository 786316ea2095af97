package main_test

import (
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/elixirscope/foundation/internal/redistest"
)

const sharedExample = "../../examples/shared-limits/"

// composed is what of a compose file is looked at here.
type composed struct {
	Services map[string]struct {
		Image       string
		Command     []string
		Hostname    string
		Environment map[string]string
		Volumes     []string
		Ports       []string
		Healthcheck map[string]any
		DependsOn   map[string]any `yaml:"depends_on"`
	}
}

// The gateways of the example have what their file asks for, and the file is legal with it.
func TestSharedExample_FitsTogether(t *testing.T) {
	var c composed
	if err := yaml.Load([]byte(readFile(t, sharedExample+"compose.yaml")), &c, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	text := readFile(t, sharedExample+"foundation.yaml")
	place := regexp.MustCompile(`FOUNDATION_CONFIG=(\S+)`).FindStringSubmatch(readFile(t, deploy+"container/Containerfile"))
	for _, name := range []string{"gateway-1", "gateway-2"} {
		g := c.Services[name]
		if g.Hostname != name || len(g.Volumes) != 1 || g.Volumes[0] != "./foundation.yaml:"+place[1]+":ro" || len(g.Ports) != 1 || !strings.HasSuffix(g.Ports[0], ":8080") {
			t.Errorf("%s: %+v", name, g)
		}
		var env []string
		for _, m := range regexp.MustCompile(`\$\{(\w+)`).FindAllStringSubmatch(text, -1) {
			if g.Environment[m[1]] == "" {
				t.Errorf("%s has no variable %s", name, m[1])
			}
			env = append(env, m[1]+"="+g.Environment[m[1]])
		}
		cmd := command(t, "config", "validate", "foundation.yaml")
		cmd.Dir = sharedExample
		cmd.Env = append(cmd.Env, env...)
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "warning") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	if c.Services["gateway-1"].Ports[0] == c.Services["gateway-2"].Ports[0] {
		t.Error("both gateways have one port")
	}
}

// A gateway of the example has nothing to say against the Redis of the example.
func TestSharedExample_ItsRedisNeedsNoAttention(t *testing.T) {
	var c composed
	if err := yaml.Load([]byte(readFile(t, sharedExample+"compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	redis := redistest.Running(t, redisSuite, c.Services["redis"].Command[1:]...)
	f := serveFleet(t, redis.URL(), "shop", "shop")
	for i, d := range f {
		if s := d.shared(); len(s.Warnings) > 0 || s.Fault != "" || s.Away != "" {
			t.Errorf("daemon %d: %+v", i, s)
		}
	}
}
