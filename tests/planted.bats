# SPDX-License-Identifier: Apache-2.0
# Tenants that may write below their own directory put symbolic links there: what
# is another's is neither read nor shipped nor written to.

load lib/lspp

setup() {
	set +T
	[ "$(id -u)" = 0 ] || skip "needs root for owners"
	cd "$T"
	chmod 755 .
	mkdir -p srv/acme/data srv/other
	make_db srv/acme/app.db acme 1001
	make_db srv/acme/data/in.db acme 1001
	make_db srv/other/secret.db secret 1002
	chown 1001 srv/acme srv/acme/data
	chown 1002 srv/other
	export LSPP_REPLICA=rep LSPP_STATE=state LSPP_BASE=$T/srv
}

# make_db FILE WORD OWNER
make_db() {
	sqlite3 "$1" "CREATE TABLE t (x); INSERT INTO t VALUES ('$2')"
	chown "$3" "$1"
	chmod 600 "$1"
}

# plant TARGET LINK [OWNER] -- in place of what is there.
plant() {
	rm -rf "$2"
	ln -s "$1" "$2"
	chown -h "${3:-1001}" "$2"
}

# All that a replica says of a database, in one word.
shipped() {
	sqlite3 "$1" "SELECT x FROM t"
}

@test "a link to another's database is not shipped, the rest is" {
	plant ../other/secret.db srv/acme/app.db
	run -1 --separate-stderr lspp-ship srv/acme/app.db srv/acme/data/in.db
	assert_output srv/acme/data/in.db
	[[ $stderr == *'acme/app.db: open: a symbolic link leads to '* ]]
	[[ $stderr == *'hint: links are followed that belong to root'* ]]
	assert_equal "$(lspp-scan -r rep)" "file://$T/rep/acme/data/in.db"
}

@test "nor one that it became after it was shipped, nor by a directory" {
	lspp-ship srv/acme/app.db srv/acme/data/in.db
	plant ../other/secret.db srv/acme/app.db
	run -77 lspp-ship -q srv/acme/app.db
	mv srv/other/secret.db srv/other/in.db
	plant ../other srv/acme/data
	run -77 lspp-ship -q srv/acme/data/in.db
	run -77 lspp-verify -q --against-source acme/data/in.db
	lspp-restore -q -o new '**'
	assert_equal "$(shipped new/acme/app.db)" acme
	assert_equal "$(shipped new/acme/data/in.db)" acme
}

@test "links of root, and of a tenant to what is its own, are followed" {
	plant data/in.db srv/acme/own.db
	plant ../other/secret.db srv/acme/admin.db 0
	run -0 lspp-ship srv/acme/own.db srv/acme/admin.db
	lspp-restore -q -o new '**'
	assert_equal "$(shipped new/acme/own.db)" acme
	assert_equal "$(shipped new/acme/admin.db)" secret
	grep -rq secret rep # an object shows it
}

@test "a swap while it runs never ships another's" {
	local i n
	n=$(count 1000 100)
	make_db keep acme 1001
	(
		while :; do
			ln -sfn ../other/secret.db srv/acme/x
			chown -h 1001 srv/acme/x
			mv -T srv/acme/x srv/acme/app.db
			cp -p keep srv/acme/y
			mv srv/acme/y srv/acme/app.db
		done
	) 3>&- &
	swapper=$!
	for ((i = 0; i < n; i++)); do
		lspp-ship -q srv/acme/app.db 2>/dev/null || :
	done >shipped
	kill "$swapper"
	wait "$swapper" || :
	lspp-scan -r rep >listed
	[ ! -s listed ] || {
		lspp-restore -q -o new '**'
		assert_equal "$(shipped new/acme/app.db)" acme
	}
	run ! grep -rlq secret rep new
}

@test "a restore to the original place does not go where a tenant leads it" {
	lspp-ship srv/acme/data/in.db
	rm srv/acme/data/in.db
	mkdir -m 755 etc
	plant ../../etc srv/acme/data
	run -77 --separate-stderr lspp-restore acme/data/in.db
	[[ $stderr == *'symbolic link leads to'* ]]
	assert_equal "$(ls etc)" ''
	plant ../../etc srv/acme/data 0
	lspp-restore acme/data/in.db
	assert_equal "$(ls etc)" in.db
}
