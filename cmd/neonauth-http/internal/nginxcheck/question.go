package nginxcheck

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/neonauthd/neonauthd/internal/foreign"
)

// question checks the location that asks neonauth-http.
func (l *linter) question(q *directive) {
	if len(q.find("internal")) == 0 {
		l.report(q, "this location asks neonauth-http and is not internal: visitors can call it; write internal; into it")
	}
	if !q.is("location", "=") {
		l.report(q, `this location asks neonauth-http and is no "location =": it takes more addresses than one; write location = and its address`)
	}
	pass := q.find("proxy_pass")
	if len(pass) == 0 || len(pass[0].args) != 1 {
		l.report(q, "this location is asked by auth_request and has no proxy_pass to neonauth-http; write proxy_pass http://neonauth/nginx?level=claims&require=clean-headers;")
		return
	}
	carriers := l.address(pass[0])
	for _, c := range carriers {
		if !slices.Contains(l.carriers, c) {
			l.carriers = append(l.carriers, c)
		}
	}
	if body := q.inherited("proxy_pass_request_body"); len(body) == 0 || !body[0].is("proxy_pass_request_body", "off") {
		l.report(q, `proxy_pass_request_body is not off: each question waits for, and carries, the visitor's body; include neonauth-ask.conf, or write it`)
	} else if values := setHeader(q, "proxy_set_header", "content-length"); !slices.Equal(values, []string{""}) {
		l.report(q, `Content-Length is not cleared, so neonauth-http would wait for a body that never comes; write proxy_set_header Content-Length ""`)
	}
	if size := q.inherited("proxy_buffer_size"); len(size) > 0 && len(size[0].args) == 1 && sizeOf(size[0].args[0]) < 4<<10 {
		l.report(size[0], "proxy_buffer_size below 4k: the identity does not fit, and nginx refuses the reply as too big; write 8k")
	}
	for _, page := range q.find("error_page") {
		l.report(page, "error_page in the location that asks: it can make a yes of a no; put it at the server")
	}
	if wait := q.inherited("proxy_read_timeout"); len(wait) == 0 || len(wait[0].args) != 1 || !shortWait(wait[0].args[0]) {
		l.report(q, "each request waits a minute or more for a neonauth-http that hangs; write proxy_read_timeout 10s;")
	}
	l.visitor(q)
	l.cache(q, carriers, "the answer for one visitor's token is given to others")
	l.kept(q)
}

// visitor checks that neonauth-http is told which visitor a request is from, by
// a value that the visitor cannot choose.
func (l *linter) visitor(q *directive) {
	values := setHeader(q, "proxy_set_header", "x-neonauth-visitor")
	switch {
	case len(values) == 0 || values[0] == "":
		l.report(q, "neonauth-http is not told one visitor from another, so one can use up what all have; write proxy_set_header X-Neonauth-Visitor $remote_addr;")
	case strings.Contains(values[0], "$http_"):
		l.report(q, "X-Neonauth-Visitor is what a visitor sends, who can be somebody else each time; write proxy_set_header X-Neonauth-Visitor $remote_addr; behind another proxy use the realip module")
	}
}

// address checks the address of proxy_pass, and returns the headers that may
// carry the token.
func (l *linter) address(pass *directive) (carriers []string) {
	_, rest, _ := strings.Cut(pass.args[0], "://")
	if strings.HasPrefix(rest, "unix:") {
		// http://unix:/path/to.sock:/address
		if i := strings.LastIndexByte(rest, ':'); i > len("unix") {
			rest = "unix" + rest[i+1:]
		}
	}
	_, address, _ := strings.Cut(rest, "/")
	path, query, _ := strings.Cut(address, "?")
	switch {
	case path != "nginx":
		l.report(pass, "asks %s: neonauth-http answers nginx at /nginx and nowhere else; write http://neonauth/nginx?level=claims&require=clean-headers", foreign.Quoted("/"+path, maxShown))
	case strings.Contains(query, "$"):
		l.report(pass, "what is asked holds a variable: a visitor may decide what is required; write each requirement out, in a location of its own if there are several")
	default:
		var err error
		if carriers, err = l.rules.Query(query); err != nil {
			l.report(pass, "neonauth-http will answer 500: %v; write what neonauth-http(8) says can be asked", err)
		} else if !requiresClean(pass.args[0]) {
			l.report(pass, "a visitor's headers that begin with X-Auth- and are not set to anything arrive as they are; add "+cleanHeaders+" to what is asked")
		}
	}
	return carriers
}

