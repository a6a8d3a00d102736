package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// Bounds of what can be added through the control interface.
const (
	maxUsers  = 100_000
	maxFaults = 1_000
)

// controlRoutes serves the interface for application developers. It is for programs on this host: other
// addresses, other names of this host and pages of other origins are refused.
func (s *Standin) controlRoutes(mux *http.ServeMux) {
	control := http.NewServeMux()
	handle := func(pattern string, act func(*http.Request) (any, error)) {
		control.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			result, err := act(r)
			writeControl(w, result, err)
		})
	}
	handle("GET "+controlPath+"/users", s.controlUsers)
	handle("POST "+controlPath+"/users", s.controlAddUser)
	handle("POST "+controlPath+"/users/{id}/{act}", s.controlUser)
	handle("POST "+controlPath+"/sign-in", s.controlSignIn)
	handle("POST "+controlPath+"/revoke", s.controlRevoke)
	handle("POST "+controlPath+"/tokens", s.controlToken)
	handle("POST "+controlPath+"/api-keys", s.controlAPIKey)
	handle("POST "+controlPath+"/webhooks", s.controlWebhook)
	handle("POST "+controlPath+"/rotate", s.controlRotate)
	handle("POST "+controlPath+"/logouts", s.controlLogouts)
	handle("POST "+controlPath+"/faults", s.controlInject)
	handle("DELETE "+controlPath+"/faults", s.controlClear)
	handle("POST "+controlPath+"/clients", s.controlClient)
	handle("GET "+controlPath+"/calls", func(*http.Request) (any, error) { return s.countCalls(), nil })
	control.HandleFunc("GET "+controlPath+"/config", s.controlConfig)
	control.HandleFunc("GET "+controlPath+"/{$}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, Usage()) })
	guarded := http.NewCrossOriginProtection().Handler(control)
	mux.HandleFunc(controlPath+"/", func(w http.ResponseWriter, r *http.Request) {
		if !loopback(r.RemoteAddr) || !loopback(r.Host) {
			http.Error(w, "the control interface answers loopback callers only", http.StatusForbidden)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// loopback tells whether an address with or without a port is of this host. A Unix socket has none.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	if host == "localhost" || host == "" || host == "@" {
		return true
	}
	if n := len(host); host[0] == '[' && host[n-1] == ']' {
		host = host[1 : n-1]
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// errNotFound and errFull are the control interface's 404 and 507; every other error is a 400.
var (
	errNotFound = errors.New("nothing of this name")
	errFull     = errors.New("too many already")
)

func writeControl(w http.ResponseWriter, result any, err error) {
	status := http.StatusOK
	switch {
	case errors.Is(err, errNotFound), errors.Is(err, ErrUnknownUser):
		status = http.StatusNotFound
	case errors.Is(err, ErrBanned):
		status = http.StatusForbidden
	case errors.Is(err, errFull):
		status = http.StatusInsufficientStorage
	case err != nil:
		status = http.StatusBadRequest
	}
	if err != nil {
		result = ordered.Object{{"error", err.Error()}}
	}
	if result == nil {
		result = ordered.Object{{"ok", true}}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(ordered.Encode(result), '\n'))
}

// readForm decodes a JSON body strictly. An empty body is an empty form.
func readForm(r *http.Request, form any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(form); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read request: %w", err)
	}
	return nil
}

func (s *Standin) controlUsers(*http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	users := make([]User, 0, len(s.users))
	for _, u := range s.users {
		users = append(users, u.clone())
	}
	slices.SortFunc(users, func(a, b User) int { return a.SignedUpAt.Compare(b.SignedUpAt) })
	return users, nil
}

func (s *Standin) controlAddUser(r *http.Request) (any, error) {
	var user User
	if err := readForm(r, &user); err != nil {
		return nil, err
	}
	s.mu.Lock()
	full := len(s.users) >= maxUsers
	s.mu.Unlock()
	if full {
		return nil, errFull
	}
	return s.AddUser(user), nil
}

func (s *Standin) controlUser(r *http.Request) (any, error) {
	var form struct {
		Reason string `json:"reason"`
	}
	if err := readForm(r, &form); err != nil {
		return nil, err
	}
	id, done := r.PathValue("id"), false
	switch r.PathValue("act") {
	case "delete":
		done = s.DeleteUser(id)
	case "ban":
		done = s.Ban(id, form.Reason)
	case "unban":
		done = s.Unban(id)
	case "restrict":
		done = s.SetRestricted(id, true)
	case "unrestrict":
		done = s.SetRestricted(id, false)
	}
	if !done {
		return nil, errNotFound
	}
	return nil, nil
}

func (s *Standin) controlSignIn(r *http.Request) (any, error) {
	var form struct {
		User  string `json:"user"`
		Email string `json:"email"`
	}
	if err := readForm(r, &form); err != nil {
		return nil, err
	}
	fallback(&form.User, func() string { return form.Email })
	return s.SignIn(form.User)
}

func (s *Standin) controlRevoke(r *http.Request) (any, error) {
	var form struct {
		Session string `json:"session"`
	}
	if err := readForm(r, &form); err != nil {
		return nil, err
	}
	if !s.RevokeSession(form.Session) {
		return nil, errNotFound
	}
	return nil, nil
}

func (s *Standin) controlToken(r *http.Request) (any, error) {
	var form struct {
		Preset   Preset         `json:"preset"`
		User     string         `json:"user"`
		Session  string         `json:"session"`
		Alg      string         `json:"alg"`
		Lifetime string         `json:"lifetime"`
		Set      map[string]any `json:"set"`
		Remove   []string       `json:"remove"`
		Forged   bool           `json:"forged"`
		Class    string         `json:"class"`
		For      string         `json:"for"`
		Client   string         `json:"client"`
		Opaque   bool           `json:"opaque"`
		Scope    string         `json:"scope"`
		Kind     string         `json:"kind"`
		Header   map[string]any `json:"header"`
	}
	if err := readForm(r, &form); err != nil {
		return nil, err
	}
	lifetime, err := duration(form.Lifetime)
	if err != nil {
		return nil, err
	}
	if form.Alg != "" && !slices.Contains(mint.Algorithms(), form.Alg) {
		return nil, errors.New("unknown algorithm")
	}
	class, known := map[string]stackauth.Class{"": stackauth.ClassOfUser, "normal": stackauth.ClassNormal,
		"restricted": stackauth.ClassRestricted, "anonymous": stackauth.ClassAnonymous}[form.Class]
	if !known {
		return nil, errors.New("unknown class")
	}
	var resources []string
	if form.For != "" {
		resources = []string{form.For}
		fallback(&form.Kind, func() string { return "resource" })
	}
	if form.Opaque {
		form.Kind = "opaque"
	}
	mint, err := s.minterOf(form.Preset, form.Kind)
	if err != nil {
		return nil, err
	}
	return ordered.Object{{"token", mint(TokenSpec{Subject: form.User, Session: form.Session, Alg: form.Alg, Lifetime: lifetime, Header: form.Header,
		Set: form.Set, Remove: form.Remove, Forged: form.Forged, Class: class, Resources: resources, Client: form.Client, Scope: form.Scope})}}, nil
}

// minterOf returns what mints tokens of a kind: "" is a session's.
func (s *Standin) minterOf(p Preset, kind string) (func(TokenSpec) string, error) {
	if kind == "" || kind == "session" {
		return s.minter(p)
	}
	mint, known := map[string]func(Preset, TokenSpec) string{
		"resource": s.ResourceToken, "opaque": s.OpaqueToken, "refresh": s.OAuthRefreshToken, "id": s.IDToken, "logout": s.LogoutToken,
	}[kind]
	switch {
	case !known:
		return nil, errors.New("kind: must be session, resource, opaque, refresh, id or logout")
	case p != Neon && p != OIDC:
		return nil, errors.New("only neon and oidc have opaque tokens, tokens for a resource and other tokens of OAuth")
	}
	return func(spec TokenSpec) string { return mint(p, spec) }, nil
}

func (s *Standin) controlAPIKey(r *http.Request) (any, error) {
	var form struct {
		User     string `json:"user"`
		Team     string `json:"team"`
		Public   bool   `json:"public"`
		Lifetime string `json:"lifetime"`
		Revoke   string `json:"revoke"`
	}
	if err := readForm(r, &form); err != nil {
		return nil, err
	}
	lifetime, err := duration(form.Lifetime)
	switch {
	case err != nil:
		return nil, err
	case form.Revoke != "" && !s.RevokeAPIKey(form.Revoke):
		return nil, errNotFound
	case form.Revoke != "":
		return nil, nil
	case (form.User == "") == (form.Team == ""):
		return nil, errors.New("an API key is of a user or of a team")
	}
	spec := APIKeySpec{User: form.User, Team: form.Team, Public: form.Public}
	if lifetime != 0 {
		spec.Expires = s.now().Add(lifetime)
	}
	return ordered.Object{{"api_key", s.APIKey(spec)}}, nil
}

func (s *Standin) minter(p Preset) (func(TokenSpec) string, error) {
	switch p {
	case Stack, "":
		return s.StackToken, nil
	case Neon:
		return s.NeonToken, nil
	case OIDC:
		return s.OIDCToken, nil
	}
	return nil, errors.New("unknown preset")
}

func (s *Standin) controlRotate(r *http.Request) (any, error) {
	var form struct {
		Preset   Preset `json:"preset"`
		Overlap  bool   `json:"overlap"`
		Withdraw string `json:"withdraw"`
	}
	if err := readForm(r, &form); err != nil {
		return nil, err
	}
	if form.Withdraw != "" {
		if !s.WithdrawKey(form.Withdraw) {
			return nil, errNotFound
		}
		return nil, nil
	}
	if _, err := s.minter(form.Preset); err != nil {
		return nil, err
	}
	fallback((*string)(&form.Preset), func() string { return string(Stack) })
	s.Rotate(form.Preset, form.Overlap)
	return ordered.Object{{"keys", s.KeyIDs(form.Preset)}}, nil
}

func (s *Standin) countCalls() ordered.Object {
	var counts ordered.Object
	for _, e := range Endpoints() {
		counts = append(counts, ordered.Member{string(e), s.Calls(e)})
	}
	return counts
}

func duration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("read duration: %w", err)
	}
	return d, nil
}
