#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a message says to do next, to an operator who has done something usual.

load lib/lspp

setup() {
	set +T
	need script
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T LSPP_STATE=$T/state
	mkdir d rep
	sqlite3 d/1.db 'CREATE TABLE t (x)'
}

# says STATUS TEXT COMMAND... -- on standard error, which is a hint's line.
says() {
	local text=$2
	run "-$1" --separate-stderr "${@:3}"
	[[ $stderr == *"$text"* ]] || fail "$stderr"
}

@test "a directory in place of a database: lspp-scan" {
	says 65 'hint: lspp-scan prints the databases in a directory' lspp-ship d
}

@test "no paths on a terminal: where they come from, in each program" {
	local p
	for p in hot 'new -t d/1.db' ship 'restore -o x' verify \
		'prune --keep-last 1'; do
		run -2 script -qec "lspp-$p" /dev/null
		assert_output --partial 'standard input is a terminal'
		assert_output --partial 'hint: pipe them in, as lspp-scan'
	done
	unset LSPP_REPLICA
	run -2 script -qec lspp-scan /dev/null
	assert_output --partial 'hint: name a directory, or a replica with -r'
}

@test "an operand with a newline: -0, in each program" {
	local p
	for p in hot 'new -t d/1.db' ship scan 'restore -o x' verify; do
		# shellcheck disable=SC2086
		says 2 'hint: use -0' lspp-$p $'a\nb'
	done
}

@test "no backup of that name: where the names are" {
	local p
	lspp-ship d/1.db >/dev/null
	for p in 'restore -o x' 'restore --list' verify \
		'prune --yes --keep-last 1'; do
		# shellcheck disable=SC2086
		says 66 'hint: lspp-scan -r URL prints the names that are there' \
			lspp-$p 1.db
	done
}

@test "a root whose directory is not there was never there" {
	says 69 "replica root $T/no/rep is not there: is it mounted?" \
		lspp-ship -r "$T/no/rep" d/1.db
	[[ $stderr == *"hint: if it is to be new: mkdir -p '$T/no/rep'"* ]]
	mkdir -p "$T/no/rep"
	run -0 lspp-ship -r "$T/no/rep" d/1.db
	# One that was there is not made again.
	rm -r no
	sqlite3 d/1.db 'INSERT INTO t VALUES (1)'
	run -69 lspp-ship -r "$T/no/rep" d/1.db
}

@test "options are named as they are given, and say what they take" {
	says 2 '--max-lag: "5x" is not a duration like' \
		lspp-stat --health --max-lag 5x
	says 2 '-j/--jobs: "x" is not a number' lspp-ship -j x d/1.db
	says 2 '--max-hot: "x" is not a number' lspp-hot --max-hot x d/1.db
	says 2 '--top: "bad" is neither a number nor gone, lost,' \
		lspp-stat --top bad
	says 2 'hint: see lspp-restore --help and --help-more' \
		lspp-restore --around now d/1.db
	says 2 '--top: "0" is not a number from 1' lspp-stat --top 0
}

@test "a summary of options fits 80 columns, and two spaces part each from its text" {
	local p h
	for p in scan hot ship restore prune verify new stat; do
		for h in --help --help-more --help-s3; do
			lspp-$p $h >>all 2>/dev/null || :
		done
	done
	run ! grep -E '.{81}' all
	# The name of an argument is in capitals; the text begins behind it.
	run ! grep -E '^ +(-.,)? *--[a-z0-9-]+( [A-Z|/]+)? [a-z]' \
		<(grep -v "^      --debug sign" all)
}

