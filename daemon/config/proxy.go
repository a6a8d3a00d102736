package config

import (
	"fmt"

	"github.com/neonauthd/neonauthd/daemon/transport"
	"github.com/neonauthd/neonauthd/internal/secretfile"
)

// Proxy is the outgoing proxy of a table: its URL, or the file that holds the URL because
// a password is in it. With the zero value the environment decides.
type Proxy struct {
	transport.Proxy
	// File holds the URL; "" where the table has it.
	File string
}

// Wants is what the text must be.
func (Proxy) Wants() string {
	return transport.Proxy{}.Wants() + `, or the path of a file that holds it`
}

// UnmarshalText reads a proxy's URL, "none", or a path that starts with "/" or "./".
func (p *Proxy) UnmarshalText(text []byte) error {
	if secretfile.IsPath(string(text)) {
		*p = Proxy{File: string(text)}
		return nil
	}
	p.File = ""
	return p.Proxy.UnmarshalText(text)
}

// IsZero reports whether the table says nothing.
func (p *Proxy) IsZero() bool { return p.File == "" && p.Proxy.IsZero() }

// Read returns the proxy itself, from its file if it has one. A relative path starts in
// dir. The error holds no part of the file's contents.
func (p *Proxy) Read(dir string) (transport.Proxy, error) {
	if p.File == "" {
		return p.Proxy, nil
	}
	file := secretfile.Secret{What: "upstream_proxy", Name: p.File}
	text, err := file.Read(dir)
	if err != nil {
		return transport.Proxy{}, err
	}
	proxy, err := transport.ParseProxy(string(text))
	if err != nil {
		return transport.Proxy{}, fmt.Errorf("upstream_proxy: %s: %w", file.Path(dir), err)
	}
	return proxy, nil
}
