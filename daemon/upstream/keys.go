package upstream

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/upstream/delay"
)

// Keyset fetches the key set. With validators of an earlier answer the request is conditional.
//
// It takes nothing from the profile budget and does not wait for circuit or pause, and its failure does not count
// there: without keys no token can be judged at all, while a profile can be missing. The caller limits its calls
// itself. The error has Retry-After as everywhere.
//
// The body must not be HTML by its type, and must be JSON by its type or begin like a JSON object: key sets are often
// plain files, which their server calls text/plain or application/octet-stream. The error is an *Error and never
// Denied.
func (c *Client) Keyset(ctx context.Context, v Validators) (KeySetResponse, error) {
	return c.fetchKeyset(ctx, v, http.Header{})
}

// LatestKeyset is Keyset, and asks the caches on the way to ask the upstream in their turn (RFC 9111 section 5.2.1.4). A
// cache may answer nevertheless: see Age of the answer.
func (c *Client) LatestKeyset(ctx context.Context, v Validators) (KeySetResponse, error) {
	return c.fetchKeyset(ctx, v, http.Header{"Cache-Control": {"no-cache"}})
}

func (c *Client) fetchKeyset(ctx context.Context, v Validators, header http.Header) (KeySetResponse, error) {
	ctx, cancel := c.within(ctx)
	defer cancel()
	keys, e := c.keyset(ctx, v, header)
	return keys, c.finish(actKeys, e)
}

// keyset fetches the key set with a request that has header and what else it needs.
func (c *Client) keyset(ctx context.Context, v Validators, header http.Header) (KeySetResponse, *Error) {
	target, e := c.endpoint(ctx, c.endpoints.keys, func(d document) string { return d.keys }, "the discovery document has no usable jwks_uri")
	if e != nil {
		return KeySetResponse{}, e
	}
	header.Set("Accept", "application/jwk-set+json, application/json")
	v = v.clean()
	if v.ETag != "" {
		header.Set("If-None-Match", v.ETag)
	}
	if v.LastModified != "" {
		header.Set("If-Modified-Since", v.LastModified)
	}
	a, e := c.get(ctx, target, header, MaxKeysetBody)
	if e != nil {
		return KeySetResponse{}, e
	}
	return c.judgeKeyset(a, v)
}

func (c *Client) judgeKeyset(a *answer, sent Validators) (KeySetResponse, *Error) {
	got := KeySetResponse{Validators: Validators{a.header.Get("ETag"), a.header.Get("Last-Modified")}.clean(), MaxAge: maxAge(a.header), Age: ageOf(a.header)}
	if a.status == http.StatusNotModified && sent != (Validators{}) {
		got.NotModified = true
		if got.Validators == (Validators{}) {
			got.Validators = sent
		}
		return got, nil
	}
	if e := c.judgeStatus(a.status, a.header); e != nil {
		return KeySetResponse{}, e
	}
	if a.status != http.StatusOK {
		return KeySetResponse{}, c.paced(a, noKnownError(a.status, "there is no key set at this address; check project and URL"))
	}
	if e := judgeDocument(a); e != nil {
		return KeySetResponse{}, e
	}
	got.Body = a.body
	return got, nil
}

// judgeDocument refuses a body that cannot be a JSON object. If its type is HTML, a page has answered in the upstream's
// place. Any other type does not matter: the content decides, and is then parsed strictly.
func judgeDocument(a *answer) *Error {
	switch kind := mediaType(a.header); {
	case kind == "text/html" || kind == "application/xhtml+xml":
		return unusable(a.status, "the body is a web page by its Content-Type; something else may have answered")
	case !isJSON(a.header) && !bytes.HasPrefix(bytes.TrimLeft(a.body, " \t\r\n"), []byte("{")):
		return unusable(a.status, "the body is JSON neither by its Content-Type nor by its content")
	}
	return nil
}

// clean drops what must not be sent back: anything that is not a plain ETag (RFC 9110 section 8.8.3) or date.
func (v Validators) clean() Validators {
	tag := strings.TrimPrefix(v.ETag, "W/")
	if len(tag) < 2 || len(tag) > 256 || tag[0] != '"' || tag[len(tag)-1] != '"' || !isVisible(tag) {
		v.ETag = ""
	}
	if _, err := http.ParseTime(v.LastModified); err != nil {
		v.LastModified = ""
	}
	return v
}

// maxAge returns how long an answer may be reused according to Cache-Control (RFC 9111 section 5.2.2), less the Age it
// already has. Of several hints the shortest wins, a broken max-age and no-store are zero; -1 means no hint.
func maxAge(header http.Header) time.Duration {
	shortest := time.Duration(-1)
	for _, value := range header.Values("Cache-Control") {
		for directive := range strings.SplitSeq(value, ",") {
			name, argument, _ := strings.Cut(strings.TrimSpace(directive), "=")
			var age time.Duration
			switch strings.ToLower(name) {
			case "max-age":
				age, _ = delay.Seconds(strings.Trim(argument, `"`))
			case "no-store", "no-cache":
			default:
				continue
			}
			if shortest < 0 || age < shortest {
				shortest = age
			}
		}
	}
	if shortest > 0 {
		shortest = max(shortest-ageOf(header), 0)
	}
	return shortest
}

// ageOf returns how long ago the upstream has made or confirmed an answer, as the caches on the way say (RFC 9111 section
// 5.1). Of several values the greatest counts, because each cache may have kept the answer for some time. What is no
// number of seconds does not count.
func ageOf(header http.Header) time.Duration {
	greatest := time.Duration(0)
	for _, value := range header.Values("Age") {
		for one := range strings.SplitSeq(value, ",") {
			age, _ := delay.Seconds(strings.TrimSpace(one))
			greatest = max(greatest, age)
		}
	}
	return greatest
}
