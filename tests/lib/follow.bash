# SPDX-License-Identifier: Apache-2.0
# For tests of lspp-restore --follow: load lib/follow after lib/replica and
# lib/ltx.  The database is a.db, whose copy is out/a.db: of its tables t and u
# the sums cancel each other, and max(a) is the number of the last change.
#
#	write_one		a change: rows that come and go, growth, VACUUM
#	ship_start WRITER	lspp, lspp-ltx (--format ltx), 03 or ltx: those of
#			Litestream.  From now on what is written is shipped
#	ship			... it is, as it is now
#	ship_stop
#	follow_start [OPTION...]	FOLLOW is its id; out.log, err.log
#	follow_stop		status 143
#	read_on, read_off	a reader with one connection looks all the time

# shellcheck disable=SC2154  # R is the tests'

follow_setup() {
	need lspp-restore lspp-ship sqlite3 || return
	replica_new "$T/r"
	cd "$T" || return
	export LSPP_STATE=$T/state LSPP_REPLICA=$R LSPP_BASE=$T
	WROTE=0 FOLLOW='' DAEMON='' READER='' SHIP=''
	sqlite3 a.db "PRAGMA page_size=${PAGE_SIZE:-4096}; PRAGMA journal_mode=wal;
		CREATE TABLE t (a INTEGER PRIMARY KEY, b, c);
		CREATE TABLE u (a INTEGER PRIMARY KEY, b);
		INSERT INTO t VALUES (0, 0, ''); INSERT INTO u VALUES (0, 0)" \
		>/dev/null
}

follow_teardown() {
	local pid
	: >over
	for pid in $FOLLOW $DAEMON $READER; do
		kill "$pid" 2>/dev/null || :
	done
}

write_one() {
	local v=$RANDOM k=$((RANDOM % 3))
	WROTE=$((WROTE + 1))
	[ $((RANDOM % 6)) -ne 0 ] || sql_on a.db "BEGIN;
		DELETE FROM t WHERE a % 3 = $k AND a < $WROTE - 1;
		DELETE FROM u WHERE a % 3 = $k AND a < $WROTE - 1;
		COMMIT; VACUUM"
	sql_on a.db "BEGIN;
		INSERT INTO t VALUES ($WROTE, $v, randomblob($RANDOM * 2));
		INSERT INTO u VALUES ($WROTE, -$v); COMMIT"
}

sql_on() {
	sqlite3 -cmd '.timeout 20000' "$@"
}

last_of() {
	sql_on -readonly "$1" 'SELECT max(a) FROM t'
}

ship_start() {
	SHIP=$1
	case $SHIP in
	lspp*) ;;
	03)	litestream_config "$T/a.db" a.db >c03.yml
		need "$LITESTREAM_03" || return
		"$LITESTREAM_03" replicate -config c03.yml >>daemon.log 2>&1 3>&- &
		DAEMON=$! ;;
	ltx)	ltx_config a.db
		ltx_start
		DAEMON=$LTX_PID ;;
	esac
}

ship_stop() {
	[ -n "$DAEMON" ] || return 0
	kill "$DAEMON"
	wait "$DAEMON" || :
	DAEMON=
}

is_in_replica() {
	lspp-restore -q -o - a.db >in-replica 2>/dev/null &&
		[ "$(last_of in-replica)" = "$WROTE" ]
}

ship() {
	case $SHIP in
	lspp) lspp-ship a.db >/dev/null ;;
	lspp-ltx) lspp-ship --format ltx a.db >/dev/null ;;
	*) wait_for is_in_replica ;;
	esac
}

follow_start() {
	: >out.log
	: >err.log
	lspp-restore --follow --interval 100ms -o out "$@" a.db >out.log 2>err.log 3>&- &
	FOLLOW=$!
}

follow_stop() {
	local status=0
	kill "$FOLLOW"
	wait "$FOLLOW" || status=$?
	FOLLOW=
	[ $status -eq 143 ] || fail "status $status: $(cat err.log)"
}

# printed N -- so many paths, at least.
printed() {
	[ "$(wc -l <out.log)" -ge "$1" ]
}

arrived() {
	[ -s out/a.db ] && [ "$(last_of out/a.db)" = "$(last_of a.db)" ]
}

# caught_up -- the copy is what the database is, and is as a copy should be.
caught_up() {
	wait_for arrived
	same_db a.db out/a.db
	assert_equal "$(sqlite3 -readonly out/a.db 'PRAGMA journal_mode')" delete
	assert_equal "$(ls -A out | tr '\n' ' ')" 'a.db a.db-follow '
}

# followed -- begun, and stopped again when it is up to date.
followed() {
	follow_start "$@"
	wait_for arrived
	follow_stop
}

read_on() {
	rm -f over
	while [ ! -e over ]; do
		echo 'SELECT (SELECT sum(b) FROM t) + (SELECT sum(b) FROM u), max(a) FROM t;'
	done | sqlite3 -readonly -cmd '.timeout 60000' out/a.db >reads 2>reads.err 3>&- &
	READER=$!
}

# Each saw a whole state, none an older one than before.
read_off() {
	: >over
	wait "$READER"
	READER=
	assert_equal "$(cat reads.err)" ''
	assert_equal "$(cut -d '|' -f 1 reads | sort -u)" 0
	cut -d '|' -f 2 reads | sort -nc
	# shellcheck disable=SC2034  # the tests look at it
	READS=$(cut -d '|' -f 2 reads | uniq | wc -l)
}
