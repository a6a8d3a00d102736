// Package clienttest tests code that uses neonauthd without a daemon. A Fake
// takes the place of a client.Client and gives the answers that the test has
// set.
//
//	fake := new(clienttest.Fake)
//	fake.Accept("token-of-ada", client.User{ID: "ada", Email: "ada@example.org"})
//	fake.Reject("old-token", protocol.ReasonExpired)
//	fake.Unknown("token-in-an-outage", protocol.CodeUnavailable)
//
//	guard := &middleware.Guard{Client: fake}
//	request.Header.Set("Authorization", "Bearer token-of-ada")
//
// The clients for Node and Python have the same in neonauthd/testing and
// neonauthd.testing.
package clienttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// Fake is a client.Asker for tests. The zero value is ready to use. For a token
// without an answer it returns client.Unknown with an error that says so, and
// likewise for client.Heard of less than a second, as a daemon does. A Fake is
// safe for concurrent use.
type Fake struct {
	mu    sync.Mutex
	said  map[string]map[client.Level]client.Answer
	asked []Lookup
}

var _ client.Asker = (*Fake)(nil)

// Lookup is one call of Verify or Profile.
type Lookup struct {
	Token   string
	Level   client.Level    // LevelClaims for Verify, LevelProfile for Profile
	Options []client.Option // as passed to the call; compare them with ==
}

// TTL and Age are the TTL and Age of every answer that Accept makes.
const (
	TTL = time.Minute
	Age = 3 * time.Second
)

// Expires returns when every token that a Fake accepts ends: in the year 2100.
func Expires() time.Time { return time.Unix(4102444800, 0) }

// Accept makes the token belong to this user. Verify then returns claims, and
// Profile a profile, as Neon Auth on Stack Auth writes them; Accepted.User
// returns the user again. A user without a Kind is a normal one.
//
// A text with one of the characters ~ + / = % is an opaque credential, as those of
// sessions of the newer Neon Auth are. Profile then returns a profile as Better
// Auth writes it, without claims; Verify returns Unknown with protocol.CodeNeedsProfile, as the daemon does.
//
// A user has an ID, and a team (client.KindTeam) has a TeamID and no ID. Accept
// panics if that is not so, if one of the scopes is not one word, or if the text
// cannot be a token. It also panics if the text is a session credential and the
// user has a team, a session or scopes, or is neither normal nor anonymous: a
// session's profile has none of these.
func (f *Fake) Accept(token string, user client.User) {
	switch {
	case user.Kind != client.KindTeam && user.ID == "":
		panic("clienttest: a user has an ID")
	case user.Kind == client.KindTeam && (user.ID != "" || user.TeamID == ""):
		panic("clienttest: a team has a TeamID and no ID")
	}
	claims := claimsOf(&user)
	accepted := client.Accepted{
		Level: client.LevelClaims, Project: "main", Subject: subjectOf(&user), Principal: principalOf(&user), Age: Age, TTL: TTL, Expires: Expires(),
		Source: client.SourceCache, JSON: claims,
	}
	if !slices.Equal(accepted.User().Scopes, user.Scopes) {
		panic("clienttest: a scope is one word")
	}
	profile := accepted
	profile.Level = client.LevelProfile
	if strings.ContainsAny(token, onlyInOpaque) {
		profile.JSON = sessionProfileOf(&user)
		f.say(token, map[client.Level]client.Answer{client.LevelClaims: unknown(protocol.CodeNeedsProfile), client.LevelProfile: profile})
		return
	}
	profile = profile.ForToken(tokenOf(claims))
	profile.JSON = profileOf(&user)
	f.say(token, map[client.Level]client.Answer{client.LevelClaims: accepted, client.LevelProfile: profile})
}

// onlyInOpaque are the characters that an opaque credential may have and a signed token not.
const onlyInOpaque = "~+/=%"

