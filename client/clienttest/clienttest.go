// Package clienttest tests what stands behind neonauthd without a daemon: a Fake
// is asked like a client.Client and answers what the test says.
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
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// Fake is a client.Asker for tests. Its zero value is ready to use, and about a
// token of which the test has said nothing it answers client.Unknown with an
// error that says so. A Fake is safe for concurrent use.
type Fake struct {
	mu    sync.Mutex
	said  map[string]map[client.Level]client.Answer
	asked []Lookup
}

var _ client.Asker = (*Fake)(nil)

// Lookup is one question that a Fake was asked.
type Lookup struct {
	Token   string
	Level   client.Level    // LevelClaims for Verify, LevelProfile for Profile
	Options []client.Option // as they were given; they compare with ==
}

// TTL and Age are those of every accepted answer of a Fake.
const (
	TTL = time.Minute
	Age = 3 * time.Second
)

// Expires is when every token that a Fake accepts ends: in the year 2100.
func Expires() time.Time { return time.Unix(4102444800, 0) }

// Accept lets the token be this user's. Verify answers with claims, and Profile
// with a profile, as Neon Auth on Stack Auth writes them; Accepted.User returns
// the user again. A user without a Kind is a normal one. It panics for a user
// without an ID or with a scope that is none, and for a token that cannot be one.
func (f *Fake) Accept(token string, user client.User) {
	if user.ID == "" {
		panic("clienttest: a user has an ID")
	}
	claims := claimsOf(&user)
	accepted := client.Accepted{
		Level: client.LevelClaims, Project: "main", Subject: user.ID, Principal: principalOf(&user), Age: Age, TTL: TTL, Expires: Expires(),
		Source: client.SourceCache, JSON: claims,
	}
	if !slices.Equal(accepted.User().Scopes, user.Scopes) {
		panic("clienttest: a scope is one word")
	}
	profile := accepted.ForToken(tokenOf(claims))
	profile.Level, profile.JSON = client.LevelProfile, profileOf(&user)
	f.say(token, map[client.Level]client.Answer{client.LevelClaims: accepted, client.LevelProfile: profile})
}

// Reject lets there be proof against the token. It panics for a token that
// cannot be one.
func (f *Fake) Reject(token string, reason protocol.Reason) {
	f.Answer(token, client.Rejected{Reason: reason})
}

// Unknown lets nothing be learnt about the token, as in an outage. It panics for
// a token that cannot be one.
func (f *Fake) Unknown(token string, code protocol.Code) {
	f.Answer(token, client.Unknown{Code: code, Err: fmt.Errorf("neonauthd: daemon answers %s", code)})
}

// Answer lets every question about the token have this answer. It replaces what
// was said about the token before, and panics for a token that cannot be one.
func (f *Fake) Answer(token string, answer client.Answer) {
	f.say(token, map[client.Level]client.Answer{client.LevelClaims: answer, client.LevelProfile: answer})
}

func (f *Fake) say(token string, answers map[client.Level]client.Answer) {
	if !canBeToken(token) {
		panic(fmt.Sprintf("clienttest: %q is no token: it would be rejected as malformed; take 1 to %d of A-Z a-z 0-9 - _ .", token, protocol.MaxToken))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.said == nil {
		f.said = map[string]map[client.Level]client.Answer{}
	}
	f.said[token] = answers
}

// Verify is as client.Client.Verify.
func (f *Fake) Verify(ctx context.Context, token string, opts ...client.Option) client.Answer {
	return f.ask(ctx, Lookup{Token: token, Level: client.LevelClaims, Options: slices.Clone(opts)})
}

// Profile is as client.Client.Profile.
func (f *Fake) Profile(ctx context.Context, token string, opts ...client.Option) client.Answer {
	return f.ask(ctx, Lookup{Token: token, Level: client.LevelProfile, Options: slices.Clone(opts)})
}

// Asked returns what the Fake was asked, in order, malformed tokens included.
// The slice is the caller's.
func (f *Fake) Asked() []Lookup {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// errNothingSaid tells the author of a test what is missing in it.
var errNothingSaid = errors.New("clienttest: the test says nothing about this token: call Accept, Reject or Unknown with it")

func (f *Fake) ask(ctx context.Context, l Lookup) client.Answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, l)
	if answer, ok := f.said[l.Token][l.Level]; ok {
		if err := ctx.Err(); err != nil {
			return client.Unknown{Err: fmt.Errorf("neonauthd: given up by the caller: %w", err)}
		}
		return answer
	}
	if !canBeToken(l.Token) {
		return client.Rejected{Reason: protocol.ReasonMalformed}
	}
	return client.Unknown{Err: errNothingSaid}
}
