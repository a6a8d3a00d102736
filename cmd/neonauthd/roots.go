//go:build image

package main

// An image holds nothing but the programs: they bring the certificates of the
// authorities themselves, for where the system has none.
import _ "golang.org/x/crypto/x509roots/fallback"
