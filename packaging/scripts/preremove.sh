#!/bin/sh
# Runs before removal, and before an upgrade replaces the files. In an upgrade the old version keeps answering until the new
# one is installed. dpkg passes "remove" or "upgrade"; rpm passes the number of versions that stay.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

units="neonauthd.socket neonauthd-admin.socket neonauthd-metrics.socket neonauthd.service
	neonauth-http.socket neonauth-http-status.socket neonauth-http-logout.socket neonauth-http.service
	neonauth-http-hooks.socket neonauth-http-hooks-status.socket neonauth-http-hooks.service"

# dpkg may call the removal off after this; postinstall.sh then undoes it. The first line has the units that are enabled, the
# second those that run.
if command -v systemctl >/dev/null; then
	enabled='' active=''
	for unit in $units; do
		if [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = enabled ]; then enabled="$enabled $unit"; fi
		if systemctl --quiet is-active "$unit" 2>/dev/null; then active="$active $unit"; fi
	done
	printf '%s\n%s\n' "$enabled" "$active" >/run/neonauthd.disabled || true
fi

if [ -d /run/systemd/system ]; then
	# shellcheck disable=SC2086 # a list of units
	systemctl disable --now $units || true
elif command -v systemctl >/dev/null; then
	# shellcheck disable=SC2086 # a list of units
	systemctl disable $units || true
fi
