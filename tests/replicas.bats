#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-restore -c: of several replicas the newest state, whichever has it.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp

setup() {
	set +T
	need lspp-ship lspp-restore sqlite3
	cd "$T" || return
	mkdir src
	sqlite3 src/a.db 'CREATE TABLE t(x); INSERT INTO t VALUES(1)'
	export LSPP_STATE=$T/state
	cat >one.yml <<-END
	dbs:
	  - path: $T/src/a.db
	    replicas:
	      - path: $T/r1/a.db
	      - path: $T/r2/a.db
	END
	cat >dir.yml <<-END
	dbs:
	  - dir: $T/src
	    pattern: "*.db"
	    replicas:
	      - path: $T/r1
	      - path: $T/r2
	END
}

# both -- another change, to both.
both() {
	sqlite3 src/a.db 'INSERT INTO t SELECT max(x) + 1 FROM t'
	lspp-ship -q -c one.yml src/a.db >/dev/null
}

# behind 1|2 -- that replica misses a change.
behind() {
	mv "r$1" away
	: >"r$1"
	both || :
	rm "r$1"
	mv away "r$1"
}

# gives STATUS X [ARGUMENT...] -- a restore, and what is newest in it.
gives() {
	local file=$T/out$T/src/a.db
	rm -rf out
	run "-$1" --separate-stderr lspp-restore -o out "${@:3}"
	if [ "$2" = - ]; then
		assert [ ! -e "$file" ]
	else
		assert_equal "$(sqlite3 "$file" 'SELECT max(x) FROM t')" "$2"
	fi
}

@test "whichever is behind, the newest comes back" {
	local k
	both
	for k in 1 2; do
		behind $k
		gives 0 $((k + 2)) -c one.yml src/a.db
		assert_equal "$stderr" ""
		both_even $k
	done
}

# both_even N -- both have all there is, as a copy.
both_even() {
	local other=$((3 - $1))
	rm -rf "r$1"
	cp -a "r$other" "r$1"
}

@test "one that cannot be looked at may have a newer one" {
	both
	behind 1
	mv r1 r1.away
	: >r1
	gives 3 3 -c one.yml src/a.db
	assert_regex "$stderr" "another replica may have a newer one: .*/r1 is not a directory"
	rm r1
	# It may be a disk that is not mounted.
	gives 3 3 -c one.yml src/a.db
	mv r1.away r1
	mv r2 r2.away
	: >r2
	gives 3 2 -c one.yml src/a.db
	assert_regex "$stderr" "/r2 is not a directory"
}

@test "one whose newest object is damaged may have a newer one" {
	local object
	both
	behind 2
	object=$(find r1 -name '*.wal.lz4' | LC_ALL=C sort | tail -1)
	truncate -s -5 "$object"
	gives 3 2 -c one.yml src/a.db
	assert_regex "$stderr" "another replica may have a newer one: what is newest is damaged in .*/r1"
	# In the other order, too.
	mv r1 r0; mv r2 r1; mv r0 r2
	gives 3 2 -c one.yml src/a.db
	assert_regex "$stderr" "another replica may have a newer one: what is newest is damaged in .*/r2"
}

@test "--if-replica-exists passes over what none of them has" {
	both
	rm -r r1/a.db
	gives 0 2 --if-replica-exists -c one.yml src/a.db
	assert_equal "$stderr" ""
	gives 0 2 -c one.yml src/a.db
	rm -r r2/a.db
	gives 0 - --if-replica-exists -c one.yml src/a.db
	gives 66 - -c one.yml src/a.db
	rm -r r1
	: >r1
	run --separate-stderr lspp-restore -o out --if-replica-exists \
		-c one.yml src/a.db
	assert_failure
	assert_regex "$stderr" "/r1 is not a directory"
}

@test "a pattern finds what any of them has" {
	cp src/a.db src/b.db
	both
	lspp-ship -q -c dir.yml src/b.db >/dev/null
	behind 1
	gives 0 3 -c dir.yml "$T/src/*.db"
	assert_equal "$(wc -l <<<"$output")" 2
	rm -r r1/b.db r2/a.db
	gives 0 2 -c dir.yml "$T/src/*.db"
	assert_equal "$(wc -l <<<"$output")" 2
	mv r1 r1.away
	: >r1
	rm -rf out
	run -3 --separate-stderr lspp-restore -o out -c dir.yml "$T/src/*.db"
	assert_output "out$T/src/b.db"
	assert_regex "$stderr" "/r1 is not a directory"
}
