# SPDX-License-Identifier: Apache-2.0
# Retention: what is promised is kept, at every moment, for lspp and for both
# litestreams; nothing else goes, and no old state is fooled by what is gone.
#
# Twice: on S3, too.

load lib/prune

setup() {
	set +T
	prune_setup
}

@test "-n says what goes, the real run agrees, and the newest state restores" {
	history 8
	replica_list >before
	prune -n --keep-last 1 '**' >plan
	diff before <(replica_list)
	prune --yes --keep-last 1 '**' >did
	diff <(objects_of plan) <(objects_of did)
	diff <(gone_since before) <(objects_of did)
	# Two snapshots, with the segments that led to the next ones.
	assert_equal "$(objects_of did | wc -l)" 7
	assert_equal "$(awk 'NR > 1 { print $1 }' plan | sort -u)" superseded
	restores_to a.db a.db
	no_litter
	run -0 --separate-stderr prune --yes --keep-last 1 '**'
	assert_equal "$output$stderr" ""
	change
	restores_to a.db a.db
}

@test "killed at any call, everything kept restores, and the next run ends it" {
	local calls n rounds i
	history 4
	change_anew
	history 2
	prune -n --keep-last 1 '**' >plan
	comm -23 <(replica_list) <(objects_of plan) >after
	# The times of objects on S3 cannot be put back: there it is killed again
	# and again on its way.
	[ $REPLICA = s3 ] || replica_save "$T/saved"
	calls=$(count 200 20 20)
	rounds=$(count "$calls" 7 4)
	for ((i = 1; i <= rounds; i++)); do
		n=$((1 + i * calls / rounds))
		[ $REPLICA = s3 ] || replica_back "$T/saved"
		later 3 atcall -k write -n $n lspp-prune -r "$R" --yes \
			--keep-last 1 '**' >/dev/null 2>&1 || :
		restores_to a.db a.db || { echo "killed at $n"; false; }
		[ $REPLICA = s3 ] || prune --yes --keep-last 1 '**' >/dev/null
		[ $REPLICA = s3 ] || diff after <(replica_list) ||
			{ echo "killed at $n"; false; }
	done
	prune --yes --keep-last 1 '**' >/dev/null
	diff after <(replica_list)
	restores_to a.db a.db
}

# stale -- an old state is back, of which what followed is pruned: the next
# change is shipped to where restores find it.
stale() {
	rm -rf "$S"
	cp -r "$T/old" "$S"
	sqlite3 a.db "INSERT INTO t VALUES(randomblob(999))"
	replica_later
	run -0 --separate-stderr later 3 lspp-ship -r "$R" -C "$D" -s "$S" a.db
	assert_output a.db
	assert_regex "$stderr" 'a new generation begins'
	restores_to a.db a.db lspp
	# And from then on as ever.
	sqlite3 a.db "INSERT INTO t VALUES(randomblob(99))"
	replica_later
	run -0 --separate-stderr later 3 lspp-ship -r "$R" -C "$D" -s "$S" a.db
	assert_equal "$(but_limits <<<"$stderr")" ""
	restores_to a.db a.db
}

@test "an old state whose place in the history is pruned begins anew" {
	change
	cp -r "$S" "$T/old"
	history 3
	prune --yes --keep-last 1 a.db >/dev/null
	run -0 replica_list a.db/generations
	refute_output --partial snapshots/00000000
	stale
}

@test "an old state of a generation that was ended and is pruned, too" {
	change
	change
	cp -r "$S" "$T/old"
	change
	change_anew
	history 3
	prune --yes --keep-last 1 a.db >/dev/null
	assert_equal "$(generations a.db)" 1
	stale
}

@test "a prune that was killed behind the snapshots fools no old state" {
	local gen
	change
	cp -r "$S" "$T/old"
	history 3
	gen=$(replica_list a.db/generations/ | sed -n 's,.*/\([0-9a-f]\{16\}\)/.*,\1,p' | head -1)
	replica_rm "a.db/generations/$gen/snapshots/00000000.snapshot.lz4"
	stale
}

@test "an old state in a run that stays, where the next ones are pruned" {
	local keys
	change
	cp -r "$S" "$T/old"
	change
	change --snapshot-interval=0s
	change
	change --snapshot-interval=0s
	change
	# As --keep-monthly may do: the run of snapshot 1 alone.
	mapfile -t keys < <(replica_list a.db/generations/ |
		grep -e snapshots/00000001 -e wal/00000001)
	assert_equal "${#keys[@]}" 3
	replica_rm "${keys[@]}"
	stale
}

# cut_first -- as --keep-daily does: of the first run the snapshot alone.
cut_first() {
	local keys
	mapfile -t keys < <(replica_list a.db/generations/ |
		grep -e wal/00000000)
	printf '\004\042\115\030\144\120\010\0\0\0\0\005\135\314\002' >alone
	replica_put "${keys[0]%/wal/*}/snapshots/00000000.alone.lz4" alone
	[ "${1:-}" = said ] || replica_rm "${keys[@]}"
}

