package authrequest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/neonauthd/neonauthd/client/httpauth"
)

const (
	defaultTimeout  = 5 * time.Second // what the daemon gives a lookup by itself
	defaultPatience = time.Second
	maxConfig       = 64 << 10
)

// MaxTimeout is the longest time that a configuration file can give a request.
const MaxTimeout = time.Minute

// Settings are what a configuration file says. They are not changed once in use.
type Settings struct {
	realm    string
	timeout  time.Duration    // for one request
	patience time.Duration    // for a restart of the daemon
	tokens   *httpauth.Search // where a token may be
	show     selection
}

// file is the configuration file. Absent keys have their defaults.
type file struct {
	Realm    string    `toml:"realm"`
	Timeout  string    `toml:"timeout"`
	Patience string    `toml:"restart_patience"`
	Tokens   *[]string `toml:"token_from"`
	Fields   *[]string `toml:"fields"`
	Claims   *[]string `toml:"claims"`
}

// Load reads a configuration file, which may begin with a byte order
// mark, as editors on Windows write it; path "" is the defaults.
func Load(path string) (*Settings, error) {
	var f file
	if path != "" {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if info.Size() > maxConfig {
			return nil, fmt.Errorf("%s: longer than %d bytes", path, maxConfig)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		decoder := toml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff")))).DisallowUnknownFields()
		if err := decoder.Decode(&f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, placed(err))
		}
	}
	set, err := f.settings()
	if err != nil && path != "" {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return set, err
}

// placed adds line and column to an error of the parser.
func placed(err error) error {
	var missing *toml.StrictMissingError
	if errors.As(err, &missing) && len(missing.Errors) > 0 {
		line, column := missing.Errors[0].Position()
		return fmt.Errorf("line %d, column %d: there is no key %s", line, column, strings.Join(missing.Errors[0].Key(), "."))
	}
	var at *toml.DecodeError
	if errors.As(err, &at) {
		line, column := at.Position()
		if kind := rightKind(at.Key()); kind != "" && strings.HasPrefix(at.Error(), "toml: cannot decode") {
			// The parser's words for it are the names of our types.
			return fmt.Errorf("line %d, column %d: %s: has to be %s", line, column, at.Key()[0], kind)
		}
		return fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return err
}

// rightKind says what the value of a key has to be.
func rightKind(key toml.Key) string {
	switch strings.Join(key, ".") {
	case "realm":
		return "a text in quotes"
	case "timeout", "restart_patience":
		return `a duration in quotes, such as "5s"`
	case "token_from":
		return `a list of texts, such as ["authorization", "sdk-header"]`
	case "fields":
		return `a list of texts, such as ["email", "name"]`
	case "claims":
		return `a list of texts, such as ["role"]`
	}
	return ""
}

func (f *file) settings() (*Settings, error) {
	set := &Settings{realm: f.Realm}
	if !plainText(f.Realm) {
		return nil, errors.New("realm: only visible ASCII and blanks, without quotes and backslashes")
	}
	var err error
	if set.timeout, err = duration("timeout", f.Timeout, defaultTimeout); err != nil {
		return nil, err
	}
	if set.patience, err = duration("restart_patience", f.Patience, defaultPatience); err != nil {
		return nil, err
	}
	if set.tokens, err = search(f.Tokens); err != nil {
		return nil, fmt.Errorf("token_from: %w", err)
	}
	if set.show, err = chosen(f.Fields, f.Claims); err != nil {
		return nil, err
	}
	return set, nil
}

func duration(key, text string, otherwise time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Millisecond || d > MaxTimeout {
		return 0, fmt.Errorf("%s: not a duration from 1ms to %s, such as \"5s\"", key, MaxTimeout)
	}
	return d, nil
}

// search reads token_from. What it names replaces the default: a proxy that is
// to look in one place only can say so.
func search(names *[]string) (*httpauth.Search, error) {
	if names == nil {
		return httpauth.NewSearch(append(httpauth.Headers(), httpauth.SDKCookies, httpauth.SessionCookie)...)
	}
	var places []httpauth.Place
	for _, name := range *names {
		places = append(places, httpauth.Place(name))
	}
	return httpauth.NewSearch(places...)
}

// chosen reads fields and claims.
func chosen(fields, claims *[]string) (selection, error) {
	var s selection
	if claims != nil {
		s.claims = append([]string{}, *claims...)
	}
	names := fieldNames()
	if fields == nil {
		for i := range s.fields {
			s.fields[i] = true
		}
		return s, nil
	}
	for _, want := range *fields {
		i := slices.IndexFunc(names[:], func(name string) bool { return shortName(name) == want })
		if i < 0 {
			return s, fmt.Errorf("fields: there is no %s; there are %s", shown(want), shortNames(names[:]))
		}
		s.fields[i] = true
	}
	return s, nil
}

func shortName(header string) string { return strings.ToLower(strings.TrimPrefix(header, "X-Auth-")) }

func shortNames(headers []string) string {
	var all []string
	for _, h := range headers {
		all = append(all, shortName(h))
	}
	return strings.Join(all, ", ")
}

func plainText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
}
