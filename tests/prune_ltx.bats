# SPDX-License-Identifier: Apache-2.0
# Retention of what Litestream 0.5 wrote: what is promised restores as before,
# with both; followers and the daemon go on.
# Twice: on S3, too.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/replica
load lib/ltx
load lib/later

setup() {
	set +T
	need lspp-prune faketime
	replica_new "$T/r"
	cd "$T" || return
	export LTX_EVERY=1s
}

teardown() {
	local pid
	for pid in ${LTX_PID:-} ${FOLLOWER:-}; do
		kill "$pid" 2>/dev/null || :
	done
}

# In three days, when all that there is now is old.
prune() {
	later 3 lspp-prune -r "$R" "$@"
}

is_shipped() {
	ltx_theirs shipped "$1" && same_db "$1" shipped
}

# steps N DB -- so many changes, each shipped by itself.
steps() {
	local i
	for ((i = 0; i < $1; i++)); do
		ltx_step "$2"
		sleep 0.2 # so that there is more than one file
	done
	wait_for is_shipped "$2"
}

# has_snapshots DB N -- or it is changed once more.
has_snapshots() {
	[ "$(ltx_files "$1" | grep -c '^9 ')" -ge "$2" ] && return
	ltx_step "$1"
	false
}

# written N DB... -- by a daemon that has ended; each with three snapshots.
written() {
	local n=$1 db
	shift
	ltx_make "$@"
	ltx_config "$@"
	ltx_start
	for db; do
		steps "$n" "$db"
		wait_for has_snapshots "$db" 3
		wait_for is_shipped "$db"
	done
	ltx_stop
}

