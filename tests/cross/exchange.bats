# SPDX-License-Identifier: Apache-2.0
# A machine of another order of bytes, or of 32 bits, and this one, at the same state
# and replicas: what one wrote means the same to the other.  CROSS is a build folder
# of tests/cross/run, which is the way here.

load ../lib/lspp

setup() {
	set +T
	[ -n "${CROSS:-}" ] || skip "no programs of another machine: make cross"
	cd "$T"
	export LSPP_STATE=$T/state LSPP_REPLICA=$T/replica LSPP_BASE=$T/srv
	export LSPP_MACHINE=moved
	mkdir srv
}

# here PROGRAM ARGUMENT..., there PROGRAM ARGUMENT... -- lspp-PROGRAM, of this machine
# or of the other one; sql_here, sql_there: its sqlite3.
here() {
	"lspp-$1" "${@:2}"
}
there() {
	"$CROSS/bin/lspp-$1" "${@:2}"
}
sql_here() {
	sqlite3 "$@" >/dev/null
}
sql_there() {
	"$CROSS/bin/sqlite3-there" "$@" >/dev/null
}

# write WHO -- databases of all kinds; one with a WAL that nobody has read back,
# as a crash leaves it.  A -shm is of one machine and does not travel.
write() {
	local size
	for size in 512 4096 65536; do
		"sql_$1" "srv/$size.db" "PRAGMA page_size = $size;
			PRAGMA journal_mode = wal; CREATE TABLE t (x);
			WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300)
			INSERT INTO t SELECT hex(randomblob(200)) FROM n"
	done
	"sql_$1" srv/rollback.db 'CREATE TABLE t (x); INSERT INTO t VALUES (1)'
	"sql_$1" live.db ".dbconfig no_ckpt_on_close on" 'PRAGMA journal_mode = wal;
		CREATE TABLE t (x); INSERT INTO t VALUES (hex(randomblob(9000)))'
	[ -s live.db-wal ]
	mv live.db live.db-wal srv/
	rm -f live.db-shm
}

# change WHO I -- a part of each but the one with the WAL.
change() {
	local f
	for f in srv/512.db srv/4096.db srv/65536.db srv/rollback.db; do
		"sql_$1" "$f" "UPDATE t SET x = 'change $2' WHERE rowid = 1"
	done
}

hot() {
	"$1" scan srv | "$1" hot
}

# ship WHO -- until no signature is racy.
ship() {
	hot "$1" | "$1" ship -q "${LAYOUT[@]}" >>shipped
	[ -z "$(hot "$1")" ]
}

# same A B -- both restore the same bytes, and all that the sources have; SQLite
# reads copies of those, since it would write the WAL back.
same() {
	local f
	rm -rf one other read
	cp -r srv read
	"$1" restore -q -o one '**' >/dev/null
	"$2" restore -q -o other '**' >/dev/null
	diff -r one other
	for f in srv/*.db; do
		[ "$(sqlite3 "one/${f#srv/}" .dump)" = "$(sqlite3 "read/${f#srv/}" .dump)" ]
	done
}

# moved A B -- A writes, B reads and goes on, and A again.
moved() {
	write "$1"
	wait_for ship "$1"
	change "$1" 1
	wait_for ship "$1"
	# Nothing is new to the other one, and all of it holds.
	assert_equal "$(hot "$2")" ''
	"$2" verify --deep -q '**' >/dev/null
	"$2" verify --against-source -q '**' >/dev/null
	same "$1" "$2"
	"$1" prune -n --keep-last 1 --grace 0s '**' >plan.1
	"$2" prune -n --keep-last 1 --grace 0s '**' >plan.2
	cmp plan.1 plan.2
	# What it puts goes on where the first one was.
	find replica -type f | sort >before
	change "$2" 2
	assert_equal "$(hot "$2" | wc -l)" 4
	wait_for ship "$2"
	find replica -type f | sort >after
	assert_equal "$(comm -23 before after)" ''
	assert_equal "$(comm -13 before after | wc -l)" 4
	assert_equal "$(hot "$1")" ''
	"$1" verify --deep -q '**' >/dev/null
	same "$1" "$2"
	change "$1" 3
	wait_for ship "$1"
	"$2" verify --deep -q '**' >/dev/null
	same "$1" "$2"
}

@test "wal: written there, read here" {
	LAYOUT=()
	moved there here
}

@test "wal: written here, read there" {
	LAYOUT=()
	moved here there
}

@test "ltx: written there, read here" {
	LAYOUT=(--format ltx)
	moved there here
}

@test "ltx: written here, read there" {
	LAYOUT=(--format ltx)
	moved here there
}

@test "a copy that follows goes on there" {
	LAYOUT=()
	local f
	write here
	wait_for ship here
	here restore -q --follow --for 1s -o copy '**' >/dev/null
	change here 1
	wait_for ship here
	there restore -q --follow --for 1s -o copy '**' >/dev/null
	here restore -q -o out '**' >/dev/null
	for f in out/*.db; do same_db "$f" "copy/${f#out/}"; done
}
