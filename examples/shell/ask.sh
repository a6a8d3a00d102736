#!/bin/sh
# Asks about the token on standard input: sh ask.sh < "${NEONAUTHD_SOCKET%/*}/valid.jwt"
# Prints the daemon's reply. Exit status: 0 accepted, 1 rejected, 3 could not tell.
# The token goes through pipes only, so that no list of processes shows it.
socket=${NEONAUTHD_SOCKET:-/run/neonauthd/neonauthd.sock}
IFS= read -r token || [ -n "$token" ] || exit 3

reply=$(printf 'VERIFY %s\n' "$token" | socat -t 5 - "UNIX-CONNECT:$socket")
printf '%s\n' "$reply"
case $reply in
	OK\ *) exit 0 ;;
	NO\ *) exit 1 ;;
	*) exit 3 ;;
esac
