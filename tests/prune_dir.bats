# lspp-prune where the times of objects can be made up: in a directory.

load lib/prune

setup() {
	prune_setup
}

teardown() {
	hard_teardown
}

@test "what was superseded within the grace stays" {
	history 8
	replica_list >before
	run -0 --separate-stderr lspp-prune -r "$R" --yes --keep-last 1 '**'
	assert_equal "$output$stderr" ""
	run -0 later 1 lspp-prune -r "$R" --yes --keep-last 1 --keep-for 0s a.db
	assert_output ""
	run -0 prune --yes --grace 4d --keep-last 1 a.db
	assert_output ""
	run -0 prune --yes --keep-for 20d a.db
	assert_output ""
	diff before <(replica_list)
}

@test "shipping goes on while two of them prune" {
	local i pids=()
	change
	for i in 1 2; do
		(while [ ! -e "$T/stop" ]; do
			prune --yes --keep-last 1 '**' || exit
		done) >/dev/null 2>"$T/prune.$i" 3>&- &
		pids+=($!)
		LIVE+=($!)
	done
	for ((i = 1; i <= $(count 60 12 5); i++)); do
		history 3
		restores_to a.db a.db lspp
	done
	touch "$T/stop"
	wait "${pids[@]}"
	cat "$T"/prune.*
	assert_equal "$(cat "$T"/prune.*)" ""
	restores_to a.db a.db
	assert [ "$(objects a.db)" -lt $((3 * i)) ]
}

@test "names, patterns and whole URLs, from operands or a pipe" {
	local key
	history 4
	for key in b.db c/d.db; do
		mkdir -p "$(dirname "$key")"
		cp a.db "$key"
		shipped "$key"
		sqlite3 "$key" "INSERT INTO t VALUES(1)"
		shipped --snapshot-interval=0s "$key"
	done
	run -0 prune -n --keep-last 1 'c/*'
	assert_line --partial c/d.db/generations
	refute_line --partial a.db/
	run -0 sh -c "printf '%s\n' b.db c/d.db | NO_FAKE_STAT=1 faketime -f +3d \
		lspp-prune -r '$R' -n --keep-last 1"
	assert_line --partial b.db/generations
	assert_line --partial c/d.db/generations
	run -66 --separate-stderr prune -n --keep-last 1 nobody.db 'x/*'
	assert_regex "$stderr" 'nobody\.db: no backup'
	assert_regex "$stderr" 'x/\*: no database in .* matches'
	# One that fails costs one.
	run -1 --separate-stderr prune --yes --keep-last 1 nobody.db b.db b.db
	assert_equal "${#lines[@]}" 2
	restores_to b.db b.db lspp
}

@test "a damaged newest state: nothing of the database is pruned" {
	local seg
	history 7
	replica_list >before
	seg=$(grep '/wal/.*_00000000' before | tail -n 1)
	replica_get "$seg" >"$T/seg"
	change
	replica_rm "$seg"
	run -65 --separate-stderr prune --yes --keep-last 1 '**'
	assert_regex "$stderr" "a\.db: $seg is missing: nothing is pruned"
	replica_put "$seg" "$T/seg"
	prune --yes --keep-last 1 '**' >/dev/null
}
