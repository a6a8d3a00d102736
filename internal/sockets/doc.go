// Package sockets opens the sockets that the programs of this project serve
// on: those that a service manager passed, or new ones in the file system.
package sockets
