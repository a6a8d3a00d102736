package client

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// The scanner and encoding/json agree on every object that the daemon can send:
// compact, valid UTF-8.
func FuzzMembersAreTheObjects(f *testing.F) {
	for _, object := range []string{
		`{}`, `{"a":1}`, `{"a":"\\","b":{"c":[1,{"d":null}]},"e\u0066":"x\"y"}`, `{"a":[],"b":{},"c":""}`, `[`, `{"a":}`, `{"a":1,}`,
		`{"a"}`, `{"\\\"":"\\\\"}`, `{"a":"\ud83d"}`, `{"a":[1}`, `{"a":tru`,
	} {
		f.Add([]byte(object))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		got := map[string]string{}
		whole := members(object, func(name []byte, value json.RawMessage) { got[string(name)] = string(value) })
		var raw map[string]json.RawMessage
		var compact bytes.Buffer
		if json.Unmarshal(object, &raw) != nil || raw == nil || json.Compact(&compact, object) != nil ||
			!bytes.Equal(compact.Bytes(), object) || !utf8.Valid(object) {
			return // for an object that the daemon does not send, members only has to return
		}
		want := map[string]string{}
		for name, value := range raw {
			want[name] = string(value)
		}
		if !whole || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", object, got, want)
		}
	})
}

func BenchmarkUser(b *testing.B) {
	claims := `{"sub":"6f2c1d52-3c1b-4c0e-9a5e-0b7f5d0f8a11","project_id":"0c8a52d6-8d35-4f0a-9c39-6a4c1c7f2b60","branch_id":"main",` +
		`"refresh_token_id":"11111111-2222-4333-8444-555555555555","role":"authenticated","name":"Ada Lovelace","email":"ada@example.org",` +
		`"email_verified":true,"selected_team_id":"0c8a52d6-8d35-4f0a-9c39-6a4c1c7f2b60","signed_up_at":1758700000,"is_anonymous":false,` +
		`"is_restricted":false,"restricted_reason":null,"requires_totp_mfa":false,"iss":"https://api.stack-auth.com/api/v1/projects/x",` +
		`"aud":"0c8a52d6-8d35-4f0a-9c39-6a4c1c7f2b60","iat":1758700000,"exp":4000000000}`
	picture := `{"profile_image_url":"data:image/png;base64,` + strings.Repeat("x", 1_000_000) + `","id":"u"}`
	for name, a := range map[string]Accepted{
		"claims":  {Level: LevelClaims, Subject: "u", JSON: []byte(claims)},
		"picture": {Level: LevelProfile, Subject: "u", JSON: []byte(picture)},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(a.JSON)))
			b.ReportAllocs()
			for b.Loop() {
				if a.User().ID != "u" {
					b.Fatal("another user")
				}
			}
		})
	}
}
