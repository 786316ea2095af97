package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"math"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Access says who may use an API. The zero value admits whoever reaches it at a loopback
// address or a Unix socket of this machine, who may then do everything: anywhere else nothing
// is answered. A proxy on this machine is somebody as well: behind one, say who may.
type Access struct {
	// Tokens maps an actor's name to its bearer token.
	Tokens map[string]Token
	// ClientCertificates is true where the listener demands client certificates;
	// the actor is then the certificate's common name, and may change things.
	ClientCertificates bool
	// Authenticate, unless it is nil, decides in place of tokens and certificates: for a
	// program that has proof of identity of its own. It returns the name of who sends
	// the request, and whether it may change things or only look.
	Authenticate func(*http.Request) (actor string, write, ok bool)
	// Hosts are the names, without port, under which clients may address the server
	// beside its own addresses and localhost. They stop DNS rebinding; with Authenticate
	// and no Hosts every name is good.
	Hosts []string
}

// Token lets one actor in.
type Token struct {
	Secret string
	Write  bool // may also change, not only look
}

// guarded reports whether a request must prove who sends it.
func (s Access) guarded() bool {
	return len(s.Tokens) > 0 || s.ClientCertificates || s.Authenticate != nil
}

// CheckListen refuses an address that others can reach while nobody has to prove who they
// are: what would then not be answered there.
func (s Access) CheckListen(address string) error {
	if s.guarded() || isLoopback(address) {
		return nil
	}
	return fault.New(fault.Spec{
		Code: fault.InvalidConfig, Component: "foundation", Name: "admin",
		Problems: []fault.Problem{{
			Field: "admin.listen", Value: address,
			Message: "others can reach this address, and nobody has to prove who he is: set admin.tokens or admin.tls.client_ca, or listen on 127.0.0.1",
		}},
	})
}

// local refuses a request that did not come to a loopback address or a Unix socket: where
// nobody proves anything, only what nobody else can reach is safe.
func local(r *http.Request) error {
	for _, field := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if len(r.Header[field]) > 0 {
			return refuse(fault.Forbidden, "a proxy has passed this request on, and nobody has to prove who they are here: set admin.Options.Access")
		}
	}
	switch at := r.Context().Value(http.LocalAddrContextKey).(type) {
	case *net.UnixAddr:
		return nil
	case *net.TCPAddr:
		if at.IP.IsLoopback() {
			return nil
		}
	}
	return refuse(fault.Forbidden, "nobody has to prove who they are here, so only a loopback address of this machine is answered: set admin.Options.Access")
}

// sameSite refuses a request that a page of another origin made: reading costs as well, and
// nobody has to prove anything here.
func sameSite(r *http.Request) error {
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return refuse(fault.Forbidden, "the request comes from another origin")
	}
	return nil
}

// isLoopback reports whether address can be reached from this machine only.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

type actorKey struct{}

// actorOf names who sent the request, for events and for the log.
func actorOf(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}

type writeKey struct{}

// mayWrite reports whether who sent the request may change things, for what only they may see.
func mayWrite(ctx context.Context) bool {
	write, _ := ctx.Value(writeKey{}).(bool)
	return write
}

// protect puts the checks in front of h, cheapest first.
func (s Access) protect(h http.Handler, failures *authFailures) http.Handler {
	origin := http.NewCrossOriginProtection()
	tokens := hashTokens(s.Tokens)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.check(r, origin); err != nil {
			writeError(w, err)
			return
		}
		actor, write, ok := s.authenticate(r, tokens)
		switch {
		case !ok:
			refuseToken(w, failures.note(r))
		case !write && !reads(r):
			writeError(w, refuse(fault.Forbidden, "the token of "+actor+" may look but not change anything: its role is read"))
		default:
			ctx := context.WithValue(context.WithValue(r.Context(), actorKey{}, actor), writeKey{}, write)
			h.ServeHTTP(w, r.WithContext(ctx))
		}
	})
}

