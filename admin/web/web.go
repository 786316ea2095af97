package web

import (
	"net/http"
	"strings"
	"sync"
)

// assetsPath begins the paths of all files but the shell. What follows is the hash of all
// of them: one that has changed has another address, and so has all that imports it.
const assetsPath = "/assets/"

// policy allows the page its own files and its own server, and no way to turn text into
// code: no inline script or style, no policy for trusted types, no frame around it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// site is read once, when somebody asks for the page: a program that shows it to nobody
// compresses nothing.
var site = sync.OnceValues(load)

// Answers reports whether path, below where the page is mounted, is one of the page's.
func Answers(path string) bool { return path == "/" || strings.HasPrefix(path, assetsPath) }

// Handler returns the page. It answers at the root and below /assets/: mount it below a path
// with [http.StripPrefix]. What it serves is the same for everybody and needs no proof of
// identity; what the page shows comes from the API, which asks for it.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "the page is only read: use GET", http.StatusMethodNotAllowed)
		return
	}
	files, err := site()
	if err != nil {
		http.Error(w, "the page cannot be read: "+err.Error(), http.StatusInternalServerError)
		return
	}
	if r.URL.Path == "/" {
		header.Set("Content-Security-Policy", policy)
		header.Set("Cache-Control", "no-cache")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		files.shell.serve(w, r)
		return
	}
	f, ok := files.assets[strings.TrimPrefix(r.URL.Path, assetsPath)]
	if !ok {
		header.Set("Cache-Control", "no-store")
		http.Error(w, "there is no such file: this may be the page of another version, load it again", http.StatusNotFound)
		return
	}
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	f.serve(w, r)
}
