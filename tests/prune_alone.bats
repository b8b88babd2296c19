# SPDX-License-Identifier: Apache-2.0
# A day, a week or a month of which lspp-prune keeps the snapshot alone: it is
# restored, what came behind it is told to be gone, and no old state is fooled.
# In a directory, where the times of objects can be made up.
#
# Long: begins early.

load lib/prune

# Five days, of three ships each, of which the first has a snapshot; the last
# day ends twelve days ago.  "TIME IMAGE" of each to states, and the state behind
# each to state-N.
setup() {
	set +T
	local d k t
	prune_setup
	BEGAN=$(($(date +%s) / 86400 * 86400 - 17 * 86400))
	for d in 0 1 2 3 4; do
		for k in 0 1 2; do
			t=$((BEGAN + d * 86400 + 3600 + k * 6 * 3600))
			STEP=$((STEP + 1))
			sqlite3 a.db "INSERT INTO t VALUES(randomblob(300))"
			at $t lspp-ship -r "$R" -C "$D" -s "$S" --roll-at 4096 \
				--snapshot-interval 20h a.db >/dev/null
			cp a.db "image-$STEP"
			cp -r "$S" "state-$STEP"
			echo "$t $PWD/image-$STEP" >>states
		done
	done
	replica_list >before
	# Of the last day all, of those before it a snapshot each.
	POLICY=(--keep-for 7d --keep-daily 30)
	days_of=(1 4 7 10)
}

teardown() {
	hard_teardown
}

prune_days() {
	at $((BEGAN + ${AFTER:-14} * 86400)) lspp-prune --own-clock -r "$R" --yes \
		"${POLICY[@]}" "$@" a.db
}

the_generation() {
	replica_list | sed -n 's,.*/generations/\([0-9a-f]\{16\}\)/.*,\1,p' |
		head -n 1
}

# is_day N -- the state of that step is a day's snapshot.
is_day() {
	[[ " ${days_of[*]} " == *" $1 "* ]]
}

# truthful [alone] -- what a restore of each time says, whatever was removed:
# the state of it, or that it is an older one.  And the days' are as they were.
truthful() {
	local t image n=0 was
	while read -r t image; do
		n=$((n + 1))
		rm -rf out
		run --separate-stderr lspp-restore -r "$R" -o out \
			--timestamp @$((t + 60)) a.db
		case $status in
		0) cmp out/a.db "$image" || return ;;
		3)	was=$(sqlite3 out/a.db 'SELECT count(*) FROM t')
			[ "$was" -le $n ] && cmp out/a.db "image-$was" || return
			is_day $n || continue
			[ "$was" = $n ] || return ;;
		*) ! is_day $n || return ;;
		esac
	done <states
	restores_to a.db a.db
}

@test "of a day its snapshot stays alone, and all of them tell the truth" {
	local n t image
	prune_days -n >plan
	diff before <(replica_list)
	prune_days >did
	diff <(objects_of plan) <(objects_of did)
	# Three of each, one of which leads to the next.
	assert_equal "$(grep -c /wal/ did)" 12
	assert_equal "$(grep -vc /wal/ did)" 0
	assert_equal "$(replica_list | grep -c '\.alone\.lz4$')" 4
	assert_equal "$(replica_list | grep -c '\.snapshot\.lz4$')" 5
	run -0 --separate-stderr prune_days
	assert_equal "$output" ""
	truthful
	no_litter
	# Each moment that is listed is restored, with status 0.
	run -0 --separate-stderr lspp-restore -r "$R" --list --around 0s a.db
	assert_equal "$(grep -c ' gone ' <<<"$output")" 4
	assert_equal "$(wc -l <<<"$output")" 8
	n=0
	while read -r t _; do
		rm -rf out
		run -0 --separate-stderr lspp-restore -r "$R" -o out \
			--timestamp "$t" a.db
		assert_equal "$stderr" ""
		n=$((n + 1))
		image=${days_of[n - 1]:-$((n + 8))}
		cmp out/a.db "image-$image"
	done < <(tail -n +2 <<<"$output")
	assert_equal $n 7
	# What came between is of another time, which is told.
	rm -rf out
	run -3 --separate-stderr lspp-restore -r "$R" -o out \
		--timestamp "@$((BEGAN + 86400 + 7200))" a.db
	assert_regex "$stderr" 'restored the state of .*T01:00:.*, not the newest: what came behind snapshot [0-9a-f]* was pruned'
	# Of an index, likewise.
	run -3 --separate-stderr lspp-restore -r "$R" -o out2 --generation \
		"$(the_generation)" \
		--index 00000000 a.db
	cmp out2/a.db image-1
	run -0 --separate-stderr lspp-restore -r "$R" --list a.db
	assert_equal "$stderr" ""
	run -0 --separate-stderr lspp-verify --deep -r "$R" -s "$S" a.db
	assert_equal "$stderr" ""
	change
	restores_to a.db a.db
	run -0 lspp-verify --deep -r "$R" -s "$S" a.db
}

