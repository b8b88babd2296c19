#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Nothing that is known is ever out of sight: what was shipped and does not come
# in a pass is gone, lost, or left out, and each is told.
#
# Long: begins early.

load lib/lspp
load lib/srv

setup() {
	set +T
	need lspp-hot lspp-scan lspp-ship lspp-stat
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T/srv LSPP_STATE=$T/state
	mkdir srv
	FILLED=()
}

teardown() {
	local at
	for at in "${FILLED[@]}"; do
		chmod -R u+rwx "$at" 2>/dev/null || :
	done
}

# pass [DIR...] -- one line of cron; what it says is in err.
pass() {
	lspp-scan "${@:-srv}" 2>scan.err | lspp-hot 2>err |
		lspp-ship 2>>err >/dev/null
}
settle() { # DIR...
	all_cold() { pass "$@" && [ -z "$(lspp-scan "${@:-srv}" | lspp-hot)" ]; }
	wait_for all_cold "$@"
}
fact() {
	lspp-stat --json | jq -r ".$1"
}
facts() { # gone, lost, left out
	lspp-stat --json | jq -c '[.gone, .lost, .left_out]'
}
# as_user COMMAND... -- without root's rights, if need be.
as_user() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --bounding-set=-dac_override,-dac_read_search \
			--inh-caps=-all "$@"
	else
		"$@"
	fi
}
stale() {
	as_user bash -c 'lspp-scan srv 2>/dev/null | lspp-hot --stale 1h'
}

HINT="lspp-hot: hint: lspp-restore brings back what was shipped, lspp-hot \
--forget acknowledges that"

# -- lost ----------------------------------------------------------------------

# is_lost FILE REASON -- told by a pass, each time; by --stale, --health, the
# summary and the list of the worst; and mended by MEND.
is_lost() {
	local f=$T/srv/$1 line
	line="lspp-hot: $f: lost: $2
$HINT"
	as_user bash -c 'lspp-scan srv 2>/dev/null | lspp-hot >hot.out 2>err' ||
		:
	assert_equal "$(cat err)" "$line"
	as_user bash -c 'lspp-scan srv 2>/dev/null | lspp-hot >hot.out 2>err' ||
		:
	assert_equal "$(cat err)" "$line"
	assert_equal "$(facts)" '[0,1,0]'
	run -1 --separate-stderr stale
	assert_output "$f"
	assert_equal "$stderr" "$line"
	run -1 lspp-stat --health --max-lag 1d --max-failed 9
	assert_output --partial "unhealthy: 1 lost, $f: $2"
	run -0 lspp-stat
	assert_output --partial "lost: $2; for"
	run -0 lspp-stat --top 1 --json
	assert_equal "$(jq -c '[.path, .tier, .lost]' <<<"$output")" \
		"[\"$f\",\"lost\",\"$2\"]"
}
is_mended() {
	pass
	assert_equal "$(cat err)" ''
	assert_equal "$(facts)" '[0,0,0]'
	run -0 lspp-stat --health
}

# loses REASON COMMAND... -- COMMAND writes what is found in place of a.db, whose
# bytes are in the file good.
loses() {
	db a.db b.db c.db
	settle
	cp -p srv/a.db good
	"${@:2}" >srv/a.db
	is_lost a.db "$1"
	cat good >srv/a.db
	is_mended
}

@test "lost: emptied" {
	loses 'it is empty' :
}

@test "lost: overwritten with something else, with its size and its time" {
	other() {
		head -c "$(stat -c %s good)" /dev/urandom
		touch -r good srv/a.db
	}
	loses 'it is no database any more' other
}

@test "lost: cut to less than a header" {
	loses 'it is no database any more' head -c 9 good
}

