package admin_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/admin"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// pair is a store through which this instance hears of another.
type pair struct{ shared.Store }

func (pair) Beat(_ context.Context, self shared.Instance, _ time.Duration) ([]shared.Instance, error) {
	self.Seen = time.Now()
	return []shared.Instance{self, {ID: "zz", Node: "other", Hash: "else", Verdict: "ok", Seen: self.Seen.Add(-time.Second)}}, nil
}

func (pair) Leave(context.Context, string) error { return nil }

func (pair) Inspect(context.Context) (string, []string, error) { return "redis 7.0.15", nil, nil }

func TestInstances_AreListedWithWhatIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer, err := foundation.Open(t.Context(), foundation.Options{
			Config: &config.Config{Namespace: "shop", Shared: &config.Shared{Redis: "x"}, RateLimits: map[string]config.RateLimit{
				"r": {Config: ratelimit.Config{Limit: 9, Per: time.Hour}, Scope: config.ScopeShared, OnError: shared.Deny, Prefetch: 2},
				"l": {Config: ratelimit.Config{Limit: 9, Per: time.Hour}},
			}},
			Shared: func(context.Context, config.Shared, string) (foundation.SharedStore, error) {
				return foundation.SharedStore{Store: pair{shared.NewMemoryStore(nil)}}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		api := admin.New(layer, admin.Options{Access: admin.Access{Tokens: map[string]admin.Token{"ops": {Secret: token}}}})
		r := &rig{T: t, layer: layer, http: api}
		defer func() {
			api.Close()
			if err := layer.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		<-time.After(3 * time.Second)
		l, err := layer.RateLimit("r")
		if err != nil {
			t.Fatal(err)
		}
		l.Allow(ratelimit.KeyOf("k"))
		var list adminapi.List[adminapi.Instance]
		r.ask(http.MethodGet, "/v1/instances", "", &list)
		if len(list.Items) != 2 || !list.Items[0].Self || list.Items[0].Revision != 1 || !list.Items[0].SameConfiguration || list.Items[1].Node != "other" || list.Items[1].SameConfiguration || list.Items[1].SeenSeconds < 1 {
			t.Errorf("%+v", list)
		}
		var one adminapi.Instance
		if code := r.ask(http.MethodGet, "/v1/instances/zz", "", &one); code != http.StatusOK || one.Node != "other" {
			t.Errorf("%d %+v", code, one)
		}
		if code := r.ask(http.MethodGet, "/v1/instances/nobody", "", nil); code != http.StatusNotFound {
			t.Errorf("an instance that there is not: %d", code)
		}
		var status adminapi.Status
		r.ask(http.MethodGet, "/v1/status", "", &status)
		if s := status.Shared; !s.On || s.Server != "redis 7.0.15" || s.Instances != 2 || s.OtherConfiguration != 1 || s.Rules != 1 || s.TimeoutSeconds != 0.01 || s.Warnings == nil {
			t.Errorf("%+v", s)
		}
		var rule, local adminapi.RateLimit
		r.ask(http.MethodGet, "/v1/rate_limits/r", "", &rule)
		if rule.Scope != "shared" || rule.OnError != "deny" || rule.Prefetch != 2 || rule.LocalLimit != 5 || rule.DecidedBy["shared"] != 1 {
			t.Errorf("%+v", rule)
		}
		r.ask(http.MethodGet, "/v1/rate_limits/l", "", &local)
		if local.Scope != "local" || local.DecidedBy == nil || local.OnError != "" {
			t.Errorf("%+v", local)
		}
	})
}
