# shellcheck shell=bash disable=SC2154 # steps.sh has the rest
# The steps of the first boot: the package comes, and the daemon is used and broken. Read by steps.sh.

installed() {
	list_everything >before
	dpkg -i this.deb | tee output.dpkg
	grep -q 'systemctl enable --now neonauthd' output.dpkg
	for unit in "${units[@]}" neonauth-http.service neonauth-http.socket neonauth-http-hooks.service neonauth-http-hooks.socket; do
		fails systemctl is-active --quiet "$unit"
		fails systemctl is-enabled --quiet "$unit"
	done
	dpkg -L neonauthd | xargs stat -c '%U:%G %a %n' >modes
	fails grep -Ev '^root:root (755|644) ' modes
	tell "$(neonauthd --version | tr '\n' ' ')"
}

says() { journalctl -q -b -u "$1" -o cat | grep -- "$2"; } # UNIT TEXT
waits() {
	systemctl status neonauthd >output.status || true # it fails of a unit that does not run
	grep -q 'sh\[[0-9]*\]: .* trying again in 5 s' output.status
}
# refused TEXT COMMAND...: the command fails at once, with the text in the journal, and systemd tries again slowly.
refused() {
	local text=$1 began took
	shift
	began=$(date +%s%N)
	fails "$@"
	took=$((($(date +%s%N) - began) / 1000000))
	within 60 says neonauthd "$text" >/dev/null
	within 60 says neonauthd 'status=78/CONFIG' >/dev/null
	within 60 waits
	tell "$* failed after $took ms: $(says neonauthd "$text" | tail -n 1)"
	[ "$took" -lt 4500 ]
}
unconfigured() {
	refused '\[\[project\]\]' systemctl start neonauthd
	[ "$(property neonauthd.service NRestarts)" -le 2 ]
	refused '\[\[project\]\]' systemctl restart neonauthd # the wait is no obstacle
	systemctl stop "${units[@]}"
	[ "$(property neonauthd.service ActiveState)" = inactive ]
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
	within 60 systemctl is-active --quiet neonauthd.service
	systemctl stop neonauthd.service
	say "VERIFY $(cat token)" >reply
	grep -q ' OK ' reply
	tell "connect to first answer, nothing running, keys saved: $(cut -d: -f1 reply)"
	fails says neonauthd 'limits per user count their processes' # it can tell its callers apart
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
	diff -u /proc/1/uid_map "/proc/$pid/uid_map" # the host's users, so that callers can be told apart
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

exposed() { # UNIT TENTHS: at most that much
	systemd-analyze security --no-pager --threshold="$2" "$1" >exposure || { cat exposure; return 1; }
	tell "$(tail -n 1 exposure | sed 's/^[^O]*//; s/[^a-zA-Z0-9]*$//')"
}
exposure() {
	exposed neonauthd.service 12
	exposed neonauth-http.service 5
	exposed neonauth-http-hooks.service 5
}

# may USER TEXT: a lookup of that user begins with the text.
may() { as "$1" ./load -say "VERIFY $(cat token)" | grep -q " ms: $2"; }
caller_rules() {
	local drop_in=/etc/systemd/system/neonauthd.service.d/private-users.conf
	cp /etc/neonauthd/neonauthd.toml good.toml
	useradd --system --groups neonauthd admitted
	useradd --system --groups neonauthd excluded
	printf '\n[[caller]]\nuser = "admitted"\n' >>/etc/neonauthd/neonauthd.toml
	neonauthd --check | grep PrivateUsers
	systemctl reload neonauthd
	may admitted OK
	may excluded 'ERR forbidden'
	within 60 says neonauthd 'watchdog and health checks are refused by the' >/dev/null # which prove less, and are no reason to end
	install -D -m 0644 /usr/share/doc/neonauthd/examples/private-users.conf "$drop_in"
	systemctl daemon-reload
	refused PrivateUsers=no systemctl restart neonauthd
	cp good.toml /etc/neonauthd/neonauthd.toml
	systemctl restart neonauthd
	may excluded OK
	within 60 says neonauthd 'limits per user count their processes' >/dev/null
	awk '{ print $1, $2, $3 }' "/proc/$(main_pid)/uid_map" >users
	diff -u - users <<<"0 0 1"$'\n'"$(id -u neonauthd) $(id -u neonauthd) 1" # of its own
	exposed neonauthd.service 10
	rm -r "${drop_in%/*}"
	systemctl daemon-reload
	systemctl restart neonauthd
	may excluded OK
	userdel admitted
	userdel excluded
}

metrics() {
	cp /etc/neonauthd/neonauthd.toml good.toml
	sed -i 's/^#pprof = .*/pprof = true/' /etc/neonauthd/neonauthd.toml
	systemctl enable neonauthd-metrics.socket
	systemctl restart neonauthd
	for path in metrics healthz readyz; do
		curl -sS --fail -o "output.$path" --unix-socket /run/neonauthd/metrics.sock "http://localhost/$path"
	done
	grep -q '^neonauthd_build_info' output.metrics
	fails as www-data curl -sS -o /dev/null --unix-socket /run/neonauthd/metrics.sock http://localhost/metrics
	tell "$(cat output.healthz), $(cat output.readyz)"
	for path in heap 'profile?seconds=1'; do
		curl -sS --fail -o output.profile --unix-socket /run/neonauthd/metrics.sock "http://localhost/debug/pprof/$path"
		gzip -t <output.profile
	done
	cp good.toml /etc/neonauthd/neonauthd.toml
	systemctl reload neonauthd
	fails curl -sS --fail -o /dev/null --unix-socket /run/neonauthd/metrics.sock http://localhost/debug/pprof/heap
	systemctl disable --now neonauthd-metrics.socket
}

# logged FILE...: a lookup writes its line to the files.
logged() { may root OK && within 60 grep -qs '"verb":"VERIFY","level":"claims","project":"main","outcome":"accepted"' "$@"; }
journaled() { journalctl -q -o cat NEONAUTH_ACCESS=1 SYSLOG_IDENTIFIER=neonauthd | grep -q '"outcome":"accepted"'; }
access_log() {
	local drop_in=/etc/systemd/system/neonauthd.service.d/access-log.conf log=/var/log/neonauthd/access.log
	cp /etc/neonauthd/neonauthd.toml good.toml
	mkdir -p "${drop_in%/*}"
	printf '[Service]\nLogsDirectory=neonauthd\nLogsDirectoryMode=0750\n' >"$drop_in"
	echo 'the key of several hosts' | install -D -m 0400 /dev/stdin /etc/credstore/neonauthd.access-log-key
	sed -i "s|^#access_log = .*|access_log = \"file:$log\"|" /etc/neonauthd/neonauthd.toml
	systemctl daemon-reload
	systemctl restart neonauthd
	logged "$log"
	[ "$(stat -c '%a %U %G' "$log")" = '640 neonauthd neonauthd' ]
	[ ! -e /var/lib/neonauthd/access-log.key ] # the credential is the key
	mv "$log" "$log.1"
	systemctl reload neonauthd
	logged "$log"
	sed -i 's|^access_log = .*|access_log = "journal"|' /etc/neonauthd/neonauthd.toml
	systemctl restart neonauthd
	may root OK
	within 60 journaled
	cp good.toml /etc/neonauthd/neonauthd.toml
	rm -r "${drop_in%/*}" /etc/credstore/neonauthd.access-log-key
	systemctl daemon-reload
	systemctl restart neonauthd
}

in_flight() { say 'HELLO 1 boot' | grep -q " in-flight=$1 "; }
reload_failed() { [[ $(property neonauthd.service StatusText) == *fail* ]]; }
reload() {
	local pid
	pid=$(main_pid)
	in_flight 256
	sed -i 's/^#in_flight_per_connection = .*/in_flight_per_connection = 77/' /etc/neonauthd/neonauthd.toml
	under_load eval 'systemctl reload neonauthd; within 60 in_flight 77'
	none refused wrong unknown unanswered lost-new lost-kept found-closed
	[ "$(main_pid)" = "$pid" ]
	cp /etc/neonauthd/neonauthd.toml good.toml
	echo 'no_such_setting = 1' >>/etc/neonauthd/neonauthd.toml
	fails systemctl reload neonauthd
	within 60 reload_failed
	tell "a wrong file: $(property neonauthd.service StatusText)"
	[ "$(main_pid)" = "$pid" ]
	in_flight 77
	cp good.toml /etc/neonauthd/neonauthd.toml
	systemctl reload neonauthd
	within 60 fails reload_failed
}

restart() {
	under_load eval 'for _ in 1 2 3 4 5; do systemctl restart neonauthd; sleep 0.5; done'
	none refused wrong unknown unanswered lost-new lost-kept
}

# answered TEXT TOKEN: the answer to the token begins with the text.
answered() { say "VERIFY $2" | grep -q ": $1"; }

# The keys that are saved prove whom they accept. That a signature is bad they prove only once the upstream has confirmed
# them: until then a new key may stand under the old id.
outage() {
	local forged
	forged=$(awk '$2 == "bad-signature" { print $3 }' questions)
	grep -v '^NO bad-signature ' questions >certain
	control faults '{"endpoint":"any","kind":"reset"}'
	asked=certain under_load eval 'systemctl restart neonauthd; sleep 2'
	none refused wrong unknown unanswered lost-new lost-kept
	answered 'ERR keys-pending' "$forged"
	curl -sS --fail -X DELETE "$upstream/_standin/faults"
	systemctl restart neonauthd
	within 60 answered 'NO bad-signature' "$forged"
}

has_process() { [ "$(main_pid)" != 0 ]; }
kill_often() {
	for _ in {1..20}; do
		within 60 has_process
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
	within 60 say PING
	systemctl is-active --quiet neonauthd.service
}

frozen() {
	local pid began
	pid=$(main_pid) began=$(date +%s%N)
	kill -STOP "$pid"
	within 60 grep -q '^State:[[:space:]]*T' "/proc/$pid/status" # its threads stop one after the other
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
