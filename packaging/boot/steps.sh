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
		journalctl --no-pager -q -o short-precise -n 25 --since "@$((began / 1000000000))" -u 'neonauth*' | sed 's/^/         journal | /'
	fi
	sed 's/^/         /' told
	return "$status"
}

# --- What the steps are made of.

fails() { ! "$@"; }

# within SECONDS COMMAND...: until it succeeds.
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

# control PATH JSON: orders to the upstream.
control() { curl -sS --fail -d "$2" "$upstream/_standin/$1"; }
member() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d'"' -f4; }

start_upstream() {
	systemd-run --quiet --unit=upstream /boot-test/upstream standin
	within 10 curl -s --fail -o calls "$upstream/_standin/calls"
	curl -sS --fail "$upstream/_standin/config?preset=stack" >wanted
	sed -n "s/^# printf %s '\([^']*\)'.*/\1/p" wanted >server-key
	grep -q ^ssk_ server-key
	questions
}

# questions writes what the load asks, and has answered.
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

# configure does what the comments of the shipped file say.
configure() {
	sed -i -e '/^# Neon Auth on Stack Auth/,/^$/ s/^#\([^ ]\)/\1/' \
		-e "s|^project_id = .*|$(grep ^project_id wanted)\\nbase_url = \"$upstream\"|" /etc/neonauthd/neonauthd.toml
	install -d -m 0700 /etc/credstore
	install -m 0400 /dev/stdin /etc/credstore/neonauthd.server-key <server-key
}

