package demo

import (
	"io"
	"regexp"
	"strings"
	"text/template"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// Exports is the line that a terminal pastes to ask the demo's daemon.
func (s *Stage) Exports() string {
	return "export NEONAUTHD_SOCKET=" + quoted(s.Dir+"/neonauthd.sock") + " NEONAUTHD_ADMIN_SOCKET=" + quoted(s.Dir+"/admin.sock") + " DEMO=" + quoted(s.Dir)
}

// Good is how long a token is good.
func (s *Stage) Good() string { return spoken(s.Lifetime) }

// plainWord is what a shell takes for one word as it stands.
func plainWord() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`) }

func quoted(text string) string {
	if plainWord().MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

const taken = `{{if .PortTaken}}Another program has port {{.PortTaken}}, which the seed stands for: tokens of other starts are not good now.

{{end}}`

var demoScreen = template.Must(template.New("demo").Parse(`neonauthd demo: an upstream and a daemon are running; Ctrl-C ends both.

` + taken + `Paste this into another terminal, in this folder:

{{.Exports}}

# accepted (exit 0): the token is good, this is whose it is
{{.Control}} verify --token-file "$DEMO/valid.jwt"
# rejected (exit 1): there is proof that it is not; answer 401
{{.Control}} verify --token-file "$DEMO/forged.jwt"
# unknown (exit 3): the keys of this project cannot be had now; answer 503, never 401
{{.Control}} verify --project down --token-file "$DEMO/valid.jwt"
# more tokens, each good for {{.Good}}: of ada, grace, bob, or whom you like; also --expired, --forged, --restricted
{{.Self}} demo token --user grace
# the live profile behind the token, and the same questions by hand
{{.Control}} profile --token-file "$DEMO/valid.jwt"
printf 'VERIFY %s\n' "$(cat "$DEMO/valid.jwt")" | socat -t 5 - UNIX-CONNECT:"$NEONAUTHD_SOCKET"
`))

// Screen is the one of "neonauthd demo".
func Screen(w io.Writer, s *Stage) error { return demoScreen.Execute(w, s) }

var standinScreen = template.Must(template.New("standin").Parse(`stand-in upstream at {{.URL}}, and a daemon that asks it; Ctrl-C ends both

` + taken + `Paste this into another terminal:

{{.Exports}}

# a token that is good for {{.Good}}; the daemon's projects are main, neon, oidc, and down, whose upstream does not answer
{{.Self}} demo token --user ada

`))

// StandinScreen is the one of "neonauthd standin --daemon".
func StandinScreen(w io.Writer, s *Stage) error {
	if err := standinScreen.Execute(w, s); err != nil {
		return err
	}
	_, err := io.WriteString(w, standin.Usage())
	return err
}
