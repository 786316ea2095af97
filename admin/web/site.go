package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed static
var static embed.FS

// loaded is the whole page, ready to be sent.
type loaded struct {
	shell  *file
	assets map[string]*file // by what follows assetsPath
}

// file is one file in the two forms in which it is sent.
type file struct {
	plain, packed []byte
	media, etag   string
}

// mediaTypes are those of all files that are served; others, as licences, only lie beside.
var mediaTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

const shellName = "index.html"

// load reads and compresses the files. The shell names the others by their hash.
func load() (*loaded, error) {
	texts, err := read()
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(texts))
	for name := range texts {
		if name != shellName {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	hash := hashOf(names, texts)
	l := &loaded{assets: make(map[string]*file, len(names))}
	for _, name := range names {
		if l.assets[hash+"/"+name], err = newFile(name, texts[name]); err != nil {
			return nil, err
		}
	}
	l.shell, err = newFile(shellName, shell(texts[shellName], strings.TrimPrefix(assetsPath, "/")+hash+"/", names))
	return l, err
}

func read() (map[string][]byte, error) {
	texts := map[string][]byte{}
	err := fs.WalkDir(static, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || mediaTypes[path.Ext(name)] == "" {
			return err
		}
		texts[strings.TrimPrefix(name, "static/")], err = static.ReadFile(name)
		return err
	})
	return texts, err
}

func hashOf(names []string, texts map[string][]byte) string {
	sum := sha256.New()
	for _, name := range names {
		fmt.Fprintf(sum, "%s %d\n", name, len(texts[name]))
		sum.Write(texts[name])
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// shell fills in where the assets are, and announces all modules at once: a browser that
// found them import by import would wait for one round trip a level.
func shell(text []byte, at string, names []string) []byte {
	var links strings.Builder
	for _, name := range names {
		if strings.HasPrefix(name, "js/") {
			fmt.Fprintf(&links, "  <link rel=\"modulepreload\" href=\"%s%s\">\n", at, html.EscapeString(name))
		}
	}
	text = bytes.ReplaceAll(text, []byte("{{modules}}\n"), []byte(links.String()))
	return bytes.ReplaceAll(text, []byte("{{assets}}/"), []byte(at))
}

func newFile(name string, text []byte) (*file, error) {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return &file{plain: text, packed: packed.Bytes(), media: mediaTypes[path.Ext(name)], etag: hex.EncodeToString(sum[:16])}, nil
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	header, body, tag := w.Header(), f.plain, f.etag
	header.Set("Content-Type", f.media)
	header.Set("Vary", "Accept-Encoding")
	if takesGzip(r) {
		header.Set("Content-Encoding", "gzip")
		body, tag = f.packed, f.etag+"-gzip" // a strong tag names the bytes that are sent
	}
	header.Set("ETag", `"`+tag+`"`)
	if r.Header.Get("Range") != "" { // a part of a compressed file is of use to nobody
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	}
	header.Set("Content-Length", strconv.Itoa(len(body))) // which ServeContent leaves out of what is encoded
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// takesGzip reports whether the client accepts gzip, which it refuses with q=0.
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q="), 64)
		return weight == "" || err == nil && q > 0
	}
	return false
}