# under_load COMMAND...: while it runs questions are asked, and $counts is what came of them.
under_load() {
	./load -socket "$socket" questions >counts &
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

# --- First boot.

installed() {
	list_everything >before
	dpkg -i this.deb | tee output.dpkg
	grep -q 'systemctl enable --now neonauthd' output.dpkg
	for unit in "${units[@]}" neonauth-http.service neonauth-http.socket; do
		fails systemctl is-active --quiet "$unit"
		fails systemctl is-enabled --quiet "$unit"
	done
	dpkg -L neonauthd | xargs stat -c '%U:%G %a %n' >modes
	fails grep -Ev '^root:root (755|644) ' modes
	tell "$(neonauthd --version | tr '\n' ' ')"
}

unconfigured() {
	fails systemctl start neonauthd
	sleep 3
	[ "$(property neonauthd.service ExecMainStatus)" = 78 ]
	[ "$(property neonauthd.service NRestarts)" -le 1 ]
	journalctl -q -u neonauthd -o cat >said
	grep '\[\[project\]\]' said | sort -u | tee -a told
	systemctl stop "${units[@]}"
}

configured() {
	start_upstream
	configure
	neonauthd --check | tee output.check
	systemctl enable "${units[@]}"
}

cold() {
	systemctl start neonauthd.socket neonauthd-admin.socket
	fails systemctl is-active --quiet neonauthd.service
	say "VERIFY $(cat token)" >reply
	grep -q " OK level=claims .*sub=$(cat user)" reply
	tell "connect to first answer, nothing running, no keys saved: $(cut -d: -f1 reply)"
	say "PROFILE $(cat token)" >reply
	grep -q " OK level=profile .*sub=$(cat user)" reply
	tell "first profile: $(cut -d: -f1 reply)"
	within 10 systemctl is-active --quiet neonauthd.service
	systemctl stop neonauthd.service
	say "VERIFY $(cat token)" >reply
	grep -q ' OK ' reply
	tell "connect to first answer, nothing running, keys saved: $(cut -d: -f1 reply)"
	tell "status: $(property neonauthd.service StatusText); memory: $(awk '/^VmRSS:/ { print $2, $3 }' "/proc/$(main_pid)/status")"
}

credential() {
	local pid key file
	pid=$(main_pid) key=$(cat server-key) file=/run/credentials/neonauthd.service/server-key
	cmp "$file" server-key
	for user in nobody www-data; do
		fails as "$user" cat "$file"
		fails as "$user" cat /etc/credstore/neonauthd.server-key
	done
	as neonauthd test -r "$file"
	fails as neonauthd test -r /etc/credstore/neonauthd.server-key
	fails grep -qaF "$key" "/proc/$pid/environ" "/proc/$pid/cmdline"
	grep -rlF "$key" /etc /run /var /tmp >keepers 2>/dev/null || true
	diff -u <(printf '%s\n' /etc/credstore/neonauthd.server-key "$file") <(sort keepers)
	stat -c 'the credential is %U:%G %a' "$file" | tee -a told
}

belongings() {
	local pid
	pid=$(main_pid)
	[ "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")" = "$(id -u neonauthd)" ]
	grep -Eq '^CapEff:[[:space:]]*0+$' "/proc/$pid/status"
	grep -Eq '^NoNewPrivs:[[:space:]]*1$' "/proc/$pid/status"
	grep -Eq '^Seccomp:[[:space:]]*2$' "/proc/$pid/status"
	awk '$5 == "/" { print $6 }' "/proc/$pid/mountinfo" | tail -n 1 | grep -q '^ro,'
	find / /run /dev/shm -xdev -path /run/credentials -prune -o \( -user neonauthd -o -group neonauthd -o -group neonauthd-admin -o -group neonauth-http \) \
		-printf '%M %u:%g %p\n' | sort -u | sort -k3 | tee owned
	tell "$(cat owned)"
	fails grep -Ev ' (neonauthd:neonauthd /var/lib/neonauthd(/.*)?|root:neonauthd(-admin)? /run/neonauthd/[a-z]*\.sock)$' owned
	[ "$(stat -c '%U:%G %a' /var/lib/neonauthd)" = 'neonauthd:neonauthd 700' ]
	[ -z "$(find / /run /dev/shm -xdev \( -nouser -o -nogroup \))" ]
}

callers() {
	useradd --system application
	fails as application ./load -say PING
	usermod -aG neonauthd application
	as application ./load -say PING | grep -q ': OK$'
	as application ./load -say 'PURGE all' | grep -q ': ERR forbidden'
	fails as application ./load -socket /run/neonauthd/admin.sock -say STATS
	usermod -aG neonauthd-admin application
	as application ./load -socket /run/neonauthd/admin.sock -say STATS | grep -q ': OK'
	userdel application
}

in_flight() { say 'HELLO 1 boot' | grep -q " in-flight=$1 "; }
reload_failed() { [[ $(property neonauthd.service StatusText) == *fail* ]]; }
reload() {
	local pid
	pid=$(main_pid)
	in_flight 256
	sed -i 's/^#in_flight_per_connection = .*/in_flight_per_connection = 77/' /etc/neonauthd/neonauthd.toml
	under_load eval 'systemctl reload neonauthd; within 5 in_flight 77'
	none refused wrong unknown unanswered lost-new lost-kept found-closed
	[ "$(main_pid)" = "$pid" ]
	cp /etc/neonauthd/neonauthd.toml good.toml
	echo 'no_such_setting = 1' >>/etc/neonauthd/neonauthd.toml
	systemctl reload neonauthd || true
	within 5 reload_failed
	tell "a wrong file: $(property neonauthd.service StatusText)"
	[ "$(main_pid)" = "$pid" ]
	in_flight 77
	cp good.toml /etc/neonauthd/neonauthd.toml
	systemctl reload neonauthd
	within 5 fails reload_failed
}

restart() {
	under_load eval 'for _ in 1 2 3 4 5; do systemctl restart neonauthd; sleep 0.5; done'
	none refused wrong unknown unanswered lost-new lost-kept
}

outage() {
	control faults '{"endpoint":"any","kind":"reset"}'
	under_load eval 'systemctl restart neonauthd; sleep 2'
	none refused wrong unknown unanswered lost-new lost-kept
	curl -sS --fail -X DELETE "$upstream/_standin/faults"
}

has_process() { [ "$(main_pid)" != 0 ]; }
kill_often() {
	for _ in {1..20}; do
		within 10 has_process
		systemctl kill --signal=KILL --kill-who=main neonauthd
		sleep "0.$((RANDOM % 900 + 100))"
	done
}
killed() {
	local before
	before=$(property neonauthd.service NRestarts)
	under_load kill_often
	none refused wrong unknown unanswered
	[ "$(property neonauthd.service NRestarts)" -ge $((before + 15)) ]
	within 10 say PING
	systemctl is-active --quiet neonauthd.service
}

frozen() {
	local pid began
	pid=$(main_pid) began=$(date +%s%N)
	kill -STOP "$pid"
	within 5 grep -q '^State:[[:space:]]*T' "/proc/$pid/status" # its threads stop one after the other
	say "VERIFY $(cat token)" >reply
	grep -q ' OK ' reply
	[ "$(main_pid)" != "$pid" ]
	journalctl -q -u neonauthd -o short-unix | grep 'Watchdog timeout' | tail -n 1 | tee noticed
	tell "noticed after $(awk -v began="$began" '{ printf "%.1f", $1 - began / 1e9 }' noticed) s, a caller that asked meanwhile was answered after $(cut -d: -f1 reply)"
	[ "$(property neonauthd.service NRestarts)" -gt 0 ]
}

upgraded() {
	local before
	before=$(say 'HELLO 1 boot' | grep -o 'version=[^ ]*')
	cp /etc/neonauthd/neonauthd.toml good.toml
	under_load dpkg -i next.deb
	none refused wrong unknown unanswered lost-new lost-kept
	say 'HELLO 1 boot' | grep -q 'version=[^ ]*+next '
	tell "$before became $(say 'HELLO 1 boot' | grep -o 'version=[^ ]*')"
	cmp good.toml /etc/neonauthd/neonauthd.toml
	for unit in "${units[@]}"; do
		systemctl is-active --quiet "$unit"
		systemctl is-enabled --quiet "$unit"
	done
}

# --- Second boot.

booted() {
	for unit in "${units[@]}"; do systemctl is-active --quiet "$unit"; done
	say "VERIFY $(cat token)" >reply # its upstream is not there
	grep -q " OK level=claims .*sub=$(cat user)" reply
	tell "status: $(property neonauthd.service StatusText)"
}

fetch() { # NAME URL [OPTION...]: the status goes to $code, the body to the file NAME
	local name=$1 url=$2
	shift 2
	: >"$name"
	code=$(curl -s -o "$name" -w '%{http_code}' "$@" "http://127.0.0.1:8080$url" || true)
	echo "$url: $code $(head -c 100 "$name")"
}

let_in() {
	fetch page / -H "Authorization: Bearer $(cat token)"
	[ "$code" = 200 ]
}

behind_nginx() {
	start_upstream # another one: it has keys and a project of its own
	sed -i "s|^project_id = .*|$(grep ^project_id wanted)|" /etc/neonauthd/neonauthd.toml
	install -m 0400 server-key /etc/credstore/neonauthd.server-key
	systemctl restart neonauthd
	systemctl enable --now neonauth-http
	usermod -aG neonauth-http www-data
	install -D -m 0644 -t /etc/nginx/neonauth nginx/neonauth-*.conf
	install -m 0644 nginx/site.conf /etc/nginx/conf.d/site.conf
	cat >/etc/nginx/conf.d/app.conf <<-'CONF'
		server { listen 127.0.0.1:3000; location / { return 200 "user=$http_x_auth_user_id level=$http_x_auth_level\n"; } }
	CONF
	neonauth-http check-nginx /etc/nginx/nginx.conf
	nginx -t
	systemctl restart nginx
	within 10 let_in
	grep -qx "user=$(cat user) level=claims" page
	fetch page /account/ -H "Authorization: Bearer $(cat token)" -H 'X-Auth-User-Id: root'
	[ "$code" = 200 ]
	grep -qx "user=$(cat user) level=profile" page
	fetch page / -H 'X-Auth-User-Id: root'
	[ "$code" = 401 ]
	fetch page / -H "Authorization: Bearer $(awk '/bad-signature/ { print $3 }' questions)"
	[ "$code" = 401 ]
	fetch page /login -H 'X-Auth-User-Id: root'
	[ "$code" = 200 ]
	grep -qx 'user= level=' page
	tell "asked through nginx: 200 with the user's id, 401 without, no identity that the visitor brought"
}

visit() { # COMMAND...: while it runs, pages are fetched; their statuses are counted
	: >codes
	while [ ! -e enough ]; do fetch page / -H "Authorization: Bearer $(cat token)" >>pages && echo "$code" >>codes; done &
	local visitor=$!
	sleep 1
	"$@" || true
	sleep 1
	touch enough
	wait "$visitor"
	rm enough
	tell "$* under load: $(sort codes | uniq -c | awk '{ printf "%s times %s  ", $1, $2 }')"
}
nginx_through_restarts() {
	visit systemctl restart neonauthd neonauth-http
	fails grep -qv 200 codes
	visit systemctl kill -s KILL neonauthd
	fails grep -qv 200 codes
	visit systemctl kill -s KILL neonauth-http
	fails grep -Ev '200|503' codes
	systemctl stop "${units[@]}"
	fetch page / -H "Authorization: Bearer $(cat token)"
	[ "$code" = 503 ]
	fetch page /
	[ "$code" = 401 ] || [ "$code" = 503 ]
	tell "without the daemon: 503"
	systemctl start "${units[@]}"
	within 10 let_in
}

helper_belongings() {
	local pid uid
	pid=$(property neonauth-http.service MainPID)
	uid=$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")
	grep -Eq '^CapEff:[[:space:]]*0+$' "/proc/$pid/status"
	[ "$uid" -ge 61184 ] # a dynamic user
	[ -z "$(find /var/lib/private /var/cache/private /var/log/private -mindepth 1 2>/dev/null)" ]
	find / /run /dev/shm -xdev -uid "$uid" | tee owned
	fails grep -q . owned
}

stopped() {
	say "VERIFY $(cat token)" | grep -q ' OK '
	local began
	began=$(date +%s%N)
	systemctl stop "${units[@]}"
	tell "took $((($(date +%s%N) - began) / 1000000)) ms"
	[ "$(property neonauthd.service Result)" = success ]
	[ "$(property neonauthd.service ExecMainStatus)" = 0 ]
	[ ! -e "$socket" ]
	fails say PING
	fails pgrep -x neonauthd
	systemctl start "${units[@]}"
	say "VERIFY $(cat token)" | grep -q ' OK '
}

quiet_journal() {
	journalctl -q --no-pager -b >journal
	fails grep -qF -e "$(cat server-key)" -e "$(cut -d. -f3 token)" -e 'ada@boot.example' journal
	fails grep -E 'panic|SIGSEGV|fatal error|Unknown (key|lvalue)|Failed to parse' journal
	journalctl -q --no-pager -b -p warning -u 'neonauth*' -o cat | sort | uniq -c | sort -rn | head -n 8 | tee warnings
	tell "warnings: $(cat warnings)"
}

# list_everything: files, owners and accounts; without what every system changes by itself.
list_everything() {
	find / -xdev \( -path /boot-test -o -path /var/lib/dpkg -o -path /var/log -o -path /var/lib/systemd -o -path /tmp -o -path /var/tmp \
		-o -path /var/cache -o -path /root -o -path /etc/.pwd.lock -o -path '/etc/*-' -o -path /var/lib/nginx \) -prune -o -printf '%M %u:%g %p\n'
	find /run -xdev -path '*neonauth*'
	cat /etc/passwd /etc/group /etc/shadow /etc/gshadow
}

purged() {
	systemctl stop nginx upstream
	rm -rf /etc/nginx/neonauth /etc/nginx/conf.d/*.conf
	dpkg --purge neonauthd
	rmdir /etc/credstore 2>/dev/null || true # made by the operator, and his to remove
	list_everything >after
	diff -u <(sort before) <(sort after)
	{ systemctl list-units --all --no-legend --plain 'neonauth*'; systemctl list-unit-files --no-legend 'neonauth*' || true; } | tee known
	fails grep -q . known
	fails pgrep -f /usr/bin/neonauth
}

# The rest of a boot means nothing without it.
must() { step "$@" || exit 1; }

systemctl is-system-running --wait >state || true
echo "         $1 boot: Debian $(cat /etc/debian_version), $(systemctl --version | head -n 1), $(cat state)"
case $1 in
first)
	must "installed on a clean root, nothing started" installed
	step "unconfigured, it says what to do and restarts slowly" unconfigured
	must "configured as the shipped comments say" configured
	must "first start through the socket" cold
	step "the server key is the daemon's alone" credential
	step "the daemon owns its state and nothing else" belongings
	step "groups decide who may ask and who may administer" callers
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
	step "systemctl stop, and start again" stopped
	step "the journal holds no secret and no fault" quiet_journal
	step "purge leaves nothing" purged
	;;
esac
[ "$failures" = 0 ]
