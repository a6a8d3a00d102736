# shellcheck shell=bash disable=SC2154 # steps.sh has the rest
# The steps of the second boot: the helper behind nginx, and the end of it all. Read by steps.sh.

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
	local recipe=/usr/share/doc/neonauthd/examples/nginx
	start_upstream # another one: it has keys and a project of its own
	sed -i "s|^project_id = .*|$(grep ^project_id wanted)|" /etc/neonauthd/neonauthd.toml
	install -m 0400 server-key /etc/credstore/neonauthd.server-key
	systemctl restart neonauthd
	systemctl enable --now neonauth-http
	usermod -aG neonauth-http www-data
	install -D -m 0644 -t /etc/nginx/neonauth "$recipe"/neonauth-*.conf
	install -m 0644 "$recipe/site.conf" /etc/nginx/conf.d/site.conf
	cat >/etc/nginx/conf.d/app.conf <<-'CONF'
		server { listen 127.0.0.1:3000; location / { return 200 "user=$http_x_auth_user_id level=$http_x_auth_level\n"; } }
	CONF
	neonauth-http check-nginx /etc/nginx/nginx.conf
	nginx -t
	systemctl restart nginx
	within 60 let_in
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
	within 60 let_in
}

helper_belongings() {
	local pid uid
	pid=$(property neonauth-http.service MainPID)
	uid=$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")
	grep -Eq '^CapEff:[[:space:]]*0+$' "/proc/$pid/status"
	[ "$uid" -ge 61184 ] # a dynamic user
	[ -z "$(find /var/lib/private /var/cache/private /var/log/private -mindepth 1 2>/dev/null)" ]
	find / /run /dev/shm -xdev -path /run/credentials -prune -o -uid "$uid" -print | tee owned # what systemd delivers is its own
	fails grep -q . owned
}

# unready: what ends before it is ready is started again slowly; what was ready, at once, with the same status too.
unready() {
	local folder=/run/systemd/system/neonauth-http.service.d waits
	mkdir -p "$folder"
	printf '[Service]\nExecStart=\nExecStart=/usr/bin/neonauth-http --misspelt\n' >"$folder/misspelt.conf"
	systemctl daemon-reload
	fails systemctl restart neonauth-http
	within 60 says neonauth-http 'did not start .* trying again in 5 s' >/dev/null
	rm -r "$folder"
	systemctl daemon-reload
	systemctl restart neonauth-http # the wait is no obstacle
	within 60 let_in
	waits=$(says neonauth-http 'trying again in 5 s' | wc -l)
	systemctl kill -s QUIT neonauth-http # ends a program in Go as a panic does, with the status of a misspelt flag
	within 60 says neonauth-http 'code=exited, status=2' >/dev/null
	within 60 let_in
	[ "$(says neonauth-http 'trying again in 5 s' | wc -l)" = "$waits" ]
	tell "after a misspelt flag $waits wait(s), after a panic none"
}

