# SPDX-License-Identifier: Apache-2.0
# For the tests of lspp-prune.  Loads lib/hard, whose variables it sets.

load lib/hard

# prune_setup -- a database a.db that nothing was shipped of.
prune_setup() {
	need lspp-prune faketime
	hard_setup
	sqlite3 a.db "PRAGMA page_size = 1024; CREATE TABLE t(x)"
	STEP=0
}

# at TIME PROGRAM... -- as if it were that many seconds since 1970.
at() {
	local when TZ=UTC
	printf -v when '%(%Y-%m-%d %H:%M:%S)T' "$1"
	shift
	TZ=UTC NO_FAKE_STAT=1 at_time -f "$when" "$@"
}

# prune ARGUMENT... -- in three days, when all that there is now is old.
prune() {
	later 3 lspp-prune -r "$R" "$@"
}

# change [OPTION...] -- the database, and ship it.
change() {
	STEP=$((STEP + 1))
	sqlite3 a.db "INSERT INTO t VALUES(randomblob(400 + $STEP))"
	[ $# = 0 ] || replica_later
	shipped "$@" a.db
}

# change_anew -- and begin a new generation with it.
change_anew() {
	sqlite3 a.db "INSERT INTO t VALUES(randomblob(400))"
	replica_later
	ship --new-generation a.db >/dev/null 2>&1
	replica_later
}

# history N -- so many changes, every third with a snapshot.
history() {
	local i
	for ((i = 1; i <= $1; i++)); do
		if ((i % 3 == 0)); then
			change --snapshot-interval=0s
		else
			change
		fi
	done
}

# objects_of FILE -- the keys that lspp-prune printed, with -n or without.
objects_of() {
	sed -n 's,^.*\(a\.db/generations/.*\)$,\1,p' "$1" | sort
}

gone_since() {
	comm -23 "$1" <(replica_list)
}
