package main

// Set at link time, see the Makefile. They are variables because the linker
// sets no constants; nothing else writes them.
var (
	release = "dev"
	commit  = ""
)
