#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The source is only read: nothing in it or beside it changes by being shipped,
# and read permission is all that is needed.

load lib/hard

setup() {
	set +T
	hard_setup
}

teardown() {
	hard_teardown
	[ -z "${WIDE:-}" ] || rm -rf "$WIDE"
}

# everything -- of the sources: bytes, modes, names, and times but atime.
everything() {
	sha_tree "$D"
	find "$D" -printf '%p %s %i %n %U:%G %T@ %C@\n' | LC_ALL=C sort
}

# untouched COMMAND... -- it succeeds, and everything is as it was.
untouched() {
	everything >"$T/before"
	"$@" || return
	everything >"$T/after"
	diff "$T/before" "$T/after" || {
		echo "the source changed"
		return 1
	}
}

# leave_wal DB -- as an application that was killed leaves it.
leave_wal() {
	writer -n 30 "$1" >/dev/null
	writer -d 100 "$1" >"$T/out" 3>&- &
	local pid=$!
	wait_for grep -q ready "$T/out"
	kill -KILL "$pid"
	wait "$pid" || :
}

# a_fleet -- one of each kind, nobody using them.
a_fleet() {
	local mode
	for mode in wal delete persist truncate; do
		mkdir "$mode"
		writer -j "$mode" -n 40 "$mode/a.db" >/dev/null
	done
	mkdir left gone
	leave_wal left/a.db
	leave_wal gone/a.db # and the -shm was not in the copy
	rm -f gone/a.db-shm # if there was one
	assert [ -f left/a.db-wal ]
	writer -j wal -n 5 plain.db >/dev/null
	chmod 444 plain.db
	find . -name '*.db' | sed 's,^\./,,' | sort >"$T/paths"
}

ship_list() {
	ship <"$T/paths" >"$T/stdout" 2>"$T/stderr" || {
		cat "$T/stderr"
		return 1
	}
	[ ! -s "$T/stderr" ] && diff <(sort "$T/stdout") "$T/paths"
}

@test "a fleet at rest: bytes, times and listing stay" {
	a_fleet
	untouched ship_list
	untouched ship_list
	rm -r "$S" # all is read anew
	untouched ship --dry-run <"$T/paths"
	untouched ship --new-generation <"$T/paths" 2>/dev/null
	untouched lspp-hot -r "$R" -s "$S" <"$T/paths"
}

@test "connected and idle: also the -shm stays, and its locks" {
	app a.db
	sql "PRAGMA journal_mode = wal;
		CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB); $(rows 100 900)"
	untouched shipped a.db
	sql "$(rows 100 900)"
	untouched shipped a.db
	sql "PRAGMA wal_checkpoint(PASSIVE); $(rows 10 900)"
	untouched shipped a.db
	sql "PRAGMA wal_checkpoint(RESTART)"
	untouched shipped a.db
	sql "PRAGMA wal_checkpoint(TRUNCATE)"
	untouched shipped a.db
	sql "BEGIN IMMEDIATE; $(rows 10 900)"
	untouched shipped a.db
	sql "COMMIT; BEGIN; SELECT COUNT(*) FROM t"
	untouched shipped a.db
	sql "ROLLBACK"
	untouched shipped a.db
	image a.db "$T/image"
	app_quit
	# the last to leave takes the -wal and -shm along: nobody else is there
	assert_equal "$(ls)" a.db
	restores_to a.db "$T/image"
}

# stopped JOURNAL ROUNDS USEC -- a writer that rests so long between transactions
# is stopped wherever it is; what the files are then, they are after a ship.
stopped() {
	local i n tries=0 fine=0
	n=$2
	seed
	start_writer a.db -H -j "$1" -d "$3" -s "$RANDOM"
	for ((i = 0; i < n; i++)); do
		sleep "0.0$((RANDOM % 50 + 10))"
		kill -STOP "$WRITER"
		wait_for is_stopped
		tries=$((tries + 1))
		untouched attempt
		kill -CONT "$WRITER"
	done
	[ "$fine" -gt 0 ] || { echo "not one ship succeeded"; return 1; }
	say "$1: shipped $fine of $tries times while the writer was stopped"
	stop_writer
	assert_equal "$(ls)" a.db
	shipped a.db
	image a.db "$T/image"
	restores_to a.db "$T/image" lspp
	judge "$T/image" "$(committed)" "$(committed)"
}

is_stopped() {
	grep -q '^State:.T' "/proc/$WRITER/status"
}

# It may be in the middle of a transaction that nobody can look past.
attempt() {
	local status=0
	ship --max-hold 1000 a.db >/dev/null 2>"$T/stderr" || status=$?
	case $status in
	0) fine=$((fine + 1)) ;;
	75) ;;
	*) cat "$T/stderr"; return 1 ;;
	esac
}

@test "a live writer with a WAL: nothing changes that it did not do" {
	stopped wal "$(count 300 25)" 200
}

