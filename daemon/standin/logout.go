package standin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/backchannel"
	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// logoutLifetime is how long a logout token is good for.
const logoutLifetime = 2 * time.Minute

// LogoutToken mints a logout token (OpenID Connect Back-Channel Logout 1.0), as the OAuth servers of the presets Neon and
// OIDC send them for [Options.Client], or the spec's Client. Like [Standin.StackToken] it panics when the spec cannot be
// carried out.
func (s *Standin) LogoutToken(p Preset, spec TokenSpec) string {
	if spec.Lifetime == 0 {
		spec.Lifetime = logoutLifetime
	}
	s.complete(&spec, p)
	fallback(&spec.Client, s.Client)
	spec.Header = withType(spec.Header, "logout+jwt")
	return s.mint(spec, s.oauthSigner(p, spec.Alg), ordered.Object{
		{"iss", s.issuerOf(p)},
		{"aud", spec.Client},
		{"sub", spec.Subject},
		{"sid", spec.Session},
		{"iat", spec.IssuedAt.Unix()},
		{"exp", spec.Expires.Unix()},
		{"jti", mint.RandomText(32)},
		{"events", ordered.Object{{"http://schemas.openid.net/event/backchannel-logout", ordered.Object{}}}},
	})
}

// SendLogouts has a logout token of the Neon upstream sent to an address for each session that ends by sign-out, ban
// or deletion, as for a client that has registered it; "" sends none. The call that ends a session waits for the
// answer. Unlike the genuine server this one takes any address.
func (s *Standin) SendLogouts(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logouts = address
}

// tellEnded sends the logout tokens of sessions that have ended. It ignores failures.
func (s *Standin) tellEnded(ended ...session) {
	s.mu.Lock()
	address := s.logouts
	s.mu.Unlock()
	if address == "" {
		return
	}
	var tokens []string
	for _, row := range ended {
		tokens = append(tokens, s.LogoutToken(Neon, TokenSpec{Subject: row.userID, Session: row.id}))
	}
	_ = backchannel.Send(context.Background(), address, tokens...)
}

func (s *Standin) controlLogouts(r *http.Request) (any, error) {
	var form struct {
		Address string `json:"address"`
	}
	if err := readForm(r, &form); err != nil {
		return nil, err
	}
	if form.Address != "" && !strings.HasPrefix(form.Address, "http://") && !strings.HasPrefix(form.Address, "https://") {
		return nil, errors.New("the address is no URL of http or https")
	}
	s.SendLogouts(form.Address)
	return nil, nil
}