@test "tables fit 80 columns of a terminal" {
	local p name=a-name/of-some-length/and-another-one/database.sqlite3
	mkdir -p "${name%/*}"
	cp d/1.db $name
	lspp-ship d/1.db $name >/dev/null
	rm -rf x
	for p in 'stat' 'stat --by 1' 'stat --top 3' "restore --list '**'" \
		"restore --list --around 0s '**'" "restore -n -o x '**'"; do
		run -0 script -qec "stty cols 80; lspp-$p" /dev/null
		[ "${p%% *}" = stat ] || assert_output --partial "$name"
		# But for a name, which is as long as it is.
		tr -d '\r' <<<"$output" | grep -vF -e "$name" -e " $T" >rows
		[ -s rows ]
		run ! grep -nE '.{81}' rows
	done
	run -0 script -qec "lspp-restore --list d/1.db" /dev/null
	assert_line --index 0 --regexp '^generation +count +size from +until'
	assert_line --index 1 --regexp '^d/1.db'
	assert_line --index 2 --regexp '^[0-9a-f]{16}      1   [0-9]{3}B 20.*Z 20.*Z'
	# In a pipe a row is a line.
	run -0 lspp-restore --list d/1.db
	assert_line --index 1 --regexp '^[0-9a-f]{16} .*Z d/1.db$'
}

@test "a name steers no terminal, and is itself in a pipe" {
	local name=$'\e]0;x\a\rb\u009b2J\x9b.db' p
	mv d/1.db "d/$name"
	lspp-scan d | lspp-ship >out
	assert_equal "$(cat out)" "d/$name"
	for p in 'scan d' 'restore -n -o x "**"' 'restore --list "**"' \
		'restore -o x "**"' 'verify "**"' \
		'prune -n --keep-last 1 --grace 0s "**"'; do
		lspp-ship -q --new-generation "d/$name" >out
		run -0 script -qec "lspp-$p -q" /dev/null
		assert_output --partial '?]0;x??b?2J?.db'
		run ! env LC_ALL=C grep -qP '[\e\a\x9b]' <<<"$output"
	done
	run -0 --separate-stderr script -qec 'lspp-scan -0 d' /dev/null
	assert_output --partial "$name"
}

@test "a state of somebody else's is a permission that is missing" {
	[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null ||
		skip "not root, or no setpriv"
	local p caps=-dac_override,-dac_read_search,-fowner,-chown mode
	lspp-ship d/1.db >/dev/null
	chmod 600 state/*
	chown -R 65534 state
	limited() {
		setpriv --bounding-set="$caps" --inh-caps="$caps" "$@"
	}
	for mode in 755 700; do
		chmod $mode state
		for p in 'stat' 'stat --health' 'hot d/1.db' 'hot --gone' \
			'ship d/1.db' 'restore -s state -o out d/1.db' \
			'verify --sample 1' 'prune --yes --gone-for 1d d/1.db'; do
			# shellcheck disable=SC2086
			run -77 limited lspp-$p
			assert_output --regexp 'state: .*: Permission denied'
			[ "$p" = 'stat --health' ] || assert_output --partial \
				'hint: who runs this has to be able to read and'
		done
		# Who goes on without it says why, and verify is not all well.
		run -1 --separate-stderr limited lspp-verify d/1.db
		assert_output d/1.db
		[[ $stderr == *'Permission denied'* ]]
		run -0 --separate-stderr limited lspp-scan --known state d
		assert_output d/1.db
		[[ $stderr == *'--known is of no use: '*'Permission denied'* ]]
	done
}

@test "another base than before is told once, and ships all the same" {
	cp d/1.db d/3.db
	cp d/1.db d/4.db
	lspp-scan "$T/d" | lspp-ship -C "$T" >/dev/null
	run -0 --separate-stderr lspp-ship -C "$T/d" "$T/d/1.db" "$T/d/3.db" "$T/d/4.db"
	[[ $stderr == *': it was shipped as d/'*' until now, and begins anew as '*'.db: is -C another one'* ]]
	assert_equal "$(grep -c 'begins anew' <<<"$stderr")" 1
	[[ $stderr == *' 2 more like '* ]]
	run -0 --separate-stderr lspp-ship -C "$T/d" "$T/d/1.db"
	assert_equal "$stderr" ''
	# What is new under the new base is no second one.
	cp d/1.db d/5.db
	run -0 --separate-stderr lspp-ship -C "$T/d" "$T/d/5.db"
	assert_equal "$stderr" ''
}
