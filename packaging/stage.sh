#!/usr/bin/env bash
# Arranges the files that a package installs under /usr. Usage: stage.sh PROGRAMS NATIVE CLIENTS DEST. PROGRAMS holds the
# programs for the package's architecture, NATIVE the same for this machine, which print their shell completions, and CLIENTS
# the output of clients.sh.
set -euo pipefail
programs=$1 native=$2 clients=$3 dest=$4
cd "$(dirname "$0")/.."

put() { install -D -m "${3:-0644}" "$1" "$dest/usr/$2"; }

rm -rf "$dest"
for program in "$programs"/*; do
	name=$(basename "$program")
	put "$program" "bin/$name" 0755
	# neonauthd.service, neonauthd.socket, neonauthd-admin.socket, neonauth-http-hooks.service and so on.
	for unit in systemd/"$name".service systemd/"$name"-*.service systemd/"$name".socket systemd/"$name"-*.socket; do
		[ ! -e "$unit" ] || put "$unit" "lib/systemd/system/$(basename "$unit")"
	done
	for shell in bash:bash-completion/completions/"$name" zsh:zsh/vendor-completions/_"$name" \
		zsh:zsh/site-functions/_"$name" fish:fish/vendor_completions.d/"$name".fish; do
		file=$dest/usr/share/${shell#*:}
		mkdir -p "$(dirname "$file")"
		"$native/$name" completion "${shell%%:*}" >"$file"
	done
done

put systemd/sysusers.d/neonauthd.conf lib/sysusers.d/neonauthd.conf
put systemd/tmpfiles.d/neonauthd.conf lib/tmpfiles.d/neonauthd.conf
for drop_in in systemd/drop-ins/*.conf; do
	put "$drop_in" "share/doc/neonauthd/examples/$(basename "$drop_in")"
done
put LICENSE share/doc/neonauthd/copyright
# The documentation, in the same folders as here, so that its links work.
doc=share/doc/neonauthd
for page in README.md CHANGELOG.md docs/operating.md docs/output.md docs/state.md docs/fairness.md docs/fleet.md docs/leases.md protocol/protocol.md packaging/neonauthd.toml; do
	put "$page" "$doc/$page"
done
find examples -name node_modules -prune -o -name __pycache__ -prune -o -type f -print | while read -r example; do
	if [ -x "$example" ]; then mode=0755; else mode=0644; fi
	put "$example" "$doc/$example" "$mode"
done

# The clients for Node and Python, and the examples with them in place of the checkout's folders.
for client in "$clients"/*; do
	put "$client" "share/neonauthd/clients/$(basename "$client")"
done
tarball=$(cd "$clients" && echo neonauthd-*.tgz) wheel=$(cd "$clients" && echo neonauthd-*.whl)
sed -i "s|file:../../client/node|file:/usr/share/neonauthd/clients/$tarball|" "$dest/usr/$doc/examples/node/package.json"
sed -i "s|\.\./\.\./client/python  *#.*|/usr/share/neonauthd/clients/$wheel|" "$dest/usr/$doc/examples/python/README.md"
# A link to a file that is not packaged becomes plain text.
find "$dest/usr/$doc" -name '*.md' | while read -r page; do
	links=$(sed -z 's/\n/ /g' "$page" | grep -o '\](\([^)]*\))' | sed 's/^](//; s/)$//' | grep -v '^[a-z]*:\|^#' | sort -u) || continue
	for link in $links; do
		[ -e "$(dirname "$page")/${link%%#*}" ] || sed -z -i "s|\[\([^]]*\)\]($link)|\1|g" "$page"
	done
done

for page in docs/man/*.[1-8]; do
	[ -e "$page" ] || continue
	put "$page" "share/man/man${page##*.}/$(basename "$page")"
done
[ ! -d "$dest/usr/share/man" ] || find "$dest/usr/share/man" -type f -exec gzip -9n {} +

# Set the modes, because they depend on the umask of the caller.
find "$dest" -type d -exec chmod 0755 {} +
find "$dest" -type f ! -perm -u+x -exec chmod 0644 {} +
find "$dest" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +
