#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A tenant makes of its directory what it likes, and goes on with it while lspp is
# at work (tests/tools/tree.c): links, loops, pipes, devices, files of TB, any
# name.  What is outside is neither opened nor shipped nor written to, and the
# neighbour's database is shipped and restored as ever.

load lib/lspp

setup() {
	set +T
	root_or_skip "owners and devices"
	need tree atcall lspp-scan lspp-hot lspp-ship lspp-verify lspp-restore lspp-prune
	cd "$T"
	chmod 755 .
	seed
	make_outside
	sqlite3 template "CREATE TABLE t (x); INSERT INTO t VALUES ('tenant')"
	export LSPP_REPLICA=$T/rep LSPP_STATE=$T/state LSPP_BASE=$T/srv
}

# make_outside -- of another user, with a word that no pack hides.
make_outside() {
	CANARY=canary-$(noise "$SEED" 12 | od -An -tx1 | tr -d ' \n')
	mkdir -p outside/dir/in
	sqlite3 outside/secret.db "PRAGMA journal_mode = wal;
		CREATE TABLE t (x); INSERT INTO t VALUES ('$CANARY')" >/dev/null
	cp outside/secret.db outside/dir
	cp outside/secret.db outside/dir/in
	echo "$CANARY" >outside/plain
	echo "$CANARY" >outside/secret.db-wal
	mkfifo outside/pipe
	chown -R 1002 outside
	chmod 700 outside/dir
	sha_tree outside >outside.was
}

# pass FORMAT -- all that a crontab does, whatever becomes of single paths.
pass() {
	cat >pass.sh <<-'END'
		run() {
			timeout -s KILL 60 "$@" 2>>err || {
				status=$?
				[ $status -lt 124 ] || echo "$1: $status" >>broken
			}
		}
		run lspp-scan -0 srv >found
		run lspp-hot -0 <found >hot
		run lspp-ship -0 --format "$1" <hot >shipped
		run lspp-verify -0 --against-source '**' >verified </dev/null
		run lspp-restore -0 --force '**' >restored </dev/null
		run lspp-restore -0 -o new '**' >restored2 </dev/null
		run lspp-prune -0 --yes --keep-last 1 '**' >pruned </dev/null
		run lspp-stat >stat </dev/null
		exit 0
	END
	tree watch outside bash pass.sh "$1" >watched || {
		cat watched
		return 1
	}
}

# tree_holds N -- of the tree of that seed.
tree_holds() {
	local swapper format=wal
	[ $(($1 % 2)) -eq 0 ] || format=ltx
	rm -rf srv rep state new found hot shipped broken err
	mkdir -p srv/hostile srv/neighbour
	sqlite3 srv/neighbour/app.db "CREATE TABLE t (x); INSERT INTO t VALUES (1)"
	cp srv/neighbour/app.db neighbour
	tree make "$1" srv/hostile "$T/outside" template
	tree swap "$1" srv/hostile "$T/outside" 3>&- &
	swapper=$!
	pass $format || { kill "$swapper"; return 1; }
	kill "$swapper"
	wait "$swapper" || :
	[ ! -e broken ] || { cat broken err; return 1; }
	sha_tree outside | diff outside.was -
	! grep -rlqF "$CANARY" rep state new found hot shipped err restored || {
		grep -rlF "$CANARY" rep state new found hot shipped err restored
		return 1
	}
	tr '\0' '\n' <shipped | grep -qx srv/neighbour/app.db
	cmp new/neighbour/app.db neighbour
	cmp srv/neighbour/app.db neighbour
}

@test "what a tenant plants leads nowhere" {
	local i n
	n=$(count 1000 20 8)
	for ((i = 0; i < n; i++)); do
		tree_holds $((SEED + i)) || fail "LSPP_SEED=$((SEED + i))"
	done
}

# plant -- the tenant's database, as it was.
plant() {
	rm -f srv/hostile/app.db
	cp template srv/hostile/app.db
	chown 1001 srv/hostile/app.db
}

# becomes WHAT COUNTED N PROGRAM... -- before its N-th call of those that atcall is to
# count the database becomes a link, or a pipe that nobody writes to.
becomes() {
	local what=$1 counted=$2 n=$3 status=0
	shift 3
	plant
	# shellcheck disable=SC2086  # it is an option, and what it takes
	tree watch outside timeout -s KILL 60 atcall $counted -n "$n" \
		-x "$T/$what" "$@" >watched 2>err || status=$?
	[ $status -lt 99 ] || { cat watched err; return 1; }
}

# becomes_at_each WHAT COUNTED PROGRAM...
becomes_at_each() {
	local n last
	plant
	# What loads the program opens nothing of the tenant's.
	# shellcheck disable=SC2086
	atcall $2 -o calls "$3" --version >/dev/null
	n=$(head -n 1 calls)
	# shellcheck disable=SC2086
	atcall $2 -o calls "${@:3}"
	last=$(head -n 1 calls)
	for ((n++; n <= last; n++)); do
		becomes "$1" "$2" $n "${@:3}"
	done
}

@test "a link, or a pipe, that comes between a look at the way and SQLite's open" {
	mkdir -p srv/hostile
	chown 1001 srv/hostile
	plant
	cat >"$T/link" <<-END
		#!/bin/sh
		ln -s $T/outside/secret.db $T/srv/hostile/new &&
			chown -h 1001 $T/srv/hostile/new &&
			mv -T $T/srv/hostile/new $T/srv/hostile/app.db
	END
	cat >"$T/pipe" <<-END
		#!/bin/sh
		mkfifo $T/srv/hostile/new && chown 1001 $T/srv/hostile/new &&
			mv -T $T/srv/hostile/new $T/srv/hostile/app.db
	END
	chmod +x link pipe
	lspp-ship srv/hostile/app.db
	becomes_at_each link '-f /app.db' lspp-verify -q --against-source hostile/app.db
	# Each open is one of these.
	becomes_at_each pipe '-k write' lspp-verify -q --against-source hostile/app.db
}
