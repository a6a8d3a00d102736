package standin

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// checkAPIKey answers {user,team}-api-keys/check, in the order of the genuine one: body, access, key, type, revoked,
// expired.
func (s *Standin) checkAPIKey(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var form struct {
			APIKey *string `json:"api_key"`
		}
		body, _ := io.ReadAll(r.Body)
		if !json.Valid(body) || r.Header.Get("Content-Type") != "application/json" {
			stackauth.BadBody().Write(w, r)
			return
		}
		_, server, refusal := s.authenticate(r)
		decoder := json.NewDecoder(strings.NewReader(string(body)))
		decoder.DisallowUnknownFields()
		switch {
		case refusal != nil:
			refuse(w, r, refusal)
		case !server:
			stackauth.InsufficientAccess().Write(w, r)
		case decoder.Decode(&form) != nil || form.APIKey == nil:
			stackauth.BadSchema(r, "body.api_key must be defined").Write(w, r)
		default:
			s.answerAPIKey(w, r, kind, *form.APIKey)
		}
	}
}

func (s *Standin) answerAPIKey(w http.ResponseWriter, r *http.Request, kind, text string) {
	s.mu.Lock()
	k := s.apiKeys[text]
	var copied apiKey
	if k != nil && (k.Team != "" || s.users[k.User] != nil) { // a deleted user's keys are deleted too
		copied = *k
	}
	s.mu.Unlock()
	switch {
	case copied.id == "":
		stackauth.APIKeyNotFound().Write(w, r)
	case copied.kind() != kind:
		stackauth.WrongAPIKeyType(kind, copied.kind()).Write(w, r)
	case !copied.revoked.IsZero():
		stackauth.APIKeyRevoked().Write(w, r)
	case !copied.Expires.IsZero() && copied.Expires.Before(s.now()):
		stackauth.APIKeyExpired().Write(w, r)
	default:
		writeStack(w, copied.answer(text))
	}
}
