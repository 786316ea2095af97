package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func (a *app) bundleCommand() *cobra.Command {
	return &cobra.Command{
		Use: "bundle [FILE]", Short: "Collect what support needs to know in one file", GroupID: groupLook, Args: cobra.MaximumNArgs(1),
		Long: "Write a tar.gz with what the daemon says of itself: status and what is wrong, events of the\n" +
			"last hour, configuration and its history, health, metrics, goroutines and heap. Secrets are\n" +
			"hidden and keys of clients are replaced by hashes; names of parts and hosts are not.\n\n" +
			"FILE is foundation-bundle-TIME.tar.gz in this directory by default, and - is stdout. A part\n" +
			"that cannot be had is noted in manifest.json, and the rest is written all the same:\n" +
			"goroutines and heap need a token of role write.",
		Example: "  foundation bundle\n  foundation bundle - | ssh support 'cat > shop.tar.gz'",
		RunE:    a.run(func(ctx context.Context, args []string) error { return a.bundle(ctx, args) }),
	}
}

// Bundle is the answer of bundle, and the manifest in it.
type Bundle struct {
	APIVersion string       `json:"api_version"`
	File       string       `json:"file"`
	At         time.Time    `json:"at"`
	Address    string       `json:"address"`
	Client     Build        `json:"client"` // the program that wrote it
	Parts      []BundlePart `json:"parts"`
}

// BundlePart is one file of a bundle.
type BundlePart struct {
	Name        string  `json:"name"`
	Bytes       int     `json:"bytes"`
	TookSeconds float64 `json:"took_seconds"`
	Error       string  `json:"error"` // why it is not there
}

// wanted is a part to be asked for.
type wanted struct{ name, path string }

// bundled are the parts, but for those that the status asks for.
var bundled = []wanted{
	{"events.json", "/v1/events?since=1h&order=descending&limit=10000"},
	{"config.json", "/v1/config"},
	{"config-status.json", "/v1/config/status"},
	{"config-history.json", "/v1/config/history?limit=50"},
	{"health.json", "/v1/health"},
	{"services.json", "/v1/services"},
	{"memory.json", "/v1/memory"},
	{"operations.json", "/v1/operations"},
	{"alerts.json", "/v1/alerts"},
	{"silences.json", "/v1/silences"},
	{"log-level.json", "/v1/log_level"},
	{"metrics.txt", "/metrics"},
	{"goroutines.txt", "/debug/pprof/goroutine?debug=2"},
	{"heap.pprof", "/debug/pprof/heap"},
}

// partPatience bounds the wait for one part: one that hangs must not cost the others.
const partPatience = 15 * time.Second

// mostWhy bounds how many parts are asked why.
const mostWhy = 20

func (a *app) bundle(ctx context.Context, args []string) (err error) {
	at := time.Now().UTC()
	file := "foundation-bundle-" + at.Format("20060102T150405Z") + ".tar.gz"
	if len(args) > 0 {
		file = args[0]
	}
	client, err := a.client()
	if err != nil {
		return err
	}
	b := &bundler{app: a, client: client, at: at, manifest: Bundle{APIVersion: adminapi.Version, File: file, At: at, Address: client.Address, Client: ThisBuild()}}
	status, err := b.fetch(ctx, wanted{"status.json", "/v1/status"})
	if errors.Is(err, adminapi.ErrUnreachable) || errors.Is(err, adminapi.ErrWantsTLS) || ctx.Err() != nil {
		return a.explain(err)
	}
	if file == stdin {
		return b.write(ctx, a.env.Stdout, status)
	}
	return a.writeBundle(ctx, b, file, status)
}

// writeBundle writes the whole or nothing.
func (a *app) writeBundle(ctx context.Context, b *bundler, file string, status []byte) (err error) {
	out, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*") // 0600
	if err != nil {
		return failed(fmt.Errorf("write the bundle: %w", err))
	}
	defer func() {
		if err != nil { // the error says what went wrong; these only clear up
			_ = out.Close()
			_ = os.Remove(out.Name())
		}
	}()
	if err = b.write(ctx, out, status); err == nil {
		err = errors.Join(out.Sync(), out.Close())
	}
	if err == nil {
		err = os.Rename(out.Name(), file)
	}
	if err != nil {
		return failed(fmt.Errorf("write the bundle: %w", err))
	}
	return a.print(b.manifest, func() error { return a.showBundle(&b.manifest) })
}

func (a *app) showBundle(m *Bundle) error {
	bytes, missing := 0, 0
	for _, p := range m.Parts {
		bytes += p.Bytes
		if p.Error != "" {
			missing++
			fmt.Fprintf(a.env.Stderr, "%s is not in it: %s\n", p.Name, printable(p.Error))
		}
	}
	a.say("%s: %s, %s before compression", m.File, numbered(len(m.Parts)-missing, "part"), byteText(int64(bytes)))
	return nil
}

// bundler collects the parts of one bundle.
type bundler struct {
	app      *app
	client   *adminapi.Client
	at       time.Time
	manifest Bundle
	tar      *tar.Writer
}

