package soak_test

import (
	"crypto/rand"
	"encoding/hex"
	rnd "math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// flaw is the reason why a token is never accepted; "" for a token without a
// flaw.
type flaw string

const (
	forged     flaw = "bad-signature"
	strange    flaw = "unknown-key"
	malformed  flaw = "malformed"
	audience   flaw = "wrong-audience"
	issuer     flaw = "wrong-issuer"
	incomplete flaw = "missing-claim"
)

// token is a token that was minted, and what is true about it.
type token struct {
	text      string
	project   *project
	key       string // id of the key that signed it
	flaw      flaw
	subject   string
	session   string
	id        string // its "jti", which no other token has
	issued    int64
	expires   int64
	minted    time.Time
	anonymous bool
}

// mint makes a token of some kind, most of them good.
func (p *project) mint() *token {
	p.mu.RLock() // no key may come or go during this
	defer p.mu.RUnlock()
	t := &token{project: p, id: rand.Text(), subject: p.up.users[rnd.IntN(len(p.up.users))].id}
	now := time.Now()
	t.minted = now
	spec := standin.TokenSpec{Subject: t.subject, IssuedAt: now, Lifetime: time.Duration(2+rnd.IntN(20)) * time.Second, Set: map[string]any{"jti": t.id}}
	if p.preset == standin.Stack {
		spec.Session = "session-" + strings.ToLower(rand.Text()[:8])
		t.session = spec.Session
	}
	p.spoil(t, &spec)
	t.issued, t.expires = spec.IssuedAt.Unix(), spec.IssuedAt.Add(spec.Lifetime).Unix()
	for {
		newest := p.newest.Load()
		if t.issued <= newest || p.newest.CompareAndSwap(newest, t.issued) {
			break
		}
	}
	switch p.preset {
	case standin.Neon:
		t.text = p.up.NeonToken(spec)
	default:
		t.text = p.up.StackToken(spec)
	}
	t.key = header(t.text, "kid")
	if t.flaw == malformed {
		t.text = t.text[:len(t.text)-1-rnd.IntN(3)] + "!"
	}
	return t
}

// spoil makes some tokens such that they must not be accepted, or not now.
func (p *project) spoil(t *token, spec *standin.TokenSpec) {
	switch n := rnd.IntN(100); {
	case n < 6:
		t.flaw, spec.Forged = forged, true
	case n < 11:
		t.flaw, spec.Header = strange, map[string]any{"kid": hex.EncodeToString([]byte(rand.Text()[:6]))}
	case n < 13:
		t.flaw = malformed
	case n < 16:
		t.flaw = audience
		spec.Set["aud"] = "somebody-else"
	case n < 19:
		t.flaw = issuer
		spec.Set["iss"] = "https://somebody-else.example"
	case n < 21:
		t.flaw, spec.Remove = incomplete, []string{"exp"}
	case n < 24: // expired
		spec.IssuedAt = spec.IssuedAt.Add(-time.Hour)
	case n < 27: // valid later
		spec.IssuedAt = spec.IssuedAt.Add(time.Duration(2+rnd.IntN(5)) * time.Second)
	case n < 31 && p.preset == standin.Stack:
		t.anonymous, spec.Class = true, stackauth.ClassAnonymous
	case n < 33: // signed by a key that was withdrawn
		for id, k := range p.keys {
			if k.withdrawn.happened() && time.Since(k.withdrawn.by) < 30*time.Second {
				spec.KeyID = id
				return
			}
		}
	}
}

// pool holds the tokens for questions. It is safe for concurrent use.
type pool struct {
	mu     sync.RWMutex
	tokens []*token
}

// poolSize is how many tokens the pool has.
const poolSize = 1200

func (p *pool) add(t *token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tokens) < poolSize {
		p.tokens = append(p.tokens, t)
		return
	}
	now := time.Now().Unix()
	for range 8 { // replace a token that expired some time ago, if one is found
		i := rnd.IntN(len(p.tokens))
		if p.tokens[i].expires+5 < now {
			p.tokens[i] = t
			return
		}
	}
	p.tokens[rnd.IntN(len(p.tokens))] = t
}

func (p *pool) pick() *token {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.tokens[rnd.IntN(len(p.tokens))]
}

// good returns a token without a flaw, of preset stack if one is found.
func (p *pool) good() *token {
	t := p.pick()
	for range 100 {
		if t.flaw == "" && t.session != "" && t.expires > time.Now().Unix()+2 {
			break
		}
		t = p.pick()
	}
	return t
}
