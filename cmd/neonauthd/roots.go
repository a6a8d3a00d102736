//go:build image

package main

// An image contains only the programs. So they bring the certificates of the
// authorities themselves, for systems without any.
import _ "golang.org/x/crypto/x509roots/fallback"
