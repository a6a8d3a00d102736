package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// Limits of a request to a running demo.
const (
	mintTimeout = 10 * time.Second
	maxAnswer   = 1 << 20
)

// Spec says which token to mint. The zero value is a good token of ada.
type Spec struct {
	// User is a name, such as ada, or an address. If the demo does not know the
	// user, it adds one: a normal user with a verified address.
	User string

	// Kind is one of kinds; empty: the token of a session.
	Kind string

	// At most one of these is set, and none with a Kind.
	Expired    bool // an hour ago
	Forged     bool // signed by a stranger under the id of the right key
	Restricted bool // of a restricted user, whom the daemon's project does not admit
}

// maxUser is the longest address of RFC 5321, section 4.5.3.1.
const maxUser = 254

func userName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9._+-]+(@[A-Za-z0-9.-]+)?$`) }

// CheckUser says what is wrong with a name of a user, without repeating it; "":
// nothing.
func CheckUser(name string) string {
	if len(name) > maxUser || !userName().MatchString(name) {
		return "must be a name such as ada, of letters, digits, and . _ + -, or an address"
	}
	return ""
}

// Mint asks the demo that runs in a folder for a token.
func Mint(ctx context.Context, dir string, spec Spec) (string, error) {
	base, err := address(dir)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, mintTimeout)
	defer cancel()
	c := control{base: base + "/_standin", client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	name := spec.User
	if name == "" {
		name = defaultUser
		if spec.Restricted {
			name = restrictedUser
		}
	}
	session, err := c.signIn(ctx, name)
	if err != nil {
		return "", err
	}
	if path, form := mintOf(spec.Kind, session); path != "" {
		return c.mint(ctx, path, form)
	}
	form := map[string]any{"user": session.User, "session": session.Session, "forged": spec.Forged}
	if spec.Restricted {
		form["class"] = "restricted"
	}
	if spec.Expired {
		end := time.Now().Add(-TokenLifetime)
		form["set"] = map[string]int64{"iat": end.Add(-TokenLifetime).Unix(), "exp": end.Unix()}
	}
	return c.mint(ctx, "/tokens", form)
}

// demoTeam owns the team's API keys.
const demoTeam = "demo-team"

// kinds are the kinds of credentials that a demo's upstream makes beside the tokens of sessions.
func kinds() []string {
	return []string{"resource", "opaque", "refresh", "id", "logout", "proof", "user-key", "team-key"}
}

// checkKind says what is wrong with a kind, without repeating it; "": nothing.
func checkKind(kind string) string {
	if slices.Contains(kinds(), kind) {
		return ""
	}
	return "must be one of " + strings.Join(kinds(), ", ")
}

// mintOf returns where a credential of the kind is asked for, and with what; "" for the
// token of a session.
func mintOf(kind string, of signedIn) (path string, form map[string]any) {
	switch kind {
	case "":
		return "", nil
	case "user-key":
		return "/api-keys", map[string]any{"user": of.User}
	case "team-key":
		return "/api-keys", map[string]any{"team": demoTeam}
	case "proof":
		return "/tokens", map[string]any{"preset": "neon", "user": of.User, "header": map[string]any{"typ": "dpop+jwt"}}
	default:
		return "/tokens", map[string]any{"preset": "neon", "user": of.User, "session": of.Session, "kind": kind, "for": standin.DefaultResource}
	}
}

// mint asks for a token or an API key.
func (c control) mint(ctx context.Context, path string, form map[string]any) (string, error) {
	var minted struct {
		Token  string `json:"token"`
		APIKey string `json:"api_key"`
	}
	if err := c.post(ctx, path, form, &minted); err != nil {
		return "", err
	}
	return minted.Token + minted.APIKey, nil
}

// errNotRunning says what to do when there is no demo.
var errNotRunning = errors.New("no demo runs there: start one with \"neonauthd demo\", and paste its \"export\" line here or name its folder with --dir")

// address returns the address of the upstream of the demo in a folder. It
// refuses an address that is not of this host, so that nothing is sent
// elsewhere.
func address(dir string) (string, error) {
	if dir == "" {
		return "", errNotRunning
	}
	text, err := os.ReadFile(filepath.Join(dir, urlFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", errNotRunning
	}
	if err != nil {
		return "", err
	}
	base := strings.TrimSpace(string(text))
	u, err := url.Parse(base)
	if err != nil {
		return "", errNotRunning
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "http" || ip == nil || !ip.IsLoopback() {
		return "", errNotRunning
	}
	return base, nil
}

// control is the stand-in's interface for people who develop applications.
type control struct {
	base   string
	client *http.Client
}

// signedIn is somebody's session.
type signedIn struct {
	User    string `json:"user_id"`
	Session string `json:"session_id"`
}

// signIn starts a session of a user. If no user has the name, it adds one.
func (c control) signIn(ctx context.Context, name string) (signedIn, error) {
	email := strings.ToLower(name)
	if !strings.Contains(email, "@") {
		email += domain
	}
	var session signedIn
	err := c.post(ctx, "/sign-in", map[string]any{"email": email}, &session)
	if !errors.Is(err, errUnknown) {
		return session, err
	}
	label, _, _ := strings.Cut(name, "@")
	user := map[string]any{"email": email, "email_verified": true, "name": strings.ToUpper(label[:1]) + label[1:]}
	if err := c.post(ctx, "/users", user, new(json.RawMessage)); err != nil {
		return session, err
	}
	return session, c.post(ctx, "/sign-in", map[string]any{"email": email}, &session)
}

// errUnknown says that no user has this name.
var errUnknown = errors.New("nobody has this name")

func (c control) post(ctx context.Context, path string, form, into any) error {
	body, err := json.Marshal(form)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return fmt.Errorf("%w (%w)", errNotRunning, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	switch {
	case err != nil:
		return err
	case response.StatusCode == http.StatusNotFound:
		return errUnknown
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("the demo's upstream answers %s with %d: a ban, perhaps, or a fault that somebody has set", path, response.StatusCode)
	}
	return json.Unmarshal(text, into)
}
