"""The client under what replaces Python's threads and forks without asking it: `go test ./client -run Servers`."""
