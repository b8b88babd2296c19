# SPDX-License-Identifier: Apache-2.0
# What lspp-prune merges of LTX: each state that is kept restores as before, with
# both; followers and the daemon go on; what is damaged is merged into nothing.
# Twice: on S3, too.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/replica
load lib/ltx
load lib/later

setup() {
	set +T
	need lspp-prune faketime
	[ $REPLICA = dir ] || [ "$S3_KIND" = versitygw ] ||
		skip "the times of objects can be set in versitygw's files"
	replica_new "$T/r"
	cd "$T" || return
	export LTX_EVERY=1000h LTX_SNAPSHOTS=1000h LTX_L0=1000h
	DAY=$(($(date +%s) / 86400 * 86400 - 5 * 86400))
	NOW=$DAY
}

teardown() {
	local pid
	for pid in ${LTX_PID:-} ${FOLLOWERS:-}; do
		kill "$pid" 2>/dev/null || :
	done
}

# ship [OPTION...] -- as if it were NOW, also for the store.
ship() {
	NO_FAKE_STAT=1 at_time -f "$((NOW - $(date +%s)))s" lspp-ship \
		-r "$R" -C "$T" -s s --format ltx "$@" a.db \
		>/dev/null 2>ship.err || { cat ship.err; false; }
	[ $REPLICA = dir ] || find "$S3_DIR/data/$BUCKET/fleet/a.db" \
		-name '*.ltx' -mmin -120 -exec touch -d "@$NOW" {} +
}

