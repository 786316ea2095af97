package main_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var (
	requestOfAPI = regexp.MustCompile("`(GET|PUT|POST|DELETE|PATCH) (/[^` ]*)`|`(/v1/[^` ]*)`|`(/[a-z]+z[^` ]*)`")
	placeOfAPI   = regexp.MustCompile(`\{(\w+)\}`)
)

// TestTheRequestsOfTheAdminAPIExist sends every request of the table in docs/admin-api.md to
// a daemon. What they answer is tested elsewhere; here a page must name no path and no
// method that is not there.
func TestTheRequestsOfTheAdminAPIExist(t *testing.T) {
	d, _ := full(t)
	n := 0
	for line := range strings.Lines(readFile(t, "../../docs/admin-api.md")) {
		cells := strings.Split(line, " | ")
		if len(cells) < 2 || !strings.HasPrefix(line, "| `") || !strings.Contains(cells[0], "/") {
			continue
		}
		for _, m := range requestOfAPI.FindAllStringSubmatch(cells[0], -1) {
			method, path := m[1], m[2]+m[3]+m[4]
			if method == "" {
				method = http.MethodGet
			}
			if strings.HasSuffix(path, "/stream") || strings.HasSuffix(path, "/frames") {
				continue // they have no end
			}
			n++
			if fault := d.lacks(method, path); fault != "" {
				t.Errorf("%s %s: %s", method, path, fault)
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d requests were found", n)
	}
}

// lacks says that the API has no such request, "" if it has.
func (d *daemon) lacks(method, path string) string {
	d.t.Helper()
	path = placeOfAPI.ReplaceAllString(path, "1")
	req, err := http.NewRequestWithContext(d.t.Context(), method, "http://"+d.admin+path, strings.NewReader("{}"))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if resp.StatusCode == http.StatusMethodNotAllowed || strings.Contains(string(body), "there is nothing at") {
		return resp.Status
	}
	return ""
}
