# SPDX-License-Identifier: Apache-2.0
# Standard output is an acknowledgement: what cannot be written is not swallowed,
# and nothing is on it that is not durable.

load lib/lspp

setup() {
	set +T
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T/src LSPP_STATE=$T/state
	mkdir src
	sqlite3 src/1.db "CREATE TABLE t AS SELECT 1 a"
	for i in $(seq 2 300); do cp src/1.db "src/$i.db"; done
	printf '%s\n' src/*.db >list
}

# Each path of FILE restores to what it is.
assert_shipped() { # FILE
	local path
	mapfile -t path <"$1"
	[ "${#path[@]}" -gt 0 ] || return 0
	lspp-restore -o out "${path[@]#src/}" >/dev/null
	for p in "${path[@]}"; do cmp "$p" "out/${p#src/}"; done
}

@test "a full standard output is status 74, for every program" {
	run -74 --separate-stderr sh -c 'lspp-ship <list >/dev/full'
	assert_regex "$stderr" 'lspp-ship: .*standard output.*No space left'
	touch src/1.db
	run -74 --separate-stderr sh -c 'lspp-hot <list >/dev/full'
	assert_regex "$stderr" 'lspp-hot: .*standard output.*No space left'
	run -74 --separate-stderr sh -c 'lspp-scan src >/dev/full'
	assert_regex "$stderr" 'lspp-scan: .*standard output.*No space left'
	run -74 --separate-stderr \
		sh -c 'lspp-restore -o out 1.db 2.db >/dev/full'
	assert_regex "$stderr" 'lspp-restore: .*standard output.*No space left'
}

@test "a closed standard output is status 74" {
	run -74 --separate-stderr sh -c 'lspp-ship <list >&-'
	assert_regex "$stderr" 'standard output'
	# It never became a database's descriptor.
	run sqlite3 src/1.db "PRAGMA integrity_check"
	assert_output ok
}

@test "a reader that goes away ends the program quietly" {
	run --separate-stderr bash -c \
		'set -o pipefail; lspp-ship <list | head -n 1 >first'
	assert_equal "$stderr" ''
	[ "$status" -eq 0 ] || [ "$status" -eq 141 ]
	assert_shipped first
	run --separate-stderr bash -c 'lspp-ship <list | wc -l'
	assert_output 300
	assert_equal "$stderr" ''
}

@test "what is printed while it runs is shipped already" {
	: >printed
	lspp-ship <list >printed 3>&- &
	local pid=$!
	while kill -0 $pid 2>/dev/null; do
		head -n "$(wc -l <printed)" printed >seen # whole lines
		assert_shipped seen
		rm -rf out
	done
	wait $pid
	assert_equal "$(sort printed)" "$(sort list)"
}

@test "acknowledgements come while the input goes on" {
	mkfifo in
	lspp-ship <in >printed 3>&- &
	local pid=$!
	exec 4>in
	echo src/1.db >&4
	for _ in $(seq 100); do [ -s printed ] && break; sleep 0.1; done
	assert_equal "$(cat printed)" src/1.db
	echo src/2.db >&4
	exec 4>&-
	wait $pid
	assert_equal "$(wc -l <printed)" 2
}

@test "SIGTERM: what is in flight is finished, and the signal is told" {
	mkfifo in
	lspp-ship <in >printed 3>&- &
	local pid=$!
	exec 4>in
	cat list >&4
	for _ in $(seq 100); do [ -s printed ] && break; sleep 0.1; done
	kill -TERM $pid
	wait $pid && status=0 || status=$?
	exec 4>&-
	assert_equal "$status" 143
	assert_shipped printed
	run sh -c 'lspp-ship <list | wc -l'
	assert_output 300
}

@test "closed standard input is an error, not a success" {
	run --separate-stderr sh -c 'lspp-ship <&-'
	assert_failure
	[ -n "$stderr" ]
}
