package engineurl

import (
	"strings"
	"testing"
)

func TestURLsOfEngines(t *testing.T) {
	for raw, want := range map[string]Endpoint{
		"redis://localhost":                  {Address: "localhost:6379"},
		"valkey://127.0.0.1:1/":              {Address: "127.0.0.1:1"},
		"rediss://u@valkey.internal":         {Address: "valkey.internal:6379", User: "u", TLS: true},
		"valkeys://[::1]:7000":               {Address: "[::1]:7000", TLS: true},
		"unix:///run/valkey.sock":            {Address: "/run/valkey.sock", Socket: true},
		"redis://u:hunter2@localhost":        {},
		"redis://localhost/1":                {},
		"redis://localhost?skip_verify=true": {},
		"redis://localhost#x":                {},
		"http://localhost":                   {},
		"redis:localhost":                    {},
		"redis://":                           {},
		"unix://host/path":                   {},
		"unix:///":                           {},
		"/run/valkey.sock":                   {},
		"redis://%zz":                        {},
		"unix:///run/valkey.sock?db=1":       {},
	} {
		e, err := Parse(raw)
		if (err == nil) != (want != Endpoint{}) || e != want && err == nil || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %+v, %v", raw, e, err)
		}
	}
	for raw, local := range map[string]bool{"redis://localhost": true, "redis://127.9.9.9": true, "redis://[::1]": true, "unix:///x": true, "redis://10.0.0.1": false, "redis://localhost.example": false} {
		if e, err := Parse(raw); err != nil || e.Local() != local {
			t.Errorf("%s: local %v, %v", raw, e.Local(), err)
		}
	}
}
