package credential

import (
	"regexp"
	"strings"
	"sync"
)

// forms match credentials that can be recognised by their form, anywhere in a text. A token or a key must be at the
// beginning of a word, so that no random id contains one. An id of 32 letters and digits may begin with eyJ, and a
// thumbprint of 43 characters with sk_. A token therefore needs a dot or a length, and a key a greater length.
const forms = `(?:^|[^A-Za-z0-9_-])(?:` +
	`eyJ[A-Za-z0-9_-]{12,}\.[A-Za-z0-9_-]` + // a token, or the beginning of one
	`|eyJ[A-Za-z0-9+/_-]{62}` + // a JSON object in base64: the SDK's envelope without its prefix
	`|(?:ssk|sak|pck|wrt|napi|npg|whsec|stackauth|hexclave)_[A-Za-z0-9]` +
	`|[sp]k_[A-Za-z0-9_]{41}` +
	`|postgres(?:ql)?://)` +
	`|` + apiKeyMark +
	`|[A-Za-z0-9_-]+\.[A-Za-z0-9+/%]{43,}(?:=|%3[Dd])` + // a session credential of Better Auth
	`|-----BEGIN` +
	`|^(?i:bearer|dpop) +\S{16}`

// anyForm is compiled at its first use, because most processes never need it, and only once,
// because everybody who may ask the daemon can have it look.
//
//nolint:gochecknoglobals // a constant that cannot be written as one
var anyForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(forms) })

// Contains reports whether text contains something in the form of a token, a key, a session cookie or a header with one
// of these. Such a text is neither an id nor a remark for people. A credential without a form of its own, such as 32
// letters and digits, cannot be told from an id. For the ids that issuers give to users, sessions and keys Contains
// returns false.
func Contains(text string) bool {
	text = Trim([]byte(text))
	if anyForm().MatchString(text) {
		return true
	}
	first, rest, _ := strings.Cut(text, ".") // a token whose header does not begin as usual
	return strings.Count(rest, ".") == 1 && members(first) != nil
}
