package main_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

const deploy = "../../deploy/"

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// manifest decodes a file of deploy/kubernetes. What is not in T is not looked at here:
// the manifests were checked against the types of Kubernetes by hand.
func manifest[T any](t *testing.T, name string) (into T) {
	t.Helper()
	if err := yaml.Load([]byte(readFile(t, deploy+"kubernetes/"+name+".yaml")), &into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return into
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`

	Period  int `yaml:"periodSeconds"`
	Failure int `yaml:"failureThreshold"`
}

type container struct {
	Args    []string
	Env     []struct{ Name, Value string }
	Startup probe `yaml:"startupProbe"`
	Live    probe `yaml:"livenessProbe"`
	Ready   probe `yaml:"readinessProbe"`
	Ports   []struct {
		Name string
		Port int `yaml:"containerPort"`
	}
	Resources struct{ Limits struct{ Memory string } }
	Mounts    []struct {
		Name    string
		Path    string `yaml:"mountPath"`
		SubPath string `yaml:"subPath"`
	} `yaml:"volumeMounts"`
	Security struct {
		ReadOnly     bool                    `yaml:"readOnlyRootFilesystem"`
		Escalation   bool                    `yaml:"allowPrivilegeEscalation"`
		Capabilities struct{ Drop []string } `yaml:"capabilities"`
	} `yaml:"securityContext"`
}

type deployment struct {
	Spec struct {
		Selector struct {
			Labels map[string]string `yaml:"matchLabels"`
		}
		Template struct {
			Metadata struct{ Labels, Annotations map[string]string }
			Spec     struct {
				Grace      int `yaml:"terminationGracePeriodSeconds"`
				Containers []container
				Security   struct {
					NonRoot bool `yaml:"runAsNonRoot"`
				} `yaml:"securityContext"`
			}
		}
	}
}

func (c container) env(name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

func (c container) port(name string) int {
	for _, p := range c.Ports {
		if p.Name == name {
			return p.Port
		}
	}
	return 0
}

// settingsOf is what the manifests have to agree with.
type settingsOf struct {
	Probes  struct{ Listen string }
	Storage struct{ Path string }
	Gateway struct {
		Listen string
		Drain  struct{ Delay, Timeout string }
	}
}

func (s settingsOf) drain(t *testing.T) (delay, all time.Duration) {
	t.Helper()
	delay, err := time.ParseDuration(s.Gateway.Drain.Delay)
	if err != nil {
		t.Fatal(err)
	}
	timeout, err := time.ParseDuration(s.Gateway.Drain.Timeout)
	if err != nil {
		t.Fatal(err)
	}
	return delay, delay + timeout
}

// closing is how long a daemon may take behind its drain: the last admin requests, a
// service that does not end, the storage.
const closing = 10 * time.Second

func TestKubernetes_ThePodAgreesWithItsConfiguration(t *testing.T) {
	text := manifest[struct{ Data map[string]string }](t, "configmap").Data["foundation.yaml"]
	file := filepath.Join(t.TempDir(), "foundation.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := run(t, "config", "validate", file); code != 0 || strings.Contains(errs, "warning") {
		t.Errorf("the configuration: exit code %d\n%s%s", code, out, errs)
	}
	var s settingsOf
	if err := yaml.Load([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	pod := manifest[deployment](t, "deployment").Spec.Template
	c := pod.Spec.Containers[0]
	delay, drain := s.drain(t)
	if grace := time.Duration(pod.Spec.Grace) * time.Second; grace < drain+closing {
		t.Errorf("the pod is killed after %v, the drain takes up to %v and closing %v", grace, drain, closing)
	}
	if unready := time.Duration(c.Ready.Period*c.Ready.Failure) * time.Second; unready >= delay {
		t.Errorf("the pod is not ready after %v, and the port closes after %v", unready, delay)
	}
	for _, port := range []struct{ name, listen string }{{"http", s.Gateway.Listen}, {"probes", s.Probes.Listen}} {
		if port.listen != ":"+strconv.Itoa(c.port(port.name)) {
			t.Errorf("port %s is %d, the daemon listens on %s", port.name, c.port(port.name), port.listen)
		}
	}
	if got := pod.Metadata.Annotations["prometheus.io/port"]; ":"+got != s.Probes.Listen {
		t.Errorf("Prometheus asks port %s", got)
	}
	for path, p := range map[string]probe{"/startupz": c.Startup, "/livez": c.Live, "/readyz": c.Ready} {
		if p.HTTPGet.Path != path || p.HTTPGet.Port != "probes" {
			t.Errorf("the probe asks %+v, want %s on the probes listener", p.HTTPGet, path)
		}
	}
	mounts := map[string]bool{}
	for _, m := range c.Mounts {
		mounts[m.Path] = m.SubPath == ""
	}
	if dir := filepath.Dir(c.env("FOUNDATION_CONFIG")); !mounts[dir] || !mounts[s.Storage.Path] {
		t.Errorf("%s and %s are not both mounted as directories: %v", dir, s.Storage.Path, mounts)
	}
}

func TestKubernetes_ThePodIsBoundedAndUnprivileged(t *testing.T) {
	pod := manifest[deployment](t, "deployment").Spec.Template.Spec
	c := pod.Containers[0]
	if !pod.Security.NonRoot || !c.Security.ReadOnly || c.Security.Escalation || len(c.Security.Capabilities.Drop) != 1 {
		t.Errorf("%+v %+v", pod.Security, c.Security)
	}
	checkMemory(t, c.env("GOMEMLIMIT"), strings.TrimSuffix(c.Resources.Limits.Memory, "i"))
}

// checkMemory holds the collector's limit between the two that make it useless: above the
// kernel's it does nothing, and far below it wastes memory that is paid for.
func checkMemory(t *testing.T, collector, kernel string) {
	t.Helper()
	c, err := strconv.Atoi(strings.TrimSuffix(collector, "MiB"))
	if err != nil {
		t.Fatalf("GOMEMLIMIT: %v", err)
	}
	k, err := strconv.Atoi(strings.TrimSuffix(kernel, "M"))
	if err != nil {
		t.Fatalf("the limit of memory: %v", err)
	}
	if share := float64(c) / float64(k); share < 0.85 || share > 0.95 {
		t.Errorf("GOMEMLIMIT is %.2f of the limit of memory, want about 0.9", share)
	}
}

func TestKubernetes_TheSelectorsFindThePod(t *testing.T) {
	d := manifest[deployment](t, "deployment").Spec
	service := manifest[struct {
		Spec struct{ Selector map[string]string }
	}](t, "service").Spec.Selector
	budget := manifest[deployment](t, "poddisruptionbudget").Spec.Selector.Labels
	for name, selector := range map[string]map[string]string{"deployment": d.Selector.Labels, "service": service, "budget": budget} {
		if len(selector) == 0 || !maps.Equal(selector, d.Template.Metadata.Labels) {
			t.Errorf("%s selects %v, the pod has %v", name, selector, d.Template.Metadata.Labels)
		}
	}
}

// unit returns the assignments of the systemd unit; of repeated ones the last.
func unit(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(readFile(t, deploy+"systemd/foundation.service")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			if name == "Environment" {
				name, value, _ = strings.Cut(value, "=")
			}
			all[name] = value
		}
	}
	return all
}

func TestSystemd_TheUnitAgreesWithTheDaemon(t *testing.T) {
	u := unit(t)
	for name, want := range map[string]string{
		"Type": "notify-reload", "ExecStart": "/usr/local/bin/foundation serve", "RestartPreventExitStatus": "2",
		"DynamicUser": "yes", "ProtectSystem": "strict", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "",
	} {
		if got, ok := u[name]; !ok || got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	const defaultDrain = 25 * time.Second
	if stop, err := time.ParseDuration(u["TimeoutStopSec"]); err != nil || stop < defaultDrain+closing {
		t.Errorf("the daemon is killed after %v (%v), the drain takes up to %v and closing %v", stop, err, defaultDrain, closing)
	}
	if u["StateDirectory"] == "" || u["WorkingDirectory"] != "/var/lib/"+u["StateDirectory"] {
		t.Errorf("state is in %q, the daemon works in %q", u["StateDirectory"], u["WorkingDirectory"])
	}
	checkMemory(t, u["GOMEMLIMIT"], u["MemoryMax"])
}

// The image has no shell: what it runs is the program with its arguments.
func TestContainer_TheCommandsOfTheImageAreThoseOfTheProgram(t *testing.T) {
	text := readFile(t, deploy+"container/Containerfile")
	for _, want := range []string{"CGO_ENABLED=0", "FROM scratch", "USER 65532:65532", `ENTRYPOINT ["/foundation"]`, `CMD ["serve"]`} {
		if !strings.Contains(text, want) {
			t.Errorf("the Containerfile lacks %s", want)
		}
	}
	m := regexp.MustCompile(`CMD \["/foundation", (.*)\]`).FindStringSubmatch(text)
	if m == nil {
		t.Fatal("there is no HEALTHCHECK")
	}
	d, _ := full(t)
	args := strings.Split(strings.ReplaceAll(m[1], `"`, ""), ", ")
	for address, want := range map[string]bool{d.admin: true, freeAddress(t): false} {
		cmd := command(t, args...)
		cmd.Env = append(cmd.Env, "FOUNDATION_ADDR="+address)
		_ = cmd.Run() // the code says it
		if code := cmd.ProcessState.ExitCode(); (code == 0) != want {
			t.Errorf("the health check of %s: exit code %d; healthy: %t", address, code, want)
		}
	}
}
