package config

import (
	"strings"

	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/secretfile"
)

// checkTransport checks the settings that say how the upstream is reached: a proxy,
// plain http, an authority.
func (p *Project) checkTransport(report reporter) {
	secure := p.BaseURL == "" // only preset stack has an address of its own, which is https
	for key, raw := range map[string]string{"base_url": p.BaseURL, "jwks_url": p.JWKSURL, "userinfo_url": p.UserinfoURL, "introspection_url": p.IntrospectionURL} {
		if raw == "" {
			continue
		}
		err := upstream.CheckURL(raw, p.InsecureHTTP)
		if preset, known := presets[p.Preset]; known && key == "base_url" {
			err = upstream.CheckBaseURL(preset.Upstream, raw, p.InsecureHTTP)
		}
		if err != nil {
			report(key, "%v", err)
		}
		secure = secure || !strings.HasPrefix(strings.ToLower(raw), "http:")
	}
	if p.CA != "" && !secretfile.IsPath(p.CA) {
		report("ca", "must be a path that starts with \"/\" or \"./\"")
	} else if p.CA != "" && !secure {
		report("ca", "means nothing for an upstream at plain http")
	}
	if !p.UpstreamProxy.IsZero() && !secure {
		report("upstream_proxy", "means nothing for an upstream at plain http, which is asked directly or not at all")
	}
}