// show puts the checks in front of the page that hold without a proof of identity: the page is
// where a person gives one. It is the same for everybody, so a link from elsewhere may lead
// to it; what it then asks of the API comes from its own origin.
func (s Access) show(page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.reachable(r); err != nil {
			writeError(w, err)
			return
		}
		page.ServeHTTP(w, r)
	})
}

// refuseToken answers a request without a valid token. One that has to wait
// before it tries again pays with its connection, too.
func refuseToken(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="foundation"`)
	p := problemOf(refuse(fault.Forbidden, "the request carries no valid token: set FOUNDATION_TOKEN or the Authorization header"))
	p.Status = http.StatusUnauthorized
	if wait > 0 {
		p = problemOf(refuse(fault.RateLimited, "too many requests from this address carried no valid token; one that does passes at once"))
		w.Header().Set("Retry-After", strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10))
		w.Header().Set("Connection", "close")
	}
	writeProblem(w, p)
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// reachable refuses a request that took a way to here on which nobody is let in.
func (s Access) reachable(r *http.Request) error {
	if !s.guarded() {
		if err := local(r); err != nil {
			return err
		}
	}
	if !s.allowedHost(r) {
		return refuse(fault.Forbidden, "the request names a host that this server does not know: add it to admin.allowed_hosts")
	}
	return nil
}

func (s Access) check(r *http.Request, origin *http.CrossOriginProtection) error {
	if err := s.reachable(r); err != nil {
		return err
	}
	if !s.guarded() {
		if err := sameSite(r); err != nil {
			return err
		}
	}
	if err := origin.Check(r); err != nil {
		return refuse(fault.Forbidden, "the request comes from another origin")
	}
	if reads(r) {
		return nil
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	merge := r.Method == http.MethodPatch && media == "application/merge-patch+json" // RFC 7396; a form cannot send it either
	if err != nil || media != "application/json" && !merge {
		return refuse(fault.Forbidden, "a request that changes something must carry Content-Type: application/json")
	}
	return nil
}

// allowedHost stops DNS rebinding: a page of a foreign site whose name was made
// to point here sends that name as the host. A literal address cannot be rebound.
func (s Access) allowedHost(r *http.Request) bool {
	if s.Authenticate != nil && len(s.Hosts) == 0 {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return sameHost(host, "localhost") || slices.ContainsFunc(s.Hosts, func(known string) bool { return sameHost(host, known) })
}

// sameHost compares names as DNS does: without case, and with or without the dot
// of the root.
func sameHost(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

type hashedToken struct {
	actor string
	write bool
	sum   [sha256.Size]byte
}

func hashTokens(tokens map[string]Token) []hashedToken {
	hashed := make([]hashedToken, 0, len(tokens))
	for actor, token := range tokens {
		hashed = append(hashed, hashedToken{actor, token.Write, sha256.Sum256([]byte(token.Secret))})
	}
	return hashed
}

// authenticate compares hashes of equal length and looks at every token, so
// that the time it takes tells nothing about any of them. Whoever holds a
// certificate that the listener accepted may change things.
func (s Access) authenticate(r *http.Request, tokens []hashedToken) (actor string, write, ok bool) {
	switch {
	case s.Authenticate != nil:
		return s.Authenticate(r)
	case !s.guarded():
		return "local", true, true
	}
	if r.TLS != nil && s.ClientCertificates && len(r.TLS.VerifiedChains) > 0 && len(tokens) == 0 {
		return r.TLS.VerifiedChains[0][0].Subject.CommonName, true, true
	}
	given, isBearer := bearer(r.Header.Get("Authorization"))
	sum := sha256.Sum256([]byte(given))
	for _, t := range tokens {
		if subtle.ConstantTimeCompare(sum[:], t.sum[:]) == 1 && isBearer {
			actor, write, ok = t.actor, t.write, true
		}
	}
	return actor, write, ok
}
