package demo

import (
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// Exports returns the line to paste into a terminal before asking the demo's daemon.
func (s *Running) Exports() string {
	return "export NEONAUTHD_SOCKET=" + quoted(s.Dir+"/neonauthd.sock") + " NEONAUTHD_ADMIN_SOCKET=" + quoted(s.Dir+"/admin.sock") + " DEMO=" + quoted(s.Dir)
}

// plainWord matches a text that a shell takes for one word without quotes.
func plainWord() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`) }

func quoted(text string) string {
	if plainWord().MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// fill replaces the placeholders of a screen. A text/template would do the same, but a
// program that contains one keeps each method of each type: 12 MB of neonauthd.
func (s *Running) fill(screen string) string {
	taken := ""
	if s.PortTaken != 0 {
		taken = "Another program has port " + strconv.Itoa(s.PortTaken) +
			", which the seed stands for: tokens of other starts are not good now.\n\n"
	}
	status := ""
	if strings.HasPrefix(s.Control, goRun) {
		status = " (go run prints the exit status of what it runs, and itself exits with 1)"
	}
	return strings.NewReplacer("{{taken}}", taken, "{{status}}", status, "{{url}}", s.URL, "{{exports}}", s.Exports(), "{{good}}", spoken(s.Lifetime),
		"{{neonauthd}}", s.Self, "{{neonauthctl}}", s.Control, "{{neonauthhttp}}", s.HTTP, "{{hooks}}", hooksAddress).Replace(screen)
}

// credentials are the lines about the credentials that the upstreams issue besides
// session tokens, and about the messages that they send by themselves.
const credentials = `# API key (exit 0): ada's, which the upstream is asked about
{{neonauthctl}} profile --token-file "$DEMO/api.key"
# resource token (exit 0): a JWT for the resource of one project
{{neonauthctl}} verify --project members --token-file "$DEMO/resource.jwt"
# rejected (exit 1): it is for no other project
{{neonauthctl}} verify --token-file "$DEMO/resource.jwt"
# introspection (exit 0): an opaque token, which the upstream is asked about
{{neonauthctl}} profile --project members --token-file "$DEMO/opaque.token"
# logout (exit 0): the upstream says that this session has ended
{{neonauthctl}} logout --project members --token-file "$DEMO/logout.jwt"
# rejected (exit 1): so the same token is revoked, at once
{{neonauthctl}} profile --project members --token-file "$DEMO/opaque.token"
# webhooks: in a terminal of its own, with the same export line, what takes them until Ctrl-C
{{neonauthhttp}} hooks --config "$DEMO/hooks.toml" --listen {{hooks}}
# the upstream delivers one: bob is deleted
curl -s -d @"$DEMO/bob-deleted.json" {{url}}/_standin/webhooks
# rejected (exit 1): so his tokens are revoked, at once
{{neonauthctl}} verify --token-file "$DEMO/bob.jwt"
`

const demoScreen = `neonauthd demo: an upstream and a daemon are running; Ctrl-C ends both.

{{taken}}Paste this into another terminal, in this folder{{status}}:

{{exports}}

# accepted (exit 0): the token is good, this is whose it is
{{neonauthctl}} verify --token-file "$DEMO/valid.jwt"
# rejected (exit 1): there is proof that it is not; answer 401
{{neonauthctl}} verify --token-file "$DEMO/forged.jwt"
# unknown (exit 3): the keys of this project cannot be had now; answer 503, never 401
{{neonauthctl}} verify --project down --token-file "$DEMO/valid.jwt"
# profile (exit 0): the live one behind the token
{{neonauthctl}} profile --token-file "$DEMO/valid.jwt"
# the same question by hand
printf 'VERIFY %s\n' "$(cat "$DEMO/valid.jwt")" | socat -t 5 - UNIX-CONNECT:"$NEONAUTHD_SOCKET"
# more tokens, each good for {{good}}: of ada, grace, bob, or whom you like; also --expired, --forged, --restricted
{{neonauthd}} demo token --user grace

Other credentials, and what the upstream tells by itself:

` + credentials

// Screen writes the screen of "neonauthd demo".
func Screen(w io.Writer, s *Running) error {
	_, err := io.WriteString(w, s.fill(demoScreen))
	return err
}

const standinScreen = `stand-in upstream at {{url}}, and a daemon that asks it; Ctrl-C ends both

{{taken}}Paste this into another terminal:

{{exports}}

# a token that is good for {{good}}; the daemon's projects are main, members, neon, oidc, and down, whose upstream does not answer
{{neonauthd}} demo token --user ada
` + credentials + "\n"

// StandinScreen writes the screen of "neonauthd standin --daemon".
func StandinScreen(w io.Writer, s *Running) error {
	_, err := io.WriteString(w, s.fill(standinScreen)+standin.Usage())
	return err
}
