package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// project is one configured upstream project at work. A reload that changes its
// table makes a new one; what was cached for the old one then no longer counts,
// because entries name their project by pointer.
type project struct {
	name            string
	config          Project // as derived
	policy          *keyset.Policy
	upstream        *upstream.Client
	keys            *keysets
	profileFailures atomic.Uint64
	salt            cache.Key // keeps its flights apart from other projects'
}

// newProject builds the project of a validated table. Nothing is started. An
// empty stateDir keeps its keys in memory only.
func newProject(table Project, opts *Options, stateDir, configDir string) (*project, error) {
	config := table.withDerived()
	log := opts.Logger.With("project", config.Name)
	key, err := readServerKey(config.SecretServerKey, configDir)
	if err != nil {
		// Level claims needs no key: a host that cannot read it still verifies.
		log.Error("server key not usable: profiles are answered as misconfigured", "error", err)
	}
	client, err := upstream.New(upstream.Config{
		Preset:          upstreamPreset(config.Preset),
		BaseURL:         config.BaseURL,
		ProjectID:       config.ProjectID,
		KeysURL:         config.JWKSURL,
		UserinfoURL:     config.UserinfoURL,
		ServerKey:       key,
		AllowRestricted: config.admits(allowRestricted),
		AllowAnonymous:  config.admits(allowAnonymous),
		Timeout:         time.Duration(config.UpstreamTimeout),
		Rate:            config.UpstreamRate,
		RootCAs:         opts.RootCAs,
		Now:             opts.Now,
		UserAgent:       "neonauthd/" + opts.Version,
		Logger:          log,
	})
	if err != nil {
		return nil, fmt.Errorf("project %q: %w", config.Name, err)
	}
	var store keysStore
	if stateDir != "" {
		store = newKeysStore(stateDir, config.Name, config.keysID())
	}
	p := &project{
		name:     config.Name,
		config:   config,
		policy:   config.policy(),
		upstream: client,
		salt:     sha256.Sum256([]byte("project " + config.Name)),
	}
	p.keys = newKeysets(&keysets{
		fetch:    client.Keyset,
		allowed:  p.policy.Algorithms,
		refresh:  time.Duration(config.JWKSRefresh),
		cooldown: time.Duration(config.JWKSCooldown),
		store:    store,
		now:      opts.Now,
		log:      log,
	})
	return p, nil
}

// keysID names the key set's origin: its URL, or the issuer it is discovered at.
func (p *Project) keysID() string {
	if p.JWKSURL != "" {
		return p.JWKSURL
	}
	return p.BaseURL
}

// run keeps the project's keys fresh until ctx ends.
func (p *project) run(ctx context.Context) {
	p.keys.run(ctx)
	p.upstream.Close()
}

// flight is the key under which lookups of one token join.
func (p *project) flight(digest cache.Key) cache.Key {
	for i := 0; i < len(digest); i += 8 {
		binary.LittleEndian.PutUint64(digest[i:], binary.LittleEndian.Uint64(digest[i:])^binary.LittleEndian.Uint64(p.salt[i:]))
	}
	return digest
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
