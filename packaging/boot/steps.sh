#!/usr/bin/env bash
# The steps of the boot test, run as root inside the booted system. Usage: steps.sh first|second. There are two boots: in
# the first the package comes, in the second it is there already, and goes. Each step is a function; what it prints is shown
# when it fails, and what it tells (`tell`) always.
set -uo pipefail
cd /boot-test || exit 1

socket=/run/neonauthd/neonauthd.sock
upstream=http://127.0.0.1:4000
units=(neonauthd.service neonauthd.socket neonauthd-admin.socket)
failures=0

tell() { echo "$*" >>told; }

# step TITLE FUNCTION: in a shell of its own that ends at the first command that fails.
step() {
	local number began took status
	number=$(($(cat number 2>/dev/null || echo 0) + 1))
	echo "$number" >number
	: >told
	began=$(date +%s%N)
	(
		set -eE
		trap 'echo "line $LINENO failed: $BASH_COMMAND"' ERR
		"$2"
	) >output 2>&1
	status=$?
	took=$((($(date +%s%N) - began) / 100000000))
	if [ "$status" = 0 ]; then
		printf 'PASS %2d  %s (%d.%d s)\n' "$number" "$1" $((took / 10)) $((took % 10))
	else
		printf 'FAIL %2d  %s (%d.%d s)\n' "$number" "$1" $((took / 10)) $((took % 10))
		failures=$((failures + 1))
		tail -n 25 output | sed 's/^/         | /'
		journalctl --no-pager -q -o short-precise --since "@$((began / 1000000000))" -u 'neonauth*' | tail -n 25 | sed 's/^/         journal | /'
	fi
	sed 's/^/         /' told
	return "$status"
}

# --- What the steps are made of.

fails() { ! "$@"; }

# within SECONDS COMMAND...: runs the command until it succeeds.
within() {
	local end=$(($(date +%s%N) + $1 * 1000000000))
	shift
	until "$@"; do
		[ "$(date +%s%N)" -lt "$end" ] || { echo "not in time: $*"; return 1; }
		sleep 0.05
	done
}

property() { systemctl show --value -p "$2" "$1"; }
main_pid() { property neonauthd.service MainPID; }
say() { ./load -socket "$socket" -say "$1"; }
as() { # USER COMMAND...
	local user=$1
	shift
	setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups --no-new-privs "$@"
}

# control PATH JSON: sends a command to the upstream.
control() { curl -sS --fail -d "$2" "$upstream/_standin/$1"; }
member() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d'"' -f4; }

start_upstream() {
	systemd-run --quiet --unit=upstream /boot-test/upstream standin
	within 60 curl -s --fail -o calls "$upstream/_standin/calls"
	curl -sS --fail "$upstream/_standin/config?preset=stack" >wanted
	sed -n "s/^# printf %s '\([^']*\)'.*/\1/p" wanted >server-key
	grep -q ^ssk_ server-key
	questions
}

# questions writes the requests of the load with their expected answers.
questions() {
	local name user
	: >questions
	for name in ada bob eve; do
		user=$(control users "{\"email\":\"$name@boot.example\",\"name\":\"$name\",\"email_verified\":true}" | member id)
		echo "OK $user $(control tokens "{\"preset\":\"stack\",\"user\":\"$user\",\"lifetime\":\"1h\"}" | member token)" >>questions
	done
	echo "NO bad-signature $(control tokens '{"preset":"stack","forged":true}' | member token)" >>questions
	echo "NO expired $(control tokens '{"preset":"stack","lifetime":"-1m"}' | member token)" >>questions
	read -r _ user token <questions
	echo "$user" >user
	echo "$token" >token
	[ -s user ] && [ -s token ]
}

# configure edits the shipped file as its comments say.
configure() {
	sed -i -e '/^# Neon Auth on Stack Auth/,/^$/ s/^#\([^ ]\)/\1/' \
		-e "s|^#*project_id = .*|$(grep ^project_id wanted)|" -e "/^# Neon Auth on Stack Auth/,/^$/ s|^#*base_url = .*|base_url = \"$upstream\"|" /etc/neonauthd/neonauthd.toml
	install -d -m 0700 /etc/credstore
	install -m 0400 /dev/stdin /etc/credstore/neonauthd.server-key <server-key
}

