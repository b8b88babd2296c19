# SPDX-License-Identifier: Apache-2.0
# For the tests of lspp-hot.  Loads lib/hard.

load lib/hard

hot() {
	lspp-hot -r "$R" -s "$S" "$@"
}

# db PATH... -- a small database at each.
db() {
	local p
	for p; do
		[[ $p != */* ]] || mkdir -p "${p%/*}"
		sqlite3 "$p" 'CREATE TABLE t (x); INSERT INTO t VALUES (1)'
	done
}

change() {
	local p
	for p; do
		sqlite3 "$p" 'INSERT INTO t VALUES (hex (randomblob (20)))'
	done
}

# All of $@ are shipped, and so long ago that none is racy.
settled() {
	sleep 1.1
	ship "$@" >/dev/null
	run -0 hot "$@"
	assert_output ''
}

is_cold() {
	[ "$(hot --hot-for 1s --cold "$1")" = "$1" ]
}

# watch ARGUMENT... -- in the background, its output in $T/watched; paths from
# $T/list.
watch() {
	lspp-hot -r "$R" -s "$S" --watch "$@" <"$T/list" >"$T/watched" \
		2>"$T/watch.err" 3>&- &
	WATCH=$!
	LIVE+=("$WATCH")
}

end_watch() {
	local rc=0
	kill "$WATCH"
	wait "$WATCH" || rc=$?
	assert_equal "$rc" 143
}

watched() {
	grep -qxF "$1" "$T/watched"
}
