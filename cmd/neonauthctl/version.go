package main

// Set at link time, see the Makefile; nothing else writes them.
var (
	release = "dev"
	commit  = ""
)