# deliver EVENT USER: delivers a webhook through nginx and prints the status of the reply.
deliver() {
	control webhooks "{\"url\":\"http://127.0.0.1:8080/hooks/main\",\"secret\":\"$(cat webhook-secret)\",\"event\":\"$1\",\"user\":\"$2\"}"
}
hooks_as_the_guide_says() {
	local user token
	fails systemctl start neonauth-http-hooks # it has no project yet
	within 60 says neonauth-http-hooks '\[\[project\]\]' >/dev/null
	systemctl stop neonauth-http-hooks.service neonauth-http-hooks.socket neonauth-http-hooks-status.socket
	echo "whsec_$(head -c 24 /dev/urandom | base64)" >webhook-secret
	install -m 0400 /dev/stdin /etc/credstore/neonauthd.webhook-secret <webhook-secret
	sed -i 's/^#\([^ ]\)/\1/' /etc/neonauthd/neonauth-http-hooks.toml
	systemctl enable --now neonauth-http-hooks
	awk '/^\140+nginx$/ { on = 1; next } /^\140/ { on = 0 } on' /usr/share/doc/neonauthd/docs/operating.md >/etc/nginx/neonauth/hooks.conf
	sed -i 's|^    listen 8080;|&\n    include neonauth/hooks.conf;|' /etc/nginx/conf.d/site.conf
	neonauth-http check-nginx /etc/nginx/nginx.conf
	nginx -t
	systemctl restart nginx
	within 60 let_in
	read -r _ user token < <(sed -n 3p questions)
	say "VERIFY $token" | grep -q ' OK '
	deliver user.updated "$user" | grep '"status":204'
	say "VERIFY $token" | grep -q ' OK '
	deliver user.deleted "$user" | grep '"status":204'
	say "VERIFY $token" | grep -q ' NO revoked'
	fetch page /hooks/other -H "Authorization: Bearer $(cat token)"
	grep -q '^user=' page # the application, not the taker
	curl -s --fail --unix-socket /run/neonauth-http-hooks/status.sock http://x/metrics | grep 'event="user.deleted",result="done"} 1$'
	tell "a webhook through nginx: followed, and the deleted user is revoked"
}
hooks_belongings() {
	local pid uid file=/run/credentials/neonauth-http-hooks.service/webhook-secret
	pid=$(property neonauth-http-hooks.service MainPID)
	uid=$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")
	grep -Eq '^CapEff:[[:space:]]*0+$' "/proc/$pid/status"
	[ "$uid" -ge 61184 ] # a dynamic user
	[ "$(awk '/^Gid:/ { print $2 }' "/proc/$pid/status")" = "$(getent group neonauthd-admin | cut -d: -f3)" ]
	[ "$(getent group neonauthd-admin | cut -d: -f4)" = '' ]
	find / /run /dev/shm -xdev -path /run/credentials -prune -o -uid "$uid" -print | tee owned
	fails grep -q . owned
	cmp "$file" webhook-secret
	for user in nobody www-data neonauthd; do
		fails as "$user" cat "$file"
		fails as "$user" cat /etc/credstore/neonauthd.webhook-secret
	done
	fails grep -qaF "$(cat webhook-secret)" "/proc/$pid/environ" "/proc/$pid/cmdline"
	# What web servers ask may not steer the daemon.
	pid=$(property neonauth-http.service MainPID)
	fails grep -E "^Groups:.*\b$(getent group neonauthd-admin | cut -d: -f3)\b" "/proc/$pid/status"
}
hooks_restart() {
	local user
	read -r _ user _ < <(sed -n 2p questions)
	systemctl stop neonauth-http-hooks.service # the socket stays, and starts it
	deliver user.updated "$user" | grep '"status":204'
	systemctl stop "${units[@]}"
	deliver user.updated "$user" | grep '"status":503'
	systemctl start "${units[@]}"
	deliver user.updated "$user" | grep '"status":204'
	tell "a delivery starts it, without the daemon 503, then 204"
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

unit_states() {
	systemctl list-unit-files --no-legend 'neonauth*'
	systemctl list-units --all --no-legend --plain 'neonauth*' | awk '{ print $1, $3 }'
}
removal_aborted() { # another package cannot be installed in its place, so dpkg has called prerm, and calls postinst
	unit_states >states
	grep -q 'neonauthd.service active' states
	/var/lib/dpkg/info/neonauthd.prerm remove
	fails cmp -s states <(unit_states)
	/var/lib/dpkg/info/neonauthd.postinst abort-remove
	diff -u states <(unit_states)
	within 60 let_in
}

purged() {
	systemctl stop nginx upstream
	rm -rf /etc/nginx/neonauth /etc/nginx/conf.d/*.conf
	mkdir -p /etc/systemd/system/neonauth-http.service.d
	printf '[Service]\nLogsDirectory=neonauth-http\n' >/etc/systemd/system/neonauth-http.service.d/access-log.conf
	systemctl daemon-reload
	systemctl restart neonauth-http # makes the folder
	[ -L /var/log/neonauth-http ]
	[ -d /var/log/neonauthd ]
	dpkg --purge neonauthd
	rmdir /etc/credstore 2>/dev/null || true # made by the operator, and his to remove
	list_everything >after
	diff -u <(sort before) <(sort after)
	{ systemctl list-units --all --no-legend --plain 'neonauth*'; systemctl list-unit-files --no-legend 'neonauth*' || true; } | tee known
	fails grep -q . known
	fails pgrep -f /usr/bin/neonauth
}