@test "an old state in a run of which the snapshot stands alone begins anew" {
	local n
	change
	cp -r "$S" "$T/old-1"
	change
	cp -r "$S" "$T/old-2"
	change --snapshot-interval=0s
	change
	change --snapshot-interval=0s
	change
	replica_save "$T/saved"
	for n in 1 2; do
		replica_back "$T/saved"
		rm -rf "$T/old"
		cp -r "$T/old-$n" "$T/old"
		cut_first
		stale
		assert_equal "$(replica_list a.db/generations/ |
			grep -c -e 00000000_00000000 | tr -d ' ')" 1
		run -0 later 3 lspp-verify --deep -r "$R" a.db
	done
}

@test "an old state does not go on over a gap before a snapshot" {
	change
	cp -r "$S" "$T/old"
	cp a.db then.db
	change
	change
	change --snapshot-interval=0s
	replica_rm "$(replica_list a.db/generations/ | grep wal/00000000 |
		tail -n 1)"
	cp then.db a.db
	stale
}

@test "an old state where that is said, and nothing has gone yet" {
	change
	cp -r "$S" "$T/old"
	change
	change --snapshot-interval=0s
	change
	cut_first said
	stale
	run -0 later 3 lspp-verify --deep -r "$R" a.db
}

@test "an old state that lost nothing goes on where the history ends" {
	change
	cp -r "$S" "$T/old"
	change
	rm -rf "$S"
	cp -r "$T/old" "$S"
	sqlite3 a.db "INSERT INTO t VALUES(randomblob(999))"
	later 3 lspp-ship -r "$R" -C "$D" -s "$S" a.db
	assert_equal "$(generations a.db)" 1
	restores_to a.db a.db
}

@test "a generation that was copied behind the newest one is not the newest" {
	local key old
	history 4
	mapfile -t old < <(replica_list a.db/generations/ | grep -v owner)
	change_anew
	for key in "${old[@]}"; do
		replica_get "$key" >"$T/object"
		replica_rm "$key"
		replica_put "$key" "$T/object"
	done
	restores_to a.db a.db lspp
	prune --yes --keep-last 1 '**' >/dev/null
	restores_to a.db a.db lspp
	assert_equal "$(generations a.db)" 1
}

@test "owner's objects stay: who has no record meets them" {
	change
	change_anew
	history 3
	prune --yes --keep-last 1 '**' >/dev/null
	run -0 replica_list a.db/generations/owner-
	assert_line a.db/generations/owner-00000000.lz4
	assert_line a.db/generations/owner-00000001.lz4
	rm -rf "$S"
	replica_later
	told 'the state in .* is new' a.db
	replica_later
	change
	run -0 replica_list a.db/generations/owner-
	assert_line a.db/generations/owner-00000002.lz4
	restores_to a.db a.db
}

@test "unknown objects are left and told of" {
	local gen
	history 4
	echo junk >"$T/junk"
	gen=$(replica_list a.db/generations/ | sed -n 's,.*/\([0-9a-f]\{16\}\)/.*,\1,p' | head -1)
	replica_put "a.db/generations/$gen/wal/notes.txt" "$T/junk"
	[ $REPLICA = s3 ] || mkdir "$R/b"
	replica_put b/other "$T/junk"
	run -0 --separate-stderr prune --yes --keep-last 1 '**'
	assert_regex "$stderr" 'a\.db: 1 objects of unknown names are left; one is a\.db/generations/[0-9a-f]*/wal/notes\.txt'
	assert_regex "$stderr" '1 objects that are of no database are left; one is b/other'
	run -0 replica_list
	assert_line b/other
	assert_line "a.db/generations/$gen/wal/notes.txt"
}

@test "litestream's own generation is left, and goes with --foreign" {
	local gen
	# As litestream would: the layout, without our provenance.
	gen=0123456789abcdef
	lz4 -qc a.db >"$T/snap"
	mkdir -p "$T/saved/a.db/generations/$gen/snapshots"
	cp "$T/snap" \
		"$T/saved/a.db/generations/$gen/snapshots/00000000.snapshot.lz4"
	replica_back "$T/saved"
	replica_later
	lspp-ship -r "$R" -C "$D" -s "$S" a.db >/dev/null
	history 3
	prune --yes --keep-last 1 '**' >/dev/null
	run -0 replica_list a.db/generations/$gen
	assert_line --partial snapshots/00000000
	run -0 --separate-stderr prune -v --yes --keep-last 1 --foreign '**'
	assert_output --partial a.db/generations/$gen/snapshots/00000000
	restores_to a.db a.db
}