@test "a live writer with a rollback journal: the same" {
	# else it would mostly be stopped with its lock held
	stopped delete "$(count 50 6)" 20000
}

@test "journal mode and tables are what they were" {
	local mode
	for mode in wal delete; do
		writer -j "$mode" -n 20 "$mode.db" >/dev/null
		sqlite3 "$mode.db" "PRAGMA journal_mode" .schema >"$T/$mode.1"
		shipped "$mode.db"
		writer -n 5 "$mode.db" >/dev/null
		shipped "$mode.db"
		sqlite3 "$mode.db" "PRAGMA journal_mode" .schema >"$T/$mode.2"
		diff "$T/$mode.1" "$T/$mode.2"
	done
}

# wide -- a place that the user nobody can reach, programs included.
wide() {
	WIDE=$(mktemp -d /tmp/lspp-readonly.XXXXXX)
	chmod 755 "$WIDE"
	cp "$B"/bin/lspp-ship "$B"/bin/lspp-restore "$WIDE"
	mkdir "$WIDE/src" "$WIDE/own"
	chown 65534:65534 "$WIDE/own"
	D=$WIDE/src R=$WIDE/own/replica S=$WIDE/own/state
	cd "$D"
}

as_nobody() {
	(cd / && umask 022 &&
		exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@")
}

@test "a user who may only read can ship, in use or not" {
	root_or_skip "another user"
	need setpriv
	wide
	as_nobody mkdir "$R"
	a_fleet
	app used.db
	sql "PRAGMA journal_mode = wal;
		CREATE TABLE t(n INTEGER PRIMARY KEY, x BLOB); $(rows 100 900)"
	find "$D" -name '*.db' | sort >"$T/paths"
	chmod -R go+rX "$D"
	untouched as_nobody "$WIDE/lspp-ship" -r "$R" -C "$D" -s "$S" \
		<"$T/paths" >"$T/stdout"
	diff <(sort "$T/stdout") "$T/paths"
	sql "$(rows 100 900)"
	untouched as_nobody "$WIDE/lspp-ship" -r "$R" -C "$D" -s "$S" \
		<"$T/paths" >"$T/stdout"
	diff <(sort "$T/stdout") "$T/paths"
	image used.db "$T/image"
	restores_to used.db "$T/image"
	image left/a.db "$T/image"
	restores_to left/a.db "$T/image" lspp
	app_quit
}

@test "the other way round: who may not read gets 77, the rest is shipped" {
	root_or_skip "another user"
	need setpriv
	wide
	as_nobody mkdir "$R"
	writer -n 3 ok.db >/dev/null
	writer -n 3 secret.db >/dev/null
	chmod 644 ok.db
	chmod 600 secret.db
	run --separate-stderr as_nobody "$WIDE/lspp-ship" -r "$R" -C "$D" \
		-s "$S" "$D/ok.db" "$D/secret.db"
	assert_failure 1
	assert_output "$D/ok.db"
	assert_regex "$stderr" "^lspp-ship: $D/secret.db: .*[Pp]ermission denied"
	run as_nobody "$WIDE/lspp-ship" -r "$R" -C "$D" -s "$S" "$D/secret.db"
	assert_failure 77
}

# on_read_only OPTION... PATH -- lspp-ship with $D mounted read-only.
on_read_only() {
	unshare -m sh -ec '
		src=$1 base=$2
		shift 2
		mount --bind "$src" "$base"
		mount -o remount,bind,ro "$base"
		if touch "$base/probe" 2>/dev/null; then
			echo "not read-only" >&2
			exit 99
		fi
		exec "$@"' sh "$D" "$T/ro" \
		lspp-ship -r "$R" -C "$T/ro" -s "$S" "$@"
}

@test "on a read-only mount, with a writer on the other side" {
	root_or_skip "a mount"
	unshare -m true || skip "no mount namespaces here"
	mkdir "$T/ro"
	a_fleet
	sed "s,^,$T/ro/," "$T/paths" >"$T/ro-paths"
	untouched on_read_only <"$T/ro-paths" >"$T/stdout"
	diff <(sort "$T/stdout") "$T/ro-paths"
	start_writer b.db -H -d 500
	local round fine=0 n
	n=$(count 100 15)
	for ((round = 0; round < n; round++)); do
		run --separate-stderr on_read_only "$T/ro/b.db"
		case $status in
		0) fine=$((fine + 1))
			restore lspp b.db "$T/restored"
			judge "$T/restored" 0 "$(committed)" ;;
		75) ;;
		*) echo "$stderr"; return 1 ;;
		esac
	done
	stop_writer
	say "read-only mount: $fine of $n ships under a writer"
	assert [ "$fine" -gt 0 ]
	on_read_only "$T/ro/b.db"
	image b.db "$T/image"
	restores_to b.db "$T/image"
}
