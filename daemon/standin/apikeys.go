package standin

import (
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// APIKeySpec has the contents of an API key of Stack Auth.
type APIKeySpec struct {
	// User is the id of the user who owns the key. If Team is set, the team
	// with that id owns it.
	User, Team string
	// Public makes a key that may be seen ("pk_").
	Public bool
	// Expires is when it ends; zero: never.
	Expires time.Time
}

// apiKey is a key that was given out; the Standin's mutex guards it.
type apiKey struct {
	APIKeySpec
	id               string
	created, revoked time.Time
}

// kind is user or team.
func (k *apiKey) kind() string {
	if k.Team != "" {
		return "team"
	}
	return "user"
}

// APIKey makes an API key and returns its text.
func (s *Standin) APIKey(spec APIKeySpec) string {
	k := &apiKey{APIKeySpec: spec, id: mint.UUID(), created: s.now()}
	prefix := "sk_"
	if spec.Public {
		prefix = "pk_"
	}
	text := prefix + strings.ToLower(mint.RandomText(45)) + strings.ReplaceAll(k.id, "-", "") + k.kind() + "0574ck4u7h"
	text += fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text)))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apiKeys[text] = k
	return text
}

// RevokeAPIKey ends an API key for good, and reports whether there was one.
func (s *Standin) RevokeAPIKey(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.apiKeys[text]
	if k == nil {
		return false
	}
	k.revoked = s.now()
	return true
}

// answer is what the endpoint says about a good key.
func (k *apiKey) answer(text string) ordered.Object {
	o := ordered.Object{{"id", k.id}, {"description", "made by the stand-in"}, {"is_public", k.Public}, {"created_at_millis", k.created.UnixMilli()}}
	if !k.Expires.IsZero() {
		o = append(o, ordered.Member{"expires_at_millis", k.Expires.UnixMilli()})
	}
	o = append(o, ordered.Object{{"value", ordered.Object{{"last_four", text[len(text)-4:]}}}, {"type", k.kind()}}...)
	if k.Team != "" {
		return append(o, ordered.Member{"team_id", k.Team})
	}
	return append(o, ordered.Member{"user_id", k.User})
}