# lspp-scan does not open it, lspp-hot does, and passes it on: lspp-ship fails.
@test "lost: what lspp-scan does not open" {
	db a.db b.db c.db
	settle
	cp -p srv/a.db good
	run -0 lspp-scan --known "$LSPP_STATE" srv
	assert_output $'srv/a.db\nsrv/b.db\nsrv/c.db'
	head -c 9 good >srv/a.db
	echo no database >srv/d.db
	for _ in 1 2; do
		lspp-scan --known "$LSPP_STATE" srv | lspp-hot >hot.out
		assert_equal "$(cat hot.out)" srv/a.db
		assert_equal "$(facts)" '[0,1,0]'
		run -65 --separate-stderr lspp-ship <hot.out
		assert_output ''
		assert_equal "$stderr" "lspp-ship: srv/a.db: not a database"
	done
	run -1 lspp-stat --health --max-lag 1d --max-failed 9
	assert_output --partial "unhealthy: 1 lost, $T/srv/a.db: it is no"
	cat good >srv/a.db
	is_mended
	# One that nobody knows yet is looked into, as without a state.
	run -0 --separate-stderr lspp-scan --known "$T/none" srv
	assert_output $'srv/a.db\nsrv/b.db\nsrv/c.db'
	assert_equal "$stderr" ''
	mkdir bad
	echo no state >bad/state.db
	run -0 --separate-stderr lspp-scan --known bad srv
	assert_output $'srv/a.db\nsrv/b.db\nsrv/c.db'
	assert_regex "$stderr" '--known is of no use: '
}

@test "lost: not to be read" {
	db a.db b.db c.db
	settle
	chmod 0 srv/a.db
	is_lost a.db 'cannot open: Permission denied'
	chmod 644 srv/a.db
	is_mended
}

@test "lost: its directory not to be searched" {
	db d/a.db b.db c.db
	settle
	FILLED+=("$T/srv/d")
	chmod 0 srv/d
	is_lost d/a.db 'stat: Permission denied'
	chmod 755 srv/d
	is_mended
}

@test "lost: a file, a loop or a link to nowhere on the way; no file at all" {
	db d/a.db b.db c.db
	settle
	mv srv/d away
	echo file >srv/d
	is_lost d/a.db 'stat: Not a directory'
	rm srv/d
	ln -s d srv/d
	is_lost d/a.db 'stat: Too many levels of symbolic links'
	rm srv/d
	mkdir srv/d
	ln -s nowhere srv/d/a.db
	is_lost d/a.db 'symbolic link: No such file or directory'
	rm srv/d/a.db
	mkdir srv/d/a.db
	is_lost d/a.db 'not a regular file (a directory)'
	rmdir srv/d/a.db
	mkfifo srv/d/a.db
	is_lost d/a.db 'not a regular file (a FIFO)'
	rm -r srv/d
	mv away srv/d
	is_mended
}

@test "lost: it came all the same, from a list" {
	db a.db b.db c.db
	settle
	printf '%s\n' srv/{a,b,c}.db >list
	cp -p srv/a.db good
	: >srv/a.db
	# It is passed on, and lspp-ship says what is wrong with it.
	run -0 --separate-stderr lspp-hot <list
	assert_output srv/a.db
	assert_equal "$stderr" ''
	assert_equal "$(facts)" '[0,1,0]'
	run -1 --separate-stderr lspp-hot --stale 1h <list
	assert_output srv/a.db
	assert_equal "$stderr" "lspp-hot: srv/a.db: it is empty"
	# By name, too, which is no pass.
	run -65 --separate-stderr lspp-hot --stale 1h srv/a.db
	assert_output srv/a.db
	cat good >srv/a.db
	lspp-hot <list | lspp-ship >/dev/null
	assert_equal "$(facts)" '[0,0,0]'
	mv srv/a.db away
	ln -s a.db srv/a.db
	run -1 --separate-stderr lspp-hot <list
	assert_equal "$(facts)" '[0,1,0]'
	rm srv/a.db
	mv away srv/a.db
	lspp-hot <list | lspp-ship >/dev/null
	assert_equal "$(facts)" '[0,0,0]'
}

