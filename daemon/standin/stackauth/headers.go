package stackauth

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
)

// SetHeaders sets what every answer of the API carries, and returns its request id.
func SetHeaders(w http.ResponseWriter) string {
	var raw [8]byte
	rand.Read(raw[:])
	id := hex.EncodeToString(raw[:])
	h := w.Header()
	SetBoth(h, "request-id", id)
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store, max-age=0")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "x-stack-request-id, x-stack-actual-status, x-stack-known-error, x-hexclave-request-id, x-hexclave-actual-status, x-hexclave-known-error")
	h.Set("Vary", "x-stack-access-type, x-stack-project-id, x-stack-branch-id, x-stack-access-token, x-stack-secret-server-key, x-stack-publishable-client-key, x-stack-allow-anonymous-user, x-stack-allow-restricted-user, x-stack-override-error-status")
	return id
}

// SetBoth sets a header under both names of the product.
func SetBoth(h http.Header, name, value string) {
	h.Set("X-Stack-"+name, value)
	h.Set("X-Hexclave-"+name, value)
}

// Header is a request header under its present or its former name.
func Header(r *http.Request, name string) string {
	if v := r.Header.Get("X-Hexclave-" + name); v != "" {
		return v
	}
	return r.Header.Get("X-Stack-" + name)
}
