package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completionTimeout is how long a shell may be kept waiting for names.
const completionTimeout = time.Second

func cmdContext(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

func dashed(s string) string { return strings.ReplaceAll(s, "_", "-") }
func spaced(s string) string { return strings.ReplaceAll(s, "_", " ") }

// showFields shows one part whole: its row, then every field under its wire
// name, so that what is read here can be looked for in the JSON and the docs.
func (a *app) showFields(v any, row *table) error {
	if err := a.show(row); err != nil {
		return err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("render the answer: %w", err)
	}
	t := newTable("FIELD", "VALUE")
	if err := addFields(t, "", raw); err != nil {
		return fmt.Errorf("render the answer: %w", err)
	}
	a.say("")
	return a.show(t)
}

// addFields adds the members of an object in the order of the wire.
func addFields(t *table, prefix string, raw json.RawMessage) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil { // the opening brace
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		path := prefix + fmt.Sprint(name)
		if value[0] == '{' && len(value) > len("{}") {
			if err := addFields(t, path+".", value); err != nil {
				return err
			}
			continue
		}
		t.row(path, fieldText(path, value))
	}
	return nil
}

func fieldText(path string, raw json.RawMessage) string {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	switch v := v.(type) {
	case string:
		return timeText(v)
	case float64:
		if strings.HasSuffix(path, "_seconds") && v != 0 {
			return seconds(v)
		}
	case []any:
		return listText(v)
	}
	return strings.Trim(string(raw), "{}")
}

func timeText(s string) string {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return s
	}
	return stamp(at)
}

func listText(list []any) string {
	var parts []string
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			parts = append(parts, fmt.Sprint(item))
			continue
		}
		parts = append(parts, strings.TrimSpace(memberText(m)))
	}
	return strings.Join(parts, ", ")
}

// memberText shortens the objects that occur in lists.
func memberText(m map[string]any) string {
	switch {
	case m["key"] != nil:
		return fmt.Sprintf("%v ×%v", m["key"], m["denied"])
	case m["text"] != nil:
		return fmt.Sprintf("%v %v: %v", m["kind"], m["state"], m["text"])
	case m["spent"] != nil:
		return fmt.Sprintf("%v %v: %.3g%% of what it allows is spent, %.3g times as fast as allowed now", m["measure"], m["target"], percentOf(m["spent"]), m["burn"])
	case m["class"] != nil:
		return fmt.Sprintf("%v ×%v", m["class"], m["count"])
	case m["member"] != nil:
		return fmt.Sprintf("%v %v", m["member"], m["state"])
	case m["bounded"] == true:
		return fmt.Sprintf("%v %v of %v %v", m["name"], m["value"], m["limit"], m["unit"])
	case m["bounded"] == false:
		return fmt.Sprintf("%v %v %v", m["name"], m["value"], m["unit"])
	}
	return fmt.Sprint(m)
}

// percentOf turns a share into percent.
func percentOf(share any) float64 {
	v, _ := share.(float64)
	return 100 * v
}