@test "litestream restores such a day, too, or fails where WAL is kept before" {
	local by n t image
	prune_days >/dev/null
	while read -r t image; do
		n=${image##*-}
		is_day "$n" || continue
		for by in 03 05; do
			rm -rf one one.*
			litestream $by restore -o one -timestamp \
				"$(date -u -d "@$((t + 60))" +%FT%TZ)" \
				"file://$R/a.db" 3>&-
			cmp one "$image"
		done
	done <states
}

@test "litestream behind a day that is kept whole: right, or a failure" {
	local d by t
	rm -rf "$R" "$S"
	# The second day has no snapshot: it is kept with what leads there.
	for d in 0 1 2 3 4 5 6; do
		for t in 1 7; do
			sqlite3 a.db "INSERT INTO t VALUES(randomblob(300))"
			at $((BEGAN + d * 86400 + t * 3600)) lspp-ship -r "$R" \
				-C "$D" -s "$S" --snapshot-interval \
				$((d == 1 ? 40 : 20))h a.db >/dev/null
			cp a.db "day-$d-$t"
		done
	done
	AFTER=16 prune_days >/dev/null
	assert_equal "$(replica_list | grep -c '\.alone\.lz4$')" 3
	for d in 2 3 4; do
		t=$(date -u -d "@$((BEGAN + d * 86400 + 3660))" +%FT%TZ)
		rm -rf out one one.*
		run -3 lspp-restore -q -r "$R" -o out --timestamp "$t" a.db
		cmp out/a.db "day-$d-1"
		litestream 05 restore -o one -timestamp "$t" "file://$R/a.db" 3>&-
		cmp one "day-$d-1"
		rm -rf one one.*
		if litestream 03 restore -o one -timestamp "$t" \
			"file://$R/a.db" 3>&-; then
			cmp one "day-$d-1"
		else
			assert [ $d -gt 2 ]
			assert [ ! -e one ]
		fi
	done
	run -3 lspp-restore -q -r "$R" -o out3 --timestamp \
		"@$((BEGAN + 2 * 86400 + 8 * 3600))" a.db
	rm -rf out
	run -0 lspp-restore -q -r "$R" -o out --timestamp \
		"@$((BEGAN + 86400 + 8 * 3600))" a.db
	cmp out/a.db day-1-7
	restores_to a.db a.db
}

@test "while such days go litestream restores a state that was, or fails" {
	local by d k n t keys
	declare -A was
	rm -rf "$R" "$S"
	: >states
	for d in 0 1 2; do
		for k in 1 2 3 4 5; do
			t=$((BEGAN + d * 86400 + k * 3 * 3600))
			sqlite3 a.db "INSERT INTO t VALUES(randomblob(3000));
				UPDATE t SET x = randomblob(900) WHERE rowid < 4"
			# Two ships an index.
			at $t lspp-ship -r "$R" -C "$D" -s "$S" --roll-at 14000 \
				--snapshot-interval 20h a.db >/dev/null
			was[$(sha256sum <a.db)]=1
			echo "$((t + 60))" >>states
		done
	done
	cp -a "$R" saved
	prune_days >did
	mapfile -t keys < <(sed 's,^.*\(a\.db/generations/\),\1,' did)
	assert [ ${#keys[@]} -gt 6 ]
	# What is left if it is killed there.
	for ((n = 0; n < ${#keys[@]}; n++)); do
		rm -rf "$R"
		cp -a saved "$R"
		(cd "$R" && rm -f "${keys[@]:0:n}")
		while read -r t; do
			for by in 03 05; do
				rm -rf one one.*
				litestream $by restore -o one -timestamp \
					"$(date -u -d "@$t" +%FT%TZ)" \
					"file://$R/a.db" 3>&- || continue
				[ -n "${was[$(sha256sum <one)]:-}" ] || {
					echo "$n gone, of @$t by $by"
					false
				}
			done
		done < <(head -n 10 states)
	done
}

@test "killed at any call, each moment is told right, and the next run ends it" {
	local n rounds calls=110 round
	cp -a "$R" saved
	prune_days >/dev/null
	replica_list >after
	rounds=$(count 110 12 6)
	for ((round = 1; round <= rounds; round++)); do
		n=$((round * calls / rounds))
		rm -rf "$R"
		cp -a saved "$R"
		at $((BEGAN + 14 * 86400)) atcall -k write -n $n lspp-prune \
			--own-clock -r "$R" --yes "${POLICY[@]}" a.db \
			>/dev/null 2>&1 || :
		truthful || { echo "killed at $n"; false; }
		run -0 --separate-stderr lspp-verify --deep -r "$R" -s "$S" a.db
		assert_equal "$stderr" ""
		prune_days >/dev/null
		diff after <(replica_list) || { echo "killed at $n"; false; }
	done
}

# stale N -- the state behind step N is back, and the next change is shipped to
# where restores find it, and nowhere else.
stale() {
	local gone
	rm -rf "$S"
	cp -r "state-$1" "$S"
	sqlite3 a.db "INSERT INTO t VALUES(randomblob(999))"
	replica_list >was
	run -0 --separate-stderr lspp-ship -r "$R" -C "$D" -s "$S" a.db
	assert_output a.db
	assert_regex "$stderr" 'a new generation begins'
	restores_to a.db a.db
	# Behind a day's snapshot there is nothing; the end of all is behind the
	# last one.
	gone=$(comm -13 was <(replica_list "a.db/generations/$OLD") |
		awk -F / -v last="$LAST" '$NF < last "_"')
	assert_equal "$gone" ""
}

@test "an old state of any step in such a day begins anew" {
	local n
	OLD=$(the_generation)
	LAST=$(replica_list | grep '\.snapshot\.' | tail -n 1)
	LAST=${LAST##*/} LAST=${LAST%%.*}
	prune_days >/dev/null
	cp -a "$R" saved
	for n in 1 2 3 4 5 9 11 12; do
		rm -rf "$R"
		cp -a saved "$R"
		cp image-15 a.db
		stale $n || { echo "step $n"; false; }
	done
}

@test "an old state, and lspp-prune at any call of its ship" {
	local n calls=40 rounds round
	cp -a "$R" saved
	cat >prune.sh <<-END
	cd "$D" && TZ=UTC NO_FAKE_STAT=1 "$LSPP_ROOT/tests/lib/faketime" -f \
		"$(date -u -d "@$((BEGAN + 14 * 86400))" '+%F %T')" lspp-prune \
		--own-clock -r "$R" --yes ${POLICY[*]} a.db >>"$T/pruned" 2>&1
	END
	rounds=$(count 80 10 5)
	for ((round = 1; round <= rounds; round++)); do
		n=$((round * calls / rounds))
		rm -rf "$R" "$S"
		cp -a saved "$R"
		cp -r "state-$((1 + round % 12))" "$S"
		cp image-15 a.db
		sqlite3 a.db "INSERT INTO t VALUES(randomblob(999))"
		: >pruned
		run --separate-stderr atcall -k write -n $n \
			-x "sh '$T/prune.sh'" lspp-ship -r "$R" -C "$D" -s "$S" a.db
		if [ "$status" = 0 ]; then
			assert_output a.db
		else
			# It may find its ground gone; the next one begins.
			assert_equal "$output" ""
			run -0 lspp-ship -q -r "$R" -C "$D" -s "$S" a.db
		fi
		restores_to a.db a.db || { echo "at $n: $stderr"; false; }
		[ "$(replica_list | grep -c '\.alone\.lz4$')" != 0 ] || continue
		PRUNED=1
	done
	assert [ "${PRUNED:-}" != 0 ]
}

@test "what is lost is no day that was pruned: lspp-verify tells" {
	local key
	prune_days >/dev/null
	cp -a "$R" saved
	# Of one that is kept whole.
	key=$(replica_list | grep /wal/ | head -n 1)
	replica_rm "$key"
	run -65 --separate-stderr lspp-verify --settle 0s -r "$R" -s "$S" --deep a.db
	assert_regex "$stderr" 'missing'
	# What says that one was pruned.
	rm -rf "$R"
	cp -a saved "$R"
	key=$(replica_list | grep '\.alone\.' | head -n 1)
	replica_rm "$key"
	run -65 --separate-stderr lspp-verify --settle 0s -r "$R" -s "$S" a.db
	assert_regex "$stderr" '/wal/.* is missing'
	rm -rf "$R"
	cp -a saved "$R"
	: >"$R/$key"
	run -65 --separate-stderr lspp-verify --settle 0s -r "$R" -s "$S" a.db
	assert_regex "$stderr" "$key: is cut short"
	rm -rf "$R"
	cp -a saved "$R"
	# Where what is newer is damaged, it is restored.
	key=$(replica_list | grep '\.snapshot\.' | tail -n 1)
	truncate -s 100 "$R/$key"
	run -3 --separate-stderr lspp-restore -r "$R" -o last --to-last-good a.db
	cmp last/a.db image-10
	assert_regex "$stderr" "$key"
	# All that is newer: what stays is told to be older.
	mapfile -t keys < <(replica_list | grep -e /wal/ -e "$(replica_list |
		grep '\.snapshot\.' | tail -n 1)")
	replica_rm "${keys[@]}"
	run -3 --separate-stderr lspp-restore -r "$R" -o out a.db
	cmp out/a.db image-10
	run -3 --separate-stderr lspp-verify --settle 0s -r "$R" a.db
	assert_regex "$stderr" 'stands alone'
}

@test "what is kept longer goes whole; and with all of a database" {
	prune_days >/dev/null
	cp -a "$R" saved
	at $((BEGAN + 14 * 86400)) lspp-prune --own-clock -r "$R" --yes \
		--keep-last 1 a.db >gone
	assert_equal "$(grep -c '\.alone\.lz4$' gone)" 4
	assert_equal "$(replica_list | grep -c '\.alone\.lz4$')" 0
	assert_equal "$(replica_list | grep -c '\.snapshot\.lz4$')" 1
	restores_to a.db a.db
	rm -rf "$R"
	cp -a saved "$R"
	run -0 --separate-stderr lspp-prune -r "$R" --erase --yes a.db
	assert_equal "$stderr" ""
	assert_equal "$(replica_list)" ""
}

@test "where nothing may be written such days stay whole, with a warning" {
	[ "$(id -u)" = 0 ] || skip "needs root, who gives a right up"
	chmod 555 "$R"/a.db/generations/*/snapshots
	run -0 --separate-stderr setpriv \
		--bounding-set -dac_override,-dac_read_search lspp-prune \
		-r "$R" --yes "${POLICY[@]}" a.db
	assert_output ""
	assert_regex "$stderr" 'a\.db: what is behind the snapshots of .* is left'
	diff before <(replica_list)
}
