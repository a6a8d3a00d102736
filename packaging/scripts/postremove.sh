#!/bin/sh
# Runs after removal. Configuration and state stay until dpkg is told to purge. rpm has no purge and keeps them.
set -e

case "$1" in
remove | 0)
	for folder in /run/neonauthd /run/neonauth-http /run/neonauth-http-hooks; do # what the units note about their starts
		rm -f "$folder/refused" "$folder/started"
		rmdir "$folder" 2>/dev/null || true
	done
	rm -f /run/neonauthd.disabled
	;;
purge)
	rm -rf /etc/neonauthd /var/lib/neonauthd
	# The folders of access logs, which operators make with LogsDirectory=. That of a dynamic user is in private, behind a link.
	rm -rf /var/log/neonauthd /var/log/neonauth-http /var/log/private/neonauth-http || true # one of them may be a mount
	for credential in server-key introspection-secret fleet-key fleet-password webhook-secret access-log-key; do
		rm -f "/etc/credstore/neonauthd.$credential"
	done
	for unit in neonauthd.service neonauthd.socket neonauthd-admin.socket neonauthd-metrics.socket \
		neonauth-http.service neonauth-http.socket neonauth-http-status.socket neonauth-http-logout.socket \
		neonauth-http-hooks.service neonauth-http-hooks.socket neonauth-http-hooks-status.socket; do
		rm -rf "/etc/systemd/system/$unit.d"
	done
	if getent passwd neonauthd >/dev/null; then
		userdel neonauthd || true
	fi
	for group in neonauthd neonauthd-admin neonauth-http; do
		if getent group "$group" >/dev/null; then
			groupdel "$group" || true
		fi
	done
	;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
