package daemon

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWebhook_PostsAndTellsTheURLToNobody(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(body))
		switch r.URL.Path {
		case "/down":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/moved":
			http.Redirect(w, r, "/in", http.StatusTemporaryRedirect)
		}
	}))
	defer webhookClient.CloseIdleConnections()
	defer server.Close()
	if err := sendWebhook(t.Context(), server.URL+"/in", []byte(`{"text":"x"}`)); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]string{"/down": "503", "/moved": "307"} {
		if err := sendWebhook(t.Context(), server.URL+path, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if len(got) != 3 || got[0] != `POST /in application/json {"text":"x"}` {
		t.Errorf("%q", got)
	}
	for _, to := range []string{"http://127.0.0.1:1/secret", "http://\x7f/secret"} {
		if err := sendWebhook(t.Context(), to, nil); err == nil || strings.Contains(err.Error(), "secret") || errors.Is(err, io.EOF) {
			t.Errorf("%v", err)
		}
	}
}