// Reject makes the token a bad one, with this reason. It panics if the text
// cannot be a token, or if the reason is none of protocol.Reasons. For the word
// of a newer daemon use Answer.
func (f *Fake) Reject(token string, reason protocol.Reason) {
	need("reason", reason, protocol.Reasons())
	f.Answer(token, client.Rejected{Reason: reason})
}

// Unknown makes the answer about the token client.Unknown with this code, as in
// an outage. It panics if the text cannot be a token, or if the code is none of
// protocol.Codes. For the word of a newer daemon use Answer.
func (f *Fake) Unknown(token string, code protocol.Code) {
	need("code", code, protocol.Codes())
	f.Answer(token, unknown(code))
}

func unknown(code protocol.Code) client.Answer {
	return client.Unknown{Code: code, Err: fmt.Errorf("neonauthd: daemon answers %s", code)}
}

// need panics if a word is not in the list, because a misspelt word would test
// what no daemon says. It does not repeat the word, which may be a token.
func need[W ~string](what string, word W, list []W) {
	if !slices.Contains(list, word) {
		panic(fmt.Sprintf("clienttest: the %s is no word of the protocol: take one of %s", what, list))
	}
}

// Answer sets the answer to every lookup of the token, in place of an earlier
// one. It panics if the text cannot be a token.
func (f *Fake) Answer(token string, answer client.Answer) {
	f.say(token, map[client.Level]client.Answer{client.LevelClaims: answer, client.LevelProfile: answer})
}

func (f *Fake) say(token string, answers map[client.Level]client.Answer) {
	if !protocol.IsToken(protocol.PROFILE, token) {
		panic(fmt.Sprintf("clienttest: %q is no token: it would be rejected as malformed; take 1 to %d of A-Z a-z 0-9 - _ ., for an opaque credential also of ~ + / = %%", token, protocol.MaxToken))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.said == nil {
		f.said = map[string]map[client.Level]client.Answer{}
	}
	f.said[token] = answers
}

// Verify does what client.Client.Verify does, with the answers of the test.
func (f *Fake) Verify(ctx context.Context, token string, opts ...client.Option) client.Answer {
	return f.ask(ctx, Lookup{Token: token, Level: client.LevelClaims, Options: slices.Clone(opts)})
}

// Profile does what client.Client.Profile does, with the answers of the test.
func (f *Fake) Profile(ctx context.Context, token string, opts ...client.Option) client.Answer {
	return f.ask(ctx, Lookup{Token: token, Level: client.LevelProfile, Options: slices.Clone(opts)})
}

// Asked returns all lookups so far, in order, those of malformed tokens
// included. The caller may change the slice.
func (f *Fake) Asked() []Lookup {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// errNothingSaid tells the author of a test that the test has set no answer.
var errNothingSaid = errors.New("clienttest: the test says nothing about this token: call Accept, Reject or Unknown with it")

// errHeardTooShort is what every lookup with such an option leads to, so that the
// mistake shows in the test.
var errHeardTooShort = errors.New("clienttest: a daemon refuses client.Heard of less than a second: give a second or more")

// errNoProject is the same for an option that a client refuses.
var errNoProject = errors.New("clienttest: a client refuses client.WithProject with an empty name: give the project's name")

func (f *Fake) ask(ctx context.Context, l Lookup) client.Answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, l)
	verb := protocol.VERIFY
	if l.Level == client.LevelProfile {
		verb = protocol.PROFILE
	}
	if !protocol.IsToken(verb, l.Token) {
		return client.Rejected{Reason: protocol.ReasonMalformed}
	}
	if slices.Contains(l.Options, client.WithProject("")) {
		return client.Unknown{Err: errNoProject}
	}
	if slices.ContainsFunc(l.Options, client.Option.AlwaysUnknown) {
		return client.Unknown{Code: protocol.CodeBadRequest, Err: errHeardTooShort}
	}
	if answer, ok := f.said[l.Token][l.Level]; ok {
		if err := ctx.Err(); err != nil {
			return client.Unknown{Err: fmt.Errorf("neonauthd: given up by the caller: %w", err)}
		}
		return answer
	}
	return client.Unknown{Err: errNothingSaid}
}
