# SPDX-License-Identifier: Apache-2.0
# For tests that run what is in examples/ as it is written: a root directory,
# mounts and processes of its own, which end with the test.  Loads lib/lspp; needs
# root.  ROOT is the directory, T where notes are kept.

load lib/lspp

# Can such a machine be had?
machine_can() {
	need unshare chroot fleet lspp-new lspp-restore image || return
	[ "$(id -u)" -eq 0 ] && getent passwd backup >/dev/null
}
machine_or_skip() {
	machine_can || skip "needs root for a machine of its own, and a user backup"
}

# What a machine would have on which somebody followed the instructions.
make_root() {
	mkdir -p "$ROOT"/{usr,dev,proc,sys,real,tmp,run/lock,srv/tenants} \
		"$ROOT"/{backup/fleet,var/spool/cron/crontabs,var/lib/lspp} \
		"$ROOT"/{var/lib/prometheus/node-exporter,sbin,mail}
	ln -s ../run "$ROOT/var/run"
	cp -a /etc "$ROOT/etc"
	rm -rf "$ROOT"/etc/{crontab,cron.*}
	mkdir "$ROOT/etc/cron.d"
	local d
	for d in bin lib lib32 lib64 libx32; do
		[ ! -L "/$d" ] || cp -a "/$d" "$ROOT/$d"
		[ -L "/$d" ] || [ ! -d "/$d" ] || mkdir "$ROOT/$d"
	done
	chmod 1777 "$ROOT/tmp" "$ROOT/run/lock" "$ROOT/mail"
	chmod 755 "$ROOT" "$ROOT"/{srv,backup,var,var/lib}
	chown backup "$ROOT"/{srv/tenants,backup/fleet,var/lib/lspp} \
		"$ROOT/var/lib/prometheus/node-exporter"
	# What is mailed, as files.
	cat >"$ROOT/sendmail" <<-'END'
	#!/bin/sh
	exec cat >"$(mktemp /mail/XXXXXX)"
	END
	chmod 755 "$ROOT/sendmail"
}

# in_root COMMANDS -- by a shell that can chroot to $ROOT, where everything is in
# its place, our programs and a sendmail, too.  It is the first process of a
# machine of its own: all end with it, and it ends with us.
in_root() {
	cat >"$T/init" <<-'END'
	set -e
	# faketime has a file here, named by a process id.
	mount -t tmpfs none /dev/shm
	for d in usr dev sys bin lib lib32 lib64 libx32; do
		[ -d "$ROOT/$d" ] && [ ! -L "$ROOT/$d" ] || continue
		mount --rbind "/$d" "$ROOT/$d"
	done
	mount -t proc proc "$ROOT/proc"
	mount --bind "$B/bin" "$ROOT/usr/local/bin"
	# A sendmail beside what else is there.
	mount --bind /usr/sbin "$ROOT/real"
	mount -t tmpfs none "$ROOT/sbin"
	ln -s /real/* "$ROOT/sbin/"
	rm -f "$ROOT/sbin/sendmail"
	ln -s /sendmail "$ROOT/sbin/sendmail"
	mount --bind "$ROOT/sbin" "$ROOT/usr/sbin"
	END
	printf '%s\n' "$1" >>"$T/init"
	ROOT=$ROOT exec unshare --mount --pid --fork --kill-child \
		--propagation private bash "$T/init"
}

# tenants N -- as an application would make them, who is another user.
tenants() {
	sqlite3 "$T/t.db" 'PRAGMA journal_mode = WAL; CREATE TABLE t (x);
		INSERT INTO t VALUES (hex (randomblob (500)))' >/dev/null
	seq -f "$ROOT/srv/tenants/%04.0f/app.db" "$1" >"$T/list"
	lspp-new -t "$T/t.db" <"$T/list" >/dev/null
	chmod 755 "$ROOT"/srv/tenants/*
}

# shipped N -- does the state know of so many?
shipped() {
	local n
	n=$(sqlite3 -readonly "$ROOT/var/lib/lspp/state.db" \
		'SELECT count(*) FROM db' 2>/dev/null) && [ "$n" = "$1" ]
}

# restores PATH -- is what the replica holds what is there?
restores() {
	local key=${1#"$ROOT/srv/tenants/"}
	rm -rf "$T/out"
	lspp-restore -r "$ROOT/backup/fleet" -o "$T/out" "$key" >/dev/null &&
		image "$1" "$T/image" && cmp -s "$T/image" "$T/out/$key"
}
