#!/bin/sh
# Runs after an installation and after an upgrade. dpkg passes "configure" and the version that was configured before, if
# any; rpm passes the number of installed versions.
set -e

case "$1" in
configure) if [ -n "$2" ]; then upgrade=yes; else upgrade=no; fi ;;
abort-remove)
	if { read -r enabled && read -r active; } 2>/dev/null </run/neonauthd.disabled; then
		rm /run/neonauthd.disabled
		# shellcheck disable=SC2086 # lists of units
		[ -z "$enabled" ] || systemctl enable $enabled || true
		# shellcheck disable=SC2086
		[ -z "$active" ] || systemctl start $active || true
	fi
	exit 0
	;;
abort-*) exit 0 ;;
1) upgrade=no ;;
*) upgrade=yes ;;
esac

# Make users and folders, also if systemd is installed but not running, as in a container image that is being built.
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers neonauthd.conf
fi
if command -v systemd-tmpfiles >/dev/null; then
	systemd-tmpfiles --create neonauthd.conf || true
fi

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if [ "$upgrade" = yes ]; then
		# The sockets stay open, so callers wait for the new version instead of being refused.
		systemctl try-restart neonauthd.service neonauth-http.service neonauth-http-hooks.service || true
	fi
fi

if [ "$upgrade" = no ]; then
	cat <<-'TEXT'

		neonauthd is installed. It is not configured, so nothing was started. Next:

		  1. uncomment one [[project]] in /etc/neonauthd/neonauthd.toml
		  2. neonauthd --check
		  3. systemctl enable --now neonauthd
		  4. neonauthctl verify <TOKEN-FILE    as root, to see it work
		  5. usermod -aG neonauthd USER        for each user whose programs may ask; then restart those programs

		Behind a web server: neonauth-http(8). More: neonauthd(8), /usr/share/doc/neonauthd/docs/operating.md
		To try it without configuring anything: neonauthd demo

	TEXT
fi
