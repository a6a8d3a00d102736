package standin

import (
	"crypto/sha256"
	"net/http"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// caching is what a preset says about the lifetime of its key set.
type caching struct {
	control string
	etags   bool
}

// SetCaching changes what a preset's key set says about its lifetime: the Cache-Control header (empty:
// none) and whether it carries an ETag and honours If-None-Match. At first there is no ETag, and the header is the
// genuine "public, max-age=3600" for Stack, none for Neon, and five minutes for OpenID Connect.
func (s *Standin) SetCaching(p Preset, cacheControl string, etags bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.caching[p] = caching{cacheControl, etags}
}

// writeKeys answers with a key set.
func (s *Standin) writeKeys(w http.ResponseWriter, r *http.Request, p Preset, widest stackauth.Class) {
	members := []ordered.Object{}
	for _, k := range s.publishedKeys(p, widest) {
		members = append(members, k.JWK)
	}
	body := ordered.Encode(ordered.Object{{"keys", members}})
	s.mu.Lock()
	c := s.caching[p]
	s.mu.Unlock()
	if c.control != "" {
		w.Header().Set("Cache-Control", c.control)
	}
	if c.etags {
		sum := sha256.Sum256(body)
		tag := `"` + mint.Base64(sum[:12]) + `"`
		w.Header().Set("ETag", tag)
		if matchesTag(r.Header.Get("If-None-Match"), tag) {
			w.Header().Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	w.Write(body)
}

// matchesTag compares weakly (RFC 9110, section 13.1.2).
func matchesTag(header, tag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimPrefix(strings.TrimSpace(part), "W/")
		if part == tag || part == "*" {
			return true
		}
	}
	return false
}
