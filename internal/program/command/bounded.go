package command

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/neonauthd/neonauthd/internal/span"
)

// Number adds a flag for a whole number from least to most. The default is what n is
// now, also out of these bounds. shorthand may be "".
func Number(flags *pflag.FlagSet, n *int, name, shorthand string, least, most int, usage string) {
	flags.VarP(&number{n, least, most}, name, shorthand, usage)
}

type number struct {
	n           *int
	least, most int
}

func (n *number) String() string {
	if n.n == nil { // package flag asks a zero value for its default
		return "0"
	}
	return strconv.Itoa(*n.n)
}

func (n *number) Type() string { return "int" }

func (n *number) Set(text string) error {
	value, err := strconv.Atoi(text)
	if err != nil || value < n.least || value > n.most {
		return ownWords(fmt.Sprintf("must be a whole number from %d to %d", n.least, n.most))
	}
	*n.n = value
	return nil
}

// Duration adds a flag for a duration from least to most, as people write it; see
// package span. The default is what d is now, also out of these bounds. shorthand may
// be "".
func Duration(flags *pflag.FlagSet, d *time.Duration, name, shorthand string, least, most time.Duration, usage string) {
	flags.VarP(&duration{d, least, most}, name, shorthand, usage)
}

type duration struct {
	d           *time.Duration
	least, most time.Duration
}

func (d *duration) String() string {
	if d.d == nil || *d.d == 0 { // pflag shows no default for "0"
		return "0"
	}
	return span.String(*d.d)
}

func (d *duration) Type() string { return "duration" }

func (d *duration) Set(text string) error {
	value, err := span.Parse(text)
	if err != nil {
		return err
	}
	if value < d.least || value > d.most {
		return ownWords("must be from " + span.String(d.least) + " to " + span.String(d.most))
	}
	*d.d = value
	return nil
}

// Listen adds a flag for the address of a listener, unix:PATH or HOST:PORT on loopback.
// example is an address. "" is no address, and is accepted.
func Listen(flags *pflag.FlagSet, address *string, name, example, usage string) {
	Text(flags, address, name, usage, func(text string) string {
		path, unix := strings.CutPrefix(text, "unix:")
		switch {
		case text == "":
			return ""
		case unix && path == "":
			return "lacks the path behind unix:"
		case unix:
			if err := CheckPath(path); err != nil {
				return "must have a path behind unix:, and " + err.Error()
			}
			return ""
		}
		if fault := portFault(text); fault != "" {
			return fault
		}
		if !onLoopback(text) {
			return "is neither unix:PATH nor a loopback address such as " + example
		}
		return ""
	})
}

// Loopback adds a flag for HOST:PORT on loopback. The default is what address is now.
// example is an address, and why says in a few words why others are refused.
func Loopback(flags *pflag.FlagSet, address *string, name, example, why, usage string) {
	Text(flags, address, name, usage, func(text string) string {
		if fault := portFault(text); fault != "" {
			return fault
		}
		if !onLoopback(text) {
			return "must be a loopback address such as " + example + ": " + why
		}
		return ""
	})
}

func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

// portFault returns what is wrong with the port of a loopback address; "" if nothing is,
// or if it is no such address.
func portFault(address string) string {
	_, port, _ := net.SplitHostPort(address)
	if _, err := strconv.ParseUint(port, 10, 16); err != nil && onLoopback(address) {
		return "must have a port from 0 to 65535"
	}
	return ""
}
