package credential

import (
	"fmt"
	"strings"
)

// wrapper finds a wrapper around a token, and returns the text within it. The finding is
// empty if there is no wrapper.
func wrapper(text string) (f Finding, inner string) {
	for _, one := range []func(string) (Finding, string){quotes, header, scheme, assignment} {
		if f, inner = one(text); f.Is != "" {
			return f, inner
		}
	}
	return Finding{}, text
}

// quoteMarks begin and end a quotation, also those that a text processor makes.
const quoteMarks = "\"'`\u2018\u2019\u201c\u201d"

// quotes finds quotes around a token, as "jq .token" writes them.
func quotes(text string) (Finding, string) {
	inner := strings.Trim(text, quoteMarks)
	switch begin, end := strings.HasPrefix(text, inner), strings.HasSuffix(text, inner); {
	case inner == text, inner == "", strings.ContainsAny(text[:1], "{["): // JSON has quotes of its own
		return Finding{}, text
	case begin || end:
		return Finding{Is: "it has a quote on one side", Next: "leave the quote out, and see that no part of the token is missing"}, inner
	}
	return Finding{Is: "it is in quotes", Next: "leave the quotes out (jq -r writes none)"}, inner
}

// header finds an HTTP header that can have a token.
func header(text string) (Finding, string) {
	name, value, found := strings.Cut(text, ":")
	if !found {
		return Finding{}, text
	}
	for _, known := range []string{
		"Authorization", "Cookie", "Set-Cookie", "X-Stack-Access-Token", "X-Hexclave-Access-Token", "X-Stack-Auth", "X-Stack-Refresh-Token",
		"X-Stack-Secret-Server-Key", "X-Stack-Publishable-Client-Key", "X-Stack-Super-Secret-Admin-Key", "Set-Auth-Jwt", "Set-Auth-Token",
	} {
		if strings.EqualFold(name, known) {
			return Finding{Is: "it is the header " + known, Next: "give the token in it, without the header's name and the colon"}, value
		}
	}
	return Finding{}, text
}

// scheme finds the scheme of an Authorization header.
func scheme(text string) (Finding, string) {
	first, rest, blank := strings.Cut(text, " ")
	for _, known := range []string{"Bearer", "DPoP", "Basic", "Token"} {
		if strings.EqualFold(first, known) && (blank || known == "Bearer") {
			return Finding{Is: "it begins with " + known, Next: "leave " + known + " and the blank out: only what is behind is the token"}, rest
		}
	}
	return Finding{}, text
}

// assignment finds a token after the name of a variable or a parameter, as in a settings
// file or a URL. It does not look at cookies.
func assignment(text string) (Finding, string) {
	name, value, found := strings.Cut(strings.TrimPrefix(text, "export "), "=")
	if !found || name == "" || strings.Trim(value, "=") == "" || len(name) > maxName || cookieKind(name) != "" {
		return Finding{}, text
	}
	if strings.Trim(name, nameBytes) != "" || !strings.ContainsAny(name[:1], letters+"_") {
		return Finding{}, text
	}
	if !strings.HasPrefix(strings.Trim(value, quoteMarks), "eyJ") {
		return Finding{}, text
	}
	return Finding{Is: fmt.Sprintf("it begins with a name of %d characters and \"=\"", len(name)), Next: "give what is behind the \"=\" alone"}, value
}

const (
	letters   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	digits    = "0123456789"
	nameBytes = letters + digits + "_-."
	maxName   = 64
)
