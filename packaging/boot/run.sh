#!/usr/bin/env bash
# The boot test: makes a Debian 12 root, boots it with systemd as process 1, and there installs the package, configures
# it, uses it, breaks it, upgrades it and removes it. Usage: run.sh PACKAGE, from make boot-test. The steps are in steps.sh.
#
# Where it cannot run it says why and succeeds; with BOOT_TEST_REQUIRED=1 it fails. With BOOT_TEST_KEEP=1 the root stays.
set -euo pipefail
package=$(realpath "$1")
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

# All is in one folder, one control group and one container, and this script removes all three at its end.
work='' group='' container='' reader=''
cleanup() {
	if [ -n "$container" ] && kill "$container" 2>/dev/null; then
		for _ in {1..100}; do kill -0 "$container" 2>/dev/null || break; sleep 0.15; done
	fi
	[ -z "$reader" ] || kill "$reader" 2>/dev/null || true
	[ -z "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
	if [ -n "${BOOT_TEST_KEEP:-}" ]; then
		echo "boot-test: the root is in $work"
	elif [ -n "$work" ]; then
		rm -rf --one-file-system "$work"
	fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

quietly() { # WHAT COMMAND...: its output is of interest only when it fails
	local what=$1 log=$work/command.log began=$SECONDS status
	shift
	set +e # and no "||": behind one, bash goes on within a function when one of its commands fails
	(set -e; "$@") >"$log" 2>&1
	status=$?
	set -e
	[ "$status" = 0 ] || { tail -n 40 "$log"; return 1; }
	echo "boot-test: $what ($((SECONDS - began)) s)"
}

tools() {
	for tool in mmdebstrap systemd-nspawn; do command -v "$tool" >/dev/null || return 1; done
}

# can_contain checks that this machine can run a container, before anything is downloaded for it.
can_contain() {
	local probe=$work/probe name
	mkdir -p "$probe"/{usr,etc,proc,sys,dev,run,tmp,var}
	for name in bin sbin lib lib64; do ln -s "usr/$name" "$probe/$name"; done
	root=$probe nspawn --bind-ro=/usr /usr/bin/true
}

# make_root uses mmdebstrap, which takes half of debootstrap's time. Mirrors fail now and then, so it may try again.
make_root() {
	mkdir -p "$(dirname "$cache")"
	for _ in 1 2; do
		mmdebstrap --variant=minbase --include="$packages" bookworm "$cache.part.tar" && mv "$cache.part.tar" "$cache" && return
	done
	return 1
}

# The package, and the same package with a higher version for the upgrade.
make_packages() {
	local arch version
	arch=$($GO env GOARCH)
	version=$(sed -n 's/^## \([0-9][^ ]*\).*/\1/p' CHANGELOG.md | head -n 1)
	rm -rf dist/boot
	make --no-print-directory -o build "package-$arch" DIST=dist/boot VERSION="$version+next"
	cp "$package" "$work/share/this.deb"
	cp dist/boot/*.deb "$work/share/next.deb"
	cp "$(dirname "$package")/build/$arch/neonauthd" "$work/share/upstream" # `neonauthd standin`, which is not upgraded
	CGO_ENABLED=0 $GO build -o "$work/share/load" ./packaging/boot/load
	cp packaging/boot/*.sh "$work/share/"
}

# nspawn starts a container. If no systemd can give the container a control group, nspawn makes one: two containers with the
# same group would end each other's processes.
nspawn() {
	local unit=()
	if [ ! -d /run/systemd/system ]; then
		unit=(--keep-unit)
		[ -z "$group" ] || echo "$BASHPID" >"$group/cgroup.procs"
	fi
	exec timeout --kill-after=10 900 systemd-nspawn --quiet --register=no "${unit[@]}" --private-network --directory="$root" \
		--machine="neonauthd-boot-$$" --console=pipe "$@" </dev/null
}
make_group() {
	local top
	[ ! -d /run/systemd/system ] && top=$(findmnt -n -f -t cgroup2 -o TARGET) && mkdir "$top/neonauthd-boot-$$" && group=$top/neonauthd-boot-$$
}

# Boots the root once. systemd starts the steps of a stage, which end the boot.
boot() { # STAGE
	local status=0
	cat >"$root/etc/systemd/system/boot-test.service" <<-UNIT
		[Unit]
		Description=boot test, $1
		After=basic.target nginx.service
		[Service]
		ExecStart=/bin/bash -c '/boot-test/steps.sh $1; systemctl exit \$?'
		StandardOutput=append:/boot-test/log
		StandardError=append:/boot-test/log
	UNIT
	nspawn --bind="$work/share:/boot-test" --boot >"$work/console.log" 2>&1 &
	container=$!
	wait "$container" || status=$?
	container=''
	[ "$status" != 124 ] || echo "boot-test: the $1 boot took too long"
	[ -s "$work/share/log" ] || { tail -n 30 "$work/console.log"; skip "systemd does not boot in a container here, or not within 15 minutes"; }
	[ -e "$work/share/passed.$1" ] || return 1 # also when the container was ended from outside
	return "$status"
}

[ "$(id -u)" = 0 ] || skip "it needs root"
tools || skip "it needs mmdebstrap and systemd-nspawn: apt install mmdebstrap systemd-container"
work=$(mktemp -d /var/tmp/neonauthd-boot.XXXXXX) root=$work/root
mkdir "$work/share" "$root"
make_group || true
(can_contain) >"$work/command.log" 2>&1 || skip "systemd-nspawn cannot run here: $(tail -n 1 "$work/command.log")"
[ -e "$cache" ] || quietly "Debian root made" make_root || skip "no Debian root could be made"
quietly "root unpacked" tar --extract --file "$cache" --numeric-owner --xattrs -C "$root"
quietly "packages built" make_packages

mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../boot-test.service "$root/etc/systemd/system/multi-user.target.wants/"
touch "$work/share/log"
tail -n +1 -f "$work/share/log" &
reader=$!
failed=0
for stage in first second; do
	boot "$stage" || { failed=1; break; }
done
sleep 1 # for the reader's last lines
if [ "$failed" = 1 ]; then
	echo "boot-test: FAILED"
	exit 1
fi
echo "boot-test: passed in $SECONDS s"
