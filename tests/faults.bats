#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A system call fails: the disk is full, it errs, there are too many open files, a
# signal interrupts, half of the bytes go.  Each call that it can happen to, in
# turn, one call alone and all from there on: what was printed holds, 0 is never
# wrong, no file is ever wrong, and the next run is as if nothing had been.

load lib/lspp
load lib/later

setup() {
	set +T
	need lspp-ship lspp-restore lspp-prune image atcall sqlite3 faketime
	D=$T/src R=$T/w/r S=$T/w/state
	mkdir "$D" "$T/w"
	cd "$T" || return
	AT=(-r "$R" -C "$D" -s "$S" -j 1)
	seed
}

# change DB -- commits what no other change does.
change() {
	sqlite3 "$D/$1" "CREATE TABLE IF NOT EXISTS t(x);
		INSERT INTO t VALUES(randomblob(${2:-9000}))"
}

# fleet FORMAT -- three databases, shipped; of one a writer keeps the -wal.
fleet() {
	local db
	AS=(--format "$1")
	for db in a b c; do
		change $db.db
	done
	sqlite3 "$D/b.db" 'PRAGMA journal_mode = wal' >/dev/null
	change b.db 30000
	lspp-ship "${AT[@]}" "${AS[@]}" "$D"/*.db >/dev/null
}

# changed -- two of the three, and one that is new; IMAGE/ has all.
changed() {
	change a.db
	change b.db
	change new.db
	images
}

images() {
	local db
	rm -rf image
	mkdir image
	for db in "$D"/*.db; do
		image "$db" "image/${db##*/}"
	done
}

# base -- each run begins with what is in w/ now.
base() {
	rm -rf base
	cp -a w base
}

# restores NAME... -- to its image.
restores() {
	local db
	rm -rf back
	lspp-restore -q -r "$R" -o back "$@" >/dev/null || return
	for db; do
		cmp "back/$db" "image/$db" || return
	done
}

# trial FAULT N -- one run of RUN, which fails at the N-th call; FAULT+ is from
# there on.  holds, a function of the test, says whether what is there may be.
trial() {
	local fault=$1 how=() status=0
	[ "$fault" = "${fault%+}" ] || how=(-a)
	rm -rf w
	cp -a base w
	$BEFORE
	# shellcheck disable=SC2086  # LATER is words
	timeout -s KILL 300 $LATER atcall -e "${fault%+}" "${how[@]}" -n "$2" \
		-o calls "${RUN[@]}" >out 2>err || status=$?
	STATUS=$status
	TRIALS=$((TRIALS + 1))
	if [ $status -lt 124 ] || [ $status -eq 127 ]; then
		cp out out.1
		cp err err.1
		synced "${fault%+}" && holds && again && return
	fi
	FAILED=$((FAILED + 1))
	say "$fault at call $2 of ${RUN[*]}: status $status, $(sed -n 2p calls)"
	say "  printed $(tr "\n" " " <out.1), said $(tr "\n" " " <err.1)"
}

# synced FAULT -- what could not be made durable is not 0.  SQLite, whose journal
# that is, goes on when it is a directory's sync.  lspp-hot and lspp-verify go on
# without what they note for the next run, and say so.
synced() {
	case ${RUN[0]} in
	lspp-hot) ! grep -q 'cannot note what waits: ' err.1 || return 0 ;;
	lspp-verify) ! grep -q 'nothing is noted: state: ' err.1 || return 0 ;;
	esac
	[ $STATUS -ne 0 ] || [ "$1" = EINTR ] || ! grep -q '^sync ' calls ||
		grep -q "^sync $S\$" calls || {
		echo "0, although a sync failed"
		return 1
	}
}

# again -- the same without a fault, from what is there.
again() {
	STATUS=0
	$LATER "${RUN[@]}" >out 2>err || STATUS=$?
	[ $STATUS -eq "${FINE:-0}" ] && holds && return
	echo "the next run: status $STATUS, $(cat out err)"
	return 1
}