# under_load COMMAND...: asks the questions of a file while the command runs, and sets $counts to the counted answers.
asked=questions
under_load() {
	./load -socket "$socket" "$asked" >counts &
	local load=$!
	sleep 1
	"$@"
	sleep 1
	kill "$load"
	wait "$load"
	counts=$(head -n 1 counts)
	tell "$counts"
	tail -n +2 counts
}

count() { grep -o "\\b$1=[0-9]*" <<<"$counts" | cut -d= -f2; }
none() { # NAME...: of each the load has counted none
	for name in "$@"; do
		[ "$(count "$name")" = 0 ] || { echo "$name: $(count "$name")"; return 1; }
	done
	[ "$(count right)" -gt 500 ] || { echo "only $(count right) right answers: this has shown nothing"; return 1; }
}

# --- Steps of both boots.

quiet_journal() {
	journalctl -q --no-pager -b >journal
	fails grep -qF -e "$(cat server-key)" -e "$(cat webhook-secret 2>/dev/null || cat server-key)" -e "$(cut -d. -f3 token)" -e 'ada@boot.example' -e 'eve@boot.example' journal
	fails grep -E 'panic|SIGSEGV|fatal error|Unknown (key|lvalue)|Failed to parse' journal
	journalctl -q --no-pager -b -p warning -u 'neonauth*' -o cat | sort | uniq -c | sort -rn | head -n 8 | tee warnings
	tell "warnings: $(cat warnings)"
}

# list_everything: files, owners and accounts; without what every system changes by itself.
list_everything() {
	find / -xdev \( -path /boot-test -o -path /var/lib/dpkg -o -path /var/log -o -path /var/lib/systemd -o -path /tmp -o -path /var/tmp \
		-o -path /var/cache -o -path /root -o -path /etc/.pwd.lock -o -path '/etc/*-' -o -path /var/lib/nginx \) -prune -o -printf '%M %u:%g %p\n'
	find /run /var/log -xdev -path '*neonauth*' -not -path '/var/log/journal/*'
	cat /etc/passwd /etc/group /etc/shadow /etc/gshadow
}

# shellcheck source=packaging/boot/first.sh
. ./first.sh
# shellcheck source=packaging/boot/second.sh
. ./second.sh

# must is step for what the rest of a boot needs. With "step ... || exit" bash would go on within the step when one
# of its commands fails.
must() {
	local before=$failures
	step "$@"
	[ "$failures" = "$before" ] || exit 1
}

systemctl is-system-running --wait >state || true
echo "         $1 boot: Debian $(cat /etc/debian_version), $(systemctl --version | head -n 1), $(cat state)"
case $1 in
first)
	must "installed on a clean root, nothing started" installed
	step "unconfigured, it says what to do, fails at once and restarts slowly" unconfigured
	must "configured as the shipped comments say" configured
	must "first start through the socket" cold
	step "the server key is the daemon's alone" credential
	step "the daemon owns its state and nothing else" belongings
	step "the units are exposed as little as they claim" exposure
	step "groups decide who may ask and who may administer" callers
	must "rules by user need the drop-in, and hold with it" caller_rules
	step "metrics, when their socket is enabled, and profiles, when they are asked for" metrics
	step "an access log in a folder of its own, rotated by a reload, and in the journal" access_log
	step "reload keeps connections, a wrong file changes nothing" reload
	step "restart, five times under load" restart
	step "restart under load while the upstream fails" outage
	step "kill -9, twenty times under load" killed
	step "the watchdog ends a frozen daemon" frozen
	step "upgrade under load" upgraded
	step "the journal holds no secret and no fault" quiet_journal
	;;
second)
	step "answers after a boot without an upstream" booted
	must "the helper answers a real nginx" behind_nginx
	step "nginx: restarts are not seen, no daemon is 503" nginx_through_restarts
	step "the helper owns nothing" helper_belongings
	step "a misspelt flag slows restarts, a panic does not" unready
	must "webhooks are followed as the guide sets it up" hooks_as_the_guide_says
	step "the taker of webhooks owns nothing and shows nobody its secret" hooks_belongings
	step "webhooks through a restart and without the daemon" hooks_restart
	step "systemctl stop, and start again" stopped
	step "the journal holds no secret and no fault" quiet_journal
	step "a removal that is called off leaves all units as they were" removal_aborted
	step "purge leaves nothing" purged
	;;
esac
[ "$failures" = 0 ] && : >"passed.$1"
