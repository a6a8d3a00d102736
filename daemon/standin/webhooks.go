package standin

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// Webhook is one delivery of a webhook of Stack Auth, as Svix makes it.
type Webhook struct {
	// URL is where it goes, on this host.
	URL string `json:"url"`
	// Secret signs it; "whsec_" and base64.
	Secret string `json:"secret"`
	// Event is any of the upstream's, or one that it does not have; empty: user.updated.
	Event string `json:"event"`
	// User is the id of the user, who only for user.created and user.updated has to be there.
	User string `json:"user"`
	// Team is the id of the team of an event about teams; empty: the user's.
	Team string `json:"team"`
}

// deliveryTimeout is how long Svix waits for an answer.
const deliveryTimeout = 15 * time.Second

// Deliver signs a delivery, makes one attempt, and returns the status that it was
// answered.
func (s *Standin) Deliver(ctx context.Context, w Webhook) (status int, err error) {
	to, err := url.Parse(w.URL)
	if err != nil || to.Scheme != "http" || !loopback(to.Host) {
		return 0, errors.New("url: must be an http address of this host")
	}
	encoded, ok := strings.CutPrefix(w.Secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(key) == 0 {
		return 0, errors.New("secret: must be whsec_ and base64")
	}
	fallback(&w.Event, func() string { return "user.updated" })
	body, err := s.webhookBody(w.Event, w.User, w.Team)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	id, at := "msg_"+mint.RandomText(27), strconv.FormatInt(s.now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Svix-Id", id)
	r.Header.Set("Svix-Timestamp", at)
	r.Header.Set("Svix-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	sender := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer sender.CloseIdleConnections()
	answer, err := sender.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, io.LimitReader(answer.Body, maxRequestBody))
	return answer.StatusCode, nil
}

// webhookBody is the body of an event. One that the upstream does not have names the user.
func (s *Standin) webhookBody(event, id, team string) ([]byte, error) {
	user, known := s.User(id)
	fallback(&team, func() string { return user.Team.ID })
	of, what, _ := strings.Cut(event, ".")
	var data ordered.Object
	switch {
	case event == "user.deleted":
		var teams = []any{}
		if user.Team.ID != "" {
			teams = append(teams, ordered.Object{{"id", user.Team.ID}})
		}
		data = ordered.Object{{"id", id}, {"teams", teams}}
	case (event == "user.created" || event == "user.updated") && !known:
		return nil, ErrUnknownUser
	case event == "user.created", event == "user.updated":
		data = user.stackProfile(s.now(), true)
	case of == "team" && what != "":
		data = ordered.Object{{"id", team}, {"display_name", user.Team.Name}, {"profile_image_url", nil}, {"client_metadata", nil},
			{"client_read_only_metadata", nil}, {"server_metadata", nil}, {"created_at_millis", s.now().UnixMilli()}}
	case of == "team_membership":
		data = ordered.Object{{"team_id", team}, {"user_id", id}}
	case of == "team_permission":
		data = ordered.Object{{"id", "admin"}, {"team_id", team}, {"user_id", id}}
	case of == "project_permission":
		data = ordered.Object{{"id", "admin"}, {"user_id", id}}
	default:
		data = ordered.Object{{"user_id", id}}
	}
	return ordered.Encode(ordered.Object{{"type", event}, {"data", data}}), nil
}

// controlWebhook delivers a webhook.
func (s *Standin) controlWebhook(r *http.Request) (any, error) {
	var form Webhook
	if err := readForm(r, &form); err != nil {
		return nil, err
	}
	status, err := s.Deliver(r.Context(), form)
	if err != nil {
		return nil, err
	}
	return ordered.Object{{"status", status}}, nil
}
