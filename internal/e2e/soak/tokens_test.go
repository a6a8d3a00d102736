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

// flaw is what is wrong with a token for ever; the empty one is nothing.
type flaw string

const (
	forged     flaw = "bad-signature"
	strange    flaw = "unknown-key"
	malformed  flaw = "malformed"
	audience   flaw = "wrong-audience"
	issuer     flaw = "wrong-issuer"
	incomplete flaw = "missing-claim"
)

// token is one that was minted, and what is true of it.
type token struct {
	text      string
	project   *project
	key       string // id of the key that signed it
	flaw      flaw
	subject   string
	session   string
	id        string // its "jti", which no other has
	issued    int64
	expires   int64
	minted    time.Time
	anonymous bool
}

// mint makes a token of some kind, most of them good.
func (p *project) mint() *token {
	p.mu.RLock() // so that no key comes or goes meanwhile
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

// spoil makes some tokens what should not be accepted, or not now.
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
	case n < 24: // over
		spec.IssuedAt = spec.IssuedAt.Add(-time.Hour)
	case n < 27: // good later
		spec.IssuedAt = spec.IssuedAt.Add(time.Duration(2+rnd.IntN(5)) * time.Second)
	case n < 31 && p.preset == standin.Stack:
		t.anonymous, spec.Class = true, stackauth.ClassAnonymous
	case n < 33: // signed by a key that is no more
		for id, k := range p.keys {
			if k.withdrawn.happened() && time.Since(k.withdrawn.by) < 30*time.Second {
				spec.KeyID = id
				return
			}
		}
	}
}

// pool holds the tokens that are asked about. Safe for concurrent use.
type pool struct {
	mu     sync.RWMutex
	tokens []*token
}

// poolSize is how many tokens are asked about at one time.
const poolSize = 1200

func (p *pool) add(t *token) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tokens) < poolSize {
		p.tokens = append(p.tokens, t)
		return
	}
	now := time.Now().Unix()
	for range 8 { // rather one that has been over for a while
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

// good is one without a flaw, of preset stack if there is one.
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
