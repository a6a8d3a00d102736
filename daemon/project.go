package daemon

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// The first and the longest pause between self-tests that got no answer.
const (
	selfTestPause   = 5 * time.Second
	selfTestLongest = time.Minute
)

// project is one configured upstream project at work. A reload that changes its
// table makes a new one; what was cached for the old one then no longer counts,
// because entries name their project by pointer.
type project struct {
	name            string
	config          config.Project // as derived
	serverKey       upstream.Secret
	log             *slog.Logger
	policy          *keyset.Policy
	upstream        *upstream.Client
	keys            *keyring.Ring
	profileFailures atomic.Uint64
	salt            cache.Key // keeps its flights apart from other projects', its predecessor included
}

// newProject builds the project of a validated table. Nothing is started. An
// nil stateDir keeps its keys in memory only.
func newProject(table config.Project, opts *Options, stateDir *statedir.Dir, configDir string) (*project, error) {
	derived := table.WithDerived()
	log := opts.Logger.With("project", derived.Name)
	key, err := config.ReadServerKey(derived.SecretServerKey, configDir)
	if err != nil {
		// Level claims needs no key: a host that cannot read it still verifies.
		log.Error("server key not usable: profiles are answered as misconfigured, claims are still verified; mend what the error names, then reload (a systemd credential is delivered anew by a restart only)", "error", err)
	}
	client, err := upstream.New(upstream.Config{
		Preset:          upstreamPreset(derived.Preset),
		BaseURL:         derived.BaseURL,
		ProjectID:       derived.ProjectID,
		KeysURL:         derived.JWKSURL,
		UserinfoURL:     derived.UserinfoURL,
		ServerKey:       key,
		KeyUnreadable:   err != nil,
		AllowRestricted: derived.Admits(config.AllowRestricted),
		AllowAnonymous:  derived.Admits(config.AllowAnonymous),
		Timeout:         time.Duration(derived.UpstreamTimeout),
		Rate:            derived.UpstreamRate,
		RootCAs:         opts.RootCAs,
		Now:             opts.Now,
		Wall:            opts.wall,
		UserAgent:       "neonauthd/" + opts.Version,
		Logger:          log,
		Name:            derived.Name,
	})
	if err != nil {
		return nil, fmt.Errorf("project %q: %w", derived.Name, err)
	}
	p := &project{
		name:      derived.Name,
		config:    derived,
		serverKey: key,
		log:       log,
		policy:    derived.Policy(),
		upstream:  client,
	}
	_, _ = rand.Read(p.salt[:]) // never fails
	p.keys = keyring.New(keyring.Config{
		Fetch:      client.Keyset,
		Algorithms: p.policy.Algorithms,
		Refresh:    time.Duration(derived.JWKSRefresh),
		MaxAge:     time.Duration(derived.JWKSMaxAge),
		Cooldown:   time.Duration(derived.JWKSCooldown),
		Store:      keyring.NewStore(stateDir, derived.Name, derived.KeysID()),
		Now:        opts.Now,
		Log:        log,
	})
	return p, nil
}

// run keeps the project's keys fresh until ctx ends, and at first finds out
// whether the upstream takes the server key.
func (p *project) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { p.selfTest(ctx) })
	p.keys.Run(ctx)
	wg.Wait()
	p.upstream.Close()
}

// selfTest asks until the upstream has an opinion, and tells the operator: a
// wrong key shows itself only on good tokens otherwise.
func (p *project) selfTest(ctx context.Context) {
	if p.config.Preset != "stack" || p.serverKey.Empty() {
		return
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = selfTestPause, selfTestLongest
	for {
		err := p.upstream.SelfTest(ctx)
		var e *upstream.Error
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			p.log.Info("project id and server key are right")
			return
		case errors.As(err, &e) && e.Meaning == upstream.Misconfigured:
			p.log.Error("project id or server key is wrong: profiles are answered as misconfigured, claims are still verified; mend the configuration or the key, then reload (a systemd credential is delivered anew by a restart only)", "error", err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// flight is the key under which those join who ask this project for what key
// names, a token's digest or a profile. After a reload nobody is served by what
// was begun under the old table.
func (p *project) flight(key cache.Key) cache.Key {
	for i := 0; i < len(key); i += 8 {
		binary.LittleEndian.PutUint64(key[i:], binary.LittleEndian.Uint64(key[i:])^binary.LittleEndian.Uint64(p.salt[i:]))
	}
	return key
}

func upstreamPreset(name string) upstream.Preset {
	switch name {
	case "neon":
		return upstream.Neon
	case "oidc":
		return upstream.OIDC
	default:
		return upstream.Stack
	}
}
