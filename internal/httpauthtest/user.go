package httpauthtest

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// UserCase is an answer of client/testdata/user, and the user that it
// describes.
type UserCase struct {
	Name      string
	Level     string
	Subject   string
	Principal string // "" is an answer that has none
	JSON      string
	Token     string  // "" is one that the player makes of Claims
	Claims    *string // the payload of the token; nil is a session credential
	User      map[string]any
}

// PlayUsers calls try with each case of a file, in a test of its own, a client
// whose daemon gives the answer, and the token to ask about.
func PlayUsers(t *testing.T, path string, try func(t *testing.T, asks *client.Client, token string, c UserCase)) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cases []UserCase
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&cases); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(cases) == 0 {
		t.Fatalf("%s has no cases", path)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			said := ""
			if c.Principal != "" {
				said = " " + protocol.FieldPrincipal + "=" + c.Principal
			}
			reply := "OK level=LEVEL project=main sub=" + string(protocol.AppendValue(nil, c.Subject)) + said + " age=3 ttl=57 exp=4102444800 source=cache " + c.JSON
			token := c.token()
			d := &daemon{replies: map[string]string{token: reply}}
			try(t, d.client(t), token, c)
		})
	}
}

func (c *UserCase) token() string {
	switch {
	case c.Token != "":
		return c.Token
	case c.Level == protocol.LevelClaims:
		return "e30.e30.c2ln"
	case c.Claims == nil:
		return "session.c2lnbmF0dXJl"
	}
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(*c.Claims)) + ".c2ln"
}
