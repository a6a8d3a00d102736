package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

const (
	defaultTimeout  = 5 * time.Second // what the daemon gives a lookup by itself
	defaultPatience = time.Second
	maxTimeout      = time.Minute
	maxConfig       = 64 << 10
)

// settings are what a reload may change. They are not changed once in use.
type settings struct {
	realm    string
	timeout  time.Duration // for one request
	patience time.Duration // for a restart of the daemon
	places   []place
	show     selection
	vary     []string // the value of Vary: where a token may be
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

// loadSettings reads a configuration file, which may begin with a byte order
// mark, as editors on Windows write it; path "" is the defaults.
func loadSettings(path string) (*settings, error) {
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
		return fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return err
}

func (f *file) settings() (*settings, error) {
	set := &settings{realm: f.Realm}
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
	if set.places, err = places(f.Tokens); err != nil {
		return nil, fmt.Errorf("token_from: %w", err)
	}
	if set.show, err = chosen(f.Fields, f.Claims); err != nil {
		return nil, err
	}
	var names []string
	for _, p := range set.places {
		names = append(names, p.vary()...)
	}
	slices.Sort(names)
	set.vary = []string{strings.Join(slices.Compact(names), ", ")}
	return set, nil
}

func duration(key, text string, otherwise time.Duration) (time.Duration, error) {
	if text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Millisecond || d > maxTimeout {
		return 0, fmt.Errorf("%s: not a duration from 1ms to %s, such as \"5s\"", key, maxTimeout)
	}
	return d, nil
}

// places reads token_from.
func places(names *[]string) ([]place, error) {
	if names == nil {
		names = &[]string{"authorization", "sdk-header", "sdk-cookie"}
	}
	var all []place
	for _, name := range *names {
		p, err := placeOf(name)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, errors.New("names no place, so no request could have a token")
	}
	return all, nil
}

func placeOf(name string) (place, error) {
	switch name {
	case "authorization":
		return place{kind: placeAuthorization}, nil
	case "sdk-header":
		return place{kind: placeSDKHeader}, nil
	case "sdk-cookie":
		return place{kind: placeSDKCookie}, nil
	}
	kind, own, _ := strings.Cut(name, ":")
	switch {
	case !tokenName(own):
	case kind == "header":
		return place{kind: placeHeader, header: http.CanonicalHeaderKey(own)}, nil
	case kind == "cookie":
		return place{kind: placeCookie, cookie: own}, nil
	}
	return place{}, fmt.Errorf(`%s is not "authorization", "sdk-header", "sdk-cookie", "header:NAME" or "cookie:NAME"`, shown(name))
}

// tokenName tells whether s can name a header or a cookie: letters, digits, "-"
// and "_".
func tokenName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r > '~' || r != '-' && !plain(byte(r)) || strings.ContainsRune(".:@", r)
	})
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
