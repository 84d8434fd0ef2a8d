# SPDX-License-Identifier: ISC
# shellcheck shell=bash
# For tests/boot, tests/containers, tests/programs and tests/desktop: a fresh Debian made by mmdebstrap with this checkout in it, booted with its own
# systemd by systemd-nspawn to run a story (/root/story of it). tests/fresh and tests/clients only go inside.
here=$(cd "$(dirname "$0")/.." && pwd)
me=$(basename "$0")

# debian_make SUITE PACKAGE...: sets $root (removed at the end) and $debian. With $debian_keeps the files of its packages
# stay in /var/cache/apt/archives.
debian_make() {
	local suite=$1 packages
	shift
	[ "$(id -u)" = 0 ] || { echo "$me: needs root" >&2; exit 1; }
	for tool in mmdebstrap systemd-nspawn; do
		command -v $tool >/dev/null || { echo "$me: $tool is missing: apt-get install mmdebstrap systemd-container" >&2; exit 1; }
	done
	root=$(mktemp -d "/var/tmp/subuidd-$me.XXXXXX")
	trap 'rm -rf --one-file-system "$root"' EXIT
	packages=$(echo systemd systemd-sysv dbus libpam-systemd libnss-systemd polkitd git "$@" "$(make -s -C "$here" print-packages)" | sed 's/ /,/g')
	mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io --aptopt='Acquire::Check-Valid-Until "false"' \
		${debian_keeps:+--skip=essential/unlink,cleanup/apt/cache} --include="$packages" "$suite" "$root/debian" >"$root/log" 2>&1 || { cat "$root/log"; exit 1; }
	debian=$root/debian
	git -C "$here" archive --prefix=subuidd/ HEAD | tar -x -C "$debian/root"
	cat >"$debian/root/installed" <<-'INSTALLED'
		set -eux
		systemctl reset-failed # what this container lacks is not ours
		failed() { systemctl list-units --all --plain --no-legend --state=failed; }
		cd /root/subuidd
		make -s -j2 all && make -s install
		useradd -m alice
	INSTALLED
}

# page PATH: the blocks of commands of a page, in order: /root/page/1-root, /root/page/2-laptop, ... by the user they are for
page() {
	mkdir "$debian/root/page"
	awk -v to="$debian/root/page/" '/^```sh / { name = to (++n) "-" $2; next } /^```/ { name = "" } name != "" { print >name }' "$here/$1"
}

# story_tells LOG STATUS END
story_tells() {
	chmod +x "$debian/root/story"
	mkdir -p "$debian/etc/systemd/system/multi-user.target.wants"
	ln -sf ../story.service "$debian/etc/systemd/system/multi-user.target.wants/"
	rm -f "$debian/usr/sbin/policy-rc.d"
	cat >"$debian/etc/systemd/system/story.service" <<-UNIT
		[Unit]
		After=multi-user.target ssh.service
		[Service]
		Type=oneshot
		ExecStart=/bin/sh -c '/root/story >$1 2>&1; echo \$? >$2; $3'
		[Install]
		WantedBy=multi-user.target
	UNIT
}

# boot OPTION...: boots it, and says what its story said; 0: all of it held. systemd-nspawn's own filter knows no
# Landlock yet and allows no mounts; a host has no such filter.
boot() {
	local status
	rm -f "$debian/root/story.status" "$debian/root/story.log"
	timeout -k 10 $((900 * ${SUBUIDD_SLOW:-1})) systemd-nspawn -q -D "$debian" --private-network --register=no --keep-unit --capability=all \
		--system-call-filter='@sandbox @mount landlock_create_ruleset landlock_add_rule landlock_restrict_self open_tree mount_setattr move_mount pidfd_open openat2' \
		"$@" -b </dev/null >"$debian.console" 2>&1 || true
	status=$(cat "$debian/root/story.status" 2>/dev/null || echo 'it did not end')
	cat "$debian/root/story.log" 2>/dev/null || tail -30 "$debian.console"
	[ "$status" = 0 ] || { echo "$me: failed ($status)"; return 1; }
}

# inside COMMAND...: runs it with $debian as /, with all of this host's devices, for loop mounts, and with its network.
inside() {
	cp -L /etc/resolv.conf "$debian/etc/resolv.conf"
	unshare --mount --pid --ipc --uts --fork --kill-child --propagation private bash -euc '
		mount --bind "$0" "$0" && cd "$0"
		mount --rbind /dev dev && mount --rbind /sys sys && mount -t proc proc proc && mount -t tmpfs tmpfs run
		pivot_root . mnt && cd / && umount -l /mnt
		exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"' \
		"$debian" "$@" </dev/null
}
