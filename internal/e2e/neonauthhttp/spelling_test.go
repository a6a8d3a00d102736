package neonauthhttp_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// reading is how a kind of application reads the target of a request: it returns the path by which the application
// finds the handler, or false if the application refuses the request. Where versions and settings differ, it follows
// the one that treats more spellings as the same path.
type reading struct {
	name string
	read func(target string) (string, bool)
}

// takes reports whether the application gives a target to the handler of /account.
func (r reading) takes(target string) bool {
	read, ok := r.read(target)
	return ok && (read == "/account" || strings.HasPrefix(read, "/account/"))
}

func readings() []reading {
	return []reading{
		{"Express", readExpress}, {"Express's parameters", readSegments}, {"Tomcat", readTomcat},
		{"a file server", readFile}, {"a server that decodes twice", readTwice}, {"a server that takes overlong UTF-8", readOverlong},
	}
}

// readExpress is Express 4 and 5 with its defaults.
//
//  1. The path is what stands before "?" (parseurl). If there is a "#" or a blank, the path ends there, and "\" is "/"
//     (url.parse of Node).
//  2. Nothing is decoded, and neither "//" nor dots are resolved.
//  3. Letters match in either case, and a slash at the end is optional ("case sensitive routing" and "strict routing" are
//     off).
func readExpress(target string) (string, bool) {
	before, _, _ := strings.Cut(target, "?")
	var latin []rune // Node takes the bytes of a target for Latin-1
	for i := range len(before) {
		latin = append(latin, rune(before[i]))
	}
	before = string(latin)
	if strings.ContainsAny(before, "#\t \u00a0") {
		before, _, _ = strings.Cut(before, "#")
		before = strings.ReplaceAll(strings.Trim(before, "\t \u00a0"), `\`, "/")
	}
	return strings.ToLower(before), strings.HasPrefix(before, "/")
}

// readSegments is a router that cuts the path at slashes first, and decodes what stands between them: the parameters of
// Express ("/:section/:page"), of Go's ServeMux, of Rails. Letters match in either case.
func readSegments(target string) (string, bool) {
	before, _, _ := strings.Cut(target, "?")
	segments := strings.Split(before, "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return "", false
		}
		segments[i] = strings.ToLower(decoded)
	}
	return strings.Join(segments, "/"), true
}

// readTomcat is Tomcat's CoyoteAdapter, with encodedSolidusHandling="decode" and ALLOW_BACKSLASH.
//
//  1. Path parameters go first: from each ";" up to the next "/", before anything is decoded (parsePathParameters).
//  2. %xx is decoded once; a malformed one is refused.
//  3. "\" becomes "/", a zero byte is refused, "//" becomes "/", "/./" and "/../" are resolved; above the root it is
//     refused (normalize).
func readTomcat(target string) (string, bool) {
	before, _, _ := strings.Cut(target, "?")
	before = regexp.MustCompile(`;[^/]*`).ReplaceAllString(before, "")
	decoded, err := url.PathUnescape(before)
	if err != nil || strings.Contains(decoded, "\x00") {
		return "", false
	}
	return resolve(strings.ReplaceAll(decoded, `\`, "/"))
}

// readFile is a server of files such as Express's "send", on a file system of Windows or macOS.
//
//  1. %xx is decoded once; a malformed one, and a zero byte, are refused.
//  2. "\" separates as "/" does; "//", "/./" and "/../" are resolved; above the root it is refused.
//  3. Letters match in either case. Dots and blanks at the end of a name do not count (Windows).
func readFile(target string) (string, bool) {
	before, _, _ := strings.Cut(target, "?")
	decoded, err := url.PathUnescape(before)
	if err != nil || strings.Contains(decoded, "\x00") {
		return "", false
	}
	resolved, ok := resolve(strings.ReplaceAll(decoded, `\`, "/"))
	return regexp.MustCompile(`[. ]+(/|$)`).ReplaceAllString(strings.ToLower(resolved), "$1"), ok
}

// readTwice decodes once more than it should, as servers do behind a rewriting rule.
func readTwice(target string) (string, bool) {
	before, _, _ := strings.Cut(target, "?")
	decoded, err := url.PathUnescape(before)
	if err != nil {
		return "", false
	}
	return readFile(strings.ReplaceAll(decoded, "?", "%3f"))
}

// readOverlong takes ASCII characters that UTF-8 spells with more bytes than needed, which RFC 3629 forbids: Tomcat did
// until 2008 (CVE-2008-2938).
func readOverlong(target string) (string, bool) {
	before, _, _ := strings.Cut(target, "?")
	decoded, err := url.PathUnescape(before)
	if err != nil {
		return "", false
	}
	overlong := regexp.MustCompile(`(?s)%(c[01]|e0%8[01]|f0%80%8[01])%[89ab].`)
	spelt := overlong.ReplaceAllStringFunc(hexBytes(decoded), func(all string) string {
		bytes, _ := hex.DecodeString(strings.ReplaceAll(all, "%", ""))
		last := len(bytes) - 1
		return fmt.Sprintf("%%%02x", bytes[last-1]<<6&0x7f|bytes[last]&0x3f)
	})
	return readFile(spelt)
}

// hexBytes encodes each byte of a path.
func hexBytes(path string) string {
	var all strings.Builder
	for i := range len(path) {
		fmt.Fprintf(&all, "%%%02x", path[i])
	}
	return all.String()
}

// resolve merges slashes and resolves dots. It returns false for a path above the root.
func resolve(p string) (string, bool) {
	depth := 0
	for segment := range strings.SplitSeq(p, "/") {
		switch segment {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return "", false
			}
		default:
			depth++
		}
	}
	return path.Clean("/" + p), strings.HasPrefix(p, "/")
}

// spellings returns targets that some kind of application may read as /account or a page below it.
func spellings() []string {
	return []string{
		// Unchanged, and with less or more at the end.
		"/account/", "/account", "/account/x", "/account?x", "/account/?x", "/account//", "/account/.", "/account/./x", "/account/x/..", "/account/..//account/",
		// Case.
		"/Account/", "/ACCOUNT", "/aCCount/x", "/accounT?x", "/ACCOUNT/X",
		// Encoded letters.
		"/%61ccount/", "/%61ccount", "/a%63count/x", "/accoun%74/", "/%61%63%63%6f%75%6e%74/", "/%41ccount/", "/account%2Fx", "/account%2fx", "/%2faccount/", "/%2Faccount",
		// Encoded twice.
		"/%2561ccount/", "/accoun%2574", "/account%252fx", "/%252e/account/", "/x/%252e%252e/account/",
		"/%25%36%31ccount", "/%25%36%31ccount/x", "/%256%31ccount", "/%25%361ccount/", "/%25%34%31ccount", "/accoun%25%37%34", "/account%25%32%66x", "/account%25%32%46x",
		"/x/%25%32%65%25%32%65/account", "/x/%25%32%65./account/", "/x%25%32%66%25%32%65%25%32%65/account", "/x/..%25%35%63account/", "/x/..%25%35%43account/", "/%25%36%31%25%36%33count/",
		// UTF-8 that is longer than it has to be.
		"/%c1%a1ccount", "/%C1%A1ccount/x", "/accoun%c1%b4/", "/x/%c0%ae%c0%ae/account", "/x/%C0%AE%C0%AE%C0%AFaccount", "/x/..%c0%afaccount", "/%c0%afaccount/", "/%e0%81%a1ccount",
		"/x/..%e0%80%afaccount/", "/%E0%81%A1ccount/", "/%f0%80%81%a1ccount", "/x/%f0%80%80%ae./account", "/\xc1\xa1ccount", "/x/\xc0\xae\xc0\xae/account", "/\xe0\x81\xa1ccount/", "/\xf0\x80\x81\xa1ccount",
		// Parameters of a path.
		"/account;/", "/account;", "/account;x=y/z", "/;/account/", "/;x/account", "/x/..;/account/", "/x/..;a=b/account", "/.;/account/", "/account/;", "/account%3b/",
		"/a;x/../account/", "/%3b/account/", "/login;/../account/", "/login/..;/account/",
		// Slashes and dots.
		"//account/", "///account", "/./account/", "/x/../account/", "/x/./../account", "/x//../account/", "/login/../account/", "/account/../account/x",
		"/%2e/account/", "/x/%2e%2e/account/", "/x/.%2e/account/", "/x/%2E./account/", "/x%2f..%2faccount", "/x/..%2faccount/", "/..%2faccount/", "/x/%2e%2e%2faccount/",
		// Other separators.
		`/\account/`, `/x\..\account/`, `/account\x`, "/%5caccount/", "/x/..%5caccount/", "/account%5cx", "/x%5c..%5caccount",
		// Characters that end the path for some readers only.
		"/account#", "/account#/x", "/login#/../account/", "/account%23", "/account%3fx", "/account%00", "/account%00/x", "/account%20", "/account%20/", "/account./", "/account.",
		"/account%2e/", "/account...", "/account%0a", "/account%09/", "/account%7f", "/account\xa0", "/account%a0",
		// Malformed.
		"/account/%", "/account/%6", "/account/%zz", "/%u0061ccount/", "/%6/../account/", "/%zz/../account/", "/account%c0%af", "/x/..%c0%afaccount/",
		// Whole addresses, and texts that are no addresses.
		"http://site.example/account/", "http://site.example//account/", "http://site.example/%61ccount/", "HTTP://SITE.EXAMPLE/ACCOUNT/", "account/", "*",
	}
}

// echo keeps the targets that reach the application, unchanged from the request line.
type echo struct {
	mu      sync.Mutex
	targets []string
}

func (a *echo) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.targets = append(a.targets, r.RequestURI)
}

func (a *echo) taken() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.targets
	a.targets = nil
	return all
}

// Whatever the spelling of a path, no request reaches a handler whose location requires more than the visitor has.
func TestNoSpellingEvadesALocationsRequirement(t *testing.T) {
	t.Parallel()
	if len(spellings()) < 60 {
		t.Fatal(len(spellings()), "spellings")
	}
	for _, r := range readings() {
		if !slices.ContainsFunc(spellings(), func(s string) bool { return r.takes(s) && !strings.HasPrefix(s, "/account") }) {
			t.Errorf("%s reads no other spelling as the page's, so it shows nothing", r.name)
		}
	}
	eachFront(t, func(t *testing.T, f *front) {
		app := new(echo)
		f.w.app.Config.Handler = app
		eve := bearing(f.w.StackToken(standin.TokenSpec{Subject: f.w.AddUser(standin.User{Name: "Eve", Email: "eve@example.org"}).ID}))
		for _, spelling := range spellings() {
			status := f.get(t, spelling, eve).StatusCode
			if status/100 == 5 {
				t.Errorf("%q: %d", spelling, status)
			}
			for _, target := range app.taken() {
				for _, r := range readings() {
					if r.takes(target) {
						t.Errorf("%q reaches the application as %q, and %s takes it for a page of the account", spelling, target, r.name)
					}
				}
			}
		}
	})
}

// Visitors without a token reach only the open paths, whatever the spelling of the path.
func TestNoSpellingOpensAHole(t *testing.T) {
	t.Parallel()
	eachFront(t, func(t *testing.T, f *front) {
		app := new(echo)
		f.w.app.Config.Handler = app
		all := spellings()
		for _, s := range spellings() {
			all = append(all, strings.NewReplacer("account", "login", "Account", "Login", "ACCOUNT", "LOGIN").Replace(s))
		}
		for _, spelling := range append(all, "/login", "/login?x", "/favicon.ico", "/FAVICON.ICO", "/favicon_ico", "/favicon.ico/", "/xlogin", "/loginx") {
			f.get(t, spelling)
			for _, target := range app.taken() {
				if before, _, _ := strings.Cut(target, "?"); before != "/login" && before != "/favicon.ico" {
					t.Errorf("%q is open: the application got %q", spelling, target)
				}
			}
		}
	})
}

// Usual paths of applications keep working. They reach the application unchanged for a visitor who meets the
// requirements, and are refused as usual for others.
func TestPathsOfApplicationsAreLeftAlone(t *testing.T) {
	t.Parallel()
	eachFront(t, func(t *testing.T, f *front) {
		app := new(echo)
		f.w.app.Config.Handler = app
		ada := bearing(f.w.token())
		eve := bearing(f.w.StackToken(standin.TokenSpec{Subject: f.w.AddUser(standin.User{Name: "Eve", Email: "eve@example.org"}).ID}))
		for _, target := range []string{
			"/", "/?", "/x", "/x/", "/x/y.html", "/accounts", "/accounts/x", "/accounting", "/account-settings", "/account_x", "/account2/x", "/x/account/", "/my/Account",
			"/.well-known/openid-configuration", "/a..b/c", "/.../x", "/x/.hidden", "/v1.2/x", "/caf%C3%A9", "/caf%c3%a9/x", "/a%20b", "/100%25", "/100%25/x", "/50%25-off", "/5%25%20off", "/100%25%C3%A9", "/5%25%3A", "/%25", "/%25%25", "/%25x", "/%25%2b", "/%E0%A4%85", "/%F0%9F%98%80", "/%C2%A0x", "/~user", "/%7Euser",
			"/@user/x", "/a+b", "/a,b", "/a:b", "/a=b", "/a&b", "/(x)", "/a!b", "/a*b", "/a'b", "/$x", "/a%26b", "/a%3Db", "/a%3Fb", "/a%2Bb", "/%E8%AA%9E", "/login/x", "/Login",
			"/x?y=1&z=2", "/x?path=/account/", "/x?u=https://evil.example//x", "/x?y=../a;b", "/x?y=%2f%2e%2e%25%00", "/x?y=a%5cb&z=%23", "/x?", "/x??",
		} {
			g := f.get(t, target, eve)
			if got := app.taken(); g.StatusCode != http.StatusOK || !slices.Equal(got, []string{target}) {
				t.Errorf("%q: %s, and the application got %q", target, g.Status, got)
			}
		}
		for _, target := range []string{"/account/", "/account", "/account/x?y=1;2", "/account/a%20b", "/Account/x", "/account?x", "/account.json", "/%61ccount/x"} {
			g := f.get(t, target, ada)
			if got := app.taken(); g.StatusCode != http.StatusOK || !slices.Equal(got, []string{target}) {
				t.Errorf("%q for somebody who may: %s, and the application got %q", target, g.Status, got)
			}
			if g := f.get(t, target, eve); g.StatusCode != http.StatusForbidden || len(app.taken()) > 0 {
				t.Errorf("%q for somebody who may not: %s", target, g.Status)
			}
		}
	})
}

// Some frameworks route by these headers instead of the path that the web server has checked.
func TestNoHeaderTakesThePlaceOfThePath(t *testing.T) {
	t.Parallel()
	eachFront(t, func(t *testing.T, f *front) {
		good := bearing(f.w.token())
		for _, path := range []string{"/", "/login", "/account/x", "/live/x"} {
			g := f.get(t, path, good, "X-Original-URL: /account/", "X-Rewrite-URL: /account/", "x-original-url: /account/", "X_Original_URL: /account/",
				"X-Original_URL: /account/", "X.Rewrite.URL: /account/", "X-Rewrite_URL: /account/", "X-Rewrite~URL: /account/", "X-Other: 1")
			h := g.seen(t).Header
			if h.Get("X-Other") != "1" {
				t.Errorf("%s: the application saw %v", path, h)
			}
			for name := range h {
				if v := variable(name); v == "HTTP_X_ORIGINAL_URL" || v == "HTTP_X_REWRITE_URL" {
					t.Errorf("%s: the application saw %s", path, name)
				}
			}
		}
	})
}

// Traefik is not run here. This test applies the rule of its stricter router to the decoded path, which is what
// Traefik's rules see.
func TestTraefiksStricterRouterTakesEverySpelling(t *testing.T) {
	t.Parallel()
	found := regexp.MustCompile("PathRegexp\\(`(.*)`\\)").FindStringSubmatch(recipe(t, "traefik/dynamic.yaml"))
	if found == nil {
		t.Fatal("the recipe has no stricter router")
	}
	rule := regexp.MustCompile(found[1])
	for _, spelling := range spellings() {
		before, _, _ := strings.Cut(spelling, "?")
		decoded, err := url.PathUnescape(before)
		if err != nil || !strings.HasPrefix(spelling, "/") {
			continue // the standard library's server, which Traefik uses, refuses it
		}
		for _, r := range readings() {
			if r.takes(spelling) && !rule.MatchString(decoded) {
				t.Errorf("%q would be asked for less, and %s takes it for a page of the account", spelling, r.name)
			}
		}
	}
	for _, other := range []string{"/", "/accounts", "/x/account/", "/a b", "/account-settings", "/.well-known/x"} {
		if rule.MatchString(other) {
			t.Errorf("%q would be asked for more", other)
		}
	}
}