# remember NAME -- what litestream restores, of each TXID and of each time at
# which something was written.
remember() {
	local max key ms
	rm -rf was
	mkdir was
	: >moments
	while read -r _ _ max key; do
		ms=$((16#$(replica_get "$key" | xxd -s 32 -l 8 -p)))
		echo "$ms" >>moments
		[ ! -e "was/$max" ] || continue
		! ltx_theirs out "$1" -txid "$max" || mv out "was/$max"
	done < <(ltx_files "$1")
	sort -n -u moments -o moments
	while read -r ms; do
		! ltx_ours out "$1" --timestamp "$(stamp "$ms")" 2>/dev/null ||
			mv out "was/at-$ms"
		! ltx_theirs out "$1" -timestamp "$(stamp $((ms + 1)) rfc)" ||
			mv out "was/05-$ms"
	done <moments
}

# stamp MS [rfc] -- as lspp, or litestream, takes it.
stamp() {
	local ms
	ms=$(printf %03d $(($1 % 1000)))
	if [ "${2:-}" = rfc ]; then
		date -u -d "@$(($1 / 1000))" "+%Y-%m-%dT%H:%M:%S.${ms}Z"
	else
		echo "@$(($1 / 1000)).$ms"
	fi
}

# same_as_before NAME TXID MS -- all from there on restores as it did, and nothing
# before that to anything else.
same_as_before() {
	local name=$1 from=$2 since=$3 file txid ms n=0
	for file in was/*; do
		txid=${file#was/}
		case $txid in
		at-*)
			ms=${txid#at-}
			[ "$ms" -ge "$since" ] || continue
			ltx_ours out "$name" --timestamp "$(stamp "$ms")"
			;;
		05-*)
			# In a bucket it refuses what is before the time of the
			# first object, which the server has in seconds.
			ms=${txid#05-}
			[ $REPLICA = dir ] || ms=$((ms - 2000))
			[ "$ms" -ge "$since" ] || continue
			ms=${txid#05-}
			ltx_theirs out "$name" -timestamp \
				"$(stamp $((ms + 1)) rfc)"
			;;
		*)
			if [[ $txid < $from ]]; then
				! ltx_theirs out "$name" -txid "$txid" ||
					cmp out "$file"
				! ltx_ours out "$name" --txid "$txid" \
					2>/dev/null || cmp out "$file"
				continue
			fi
			ltx_theirs out "$name" -txid "$txid"
			cmp out "$file"
			ltx_ours out "$name" --txid "$txid"
			;;
		esac
		cmp out "$file" || { echo "$file"; false; }
		n=$((n + 1))
	done
	[ $n -gt 0 ]
	ltx_theirs out "$name"
	cmp out "was/$(ltx_newest "$name")"
	ltx_ours out "$name"
	cmp out "was/$(ltx_newest "$name")"
}

# nth_snapshot NAME N -- "max ms" of the N'th newest.
nth_snapshot() {
	local max key
	read -r _ _ max key < <(ltx_files "$1" | sort | grep '^9 ' |
		tail -n "$2" | head -n 1)
	echo "$max $((16#$(replica_get "$key" | xxd -s 32 -l 8 -p)))"
}

@test "what is promised restores as before, with both" {
	local from since
	seed
	written "$(count 40 9)" a.db
	remember a.db
	read -r from since < <(nth_snapshot a.db 2)
	replica_list >before
	prune --foreign -n --keep-last 2 '**' >plan
	later 3 lspp-prune -c c.yml --foreign -n --keep-last 2 "$T/a.db" |
		diff plan -
	diff before <(replica_list)
	prune --foreign --yes --keep-last 2 '**' >did
	diff <(sed 1d plan | sed 's|.*/a.db/|a.db/|' | sort) \
		<(comm -23 before <(replica_list))
	diff <(sed 's|.*/a.db/|a.db/|' did | sort) \
		<(comm -23 before <(replica_list))
	[ -s did ]
	same_as_before a.db "$from" $((since + 1))
	run -0 --separate-stderr prune --foreign --yes --keep-last 2 a.db
	assert_equal "$output$stderr" ""
	run -0 lspp-verify -s none -r "$R" --deep a.db
	# The newest state alone.
	prune --foreign --yes --keep-last 1 a.db >did
	read -r from since < <(nth_snapshot a.db 1)
	same_as_before a.db "$from" $((since + 1))
}

@test "without --foreign it is left; and each layout is pruned by itself" {
	local i
	seed
	written 3 a.db
	cp a.db b.db
	for ((i = 0; i < 4; i++)); do
		sqlite3 b.db "INSERT INTO t(b) VALUES ('more')"
		replica_later
		lspp-ship -r "$R" -C "$T" -s s --snapshot-interval 0s b.db
	done >/dev/null 2>&1
	replica_save whole
	# In both, as after a migration.
	(cd whole/b.db && find . -type f -printf '%P\n') |
		while IFS= read -r i; do
			[ $REPLICA = s3 ] || mkdir -p "$R/a.db/${i%/*}"
			replica_put "a.db/$i" "whole/b.db/$i"
		done
	replica_list a.db/ >before
	run -0 --separate-stderr prune -v --yes --keep-last 1 '**'
	refute_output --partial .ltx
	assert_regex "$stderr" "a.db: $(ltx_files a.db | wc -l) objects of Litestream's are left"
	diff <(grep '\.ltx$' before) <(replica_list a.db/ | grep '\.ltx$')
	run -0 prune --json --foreign --yes --keep-last 1 '**'
	assert_line --regexp '/a.db/.*\.ltx".*"reason":"superseded"'
	[ "$(ltx_files a.db | grep -c '^9')" -eq 1 ]
	ltx_ours out a.db --format ltx
	same_db out a.db
	ltx_ours out a.db --format wal
	same_db out b.db
	run -0 prune --foreign --yes --keep-last 1 '**' a.db
	assert_output ""
}

@test "all of it is erased, in both layouts" {
	seed
	ltx_make a.db
	cp a.db b.db
	lspp-ship -r "$R" -C "$T" -s s a.db b.db >/dev/null
	ltx_config a.db
	ltx_start
	steps 3 a.db
	ltx_stop
	replica_list b.db/ >others
	run -75 lspp-prune -r "$R" -C "$T" -s s --erase --yes a.db
	rm a.db
	run -0 --separate-stderr lspp-prune -r "$R" -C "$T" -s s --erase -n a.db
	assert_line --partial .ltx
	run -0 --separate-stderr lspp-prune -r "$R" -C "$T" -s s --erase --yes a.db
	assert_equal "$stderr" ""
	diff others <(replica_list)
	run -66 lspp-prune -r "$R" -C "$T" -s s --erase --yes a.db
}

# ship_ltx [OPTION...] -- a change of a.db.
ship_ltx() {
	sqlite3 a.db "INSERT INTO t VALUES(randomblob(600))"
	replica_later
	lspp-ship -r "$R" -C "$T" -s s --format ltx "$@" a.db
}

both_restore() {
	ltx_theirs out a.db
	cmp out a.db
	ltx_ours out a.db
	cmp out a.db
}

@test "what lspp ships as LTX is pruned, and no old state is fooled by it" {
	local i
	sqlite3 a.db "CREATE TABLE t(x)"
	for ((i = 1; i <= 8; i++)); do
		if ((i % 3 == 0)); then
			ship_ltx --snapshot-interval 0s
		else
			ship_ltx
		fi
		cp -r s "old-$i"
	done >/dev/null
	run -0 --separate-stderr prune --yes --keep-last 1 '**'
	assert_equal "${#lines[@]}" 7
	assert_equal "$stderr" ""
	both_restore
	# Those of which the next step is gone, and those of which it is there.
	for i in 2 5 6 7 8; do
		rm -rf s
		cp -r "old-$i" s
		run -0 later 3 lspp-ship -r "$R" -C "$T" -s s --format ltx a.db
		sqlite3 a.db "INSERT INTO t VALUES($i)"
		run -0 later 3 lspp-ship -r "$R" -C "$T" -s s --format ltx a.db
		assert_line a.db
		both_restore
	done
	# And all of it, once it is gone for long.
	rm a.db
	prune -s s --yes --gone-for 2d '**'
	run -0 later 6 lspp-prune -r "$R" -s s --yes --gone-for 2d '**'
	assert_equal "$(replica_list a.db/)" ""
}

@test "a snapshot that is damaged stands in for nothing" {
	local key
	seed
	written 4 a.db
	key=$(ltx_files a.db | sort | sed -n 's/^9 .* //p' | tail -n 1)
	replica_get "$key" >bent
	printf '\377\377\377\377' | dd of=bent bs=1 seek=300 conv=notrunc \
		status=none
	replica_put "$key" bent
	replica_list >before
	# That is found out before anything goes, and not with -n.
	run -0 prune --foreign -n --keep-last 1 a.db
	run -65 prune --foreign --yes --keep-last 1 a.db
	assert_output --partial "$key"
	diff before <(replica_list)
	ltx_ours out a.db --to-last-good
	same_db out a.db
}

@test "where a TXID is missing nothing goes" {
	local txid key
	seed
	written 4 a.db
	txid=$(ltx_newest a.db)
	txid=$(printf %016x $((16#$txid - 1)))
	# Whatever brings it, but for the newest of level 0.
	ltx_files a.db | while read -r _ min max key; do
		if [[ ! $min > $txid && ! $max < $txid ]]; then
			replica_rm "$key"
		fi
	done
	replica_list >before
	run -65 prune --foreign --yes --keep-last 1 a.db
	assert_output --partial "$txid are missing: nothing is pruned"
	diff before <(replica_list)
}

@test "killed at any call the newest restores, and the next run ends it" {
	local rounds i n calls
	seed
	written "$(count 12 4)" a.db
	ltx_theirs newest a.db
	prune -n --foreign --keep-last 1 '**' >plan
	comm -23 <(replica_list) <(sed 's|.*/a.db/|a.db/|' plan | sort) >after
	[ $REPLICA = s3 ] || replica_save "$T/saved"
	calls=$(count 200 20 20)
	rounds=$(count "$calls" 4 2)
	for ((i = 1; i <= rounds; i++)); do
		n=$((1 + i * calls / rounds))
		[ $REPLICA = s3 ] || replica_back "$T/saved"
		later 3 atcall -k write -n $n lspp-prune -r "$R" --foreign \
			--yes --keep-last 1 '**' >/dev/null 2>&1 || :
		ltx_theirs out a.db
		cmp out newest
		ltx_ours out a.db
		cmp out newest
	done
	prune --foreign --yes --keep-last 1 '**' >/dev/null
	diff after <(replica_list)
	ltx_theirs out a.db
	cmp out newest
}

# followed -- the follower has all that the database has, and rests.
followed() {
	[ "$(cat follower.db-txid 2>/dev/null)" = "$(ltx_newest a.db)" ] &&
		same_db a.db follower.db 2>/dev/null
}

follow() {
	"$LITESTREAM_05" restore -f -follow-interval 200ms -o follower.db \
		"$(ltx_url a.db)" >>follower.log 2>&1 3>&- &
	FOLLOWER=$!
}

@test "a follower goes on across it, and so does the daemon" {
	local from
	seed
	ltx_make a.db
	ltx_config a.db
	ltx_start
	steps 3 a.db
	follow
	wait_for followed
	steps 4 a.db
	wait_for has_snapshots a.db 2
	prune --foreign --yes --keep-last 1 '**' >gone
	[ -s gone ]
	from=$(ltx_newest a.db)
	steps 3 a.db
	wait_for followed
	# It was away, but not for longer than what is kept: a step may be more than
	# one transaction.
	kill "$FOLLOWER"
	wait "$FOLLOWER" || :
	steps 3 a.db
	prune --foreign --yes --keep-last $((16#$(ltx_newest a.db) - 16#$from + 1)) \
		'**' >gone
	follow
	wait_for followed
	kill "$FOLLOWER"
	wait "$FOLLOWER" || :
	FOLLOWER=
	ltx_stop
	same_db a.db <(ltx_ours /dev/stdout a.db) || {
		ltx_ours out a.db
		same_db a.db out
	}
}

# compacted DB -- level 1 has all but what is newer than a pass.
compacted() {
	local end
	end=$(ltx_files "$1" | sed -n 's/^1 [0-9a-f]* \([0-9a-f]*\) .*/\1/p' |
		sort | tail -n 1)
	[ "$end" = "$(ltx_newest "$1")" ]
}

@test "a daemon that begins again, with what it knew and without, loses nothing" {
	local i db from
	seed
	written 4 a.db b.db
	for ((i = 1; i <= $(count 10 1); i++)); do
		prune --foreign --yes --keep-last 1 '**' >gone
		[ -s gone ]
		rm -rf .b.db-litestream
		read -r from _ < <(nth_snapshot a.db 1)
		ltx_theirs old a.db -txid "$from"
		: >daemon.log
		ltx_start
		for db in a.db b.db; do
			steps 3 "$db"
			wait_for has_snapshots "$db" 2
			wait_for compacted "$db"
		done
		ltx_stop
		run -1 grep -i 'compact.*fail\|nonsequential\|mismatch' daemon.log
		ltx_ours out a.db --txid "$from"
		cmp out old
	done
}