// cache looks for a cache whose key does not contain each header that may carry
// the token, and so mixes visitors.
func (l *linter) cache(d *directive, carriers []string, harm string) {
	on := d.inherited("proxy_cache")
	if len(on) == 0 || on[0].is("proxy_cache", "off") {
		return
	}
	key := ""
	if all := d.inherited("proxy_cache_key"); len(all) > 0 {
		key = strings.ToLower(strings.Join(all[0].args, " "))
	}
	for _, carrier := range carriers {
		variable := "$http_" + strings.ReplaceAll(strings.ToLower(carrier), "-", "_")
		if !strings.Contains(key, variable) && (carrier != "Cookie" || !strings.Contains(key, "$cookie_")) {
			l.report(on[0], "proxy_cache, and %s is not in proxy_cache_key: %s; write proxy_cache off, or the key of neonauth-cache.conf with this in it", variable, harm)
		}
	}
}

// cleanHeaders is the requirement whose answer depends on every header of the request.
const cleanHeaders = "require=clean-headers"

// requiresClean reports whether an address of neonauth-http has the requirement.
func requiresClean(address string) bool {
	_, query, _ := strings.Cut(address, "?")
	return slices.Contains(strings.Split(query, "&"), cleanHeaders)
}

// kept looks for answers of neonauth-http that are cached for longer than it
// allows, and for a cache that keeps none.
func (l *linter) kept(q *directive) {
	on := q.inherited("proxy_cache")
	if len(on) == 0 || on[0].is("proxy_cache", "off") {
		return
	}
	if requiresClean(q.find("proxy_pass")[0].args[0]) {
		l.report(on[0], "proxy_cache, and "+cleanHeaders+" is asked: that answer depends on every header of the request, so none may be kept, and the cache only costs time; write proxy_cache off;")
	}
	for _, d := range q.inherited("proxy_cache_lock") {
		if d.is("proxy_cache_lock", "on") {
			l.report(d, "proxy_cache_lock in the location that asks: where an answer is not kept, such as a refusal, the next request of the same key waits half a second; leave it out")
		}
	}
	for _, d := range q.inherited("proxy_cache_use_stale") {
		if !d.is("proxy_cache_use_stale", "off") {
			l.report(d, "proxy_cache_use_stale in the location that asks: a yes is given again after it has ended; write proxy_cache_use_stale off;")
		}
	}
	for _, d := range q.inherited("proxy_cache_valid") {
		l.report(d, "proxy_cache_valid in the location that asks: answers are kept for a time that you choose, a 503 and a no too; remove it, neonauth-http says in Expires how long each yes is good")
	}
	for _, d := range q.inherited("proxy_ignore_headers") {
		for _, name := range d.args {
			switch {
			case strings.EqualFold(name, "Expires"):
				l.report(d, "proxy_ignore_headers Expires in the location that asks: it says how long a yes is good; leave it out")
			case strings.EqualFold(name, "Vary"):
				l.report(d, "proxy_ignore_headers Vary in the location that asks: it names every header that may hold a token, also one that proxy_cache_key lacks; leave it out")
			}
		}
	}
}

// shared looks for two questions whose answers are cached under the same key.
func (l *linter) shared(questions map[*directive]bool) {
	first := map[string]*directive{}
	for _, q := range sorted(questions) {
		on, key, pass := q.inherited("proxy_cache"), q.inherited("proxy_cache_key"), q.find("proxy_pass")
		if len(on) == 0 || on[0].is("proxy_cache", "off") || len(key) == 0 || len(pass) != 1 {
			continue
		}
		id := strings.Join(append(on[0].args, key[0].args...), " ")
		other := first[id]
		if other == nil {
			first[id] = pass[0]
			continue
		}
		if !slices.Equal(other.args, pass[0].args) {
			l.report(q, "the answers to this question and to the one at %s are kept under one key, so the answer to the weaker one is given for the stricter one; give each a proxy_cache_key of its own", other.place())
		}
	}
}

// sorted returns the blocks of a set in the order of the configuration.
func sorted(set map[*directive]bool) []*directive {
	return slices.SortedFunc(maps.Keys(set), func(a, b *directive) int {
		return cmp.Or(strings.Compare(a.file, b.file), a.line-b.line)
	})
}

// shortWait reports whether a time in nginx's notation is less than a minute.
func shortWait(text string) bool {
	unit := 1000
	switch {
	case strings.HasSuffix(text, "ms"):
		unit, text = 1, strings.TrimSuffix(text, "ms")
	case strings.HasSuffix(text, "s"):
		text = strings.TrimSuffix(text, "s")
	}
	n, err := strconv.Atoi(text)
	return err == nil && n > 0 && n < 60_000/unit
}

// sizeOf reads a size such as 4k; -1 if the text is none.
func sizeOf(text string) int64 {
	unit := int64(1)
	if text != "" {
		switch text[len(text)-1] {
		case 'k', 'K':
			unit, text = 1<<10, text[:len(text)-1]
		case 'm', 'M':
			unit, text = 1<<20, text[:len(text)-1]
		}
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return -1
	}
	return n * unit
}
