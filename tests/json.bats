# SPDX-License-Identifier: Apache-2.0
# --json: an object a line in place of the bare path, the same members every
# time, and whatever a name holds.

load lib/lspp

setup() {
	set +T
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T LSPP_STATE=$T/state
	sqlite3 a.db "CREATE TABLE t AS SELECT 1 a"
}

# get LINE MEMBER -- its value; fails if LINE is no JSON.  null is empty.
get() {
	sqlite3 -bail :memory: "SELECT json_extract('${1//\'/\'\'}', '\$.$2')"
}

# members LINE -- the names.
members() {
	sqlite3 -bail :memory: \
		"SELECT group_concat(key) FROM json_each('${1//\'/\'\'}')"
}

@test "lspp-ship says what it shipped, and to where" {
	local names
	run -0 --separate-stderr lspp-ship --json a.db
	[ -z "$stderr" ]
	[ "${#lines[@]}" = 1 ]
	names=$(members "$output")
	assert_equal "$(get "$output" path)" a.db
	assert_equal "$(get "$output" what)" snapshot
	assert_equal "$(get "$output" reason)" first
	assert_equal "$(get "$output" segment)" ''
	local key gen size
	key=$(get "$output" snapshot)
	gen=$(get "$output" generation)
	assert_equal "$key" "a.db/generations/$gen/snapshots/00000000.snapshot.lz4"
	assert_equal "$(get "$output" bytes)" "$(stat -c %s "rep/$key")"
	assert_equal "$(get "$output" index)" 0
	assert_regex "$(get "$output" captured)" '^20.*T.*\.[0-9]{9}Z$'

	sqlite3 a.db "INSERT INTO t VALUES (2)"
	run -0 lspp-ship --json -n a.db
	assert_equal "$(get "$output" dry_run)" 1
	assert_equal "$(members "$output")" "$names"
	[ ! -e "rep/$(get "$output" segment)" ]
	run -0 lspp-ship --json a.db
	assert_equal "$(get "$output" dry_run)" 0
	assert_equal "$(get "$output" what)" segment
	assert_equal "$(get "$output" generation)" "$gen"
	assert_equal "$(members "$output")" "$names"
	[ -e "rep/$(get "$output" segment)" ]
	size=$(get "$output" offset)
	[ "$size" -gt 0 ]
	run -0 lspp-ship --json a.db
	assert_equal "$(get "$output" what)" unchanged
	assert_equal "$(get "$output" offset)" "$size"
	assert_equal "$(members "$output")" "$names"
}

@test "lspp-hot says why" {
	run -0 lspp-hot --json a.db
	assert_equal "$(get "$output" why)" new
	# Long enough ago not to be racy.
	touch -d '1 hour ago' a.db
	sleep 1.1
	lspp-ship a.db
	run -0 lspp-hot --json a.db
	assert_output ''
	touch a.db
	run -0 lspp-hot --json a.db
	assert_output '{"path":"a.db","tier":"hot","why":"changed"}'
	run -0 lspp-hot --json -r other a.db
	assert_output '{"path":"a.db","tier":"hot","why":"new"}'
}

@test "lspp-scan says how large, in a directory" {
	lspp-ship a.db
	run -0 lspp-scan --json a.db "$LSPP_REPLICA" "file://$T/rep"
	assert_line "{\"path\":\"a.db\",\"size\":$(stat -c %s a.db)}"
	assert_line "{\"path\":\"file://$T/rep/a.db\",\"size\":null}"
}

@test "lspp-restore says what it restored, and how it was proved" {
	lspp-ship a.db
	run -0 --separate-stderr lspp-restore --json -o out a.db
	[ -z "$stderr" ]
	assert_equal "$(get "$output" path)" out/a.db
	assert_equal "$(get "$output" source)" a.db
	assert_equal "$(get "$output" checksum)" 1
	assert_equal "$(get "$output" check)" none
	assert_equal "$(get "$output" segments)" 0
	assert_regex "$(get "$output" as_of)" '^20.*Z$'
	assert_equal "$(get "$output" bytes)" \
		"$(stat -c %s rep/a.db/generations/*/snapshots/*)"
	[ -e "$(get "$output" path)" ]
	run -0 lspp-restore --json -o two --check full a.db
	assert_equal "$(get "$output" check)" full
	run -0 lspp-restore --json -o three -n a.db
	assert_equal "$(get "$output" dry_run)" 1
	assert_equal "$(get "$output" checksum)" ''
	[ ! -e three ]
	# The second snapshot is at the beginning of index 1.
	sqlite3 a.db 'CREATE TABLE more(x)'
	lspp-ship --snapshot-interval 0s a.db
	run -0 lspp-restore --json -o three -n a.db
	assert_equal "$(get "$output" snapshot)" 1
	assert_equal "$(get "$output" segments)" 0
}

@test "what litestream wrote has no checksum of ours: SQLite is asked" {
	unset LSPP_REPLICA
	"$LITESTREAM_03" replicate a.db "file://$T/ls/a.db" >log 2>&1 3>&- 4>&- &
	local pid=$!
	wait_for eval '[ -e ls/a.db/generations/*/snapshots/00000000.snapshot.lz4 ]'
	kill -INT "$pid"
	wait "$pid" || :
	run -0 lspp-restore --json -r ls -C "$T" -o out a.db
	assert_equal "$(get "$output" checksum)" 0
	assert_equal "$(get "$output" check)" quick
}

@test "lspp-new prints objects, too" {
	run -0 lspp-new --json -t a.db b.db
	assert_output '{"path":"b.db"}'
}

@test "failures are objects in the report, their paths bare in the list" {
	run -1 --separate-stderr lspp-ship --json -e err --failed again \
		a.db gone.db
	assert_equal "$(get "$output" path)" a.db
	run -0 cat err
	[ "${#lines[@]}" = 1 ]
	assert_equal "$(members "$output")" path,status,attempts,message,hint
	assert_equal "$(get "$output" path)" gone.db
	assert_equal "$(get "$output" status)" 66
	assert_equal "$(get "$output" attempts)" 1
	assert_equal "$(cat again)" gone.db
}

@test "any name is one line of ASCII or UTF-8" {
	local nasty=$'n\n\t"\\\x01\xff\xc3\xa9.db'
	cp a.db "$nasty"
	run -0 lspp-scan --json "$T"
	assert_line \
		"{\"path\":\"$T/n\\n\\t\\\"\\\\\\u0001\\udcffé.db\",\"size\":8192}"
	# In with -0, out as lines all the same.
	lspp-scan -0 "$T" >names # before there is a state
	run -0 sh -c 'lspp-ship -0 --json <names'
	[ "${#lines[@]}" = 2 ]
	assert_line -p '"path":"'"$T"'/n\n\t\"\\\u0001\udcffé.db"'
	rm "$nasty"
	run -66 sh -c 'printf "%s\0" "$1" | lspp-ship -0 --json -e err' - "$nasty"
	assert_equal "$(wc -l <err)" 1
	run -0 cat err
	assert_output -p '"path":"n\n\t\"\\\u0001\udcffé.db","status":66'
}