@test "lost by the hundred: one line for each reason" {
	local i
	for i in $(seq 40); do db "$i.db"; done
	settle
	for i in $(seq 10); do : >"srv/$i.db"; done
	for i in $(seq 11 17); do echo encrypted by you know who >"srv/$i.db"; done
	run -1 --separate-stderr sh -c 'lspp-scan srv | lspp-hot --failed failed'
	assert_equal "$(wc -l <<<"$stderr")" 4
	assert_regex "$stderr" "10 databases that were shipped are lost: it is empty; one is $T/srv/1"
	assert_regex "$stderr" '7 databases that were shipped are lost: it is no database any more'
	assert_equal "$(sort failed)" \
		"$(printf "$T/srv/%s.db\n" $(seq 17) | sort)"
	assert_equal "$(facts)" '[0,17,0]'
	run -0 lspp-stat
	assert_equal "$(grep -c ' lost: ' <<<"$output")" 2
	run -1 --separate-stderr stale
	assert_equal "$(wc -l <<<"$output")" 17
	run -1 lspp-stat --health
	assert_output --regexp '^unhealthy: 17 lost, /'
}

# -- gone ----------------------------------------------------------------------

@test "gone: told once, counted, listed; and back again" {
	db a.db b.db c.db
	settle
	mv srv/a.db away
	run -1 --separate-stderr sh -c 'lspp-scan srv | lspp-hot'
	assert_output ''
	assert_equal "$stderr" \
		"lspp-hot: $T/srv/a.db: gone: No such file or directory"
	pass
	assert_equal "$(cat err)" ''
	assert_equal "$(facts)" '[1,0,0]'
	run -0 lspp-hot --gone
	assert_output "$T/srv/a.db"
	run -0 lspp-stat --health
	mv away srv/a.db
	is_mended
	rm srv/a.db
	run -1 --separate-stderr sh -c 'lspp-scan srv | lspp-hot'
	assert_regex "$stderr" 'a\.db: gone: '
}

@test "gone, half of a fleet: one line, also where it is a volume of several" {
	local i
	for i in $(seq 30); do db "one/$i.db" "two/$i.db" "three/$i.db"; done
	settle
	mv srv/one away1
	mv srv/two away2
	run -1 --separate-stderr sh -c 'lspp-scan srv | lspp-hot'
	assert_equal "$stderr" "lspp-hot: 60 databases that were shipped are gone: \
No such file or directory; one is $T/srv/one/1.db
lspp-hot: hint: is a volume not mounted?"
	assert_equal "$(facts)" '[60,0,0]'
	# It is the same line of cron: more of it goes, all of it comes back.
	rm srv/three/1.db
	run -1 --separate-stderr sh -c 'lspp-scan srv | lspp-hot'
	assert_equal "$stderr" \
		"lspp-hot: $T/srv/three/1.db: gone: No such file or directory"
	mv away1 srv/one
	mv away2 srv/two
	pass
	assert_equal "$(facts)" '[1,0,0]'
	assert_equal "$(sqlite3 state/state.db 'SELECT count(*) FROM round')" 1
}

@test "an empty pass: one line each time, and nothing is written off" {
	local i
	for i in $(seq 30); do db "$i.db"; done
	settle
	mv srv away
	mkdir srv
	for i in 1 2; do
		run -66 --separate-stderr sh -c 'lspp-scan srv | lspp-hot'
		assert_output ''
		assert_equal "$stderr" "lspp-hot: no path came in, and 30 \
databases that were shipped are gone: No such file or directory; one is \
$T/srv/1.db
lspp-hot: hint: is a volume not mounted?"
		assert_equal "$(facts)" '[0,0,0]'
	done
	run -1 lspp-stat --health
	assert_output 'unhealthy: the last pass saw 0 databases'
	rmdir srv
	mv away srv
	is_mended
	# Nothing came, and all are there: some filter has let none pass.
	run -0 --separate-stderr lspp-hot </dev/null
	assert_equal "$stderr" ''
	# The only one of a fleet.
	rm srv/[2-9]*.db srv/1?.db
	pass
	rm srv/1.db
	run -66 --separate-stderr sh -c 'lspp-scan srv | lspp-hot'
	assert_regex "$stderr" 'no path came in, and 1 database that was shipped'
}

