#!/usr/bin/env bash
# The boot test: makes a Debian 12 root, boots it with systemd as process 1, and there installs the package, configures
# it, uses it, breaks it, upgrades it and removes it. Usage: make boot-test. The steps are in steps.sh.
#
# Where it cannot run it says why and succeeds; with BOOT_TEST_REQUIRED=1 it fails. With BOOT_TEST_KEEP=1 the root stays.
set -euo pipefail
cd "$(dirname "$0")/../.."

GO=${GO:-go}
TOOLS=${TOOLS:-$PWD/.tools}
packages=systemd,systemd-sysv,ca-certificates,nginx-light,curl
cache=$TOOLS/boot/debian-12-$(sha256sum <<<"$packages" | cut -c1-8).tar

skip() {
	echo "boot-test: skipped, $*"
	[ -z "${BOOT_TEST_REQUIRED:-}" ] || exit 1
	exit 0
}

# Everything lives in one folder and one container, and neither outlives this script.
# systemd-nspawn leaves control groups behind.
control_groups() { find /sys/fs/cgroup -depth -type d \( -path '*/payload' -o -path '*/payload/*' -o -path '*/supervisor' \) 2>/dev/null || true; }
work='' container='' reader='' groups=$(control_groups)
cleanup() {
	if [ -n "$container" ] && kill "$container" 2>/dev/null; then
		for _ in {1..100}; do kill -0 "$container" 2>/dev/null || break; sleep 0.15; done
	fi
	[ -z "$reader" ] || kill "$reader" 2>/dev/null || true
	control_groups | { grep -vxFf <(echo "$groups") || true; } | while read -r group; do rmdir "$group" 2>/dev/null || true; done
	if [ -n "${BOOT_TEST_KEEP:-}" ]; then
		echo "boot-test: the root is in $work"
	elif [ -n "$work" ]; then
		rm -rf --one-file-system "$work"
	fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

quietly() { # WHAT COMMAND...: its output is of interest only when it fails
	local what=$1 log=$work/command.log began=$SECONDS
	shift
	"$@" >"$log" 2>&1 || { tail -n 40 "$log"; return 1; }
	echo "boot-test: $what ($((SECONDS - began)) s)"
}

tools() {
	for tool in debootstrap systemd-nspawn; do
		command -v "$tool" >/dev/null || set -- "$@" "$tool"
	done
	[ $# -gt 0 ] || return 0
	command -v apt-get >/dev/null || return 1
	DEBIAN_FRONTEND=noninteractive
	export DEBIAN_FRONTEND
	apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap systemd-container
}

make_root() {
	debootstrap --variant=minbase --include="$packages" bookworm "$work/made"
	rm -rf "$work/made"/var/cache/apt/archives/*.deb "$work/made"/var/lib/apt/lists/*
	mkdir -p "$(dirname "$cache")"
	tar --create --file "$cache.part" --numeric-owner --xattrs -C "$work/made" .
	mv "$cache.part" "$cache"
	rm -rf --one-file-system "$work/made"
}

# The package of this version, and the same one with a higher number, for the upgrade.
make_packages() {
	local arch version
	arch=$($GO env GOARCH)
	version=$(sed -n 's/^## \([0-9][^ ]*\).*/\1/p' CHANGELOG.md | head -n 1)
	rm -rf dist/boot
	make --no-print-directory build
	make --no-print-directory -o build "package-$arch" DIST=dist/boot/this
	make --no-print-directory -o build "package-$arch" DIST=dist/boot/next VERSION="$version+next"
	cp dist/boot/this/*.deb "$work/share/this.deb"
	cp dist/boot/next/*.deb "$work/share/next.deb"
	cp dist/boot/this/build/"$arch"/neonauthd "$work/share/upstream" # `neonauthd standin`, which is not upgraded
	CGO_ENABLED=0 $GO build -o "$work/share/load" ./packaging/boot/load
	cp packaging/boot/*.sh "$work/share/"
	cp -r examples/nginx "$work/share/nginx"
}

nspawn() {
	exec timeout --kill-after=10 300 systemd-nspawn --quiet --register=no --keep-unit --private-network --directory="$work/root" \
		--machine="neonauthd-boot-$$" --bind="$work/share:/boot-test" --console=pipe "$@" </dev/null
}

# Boots the root once; systemd starts the steps of a stage, which end the boot.
boot() { # STAGE
	local status=0
	cat >"$work/root/etc/systemd/system/boot-test.service" <<-UNIT
		[Unit]
		Description=boot test, $1
		After=basic.target nginx.service
		[Service]
		ExecStart=/bin/bash -c '/boot-test/steps.sh $1; systemctl exit \$?'
		StandardOutput=append:/boot-test/log
		StandardError=append:/boot-test/log
	UNIT
	nspawn --boot >"$work/console.log" 2>&1 &
	container=$!
	wait "$container" || status=$?
	container=''
	[ "$status" != 124 ] || echo "boot-test: the $1 boot took too long"
	[ "$status" = 0 ] || [ -s "$work/share/log" ] || tail -n 30 "$work/console.log"
	return "$status"
}

[ "$(id -u)" = 0 ] || skip "it needs root"
work=$(mktemp -d /var/tmp/neonauthd-boot.XXXXXX)
mkdir "$work/share" "$work/root"
quietly "tools are there" tools || skip "debootstrap and systemd-nspawn are not to be had"
[ -e "$cache" ] || quietly "Debian root made" make_root || skip "debootstrap could not make a root"
quietly "root unpacked" tar --extract --file "$cache" --numeric-owner --xattrs -C "$work/root"
(nspawn /bin/true) >"$work/command.log" 2>&1 || skip "systemd-nspawn cannot run here: $(tail -n 1 "$work/command.log")"
quietly "packages built" make_packages

mkdir -p "$work/root/etc/systemd/system/multi-user.target.wants"
ln -s ../boot-test.service "$work/root/etc/systemd/system/multi-user.target.wants/"
touch "$work/share/log"
tail -n +1 -f "$work/share/log" &
reader=$!
failed=0
for stage in first second; do
	boot "$stage" || { failed=1; break; }
done
sleep 0.2 # for the reader's last lines
if [ "$failed" = 1 ]; then
	echo "boot-test: FAILED"
	exit 1
fi
echo "boot-test: passed in $SECONDS s"