# calls FAULT -- which calls of RUN it can happen to: adds "FAULT N" to ALL.
calls() {
	local n first last
	# What loads the program is not ours.
	atcall -e "${1%+}" -o calls "${RUN[0]}" --version >/dev/null
	first=$(head -n 1 calls)
	rm -rf w
	cp -a base w
	$BEFORE
	$LATER atcall -e "${1%+}" -o calls "${RUN[@]}" >/dev/null 2>&1 || :
	last=$(head -n 1 calls)
	for ((n = first; n <= last; n++)); do
		ALL+=("$1 $n")
	done
}

# trials N -- so many of RUN, of two faults that are drawn; under LSPP_SOAK all.
trials() {
	local faults=(ENOSPC EIO EMFILE EINTR short ENOSPC+ EIO+ EMFILE+) n i
	ALL=() TRIALS=0 FAILED=0
	if [ -n "${LSPP_SOAK:-}" ]; then
		for i in "${faults[@]}"; do
			calls "$i"
		done
		n=${#ALL[@]}
	else
		n=$((RANDOM % 8))
		calls "${faults[n]}"
		calls "${faults[(n + 1 + RANDOM % 7) % 8]}"
		n=$1
	fi
	for ((i = 0; i < n; i++)); do
		# shellcheck disable=SC2086  # two words
		if [ -n "${LSPP_SOAK:-}" ]; then
			trial ${ALL[i]}
		else
			trial ${ALL[RANDOM % ${#ALL[@]}]}
		fi # all of one kind are seen together
	done
	say "$TRIALS of ${#ALL[@]} faults of ${RUN[0]}: $FAILED do harm"
	[ $FAILED -eq 0 ]
}

BEFORE=: LATER='' FINE=0

# -- ship ---------------------------------------------------------------------

ship_holds() {
	local path
	cmp <(sqlite3 -readonly "$S/state.db" 'PRAGMA integrity_check' 2>&1) <(echo ok) ||
		return
	while IFS= read -r path; do
		restores "${path##*/}" || return
	done <out
	[ $STATUS -ne 0 ] || [ "$(wc -l <out)" -eq 4 ] || return
	# What was not acknowledged then is by now, and nothing began anew.
	[ $STATUS -ne 0 ] || [ ! -s err ]
}

ships() {
	fleet "$1"
	changed
	base
	RUN=(lspp-ship "${AT[@]}" "${AS[@]}" "$D"/{a,b,c,new}.db)
	holds() { ship_holds; }
	trials 8
}

@test "lspp-ship" {
	ships wal
}

@test "lspp-ship --format ltx" {
	ships ltx
}

@test "a first lspp-ship" {
	AS=()
	change a.db
	change b.db
	images
	mkdir -p "$R"
	base
	RUN=(lspp-ship "${AT[@]}" "$D"/{a,b}.db)
	holds() {
		local path
		while IFS= read -r path; do
			restores "${path##*/}" || return
		done <out
		[ $STATUS -ne 0 ] || [ "$(wc -l <out)" -eq 2 ]
	}
	trials 8
}

@test "a replica whose own name may not last is told, also if it was there" {
	local n
	change a.db
	for n in 1 2; do
		run -74 --separate-stderr atcall -f /w -k sync -e EIO -n 1 \
			lspp-ship "${AT[@]}" "$D/a.db"
		[[ $stderr == *"cannot sync the directory of $R: "* ]] || fail "$stderr"
		assert_output ""
	done
	run -0 lspp-ship "${AT[@]}" "$D/a.db"
}

# -- restore ------------------------------------------------------------------

# Whole or absent; whole if it was printed; both if it is 0.
restore_holds() {
	local db
	for db in a.db b.db; do
		if [ -e "w/out/$db" ]; then
			cmp "w/out/$db" "image/$db" ||
				{ [ $OLD = 1 ] && cmp "w/out/$db" old; } || return
		fi
		! grep -q "/$db\$" out || cmp "w/out/$db" "image/$db" || return
		[ $STATUS -ne 0 ] || cmp "w/out/$db" "image/$db" || return
	done
	[ $STATUS -ne 0 ] || [ "$(ls -A w/out | tr '\n' ' ')" = 'a.db b.db ' ]
}

restores_all() {
	fleet "$1"
	changed
	lspp-ship "${AT[@]}" "${AS[@]}" "$D"/*.db >/dev/null
	OLD=0
	cp image/c.db old
	base
	holds() { restore_holds; }
	RUN=(lspp-restore -r "$R" -o w/out --force -j 1 a.db b.db)
	trials 6
	OLD=1
	mkdir base/out
	cp old base/out/a.db
	trials 4
}

@test "lspp-restore" {
	restores_all wal
}

@test "lspp-restore of LTX" {
	restores_all ltx
}

@test "lspp-restore --follow" {
	fleet wal
	lspp-restore -q --follow --for 1s --interval 100ms -r "$R" -o w/out a.db >/dev/null
	cp w/out/a.db old
	changed
	lspp-ship "${AT[@]}" "$D"/*.db >/dev/null
	base
	RUN=(lspp-restore --follow --for 1s --interval 100ms -r "$R" -o w/out a.db)
	holds() {
		[ "$(sqlite3 w/out/a.db 'PRAGMA integrity_check')" = ok ] || return
		# Printed when it is there, as it was, and behind the change.
		if [ "$(wc -l <out)" -gt 1 ]; then
			same_db w/out/a.db image/a.db
		else
			same_db w/out/a.db image/a.db || same_db w/out/a.db old
		fi
	}
	trials 1
}

# all_syncs PROGRAM... -- each sync in turn fails: none of it is 0, or printed.
all_syncs() {
	local n all
	rm -rf w/new
	atcall -e EIO -k sync -o calls "$@" >/dev/null
	all=$(head -n 1 calls)
	[ "$all" -gt 2 ]
	for ((n = 1; n <= all; n++)); do
		rm -rf w/new
		run -74 --separate-stderr atcall -e EIO -k sync -n $n "$@"
		assert_output ''
		assert_regex "$stderr" 'cannot sync'
	done
}

@test "the directories above a file that are not durable are told" {
	fleet wal
	images
	all_syncs lspp-new --sync -j 1 -t "$T/image/c.db" w/new/a/1.db
	all_syncs lspp-restore -r "$R" -o w/new/a -j 1 a.db
}

@test "half of a header is not taken for another file" {
	change a.db
	run -0 atcall -f /a.db -e short -n 1 lspp-scan -j 1 "$D"
	assert_output "$D/a.db"
}

@test "an object that cannot be looked at is not taken for none" {
	fleet wal
	run -74 --separate-stderr atcall -f .snapshot.lz4 -e EIO -n 1 \
		lspp-restore -r "$R" -o w/out -j 1 a.db
	assert_regex "$stderr" 'Input/output error'
	rm -rf w
	fleet ltx
	run -74 --separate-stderr atcall -f .ltx -e EIO -n 1 \
		lspp-restore -r "$R" -o w/out -j 1 a.db
	assert_regex "$stderr" 'Input/output error'
}

# -- the others ---------------------------------------------------------------

# Of sound databases and a damaged one: that one is never printed.
verifies() {
	local object
	fleet "$1"
	changed
	lspp-ship "${AT[@]}" "${AS[@]}" "$D"/*.db >/dev/null
	object=$(find "$R/b.db" -name '*.wal.lz4' -size +8k -o -name '*.ltx' -size +8k |
		sort | tail -n 1)
	printf X | dd of="$object" bs=1 seek=5000 conv=notrunc status=none
	base
	RUN=(lspp-verify -r "$R" -s "$S" -j 1 --deep --settle 0s a.db b.db c.db)
	FINE=1
	holds() {
		! grep -q b.db out && [ $STATUS -ne 0 ]
	}
	trials 8
	RUN=(lspp-verify -r "$R" -s "$S" -j 1 --deep --settle 0s a.db c.db)
	FINE=0
	holds() {
		[ $STATUS -ne 0 ] || [ "$(wc -l <out)" -eq 2 ] || return
		# A fault here is none of the replica.
		! grep -q ' damaged\|checksum' err
	}
	trials 4
}

@test "lspp-verify" {
	verifies wal
}

@test "lspp-verify of LTX" {
	verifies ltx
}

# What the policy keeps is never gone; 0 is that all else is.
prunes() {
	local i
	fleet "$1"
	for i in 1 2 3; do
		change a.db
		lspp-ship "${AT[@]}" "${AS[@]}" --snapshot-interval 0s "$D/a.db" >/dev/null
	done
	images
	base
	RUN=(lspp-prune --own-clock -r "$R" -s "$S" -j 1 --yes --keep-last 1 a.db)
	LATER="env NO_FAKE_STAT=1 $LSPP_ROOT/tests/lib/faketime -f +3d"
	$LATER "${RUN[@]}" >/dev/null 2>&1
	(cd "$R" && sha_tree .) | grep -v '^dir' >kept
	[ "$(wc -l <kept)" -lt "$(find base/r -type f | wc -l)" ]
	holds() {
		(cd "$R" && sha_tree .) | grep -v '^dir' >is
		comm -23 <(sort kept) <(sort is) >gone
		[ $STATUS -eq 0 ] || grep -Fxf <(cd base/r && sha_tree .) gone >lost || :
		[ $STATUS -ne 0 ] || { diff kept is && : >lost; } || return
		[ ! -s lost ] || { cat lost; return 1; }
		restores a.db b.db c.db
	}
	trials 8
}

@test "lspp-prune" {
	prunes wal
}

@test "lspp-prune of LTX" {
	prunes ltx
}

# prints_all -- 0 is all that RUN prints without a fault.
prints_all() {
	base
	"${RUN[@]}" >fine
	[ -s fine ]
	holds() {
		[ $STATUS -ne 0 ] || diff <(no_times <fine) <(no_times <out)
	}
	trials "$1"
}

no_times() {
	sed 's/"\?lag"\?.*//'
}

@test "lspp-scan, of directories and of a replica" {
	fleet wal
	mkdir -p "$D"/x/y
	cp "$D/a.db" "$D"/x/y
	RUN=(lspp-scan -j 1 "$D")
	prints_all 3
	RUN=(lspp-scan -j 1 --known "$S" "$D")
	prints_all 3
	RUN=(lspp-scan -j 1 -r "$R")
	prints_all 3
}

@test "lspp-hot" {
	fleet wal
	sleep 1.1 # nothing is racy
	lspp-ship "${AT[@]}" "$D"/*.db >/dev/null
	changed
	RUN=(lspp-hot -r "$R" -C "$D" -s "$S" "$D"/{a,b,c,new}.db)
	prints_all 8
}

@test "lspp-stat" {
	fleet wal
	RUN=(lspp-stat -r "$R" -C "$D" -s "$S" --hot-for 1d --json)
	prints_all 4
}

@test "lspp-new" {
	fleet wal
	images
	base
	RUN=(lspp-new --sync -j 1 -t "$T/image/c.db" w/new/{1,2,3}.db)
	BEFORE='rm -rf w/new'
	holds() {
		local db
		for db in w/new/*.db; do
			[ ! -e "$db" ] || cmp "$db" image/c.db || return
		done
		for db in $(cat out); do
			cmp "$db" image/c.db || return
		done
		[ $STATUS -ne 0 ] || [ "$(ls w/new | wc -l)" -eq 3 ]
	}
	again() { :; }
	trials 8
}

# -- what is told ---------------------------------------------------------------

# Whose state a disk does not read must not be told to move it away.
@test "a disk that does not read is not a damaged state" {
	local n all stat=(lspp-stat -s "$S")
	fleet wal
	atcall -f state.db -e EIO -k read -o calls "${stat[@]}" >/dev/null
	all=$(head -n 1 calls)
	[ "$all" -gt 5 ]
	for ((n = 1; n <= all; n++)); do
		run -74 --separate-stderr \
			atcall -f state.db -e EIO -k read -n $n "${stat[@]}"
		assert_regex "$stderr" 'Input/output error'
		refute_regex "$stderr" 'malformed|move the state'
	done
}