// fetch asks for a part and notes how that went. What it returns is fit to be given away.
func (b *bundler) fetch(ctx context.Context, w wanted) ([]byte, error) {
	if b.app.env.Terminal {
		fmt.Fprintf(b.app.env.Stderr, "\r\x1b[K%s …", w.name)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, partPatience)
	defer cancel()
	var text bytes.Buffer
	err := b.client.Fetch(ctx, w.path, &text)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("there was no answer within %s", seconds(partPatience.Seconds()))
	}
	raw := text.Bytes()
	if err == nil && strings.HasSuffix(w.name, ".json") {
		raw, err = anonymous(raw)
	}
	part := BundlePart{Name: w.name, TookSeconds: time.Since(began).Seconds()}
	if err != nil {
		part.Error = err.Error()
		raw = nil
	}
	part.Bytes = len(raw)
	b.manifest.Parts = append(b.manifest.Parts, part)
	return raw, err
}

// write writes the archive. Of the parts only what cannot be written is an error.
func (b *bundler) write(ctx context.Context, w io.Writer, status []byte) error {
	zip := gzip.NewWriter(w)
	b.tar = tar.NewWriter(zip)
	if err := b.add("status.json", status); err != nil {
		return err
	}
	for _, part := range append(whyParts(status), bundled...) {
		raw, err := b.fetch(ctx, part)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = b.add(part.name, raw)
		}
		if errors.Is(err, errArchive) {
			return err
		}
	}
	if b.app.env.Terminal {
		fmt.Fprint(b.app.env.Stderr, "\r\x1b[K")
	}
	manifest, err := json.MarshalIndent(b.manifest, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(b.add("manifest.json", manifest), b.tar.Close(), zip.Close())
}

// errArchive marks what the disk, and not the daemon, refuses.
var errArchive = errors.New("the archive cannot be written")

func (b *bundler) add(name string, raw []byte) error {
	if raw == nil {
		return nil
	}
	dir := strings.TrimSuffix(filepath.Base(b.manifest.File), ".tar.gz")
	if b.manifest.File == stdin {
		dir = "foundation-bundle"
	}
	err := b.tar.WriteHeader(&tar.Header{Name: dir + "/" + name, Mode: 0o600, Size: int64(len(raw)), ModTime: b.at})
	if err == nil {
		_, err = b.tar.Write(raw)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errArchive, err)
	}
	return nil
}

// whyParts asks why of what the status shows to be wrong.
func whyParts(status []byte) (parts []wanted) {
	var s adminapi.Status
	if json.Unmarshal(status, &s) != nil {
		return nil
	}
	for i := range s.Findings {
		f := &s.Findings[i]
		if f.Kind != "" && f.Name != "" && len(parts) < mostWhy {
			kind, name := url.PathEscape(f.Kind), url.PathEscape(f.Name)
			parts = append(parts, wanted{"why/" + kind + "-" + name + ".json", "/v1/why/" + kind + "/" + name})
		}
	}
	return parts
}

// anonymous replaces the keys of clients, which may be names, addresses or credentials, by
// hashes that tell them apart.
func anonymous(raw []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	out := new(bytes.Buffer)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(withoutKeys(v))
	return out.Bytes(), err
}

// ofClients are the fields that hold keys.
var ofClients = map[string]bool{"key": true, "member": true}

// bundleSalt keeps the keys of a bundle from being found by trying all that there are. Equal
// ones are equal within one bundle.
var bundleSalt = rand.Text()

func pseudonym(key string) string {
	return fmt.Sprintf("sha256:%.8x", sha256.Sum256([]byte(bundleSalt+key)))
}

// withoutKeys replaces the keys of clients: in the fields that hold them, and in the sentences
// that name one of them.
func withoutKeys(v any) any {
	keys := map[string]bool{}
	collectKeys(v, keys)
	pairs := make([]string, 0, 4*len(keys))
	for _, key := range slices.SortedFunc(maps.Keys(keys), func(x, y string) int { return len(y) - len(x) }) {
		if r := []rune(key); len(r) > 40 { // as sentences shorten it
			pairs = append(pairs, string(r[:20])+"…"+string(r[len(r)-19:]), pseudonym(key))
		}
		if len(key) >= leastInText {
			pairs = append(pairs, key, pseudonym(key))
		}
	}
	return replaceKeys(v, strings.NewReplacer(pairs...))
}

func collectKeys(v any, keys map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			if text, ok := below.(string); ok && ofClients[name] && text != "" {
				keys[text] = true
			}
			collectKeys(below, keys)
		}
	case []any:
		for _, below := range v {
			collectKeys(below, keys)
		}
	}
}

// leastInText is how long a key must be to be looked for in sentences: a shorter one would be
// found in every word.
const leastInText = 4

func replaceKeys(v any, hide *strings.Replacer) any {
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			if text, ok := below.(string); ok && ofClients[name] && text != "" {
				v[name] = pseudonym(text)
				continue
			}
			v[name] = replaceKeys(below, hide)
		}
	case []any:
		for i := range v {
			v[i] = replaceKeys(v[i], hide)
		}
	case string:
		return hide.Replace(v)
	}
	return v
}