# hour H [N [FROM]] -- so many changes in that hour of the day, or those behind
# so many; "TXID ms" of the state that is kept of it, its last snapshot or its last
# one, goes to the file kept.
hour() {
	local i n=${2:-$((RANDOM % 5 + 3))} at=0 txid key
	[ $# -gt 1 ] || [ $((RANDOM % 4)) != 0 ] || at=$((RANDOM % n + 1))
	[ $# -gt 2 ] || BEFORE=$(ltx_newest a.db)
	for ((i = ${3:-0} + 1; i <= n; i++)); do
		NOW=$((DAY + $1 * 3600 + i * 300))
		[ "$i" = "$n" ] || ltx_step a.db
		sqlite3 a.db "INSERT INTO t(b) VALUES (randomblob(500))"
		ship --snapshot-interval $((i == at ? 0 : 1000))h
	done
	# It may have been due for what was shipped, too.
	txid=$(ltx_files a.db | sed -n 's/^9 [0-9a-f]* \([0-9a-f]*\) .*/\1/p' |
		sort | tail -n 1)
	[[ $txid > $BEFORE ]] || txid=$(ltx_newest a.db)
	key=$(ltx_files a.db | sed -n "s/^0 .* $txid //p")
	echo "$txid $((16#$(replica_get "$key" | xxd -s 32 -l 8 -p)))" >>kept
}

# Of level 0 there is what is behind the last state that is kept, but for the
# newest.
is_pruned() {
	local newest end
	# Every hour may have a snapshot.
	[ "$(files 1)" != 0 ] || return 0
	newest=$(ltx_newest a.db)
	end=$(cut -d ' ' -f 1 kept | grep -v "^$newest\$" | tail -n 1)
	assert_equal "$(files 0)" $((16#$newest - 16#$end))
}

# hours FROM TO
hours() {
	local h
	for ((h = $1; h <= $2; h++)); do
		hour "$h"
	done
}

prune() {
	later 3 lspp-prune -r "$R" --keep-hourly 100 "$@"
}

stamp() {
	printf '@%d.%03d' $(($1 / 1000)) $(($1 % 1000))
}

stamp_rfc() {
	date -u -d "$(stamp "$1")" '+%FT%T.%3NZ'
}

# remember -- what litestream restores of what is kept.
remember() {
	local txid ms
	rm -rf was
	mkdir was
	while read -r txid ms; do
		ltx_theirs "was/$txid" a.db -txid "$txid"
		! ltx_theirs out a.db -timestamp "$(stamp_rfc $((ms + 1)))" ||
			mv out "was/05-$ms"
	done <kept
	ltx_theirs was/newest a.db
}

# is WHAT FILE PROGRAM... -- it restores out like that file.
is() {
	local what=$1 file=was/$2
	shift 2
	if ! "$@" || ! cmp out "$file"; then
		echo "$what"
		ltx_files a.db
		return 1
	fi
}

# as_before [BRIEFLY] -- it restores so, with both; all else as it was, or not.
as_before() {
	local txid ms at
	while read -r txid ms; do
		[ $# = 0 ] || [ $((RANDOM % 4)) = 0 ] || continue
		at=$(stamp_rfc $((ms + 1)))
		is "$txid, theirs" "$txid" ltx_theirs out a.db -txid "$txid"
		is "$txid" "$txid" ltx_ours out a.db --txid "$txid"
		is "$ms" "$txid" ltx_ours out a.db --timestamp "$(stamp "$ms")"
		# In a bucket it refuses what is before the oldest object.
		[ $REPLICA = s3 ] || [ ! -e "was/05-$ms" ] ||
			is "$at, theirs" "05-$ms" \
				ltx_theirs out a.db -timestamp "$at"
	done <kept
	is newest newest ltx_theirs out a.db
	is newest newest ltx_ours out a.db
}

both_restore() {
	ltx_theirs out a.db
	same_db out a.db
	ltx_ours out a.db
	same_db out a.db
}

# files LEVEL -- how many there are.
files() {
	ltx_files a.db | grep -c "^$1 " || :
}

# all_there -- of level 0, from the first file of level 1 on.
all_there() {
	local first newest
	newest=$(ltx_newest a.db)
	first=$(ltx_files a.db | sed -n 's/^1 \([0-9a-f]*\) .*/\1/p' | sort |
		head -n 1)
	[ -z "$first" ] || assert_equal "$(ltx_files a.db |
		awk -v first="$first" '$1 == 0 && $2 >= first' | wc -l)" \
		$((16#$newest - 16#$first + 1))
}

@test "what is kept of hours restores as before, with both" {
	local steps merged
	seed
	ltx_make a.db
	hours 0 5
	remember
	steps=$(files 0)
	replica_list >before
	# They are merged, and none goes before that is old enough.
	prune -n '**' >plan
	diff before <(replica_list)
	run -0 --separate-stderr prune -v --yes '**'
	echo "$output" >gone
	diff <(sed 1d plan | sed 's|.*/a.db/|a.db/|') \
		<(sed '/^$/d; s|.*/a.db/|a.db/|' gone)
	comm -13 before <(replica_list) >new
	run ! grep -v 'a.db/\(ltx/1\|0001\)/[^/]*\.ltx$' new
	[ ! -s new ] ||
		assert_regex "$stderr" 'a.db: [0-9]+ files of level 0 are merged into'
	all_there
	as_before
	replica_sums >merged
	run -0 lspp-prune -r "$R" --keep-hourly 100 --own-clock --yes '**'
	assert_output ""
	diff merged <(replica_sums)
	prune -n '**' >plan
	# Then all goes that they stand for.
	prune --yes '**' >gone
	diff <(sed 1d plan | sed 's|.*/a.db/|a.db/|') \
		<(sed 's|.*/a.db/|a.db/|' gone)
	[ "$(files 0)" -lt "$steps" ]
	merged=$(files 1)
	is_pruned
	as_before
	run -0 --separate-stderr lspp-verify -s none -r "$R" --deep a.db
	assert_equal "$stderr" ""
	run -0 prune --yes '**'
	assert_output ""
	assert_equal "$(files 1)" "$merged"
	# And so on, as time goes by.
	hours 6 8
	remember
	prune --yes '**'
	as_before
	prune --yes '**'
	as_before
	is_pruned
	both_restore
	# Less is promised: no more is kept for having been merged.
	later 3 lspp-prune -r "$R" --keep-daily 1 --yes '**'
	later 3 lspp-prune -r "$R" --keep-daily 1 --yes '**'
	both_restore
}

@test "followers that are behind go on, and a daemon takes over" {
	local i rest
	seed
	ltx_make a.db
	hours 0 1
	hour 2 2
	# Both have a state in the middle of what is merged.
	follow
	wait_for follow_each
	unfollow
	sed -i '$d' kept
	hour 2 6 2
	hours 3 5
	remember
	prune --yes '**'
	prune --yes '**'
	is_pruned
	follow
	wait_for follow_each
	unfollow
	sqlite3 a.db "INSERT INTO t(b) VALUES ('more')"
	NOW=$((NOW + 60))
	ship
	follow
	wait_for follow_each
	unfollow
	ltx_config a.db
	: >daemon.log
	ltx_start
	for i in 1 2 3; do
		ltx_step a.db
		sleep 0.3 # so that there is more than one file
	done
	wait_for is_shipped
	wait_for is_compacted
	ltx_stop
	run -1 grep -i 'compact.*fail\|nonsequential\|mismatch' daemon.log
	while read -r rest _; do
		ltx_theirs out a.db -txid "$rest"
		cmp out "was/$rest"
		ltx_ours out a.db --txid "$rest"
		cmp out "was/$rest"
	done <kept
	both_restore
	# Now they are the daemon's, and left.
	replica_list >before
	prune --yes '**'
	diff before <(replica_list)
	# And lspp's again.
	rm -rf .a.db-litestream
	sqlite3 a.db "INSERT INTO t(b) VALUES ('more')"
	lspp-ship -r "$R" -C "$T" -s s --format ltx --new-generation a.db
	both_restore
	prune --yes '**'
	prune --yes '**'
	both_restore
}

is_shipped() {
	ltx_theirs shipped a.db && same_db a.db shipped
}

# Level 2, too, has all there was.
is_compacted() {
	local end
	for level in 1 2; do
		end=$(ltx_files a.db | sed -n "s/^$level [0-9a-f]* \([0-9a-f]*\) .*/\1/p" |
			sort | tail -n 1)
		[ "$end" = "$(ltx_newest a.db)" ] || return 1
	done
}

follow() {
	"$LITESTREAM_05" restore -f -follow-interval 200ms -o theirs.db \
		"$(ltx_url a.db)" >>follower.log 2>&1 3>&- &
	FOLLOWERS=$!
	lspp-restore --follow --interval 100ms -r "$R" -o ours a.db \
		>>follower.log 2>&1 3>&- &
	FOLLOWERS="$FOLLOWERS $!"
}

follow_each() {
	same_db a.db theirs.db 2>/dev/null && same_db a.db ours/a.db 2>/dev/null
}

unfollow() {
	local pid
	for pid in $FOLLOWERS; do
		kill "$pid"
		wait "$pid" || :
	done
	FOLLOWERS=
}

@test "killed at any call, what is kept restores, and the next run ends it" {
	local i n rounds calls
	seed
	ltx_make a.db
	hours 0 3
	remember
	replica_save "$T/saved"
	calls=$(count 120 60 40)
	rounds=$(count "$calls" 6 3)
	for ((i = 1; i <= rounds; i++)); do
		n=$((1 + i * calls / rounds))
		if ((i > 1)) && [ $REPLICA = dir ]; then
			replica_back "$T/saved"
		elif ((i > 1)); then
			# The times of objects are their own.
			later 3 lspp-prune -r "$R" --erase --yes a.db >gone
			rm -rf s a.db kept
			ltx_make a.db
			hours 0 3
			remember
		fi
		later 3 atcall -k write -n $n lspp-prune -r "$R" \
			--keep-hourly 100 --yes '**' >/dev/null 2>&1 || :
		as_before briefly
		later 3 atcall -k write -n $((n / 2 + 1)) lspp-prune -r "$R" \
			--keep-hourly 100 --yes '**' >/dev/null 2>&1 || :
		as_before briefly
		prune --yes '**'
		prune --yes '**'
		is_pruned
	done >killed
	as_before
}

# bend KEY -- a byte of a page.
bend() {
	replica_get "$1" >bent
	printf '\377\377' | dd of=bent bs=1 seek=130 conv=notrunc status=none
	replica_put "$1" bent
}

# refused KEY -- nothing is merged, nothing goes, and it is said.
refused() {
	replica_sums >before
	run -65 prune --yes '**'
	assert_output --partial "$1"
	assert_output --partial "nothing is merged or pruned"
	diff before <(replica_sums)
}

@test "what is damaged is merged into nothing, and nothing goes" {
	local i key level
	level=$([ $REPLICA = dir ] && echo ltx/0 || echo 0000)
	sqlite3 a.db "PRAGMA page_size=1024; CREATE TABLE t (a INTEGER PRIMARY KEY, b)"
	sqlite3 o.db "PRAGMA page_size=1024; CREATE TABLE t (a INTEGER PRIMARY KEY, b)"
	for ((i = 1; i <= 6; i++)); do
		NOW=$((DAY + i * 60))
		sqlite3 a.db "INSERT INTO t(b) VALUES (randomblob(3000))"
		sqlite3 o.db "INSERT INTO t(b) VALUES (randomblob(3000))"
		ship
		lspp-ship -r "$T/other" -C "$T" -s s --format ltx o.db >/dev/null
	done
	NOW=$((DAY + 3600))
	sqlite3 a.db "INSERT INTO t(b) VALUES ('later')"
	ship
	key=a.db/$level/0000000000000003-0000000000000003.ltx
	replica_get "$key" >sound
	bend "$key"
	refused "$key"
	# Sound, and of another database: what they lead to is not the state.
	replica_put "$key" other/o.db/ltx/0/0000000000000003-0000000000000003.ltx
	touched "$key"
	refused 0000000000000001-0000000000000006.ltx
	replica_put "$key" sound
	touched "$key"
	prune --yes '**'
	assert_equal "$(files 1)" 1
	# What was merged is damaged: what it stands for does not go.
	key=$(replica_list | sed -n '/\/0*1\/[^/]*\.ltx$/{p;q}')
	bend "$key"
	touched "$key"
	replica_sums >before
	run -65 prune --yes '**'
	assert_output --partial "$key"
	diff before <(replica_sums)
	ltx_ours out a.db --to-last-good
	cmp out a.db
}

# touched KEY -- it has the time of the day.
touched() {
	local file=$R/$1
	[ $REPLICA = dir ] || file=$S3_DIR/data/$BUCKET/fleet/$1
	touch -d "@$((DAY + 180))" "$file"
}

@test "two at once, and beside lspp-ship" {
	local i pids pid
	seed
	ltx_make a.db
	for ((i = 1; i <= $(count 20 2); i++)); do
		hours $((3 * i)) $((3 * i + 2))
		remember
		pids=()
		prune --yes '**' >one &
		pids+=($!)
		prune --yes '**' >two &
		pids+=($!)
		sqlite3 a.db "INSERT INTO t(b) VALUES ('more')"
		NOW=$((DAY + (3 * i + 3) * 3600))
		ship
		for pid in "${pids[@]}"; do
			wait "$pid"
		done
		ltx_theirs was/newest a.db
		as_before
		both_restore
	done
	prune --yes '**'
	prune --yes '**'
	as_before
	is_pruned
}

@test "pages of another size end what is merged" {
	local i rest
	seed
	ltx_make a.db
	sqlite3 a.db "PRAGMA journal_mode=delete" >/dev/null
	hours 0 1
	sqlite3 a.db "PRAGMA page_size=2048; VACUUM"
	for i in 2 3 4; do
		hour $i 4
	done
	remember
	prune --yes '**'
	as_before
	prune --yes '**'
	as_before
	sqlite3 a.db "PRAGMA journal_mode=wal" >/dev/null
	ltx_config a.db
	: >daemon.log
	ltx_start
	ltx_step a.db
	wait_for is_shipped
	wait_for is_compacted
	ltx_stop
	run -1 grep -i 'compact.*fail\|nonsequential\|mismatch' daemon.log
	while read -r rest _; do
		ltx_theirs out a.db -txid "$rest"
		cmp out "was/$rest"
	done <kept
	both_restore
}

# pass NAME -- as if it were NOW.
pass() {
	NO_FAKE_STAT=1 at_time -f "$((NOW - $(date +%s)))s" lspp-ship \
		-r "$R" -C "$T" -s s --pass "$1" </dev/null
}

@test "a pass whose steps were merged restores with one listing, or is named" {
	local at
	seed
	ltx_make a.db
	hour 1 4
	pass 1
	hour 2 2
	sed -i '$d' kept
	pass 2-and-a-half
	hour 2 5 2
	pass 2
	hour 3 3
	pass 3
	remember
	prune --yes a.db >/dev/null
	prune --yes a.db >/dev/null
	is_pruned
	for at in 1 2 3; do
		rm -rf out
		run -0 --separate-stderr lspp-restore -v -r "$R" -o out --pass $at
		cmp out/a.db "was/$(sed -n "${at}s/ .*//p" kept)"
		rm -rf out
	done
	run -0 --separate-stderr lspp-restore -v -r "$R" -o out --pass 2
	[[ $stderr == *'a.db: listed: not all steps are under the names they had'* ]]
	run -66 --separate-stderr lspp-restore -r "$R" -o none --pass 2-and-a-half
	[[ $stderr == 'lspp-restore: a.db: there is no state of TXID '* ]]
}
