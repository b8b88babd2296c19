# SPDX-License-Identifier: Apache-2.0
# How far a run is: on a terminal, elsewhere when told to, and when asked.

load lib/lspp

setup() {
	set +T
	need script
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T LSPP_STATE=$T/state TERM=xterm
	sqlite3 1.db "CREATE TABLE t AS SELECT 1 a"
	cp 1.db 2.db
	cp 1.db 3.db
	mkfifo in
}

# start COMMAND... -- with a terminal for its standard error, which goes to the
# file log, and 4 at the other end of the fifo "in".
start() {
	script -qfec "stty cols ${COLS:-80}; exec $*" log >/dev/null </dev/null 3>&- &
	PID=$!
	exec 4>in
}

# What is in the log, without what script itself says.
log() {
	sed '/^Script /d' log
}

drawn() {
	log | tr '\r' '\n' | grep -E "$1"
}

@test "a line on a terminal, drawn again, and gone at the end" {
	start 'lspp-ship <in >out'
	printf '1.db\ngone.db\n' >&4
	wait_for drawn '^lspp-ship: 1 done, 1 failed, .*B, .*B/s.\[K' >/dev/null
	exec 4>&-
	wait $PID && status=0 || status=$?
	assert_equal "$status" 1
	# The message stands on a line of its own; the last is taken away.
	drawn '^lspp-ship: gone.db: .*No such file'
	assert_equal "$(log | tr -d '\n' | tail -c 4 | od -An -c | tr -d ' ')" '\r033[K'
	assert_equal "$(cat out)" 1.db
}

@test "none when all goes fast, nor with -q, nor before a pipe" {
	run -0 script -qec 'lspp-ship 1.db >out' log </dev/null
	assert_equal "$(log)" ''
	for c in 'lspp-ship -q <in >out' 'lspp-ship <in | cat >out'; do
		rm -rf out log rep state
		start "sh -c '$c'"
		echo 2.db >&4
		wait_for test -s out
		sleep 0.9 # after 0.5 there would be a line
		exec 4>&-
		wait $PID
		assert_equal "$(log)" ''
	done
}

@test "results on the same terminal stand on lines of their own" {
	start 'lspp-ship <in'
	wait_for drawn '^lspp-ship: 0 done.\[K' >/dev/null
	echo 1.db >&4
	wait_for drawn '^lspp-ship: 1 done.*.\[K' >/dev/null
	exec 4>&-
	wait $PID
	run -0 log
	# taken away, then the path from the left margin
	assert_output -p $'\r\e[K1.db'
}

@test "a narrow terminal gets a short line" {
	COLS=20 start 'lspp-ship <in >out'
	printf '1.db\n' >&4
	wait_for drawn '^lspp-ship: 1 done.*\[K' >/dev/null
	exec 4>&-
	wait $PID
	run drawn '^lspp-ship: '
	for line in "${lines[@]}"; do
		line=${line%$'\e[K'*}
		[ "${#line}" -le 19 ]
	done
}

@test "nothing is drawn over a question" {
	lspp-ship 1.db >out
	sleep 0.01
	lspp-ship --new-generation -q 1.db >out
	script -qfec 'lspp-prune --keep-last 1 --grace 0s 1.db' log \
		>/dev/null <in 3>&- &
	PID=$!
	exec 4>in
	wait_for drawn 'delete [0-9]+ objects, [0-9]+ bytes, of 1 databases\? \[y/N\] $'
	sleep 0.9 # after 0.5 there would be a line
	run -0 tail -c 6 log
	assert_output '[y/N] '
	echo n >&4
	wait $PID && status=0 || status=$?
	assert_equal "$status" 75
	drawn '^lspp-prune: nothing was deleted'
	exec 4>&-
}

@test "a terminal that cannot go back gets lines, none so soon" {
	export TERM=dumb
	start 'lspp-ship <in >out'
	echo 1.db >&4
	wait_for test -s out
	sleep 0.9
	exec 4>&-
	wait $PID
	assert_equal "$(log)" ''
}

@test "SIGUSR1 asks for a line, and disturbs nothing" {
	local pid i p
	for p in ship hot scan restore; do
		case $p in
		scan) lspp-$p - <in >out 2>err 3>&- & ;;
		restore) lspp-$p -o o <in >out 2>err 3>&- & ;;
		*) lspp-$p <in >out 2>err 3>&- & ;;
		esac
		pid=$!
		exec 4>in
		echo 1.db >&4
		wait_for test -s out
		for i in 1 2 3; do
			kill -USR1 $pid
			wait_for eval "[ \$(cat err | wc -l) = $i ]"
		done
		echo 2.db >&4
		[ $p != ship ] && [ $p != hot ] || echo 3.db >&4
		exec 4>&-
		if [ $p = restore ]; then
			wait $pid && status=0 || status=$?
			assert_equal "$status" 1 # 2.db is in no replica
		else
			wait $pid
		fi
		run -0 grep -cE "^lspp-$p: 1 (done|found)" err
		assert_output 3
		[ $p != ship ] || { rm -rf rep state; lspp-ship 1.db; touch 1.db; }
		rm err out
	done
}

@test "--progress tells on, where there is no terminal" {
	run -0 lspp-ship --progress 1.db
	assert_output 1.db
	lspp-ship --progress <in >out 2>err 3>&- &
	local pid=$!
	exec 4>in
	echo 2.db >&4
	# after 10 s
	wait_for grep -q '^lspp-ship: 1 done, ' err
	exec 4>&-
	wait $pid
	assert_equal "$(wc -l <err)" 1
	run ! grep -q $'[\r\e]' err
}

@test "the number is known for operands and for a file, not for a pipe" {
	for i in $(seq 9); do cp 1.db "f$i.db"; done
	printf 'f%s.db\n\n' 1 2 3 4 5 6 7 8 9 >list
	# The ship waits for a lock of another, so that it can be asked.
	lspp-ship f9.db
	local want
	for want in 'list' 'operands'; do
		rm -f err
		sqlite3 f9.db 'PRAGMA journal_mode=DELETE; INSERT INTO t VALUES (1)'
		sqlite3 f9.db <<-'END' 3>&- 4>&- 5>&- &
			BEGIN EXCLUSIVE;
			.shell touch locked; while [ ! -e go ]; do sleep 0.05; done
		END
		local holder=$!
		wait_for test -e locked; rm -f out
		if [ $want = list ]; then
			lspp-ship --max-hold 60000 <list >out 2>err 3>&- &
		else
			lspp-ship --max-hold 60000 f?.db >out 2>err 3>&- &
		fi
		local pid=$!
		wait_for eval '[ $(cat out 2>/dev/null | wc -l) = 8 ]'
		kill -USR1 $pid
		wait_for test -s err
		touch go
		wait $pid
		wait $holder
		run -0 cat err
		assert_output -e '^lspp-ship: 8 of 9 done,.* [0-9]+s left$'
		rm locked go
	done
}
