#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whose the directories are that a restore makes, so that an application can
# start on a fleet that root brought back.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp

setup() {
	set +T
	need lspp-ship lspp-restore sqlite3
	cd "$T" || return
	export LSPP_STATE=$T/state LSPP_REPLICA=$T/rep LSPP_BASE=$T/src
	mkdir -p src/acme/eu
	sqlite3 src/acme/eu/app.db 'CREATE TABLE t(x); INSERT INTO t VALUES(1)'
}

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root, to give files away"
}

modes() {
	local p
	for p; do stat -c '%a %u:%g' "$p"; done
}

@test "a directory that is made is its user's again, whatever the umask" {
	need_root
	chown -R 1500:1600 src/acme/eu
	chmod 750 src/acme/eu
	lspp-ship src/acme/eu/app.db
	(umask 077 && lspp-restore -q -o new acme/eu/app.db)
	assert_equal "$(modes new/acme/eu)" '750 1500:1600'
	# The way there is open to the user, and is nobody else's to change.
	assert_equal "$(modes new new/acme | sort -u)" '711 0:0'
	# Where that user may come to: the folder of the tests is root's.
	open=$(mktemp -d)
	chmod 755 "$open"
	mv new "$open"
	cd "$open"
	run setpriv --reuid 1500 --regid 1600 --clear-groups \
		sqlite3 new/acme/eu/app.db 'INSERT INTO t VALUES(2)'
	cd "$T"
	rm -r "$open"
	assert_success
}

@test "so is one at the original place" {
	need_root
	chown -R 1500:1600 src/acme/eu
	chmod 755 src/acme/eu
	lspp-ship src/acme/eu/app.db
	rm -r src/acme
	lspp-restore -q "$T/src/acme/eu/app.db"
	assert_equal "$(modes src/acme/eu)" '755 1500:1600'
	assert_equal "$(modes src/acme)" '711 0:0'
}

# restore_into MODE -- where the last directory is there already, with that mode.
restore_into() {
	need_root
	chown -R 1500:1600 src/acme/eu
	lspp-ship src/acme/eu/app.db
	mkdir -p new/acme/eu
	chmod "$1" new/acme/eu
	lspp-restore -q -o new acme/eu/app.db
}

@test "what is there keeps its owner and mode" {
	restore_into 700
	assert_equal "$(modes new/acme/eu)" '700 0:0'
}

@test "--owner says whose it is, too" {
	need_root
	lspp-ship src/acme/eu/app.db
	lspp-restore -q --owner 1700:1800 -o new acme/eu/app.db
	assert_equal "$(modes new/acme/eu)" '755 1700:1800'
}

@test "one that a killed run had made is finished by the next" {
	chmod 755 src/acme/eu
	restore_into 1700
	assert_equal "$(modes new/acme/eu)" '755 1500:1600'
}

@test "where nothing is known of it, it is its database's owner's alone" {
	sqlite3 src/acme/eu/app.db 'PRAGMA journal_mode = wal' >/dev/null
	timeout 20 "$LITESTREAM_03" replicate "$T/src/acme/eu/app.db" \
		"file://$T/rep/acme/eu/app.db" >litestream.log 2>&1 &
	for ((i = 0; i < 200; i++)); do
		compgen -G 'rep/acme/eu/app.db/generations/*/snapshots/*.lz4' && break
		sleep 0.1
	done
	kill $!
	wait $! || :
	lspp-restore -q -o new acme/eu/app.db
	assert_equal "$(stat -c %a new/acme/eu)" 700
}

@test "who is not root can go on in it" {
	[ "$(id -u)" = 0 ] && skip "is root"
	chmod 500 src/acme/eu
	lspp-ship src/acme/eu/app.db
	lspp-restore -q -o new acme/eu/app.db
	assert_equal "$(stat -c %a new/acme/eu)" 700
	chmod 700 src/acme/eu
}

@test "what is kept is the caller's alone, whatever the umask" {
	umask 000
	lspp-ship -q src/acme/eu/app.db
	lspp-restore -q -o new acme/eu/app.db
	assert_equal "$(find rep state -perm /077)" ''
	chmod 600 src/acme/eu/app.db
	lspp-ship -q --new-generation src/acme/eu/app.db
	lspp-restore -q -o newer acme/eu/app.db
	assert_equal "$(stat -c %a newer/acme/eu/app.db)" 600
}
