#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A tenant is forgotten: nothing of it is in the replica or the state.
#
# Twice: on S3, too.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/prune

setup() {
	set +T
	prune_setup
	sqlite3 a.db-2 "CREATE TABLE t(x)"
	sqlite3 kept.db "CREATE TABLE t(x)"
	shipped a.db a.db-2 kept.db
	change
	replica_later
	ship --new-generation a.db >/dev/null 2>&1
}

erase() {
	run --separate-stderr lspp-prune -r "$R" -C "$D" -s "$S" --erase "$@"
}

of_tenant() {
	replica_list | grep '^a\.db/' || :
}

@test "all of a tenant that is gone goes, and nothing of others" {
	replica_list | grep -v '^a\.db/' >others
	rm a.db
	erase --yes a.db
	assert_success
	assert_equal "$stderr" ""
	[ -z "$(of_tenant)" ]
	diff others <(replica_list)
	run -66 lspp-restore -r "$R" -o out a.db
	# Nor does the state know it.
	run -0 sqlite3 "$S/state.db" "SELECT count(*) FROM db WHERE key = 'a.db'"
	assert_output 0
	sqlite3 kept.db "INSERT INTO t VALUES(1)"
	shipped kept.db
	# A new one of that name begins.
	sqlite3 a.db "CREATE TABLE t(x)"
	shipped a.db
	lspp-restore -r "$R" -o out a.db
}

@test "what is still there is not deleted, nor is what a pattern names" {
	replica_list >before
	erase --yes a.db
	assert_failure 75
	assert_regex "$stderr" "a.db is still there: nothing is deleted"
	erase --yes '**'
	assert_failure 2
	erase --yes 'a*'
	assert_failure 2
	assert_regex "$stderr" "wants names, no pattern"
	erase --yes --keep-last 1 a.db
	assert_failure 2
	erase a.db </dev/null
	assert_failure 2
	diff before <(replica_list)
	rm a.db
	erase -n a.db
	assert_success
	diff before <(replica_list)
}

@test "what is left of it is a failure, and named" {
	rm a.db
	echo text >text
	replica_put a.db/generations/note.txt text
	erase --yes a.db
	assert_failure 73
	assert_regex "$stderr" "a.db: 1 objects of unknown names are left; one is a.db/generations/note.txt"
	assert_equal "$(of_tenant)" a.db/generations/note.txt
}

@test "one that a new state does not know is deleted by its name" {
	S=$T/other
	rm a.db
	erase --yes a.db
	assert_success
	[ -z "$(of_tenant)" ]
	lspp-restore -r "$R" -o out kept.db
}

# The id of a generation never returns: an old record's position would be one in the
# new history.
@test "begun again: what an older copy of the state puts is not in the new history" {
	sqlite3 kept.db "INSERT INTO t VALUES(randomblob(40))"
	shipped kept.db
	sqlite3 kept.db "INSERT INTO t VALUES(randomblob(9000))"
	shipped kept.db
	cp -r "$S" "$T/old"
	rm kept.db
	erase --yes kept.db
	assert_success
	sqlite3 kept.db "CREATE TABLE t(x)"
	shipped kept.db
	sqlite3 kept.db "INSERT INTO t VALUES('acknowledged')"
	shipped kept.db
	S=$T/old
	sqlite3 kept.db "INSERT INTO t VALUES('more')"
	ship kept.db >acks 2>&1
	assert_equal "$(tail -n 1 acks)" kept.db
	# In a bucket a record of the last day is relied on: a restore tells.
	run lspp-restore -r "$R" -o out kept.db
	[ "$status" -eq 0 ] || { [ $REPLICA = s3 ] && [ "$status" -eq 3 ]; }
	run -0 sqlite3 out/kept.db "SELECT count(*) FROM t WHERE x = 'acknowledged'"
	assert_output 1
}

@test "of a litestream.yml all replicas of a path go, and no pattern is one" {
	local p
	mkdir tenants
	sqlite3 tenants/a.db "CREATE TABLE t(x)"
	sqlite3 tenants/b.db "CREATE TABLE t(x)"
	cat >"$T/l.yml" <<-END
		dbs:
		  - path: $D/tenants/a.db
		    replicas:
		      - {type: file, path: $T/y/one}
		      - {type: file, path: $T/y/two, name: second}
		  - dir: $D/tenants
		    pattern: "b*"
		    replica: {type: file, path: $T/y/all}
	END
	lspp-ship -q -c "$T/l.yml" -s "$S" tenants/*.db >/dev/null
	find "$T/y" -type f | sort >before
	run -0 --separate-stderr lspp-verify -s "$S" -c "$T/l.yml" --deep '**'
	assert_equal "$(sort <<<"$output" | uniq -c | tr -s ' ')" \
		" 2 $D/tenants/a.db
 1 $D/tenants/b.db"
	rm tenants/a.db tenants/b.db
	for p in '**' '*.db' "$D/tenants/*.db" b.db; do
		run --separate-stderr lspp-prune -c "$T/l.yml" -s "$S" \
			--erase --yes "$p"
		assert_failure 2
		assert_regex "$stderr" 'any number of databases: give a path'
		diff before <(find "$T/y" -type f | sort)
	done
	run -0 --separate-stderr lspp-prune -c "$T/l.yml" -s "$S" \
		--erase --yes "$D/tenants/a.db"
	assert_equal "$stderr" ""
	diff <(grep /all/ before) <(find "$T/y" -type f | sort)
}
