package daemon_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/elixirscope/foundation/adapters/postgres"
	"github.com/elixirscope/foundation/cmd/internal/daemon"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// journal is a log that is read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A FIFO held a reload, and with it the drain, for ever; a device filled the memory.
func TestAFileThatIsNoneEndsAReloadAndNotTheDaemon(t *testing.T) {
	valid := anywhere + "gateway: { listen: \"127.0.0.1:0\", routes: [ { match: /, upstream: \"https://127.0.0.1:1\" } ] }\n"
	file := write(t, valid)
	d := run(t, daemon.Options{ConfigFile: file, WatchEvery: -1})
	for _, path := range []string{fifo(t), "/dev/zero", t.TempDir()} {
		rewrite(t, file, strings.ReplaceAll(valid, "127.0.0.1:1\"", "127.0.0.1:1\", tls: { ca_file: "+path+" }"))
		if _, err := d.Reload(t.Context(), config.By{}); !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Reload(t.Context(), config.By{}); !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("the configuration: %v", err)
	}
}

func TestAConfigurationOrACertificateThatIsNoFileIsToldAtTheStart(t *testing.T) {
	path := fifo(t)
	for text, file := range map[string]string{
		"the configuration": path,
		"a certificate":     write(t, "gateway: { listen: \"127.0.0.1:0\", tls: { cert_file: "+path+", key_file: /dev/zero } }\nadmin: { listen: \"off\" }\n"),
		"a secret":          write(t, "namespace: \"${file:"+path+"}\"\nadmin: { listen: \"off\" }\n"),
	} {
		_, err := daemon.New(t.Context(), daemon.Options{ConfigFile: file})
		if err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A document over the network told files apart, and /dev/zero ended the process.
func TestADocumentOfTheNetworkReachesNoFile(t *testing.T) {
	valid := anywhere + "gateway: { listen: \"127.0.0.1:0\", routes: [ { match: /, upstream: \"https://127.0.0.1:1\" } ] }\n"
	d := run(t, daemon.Options{ConfigFile: write(t, valid), WatchEvery: -1, LookupEnv: func(string) (string, bool) { return "stolen", true }})
	said := map[string]bool{}
	for _, path := range []string{fifo(t), "/dev/zero", "/etc/passwd", "/no/such/file", t.TempDir()} {
		err := planText(t, d, "version: 1\n"+strings.ReplaceAll(valid, "127.0.0.1:1\"", "127.0.0.1:1\", tls: { ca_file: "+path+" }"))
		if !errors.Is(err, fault.InvalidConfig) {
			t.Fatalf("%s: %v", path, err)
		}
		said[strings.ReplaceAll(err.Error(), path, "")] = true
	}
	if len(said) != 1 {
		t.Errorf("files are told apart: %v", said)
	}
	for _, text := range []string{"namespace: \"${HOME}\"\n", "namespace: \"${file:/etc/hostname}\"\n", "storage: { path: /tmp }\n"} {
		if err := planText(t, d, "version: 1\n"+text); !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("%s was not refused: %v", text, err)
		}
	}
}

// Told over the network, the errors of dialling would make the layer a probe of the
// network behind it.
func TestWhyAWorkerCannotBeMadeIsLoggedAndNotTold(t *testing.T) {
	var log journal
	kinds := map[string]pool.Kind{"postgres": postgres.Kind()}
	text := anywhere + "pools: { db: { worker: postgres, start: warm, backoff: 10ms, options: { dsn: \"postgres://u@127.0.0.1:1/d?sslmode=disable\" } } }\n"
	d := run(t, daemon.Options{ConfigFile: write(t, text), WatchEvery: -1, Kinds: kinds, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	c := client(t, nil)
	for {
		_, body := get(t, c, "http://"+d.Address("admin")+"/v1/pools/db")
		if strings.Contains(body, "127.0.0.1:1") || strings.Contains(body, "connection refused") {
			t.Fatalf("told: %s", body)
		}
		if strings.Contains(body, "the log of the daemon says why") {
			break
		}
	}
	if !strings.Contains(log.String(), "connection refused") {
		t.Errorf("logged: %s", log.String())
	}
}