@test "--gone says what it could not look at, and that it knows of nothing" {
	db a.db d/b.db
	run -66 --separate-stderr lspp-hot --gone
	assert_equal "$stderr" \
		"lspp-hot: no state in $T/state: nothing was ever shipped from here"
	settle
	run -66 --separate-stderr lspp-hot --gone -r "$T/other"
	assert_regex "$stderr" 'nothing was ever shipped to .*/other from here'
	run -0 lspp-hot --gone
	assert_output ''
	rm srv/a.db
	FILLED+=("$T/srv/d")
	chmod 0 srv/d
	run -1 --separate-stderr as_user lspp-hot --gone
	assert_output "$T/srv/a.db"
	assert_equal "$stderr" \
		"lspp-hot: $T/srv/d/b.db: lost: stat: Permission denied"
	chmod 755 srv/d
	rm -r srv/d
	run -0 lspp-hot --gone
	assert_equal "${#lines[@]}" 2
}

# -- left out ------------------------------------------------------------------

@test "left out: counted, and what is written to it has a lag" {
	db a.db b.db c.db d/d.db
	settle
	mv srv/d out
	ln -s ../out srv/d # a scan does not follow
	pass
	assert_equal "$(cat err)" ''
	assert_equal "$(facts)" '[0,0,1]'
	run -0 lspp-stat
	assert_output --regexp 'left out +1   there, but'
	run -0 lspp-stat --health
	change d/d.db
	sleep 1
	pass
	assert_equal "$(cat err)" ''
	assert_equal "$(fact waiting)" 1
	run -1 lspp-stat --health --max-lag 0s
	assert_output --partial "lag "
	assert_output --partial "of $T/srv/d/d.db"
	run -0 --separate-stderr sh -c 'lspp-scan srv | lspp-hot --stale 0s'
	assert_output "$T/srv/d/d.db"
	# It comes again: as any other.
	settle srv srv/d/*.db
	assert_equal "$(facts)" '[0,0,0]'
}

@test "left out: what was shipped by hand, and never came" {
	db a.db b.db
	settle
	db sub/c.db
	lspp-ship srv/sub/c.db
	pass srv/a.db srv/b.db
	assert_equal "$(facts)" '[0,0,1]'
	: >srv/sub/c.db
	pass srv/a.db srv/b.db
	assert_equal "$(facts)" '[0,1,0]'
}

# -- passes that share a state -------------------------------------------------

@test "two lines of cron over halves of a fleet: each looks after its own" {
	local i
	for i in $(seq 20); do db "a/$i.db" "b/$i.db"; done
	settle srv/a
	settle srv/b
	for i in 1 2 3; do
		pass srv/a
		assert_equal "$(cat err)$(facts)" '[0,0,0]'
		pass srv/b
		assert_equal "$(cat err)$(facts)" '[0,0,0]'
	done
	# Not even a look at the other's.
	lspp-scan srv/a >list
	traced -o log -e trace=%file lspp-hot <list
	refute grep -F "$T/srv/b/" log
	# What is lost is told by the line that it is of.
	: >srv/b/1.db
	pass srv/a
	assert_equal "$(cat err)" ''
	pass srv/b
	assert_equal "$(cat err)" "lspp-hot: $T/srv/b/1.db: lost: it is empty
$HINT"
	pass srv/a
	assert_equal "$(cat err)" ''
	assert_equal "$(facts)" '[0,1,0]'
	# One of the two is dead: the other answers for its part.
	sqlite3 state/state.db "UPDATE round SET
		began_ns = began_ns - 600000000000 WHERE id = 2"
	change b/2.db
	pass srv/a
	assert_regex "$(cat err)" 'b/1\.db: lost: '
	assert_equal "$(facts)" '[0,1,19]'
	assert_equal "$(fact waiting)" 1
	# It is back.
	pass srv/b
	pass srv/a
	assert_equal "$(facts)" '[0,1,0]'
}

@test "two lines of cron by pattern, in one directory" {
	local i
	for i in $(seq 20); do db "a$i.db" "b$i.db"; done
	for i in 1 2 3 4; do
		pass 'srv/a*.db'
		pass 'srv/b*.db'
	done
	assert_equal "$(facts)" '[0,0,0]'
	rm srv/b7.db
	pass 'srv/a*.db'
	pass 'srv/b*.db'
	assert_equal "$(cat err)" \
		"lspp-hot: $T/srv/b7.db: gone: No such file or directory"
}

@test "a few more often than all: no others are looked at" {
	local i
	for i in $(seq 60); do db "$i.db"; done
	db gold/1.db gold/2.db
	settle
	pass srv/gold
	assert_equal "$(cat err)$(facts)" '[0,0,0]'
	lspp-scan srv/gold >list
	traced -o log -e trace=%file lspp-hot <list
	refute grep -F "$T/srv/1.db" log
	rm srv/gold/2.db
	pass srv/gold
	assert_equal "$(cat err)" \
		"lspp-hot: $T/srv/gold/2.db: gone: No such file or directory"
	rm srv/7.db
	pass
	assert_equal "$(cat err)" \
		"lspp-hot: $T/srv/7.db: gone: No such file or directory"
	assert_equal "$(facts)" '[2,0,0]'
}

@test "a write in a half that comes seldom is not taken for younger" {
	local i
	for i in 1 2 3; do db "a/$i.db" "b/$i.db"; done
	settle srv/a
	settle srv/b
	sqlite3 state/state.db "UPDATE db SET captured_ns = captured_ns
			- 7200000000000;
		UPDATE round SET began_ns = began_ns - 3600000000000,
			period_ns = 3600000000000 WHERE id = 2"
	change b/1.db
	sleep 1
	pass srv/a
	run -0 sh -c 'lspp-scan srv/b | lspp-hot --stale 1s'
	assert_output srv/b/1.db
}

# -- passes that prove nothing -------------------------------------------------

@test "a scan that dies halfway leaves no trace but what is true" {
	local i
	for i in $(seq 40); do db "$i.db"; done
	settle
	rm srv/30.db
	: >srv/31.db
	run -1 --separate-stderr sh -c 'lspp-scan srv | head -n 8 | lspp-hot'
	assert_equal "$(grep -vc hint <<<"$stderr")" 2
	assert_equal "$(facts | jq -c '.[:2]')" '[1,1]'
	pass
	assert_equal "$(facts)" '[1,1,0]'
}

@test "a pass that a signal ends proves nothing" {
	local rc=0
	db a.db b.db c.db
	settle
	sqlite3 state/state.db 'SELECT * FROM round' >before
	mkfifo fifo
	lspp-hot <fifo >out 2>err 3>&- &
	hot=$!
	exec 5>fifo
	echo srv/a.db >&5
	rm srv/b.db
	wait_for minds_term "$hot" lspp-hot
	kill "$hot"
	wait "$hot" || rc=$?
	exec 5>&-
	assert_equal "$rc" 143
	assert_equal "$(cat err)" ''
	sqlite3 state/state.db 'SELECT * FROM round' | diff before -
	assert_equal "$(facts)" '[0,0,0]'
}

# -- the state -----------------------------------------------------------------

@test "a state of today: all of it is known, and halves stay halves" {
	db a/1.db a/2.db b/1.db b/2.db
	settle
	sqlite3 state/state.db 'DROP TABLE round; DROP TABLE lost'
	run -0 lspp-stat --health
	run -0 lspp-stat
	rm srv/b/1.db
	: >srv/a/2.db
	pass
	assert_equal "$(grep -vc hint err)" 2
	assert_equal "$(facts)" '[1,1,0]'
}

@test "a state that cannot be written: told all the same" {
	db a.db b.db c.db
	settle
	rm srv/a.db
	: >srv/b.db
	sqlite3 state/state.db 'PRAGMA journal_mode = DELETE' >/dev/null
	FILLED+=("$T/state")
	chmod a-w state state/*
	run --separate-stderr as_user sh -c 'lspp-scan srv | lspp-hot'
	assert_failure
	assert_equal "$stderr" "lspp-hot: $T/srv/a.db: gone: No such file or directory
lspp-hot: $T/srv/b.db: lost: it is empty
$HINT"
}

@test "an idle fleet that all came: not one more call than before" {
	local i
	for i in $(seq 200); do db "d$((i % 7))/$i.db"; done
	settle
	lspp-scan srv >list
	traced -o log -e trace=%file lspp-hot <list
	assert_equal "$(grep -c '"srv/' log)" 400
	# In another order it costs a look through the state, not at files.
	sort -R list >other
	traced -o log -e trace=%file lspp-hot <other
	assert_equal "$(grep -c '"srv/' log)" 400
	assert_equal "$(grep -c "\"$T/srv/" log)" 0
}

@test "several roots, -r and -c: each pass asks for its own" {
	db a.db b.db
	unset LSPP_REPLICA
	both() {
		lspp-scan srv | lspp-hot -r rep | lspp-ship -r rep
		lspp-scan srv | lspp-hot -r two | lspp-ship -r two
	}
	both >/dev/null
	sleep 1.1
	both >/dev/null
	both >/dev/null
	db c.db
	lspp-ship -r two srv/c.db
	mv srv/c.db away
	run -0 --separate-stderr sh -c 'lspp-scan srv | lspp-hot -r rep'
	assert_equal "$stderr" ''
	run -1 --separate-stderr sh -c 'lspp-scan srv | lspp-hot -r two'
	assert_regex "$stderr" 'srv/c\.db: gone: '
	cat >c.yml <<-END
	dbs:
	- dir: $T/srv
	  pattern: '*.db'
	  replica: {path: $T/yml}
	END
	all() { lspp-scan -c c.yml | lspp-hot -c c.yml | lspp-ship -c c.yml; }
	unset LSPP_BASE
	all >/dev/null
	sleep 1.1
	all >/dev/null
	run -0 --separate-stderr sh -c 'lspp-scan -c c.yml | lspp-hot -c c.yml'
	assert_equal "$stderr" ''
	: >srv/b.db
	run -1 --separate-stderr sh -c 'lspp-scan -c c.yml | lspp-hot -c c.yml'
	assert_equal "$stderr" "lspp-hot: $T/srv/b.db: lost: it is empty
$HINT"
	assert_equal "$(lspp-stat -c c.yml --json | jq .lost)" 1
}

# -- --watch -------------------------------------------------------------------

@test "--watch: what does not come is told once in a run" {
	db a.db b.db c.db
	settle
	: >srv/a.db
	rm srv/b.db
	lspp-scan srv |
		lspp-hot --watch --scan-interval 1s --for 4s >out 2>err 3>&- || :
	assert_equal "$(grep -v hint err | sort)" "lspp-hot: $T/srv/a.db: lost: it is empty
lspp-hot: $T/srv/b.db: gone: No such file or directory"
	assert_equal "$(facts)" '[1,1,0]'
	lspp-scan srv |
		lspp-hot --watch --scan-interval 1s --for 2s >out 2>err 3>&- || :
	assert_equal "$(cat err)" "lspp-hot: $T/srv/a.db: lost: it is empty
$HINT"
}

# -- --forget ------------------------------------------------------------------

@test "--forget: gone, lost and left out; not what is well; no replica is touched" {
	db gone.db lost.db out.db well.db
	settle
	mkdir elsewhere
	rm srv/gone.db
	: >srv/lost.db
	mv srv/out.db elsewhere
	ln -s ../elsewhere/out.db srv/out.db
	pass
	assert_equal "$(facts)" '[1,1,1]'
	run -0 lspp-stat
	assert_output --partial 'lspp-hot --forget acknowledges'
	sha_tree rep >before
	run -1 --separate-stderr lspp-hot --forget srv/*.db "$T/srv/gone.db" none.db
	assert_output "srv/lost.db
srv/out.db
$T/srv/gone.db"
	assert_equal "$stderr" \
		"lspp-hot: srv/well.db: it is there and well, and comes in passes
lspp-hot: hint: --force forgets it all the same
lspp-hot: none.db: nothing is known of it: it was never shipped from here, or \
is forgotten"
	assert_equal "$(facts)" '[0,0,0]'
	assert_equal "$(fact databases)" 1
	sha_tree rep | diff before -
	pass
	assert_equal "$(cat err)" ''
	run -0 lspp-stat --health
	run -0 lspp-hot --gone
	assert_output ''
	# What comes back is shipped as on a machine that has lost its state.
	db gone.db
	pass
	assert_equal "$(find rep/gone.db/generations -mindepth 1 -maxdepth 1 -type d |
		wc -l)" 2
	# Told to.
	run -73 lspp-hot --forget srv/well.db
	run -0 lspp-hot --forget --force --json srv/well.db
	assert_equal "$(jq -c '[.path, .why]' <<<"$output")" \
		'["srv/well.db","there"]'
	assert_equal "$(sqlite3 state/state.db 'SELECT count(*) FROM db')" 1
}

@test "--forget reads paths, of what --gone and --top name" {
	local i
	for i in $(seq 12); do db "$i.db"; done
	settle
	rm srv/{1,2,3}.db
	: >srv/4.db
	: >srv/5.db
	pass
	lspp-stat --top gone --json >gone
	assert_equal "$(jq -r '.path, .tier' gone | sort | uniq -c | awk '{
		print $1, $2 }' | tail -n 1)" '3 gone'
	assert_equal "$(lspp-stat --top lost --json | jq -r .path)" \
		"$(printf "$T/srv/%s.db\n" 4 5)"
	assert_equal "$(lspp-stat --top lost --top 1 --json | jq -r .path)" \
		"$T/srv/4.db"
	run -0 lspp-stat --top gone
	assert_equal "${#lines[@]}" 7
	assert_regex "${lines[2]}" 'gone for [0-9]+s'
	run -2 lspp-stat --top nonsense
	run -2 lspp-stat --top lost --by 1
	run -0 sh -c 'lspp-hot --gone | lspp-hot --forget'
	assert_equal "${#lines[@]}" 3
	lspp-stat --top lost --json | jq -j '.path + "\u0000"' |
		lspp-hot -0 --forget >forgotten
	assert_equal "$(facts)" '[0,0,0]'
	assert_equal "$(fact databases)" 7
}

@test "--forget: of one root of two, of those of a file; while it is shipped" {
	local rc=0
	db a.db b.db
	settle
	lspp-ship -r two srv/a.db
	rm srv/a.db
	pass
	run -0 lspp-hot -r two --forget srv/a.db
	assert_equal "$(fact gone)" 1
	assert_equal "$(sqlite3 state/state.db 'SELECT count(*) FROM db')" 2
	run -66 lspp-hot -r two --forget srv/a.db
	cat >c.yml <<-END
	dbs:
	- path: $T/srv/a.db
	  replica: {url: 'file://$T/two/a.db'}
	END
	run -66 --separate-stderr env -u LSPP_REPLICA lspp-hot -c c.yml --forget \
		srv/a.db
	assert_regex "$stderr" 'nothing is known of it'
	run -66 lspp-hot -s none --forget srv/a.db
	# Somebody ships it: not under his feet.
	exec 7<>state/lock
	python3 - 7 <<-'END' &
	import fcntl, sys, time
	fcntl.lockf(int(sys.argv[1]), fcntl.LOCK_EX)
	open("held", "w").close()
	time.sleep(60)
	END
	holder=$!
	held() { [ -e held ]; }
	wait_for held
	run -75 --separate-stderr lspp-hot --forget srv/a.db
	assert_output ''
	kill "$holder"
	wait "$holder" || rc=$?
	exec 7>&-
	run -0 lspp-hot --forget srv/a.db
	assert_equal "$(fact gone)" 0
	run -2 lspp-hot --force srv/a.db
	run -2 lspp-hot --forget --gone
}

# -- shrunk --------------------------------------------------------------------

# big FILE... -- with 40 rows of 4,000 bytes.
big() {
	local f
	for f; do
		sqlite3 "srv/$f" 'CREATE TABLE IF NOT EXISTS t(x);
			WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL
			SELECT i + 1 FROM c WHERE i < 40)
			INSERT INTO t SELECT randomblob(4000) FROM c'
	done
}
shrinks() { # FILE SQL MESSAGE: told by the next ship, once
	sqlite3 "srv/$1" "$2"
	run -0 --separate-stderr lspp-ship "srv/$1"
	assert_regex "$stderr" \
		"^lspp-ship: srv/$1: it $3 since it was last shipped; the replica"
	assert_equal "$(wc -l <<<"$stderr")" 1
	sqlite3 "srv/$1" 'PRAGMA user_version = 7'
	run -0 --separate-stderr lspp-ship "srv/$1"
	assert_equal "$stderr" ''
	assert_equal "$(fact shrunk)" 1
}

@test "shrunk by more than a half, or without its tables: told once, counted, shipped" {
	big a.db b.db
	settle
	shrinks a.db 'DELETE FROM t; VACUUM' 'shrank from .*KiB to .*KiB'
	run -0 lspp-stat --top shrunk --json
	assert_equal "$(jq -c '[.path, .shrunk_from > 160000, .shrunk_to,
		.no_tables]' <<<"$output")" "[\"$T/srv/a.db\",true,8192,false]"
	run -0 lspp-stat --top shrunk
	assert_output --regexp 'shrank from .*KiB to 8\.0 KiB [0-9]+s ago'
	run -0 lspp-stat
	assert_output --regexp 'shrunk +1   by more than a half'
	run -0 lspp-stat --health
	lspp-restore -q -o back a.db >/dev/null
	same_db srv/a.db back/a.db
	# It grows again.
	big a.db
	lspp-ship srv/a.db
	assert_equal "$(fact shrunk)" 0
	# The tables go, the pages stay.
	shrinks a.db 'DROP TABLE t' 'lost all of its tables'
	run -0 lspp-stat --top shrunk
	assert_output --partial 'lost its tables, and went from'
	sqlite3 srv/a.db 'CREATE TABLE other(x)'
	run -0 --separate-stderr lspp-ship srv/a.db
	assert_equal "$stderr" ''
	assert_equal "$(fact shrunk)" 0
	# And both; a file in its place, with another page size.
	sqlite3 small 'PRAGMA page_size = 512; PRAGMA user_version = 1'
	cp small srv/b.db
	run -0 --separate-stderr lspp-ship srv/b.db
	assert_regex "$stderr" 'a new generation begins: .*; it lost all of its tables and shrank from'
	# Acknowledged: then it is counted no more, and still known.
	run -0 lspp-hot --forget --json srv/b.db
	assert_equal "$(jq -r .why <<<"$output")" shrunk
	assert_equal "$(lspp-stat --json | jq -c '[.shrunk, .databases]')" '[0,2]'
	sqlite3 srv/b.db 'PRAGMA user_version = 2'
	run -0 --separate-stderr lspp-ship srv/b.db
	assert_equal "$stderr" ''
	run -73 lspp-hot --forget srv/b.db
}

@test "shrunk: not what never had tables, nor what is half as large, nor WAL mode's" {
	local i
	sqlite3 srv/a.db 'PRAGMA user_version = 1'
	big b.db
	sqlite3 srv/b.db 'PRAGMA auto_vacuum = FULL; VACUUM;
		PRAGMA journal_mode = WAL' >/dev/null
	settle
	for i in 1 2 3; do
		sqlite3 srv/a.db "PRAGMA user_version = $i$i"
		run -0 --separate-stderr lspp-ship srv/a.db
		assert_equal "$stderr" ''
	done
	sqlite3 srv/b.db 'DELETE FROM t WHERE rowid > 21'
	run -0 --separate-stderr lspp-ship srv/b.db
	assert_equal "$stderr" ''
	assert_equal "$(fact shrunk)" 0
	sqlite3 srv/b.db 'DELETE FROM t WHERE rowid > 5'
	run -0 --separate-stderr lspp-ship srv/b.db
	assert_regex "$stderr" 'it shrank from'
	assert_equal "$(fact shrunk)" 1
}
