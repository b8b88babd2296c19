#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A pass is a fact: what a root held when a run of lspp-ship had ended restores as
# of then, without a listing, and what is not there of it is named.
#
# Twice: on S3, too.
# And as LTX.

load lib/prune

setup() {
	set +T
	need lspp-hot lspp-scan faulty
	hard_setup
	export TMPDIR=$T
}

teardown() {
	hard_teardown
}

# fleet N -- so many databases with 100 each, and their names in $T/names.
fleet() {
	seq -f 't%03g/app.db' "$1" >"$T/names"
	xargs dirname <"$T/names" | xargs mkdir
	sqlite3 "$(head -n 1 "$T/names")" 'PRAGMA journal_mode = WAL;
		CREATE TABLE acct(v); INSERT INTO acct VALUES(100)' >/dev/null
	sed 1d "$T/names" | xargs -r -n 1 cp "$(head -n 1 "$T/names")"
	mapfile -t NAMES <"$T/names"
}

# move N -- so many times, a random amount from one database to another.
move() {
	local i a b n
	for ((i = 0; i < $1; i++)); do
		a=$((RANDOM % ${#NAMES[@]})) b=$((RANDOM % ${#NAMES[@]}))
		n=$((RANDOM % 50))
		printf '.open %s\nUPDATE acct SET v = v %+d;\n' \
			"${NAMES[a]}" -$n "${NAMES[b]}" $n
	done >"$T/moves"
	sqlite3 -bail <"$T/moves"
}

# hold DIR -- what each database below it holds.
hold() {
	(cd "$1" && find . -name app.db -printf '%P\n' | LC_ALL=C sort |
		sed "s/.*/.open &\\nSELECT '& ' || v FROM acct;/" |
		sqlite3 -bail)
}

# pass NAME [OPTION...] -- as cron does it.
pass() {
	local name=$1
	shift
	lspp-scan "$D" | lspp-hot -r "$R" -s "$S" |
		ship --pass "$name" "$@" >"$T/shipped" 2>"$T/stderr"
}

# back NAME [ARGUMENT...] -- restored to $T/out, with no request that lists; the
# status.
back() {
	local name=$1 status=0 lists
	shift
	rm -rf "$T/out" "$T/m.prom"
	[ $REPLICA = dir ] || s3_faulty
	lspp-restore -r "$R" -o "$T/out" --metrics "$T/m.prom" \
		--pass "$name" "$@" >"$T/restored" 2>"$T/stderr" || status=$?
	if [ $REPLICA = s3 ]; then
		s3_faulty_stop
		s3_credentials
		[ "$(requests GET)" -gt 0 ]
		LISTS=$(grep -c list-type "$T/requests" || :)
		lists=$(sed -n 's/.*_requests_total{.*op="list".* //p' \
			"$T/m.prom")
		[ "${lists:-0}" = "$LISTS" ]
	else
		LISTS=0
	fi
	return $status
}

@test "each pass restores as of then: what moves between databases is kept" {
	local i n passes
	seed
	n=$(count 1000 30 12) passes=$(count 100 4 3)
	fleet "$n"
	for ((i = 1; i <= passes; i++)); do
		case $((i % 3)) in
		0) pass "2026-$i" --snapshot-interval 0s ;;
		1) pass "2026-$i" ;;
		2) pass "2026-$i" --roll-at 4096 ;;
		esac
		assert_equal "$(but_limits <"$T/stderr")" ""
		hold "$D" >"$T/held.$i"
		# What is shipped between is of no pass, and not all are in one.
		move "$((n / 2))"
		[ $((RANDOM % 2)) = 1 ] || ship -q "${NAMES[@]}" >/dev/null
		move "$((n / 4))"
	done
	pass later
	run ! cmp -s "$T/held.1" "$T/held.2"
	for ((i = 1; i <= passes; i++)); do
		back "2026-$i"
		assert_equal "$LISTS" 0
		assert_equal "$(wc -l <"$T/restored")" "$n"
		hold "$T/out" | diff "$T/held.$i" -
		assert_equal "$(awk '{ v += $2 } END { print v }' "$T/held.$i")" \
			$((100 * n))
	done
}

@test "long chains, rolls and all, are followed without a listing" {
	local i
	fleet 1
	pass begin
	for ((i = 0; i < 30; i++)); do
		sqlite3 t001/app.db "UPDATE acct SET v = $i;
			CREATE TABLE t$i AS SELECT randomblob(9000)"
		ship -q --roll-at $((i % 4 == 0 ? 4096 : 1073741824)) \
			t001/app.db >/dev/null
		[ $i != 20 ] || pass middle
	done
	cp t001/app.db "$T/last.db"
	pass end
	back middle
	assert_equal "$LISTS" 0
	assert_equal "$(hold "$T/out")" 't001/app.db 20'
	back end
	assert_equal "$LISTS" 0
	same_db "$T/out/t001/app.db" "$T/last.db"
	back begin --resume
	assert_equal "$(hold "$T/out")" 't001/app.db 100'
	run -0 lspp-restore -r "$R" -o "$T/out" --resume --pass begin -v
	[[ $output == *'is complete'* ]]
	run -0 lspp-restore -n -r "$R" -o "$T/none" --pass middle
	[[ $output == *'t001/app.db -> '* ]]
}

@test "what failed, is gone or is not in it is named" {
	fleet 4
	pass 1
	sqlite3 t002/app.db 'UPDATE acct SET v = 7'
	echo 'no database' >t003/app.db
	rm t004/app.db
	echo 'none either' >new.db
	printf '%s\n' "$D"/t00{1..4}/app.db "$D/new.db" >"$T/paths"
	run -1 ship --pass 2 <"$T/paths"

	run -1 back 2
	assert_equal "$(sed "s|$T/out/||" "$T/restored" | sort | paste -s -d ' ')" \
		't001/app.db t002/app.db t003/app.db'
	assert_equal "$(hold "$T/out" | paste -s -d ' ')" \
		't001/app.db 100 t002/app.db 7 t003/app.db 100'
	grep -q '^lspp-restore: t003/app.db: restored the state of .*: when the pass ended, to ship it had failed since .*: not a database' \
		"$T/stderr"
	grep -q '^lspp-restore: t004/app.db: was gone when the pass ended, since ' \
		"$T/stderr"
	grep -q '^lspp-restore: new.db: the pass has no state of it: to ship it had failed since .*: not a database' \
		"$T/stderr"
	# What was never shipped has no name below the root, if it is elsewhere.
	printf '%s\n' "$D/t002/app.db" "$T/elsewhere.db" >"$T/paths"
	run -1 ship --pass away <"$T/paths"
	run -1 back away
	grep -q "^lspp-restore: $T/elsewhere.db: the pass has no state of it: " \
		"$T/stderr"
	# The one before has all.
	back 1
	assert_equal "$(wc -l <"$T/restored")" 4

	back 2 --if-existed 't00[124]/*'
	assert_equal "$(wc -l <"$T/restored")" 2
	back 2 t002/app.db
	assert_equal "$(cat "$T/restored")" "$T/out/t002/app.db"
	run -66 back 2 t005/app.db
	assert_equal "$(cat "$T/stderr")" \
		'lspp-restore: t005/app.db: is not in the pass 2'
	run -66 back 3
	[[ $(cat "$T/stderr") == 'lspp-restore: there is no pass 3 in '* ]]
	back 1 --shard 1/2
	mv "$T/restored" "$T/first"
	back 1 --shard 2/2
	sort "$T/first" "$T/restored" | diff <(sed "s|^|$T/out/|" "$T/names") -
}

@test "the latest is the highest whose name begins with a digit" {
	fleet 1
	pass 2026-11-02T03:00Z
	sqlite3 t001/app.db 'UPDATE acct SET v = 1'
	pass 2026-11-03T03:00Z
	sqlite3 t001/app.db 'UPDATE acct SET v = 2'
	pass before-upgrade
	back latest
	assert_equal "$(hold "$T/out")" 't001/app.db 1'
	grep -q '^lspp-restore: the pass 2026-11-03T03:00Z, of .*: 1 databases$' \
		"$T/stderr"
	back before-upgrade
	assert_equal "$(hold "$T/out")" 't001/app.db 2'
}

@test "a name that there is already is told; what was shipped is shipped" {
	fleet 2
	pass 1
	replica_get lspp-passes/1.pass.lz4 >"$T/was"
	sqlite3 t002/app.db 'UPDATE acct SET v = 7'
	run -1 pass 1
	grep -qx "$D/t002/app.db" "$T/shipped"
	grep -q '^lspp-ship: pass 1 is not put: there is a pass of that name$' \
		"$T/stderr"
	replica_get lspp-passes/1.pass.lz4 | cmp - "$T/was"
	restores_to t002/app.db t002/app.db
	run -73 ship --pass 1 </dev/null
}

@test "killed at any call, there is no pass or a whole one" {
	local n step status=137 none=0 whole=0
	fleet 3
	pass 0
	step=$(count 1 13 17)
	for ((n = 1; status == 137; n += step)); do
		sqlite3 t002/app.db "UPDATE acct SET v = $n"
		status=0
		lspp-scan "$D" >"$T/paths"
		atcall -k write -n $n lspp-ship "${AS[@]}" -r "$R" -C "$D" \
			-s "$S" --pass "$n" <"$T/paths" >"$T/shipped" \
			2>"$T/stderr" || status=$?
		[ "$status" = 0 ] || [ "$status" = 137 ]
		if ! replica_list lspp-passes/ |
			grep -qx "lspp-passes/$n.pass.lz4"; then
			none=$((none + 1))
			assert_equal "$status" 137
			continue
		fi
		whole=$((whole + 1))
		back "$n"
		assert_equal "$(hold "$T/out")" "$(hold "$D")"
	done
	say "$none without a pass, $whole with one"
	[ "$none" -gt 0 ]
	pass end
	back end
	hold "$D" | diff - <(hold "$T/out")
}

@test "one that is cut, damaged or another's is refused as a whole" {
	local k size
	fleet 3
	pass 1
	replica_get lspp-passes/1.pass.lz4 >"$T/whole"
	size=$(stat -c %s "$T/whole")
	for ((k = 1; k <= 6; k++)); do
		head -c $((size * k / 7)) "$T/whole" >"$T/cut"
		replica_put lspp-passes/1.pass.lz4 "$T/cut"
		run -65 back 1
		[ ! -e "$T/out" ]
	done
	lz4 -dc "$T/whole" | sed '$d' | lz4 -c >"$T/cut"
	replica_put lspp-passes/1.pass.lz4 "$T/cut"
	run -65 back 1
	grep -q ': it is cut: its end is missing$' "$T/stderr"
	replica_put lspp-passes/2.pass.lz4 "$T/whole"
	run -65 back 2
	grep -q ': it is the pass 1$' "$T/stderr"
	lz4 -dc "$T/whole" | sed '1s/^pass 1/pass 2/' | lz4 -c >"$T/later"
	replica_put lspp-passes/1.pass.lz4 "$T/later"
	run -78 back 1
}

@test "names are anybody's: odd ones come back, and none leads elsewhere" {
	local odd=$'a b%41\n\u00e4*?[x]{y}\\z' line
	mkdir "$odd"
	sqlite3 "$odd/app.db" 'CREATE TABLE acct(v); INSERT INTO acct VALUES(1)'
	printf '%s\0' "$D/$odd/app.db" | ship -0 --pass 1 >"$T/shipped"
	back 1 -0
	assert_equal "$(tr '\0' x <"$T/restored")" "$T/out/$odd/app.dbx"
	same_db "$odd/app.db" "$T/out/$odd/app.db"
	run -2 back 1
	[[ $(cat "$T/stderr") == *'the name holds a newline'* ]]
	back 1 -0 '**/app.db'
	assert_equal "$(tr '\0' x <"$T/restored")" "$T/out/$odd/app.dbx"

	replica_get lspp-passes/1.pass.lz4 | lz4 -dc >"$T/text"
	for line in ../x a/../../x /x a//x ./x; do
		sed "s|^db [^ ]*|db $line|" "$T/text" | lz4 -c >"$T/bent"
		replica_put lspp-passes/1.pass.lz4 "$T/bent"
		run -2 back 1 -0
		[[ $(cat "$T/stderr") == *'is no path below it' ]]
		[ ! -e "$T/out" ]
	done
}

@test "what would be the log of a database that is restored is refused" {
	local name
	for name in a.db a.db.x b.db-wal; do
		sqlite3 "$name" 'CREATE TABLE acct(v)'
	done
	printf '%s\n' "$D/b.db-wal" "$D/a.db" "$D/a.db.x" | ship --pass 1 >/dev/null
	back 1
	assert_equal "$(wc -l <"$T/restored")" 3
	replica_get lspp-passes/1.pass.lz4 | lz4 -dc |
		sed 's/^db a.db.x /db a.db-wal /' | lz4 -c >"$T/bent"
	replica_put lspp-passes/1.pass.lz4 "$T/bent"
	run -1 back 1
	grep -q '^lspp-restore: a.db-wal: to SQLite it is a log of another database' \
		"$T/stderr"
	assert_equal "$(wc -l <"$T/restored")" 2
}

@test "what was pruned meanwhile is named, and the others restore" {
	local i
	fleet 3
	pass 1
	replica_later
	for i in 1 2 3; do
		sqlite3 t002/app.db "UPDATE acct SET v = $i"
		ship -q --snapshot-interval 0s t002/app.db >/dev/null
		replica_later
	done
	pass 2
	later 3 lspp-prune --yes -r "$R" --keep-last 1 '**' >/dev/null
	replica_list lspp-passes/ | diff - \
		<(printf '%s\n' lspp-passes/1.pass.lz4 lspp-passes/2.pass.lz4)
	run -1 back 1
	assert_equal "$(wc -l <"$T/restored")" 2
	grep -q '^lspp-restore: t002/app.db: ' "$T/stderr"
	assert_equal "$(wc -l <"$T/stderr")" 1
	back 2
	assert_equal "$LISTS" 0
	hold "$D" | diff - <(hold "$T/out")
}

@test "lspp-prune removes a pass that is older than all that it keeps" {
	local names
	fleet 2
	pass 1
	replica_list lspp-passes/ >"$T/one"
	prune --yes --keep-last 1 '**' >/dev/null
	prune --yes --keep-for 10d --keep-daily 1 '**' >/dev/null
	prune --yes --keep-for 12h 't*/**' >/dev/null
	prune --yes --keep-for 12h --shard 1/2 '**' >/dev/null
	replica_list lspp-passes/ | diff "$T/one" -
	names=$(replica_list)
	prune -n --keep-for 12h '**' '**' >"$T/plan"
	assert_equal "$(grep -c '/lspp-passes/1\.pass\.lz4$' "$T/plan")" 1
	replica_list | diff <(echo "$names") -
	grep -q '^superseded .*/lspp-passes/1\.pass\.lz4$' "$T/plan"
	prune --yes --keep-for 12h '**' >"$T/did"
	sed -n 's|.*/\(lspp-passes/.*\)|\1|p' "$T/did" | diff "$T/one" -
	assert_equal "$(replica_list lspp-passes/)" ''
}

@test "by a clock that is wrong no pass goes, and it is told, with nothing else there" {
	[ $REPLICA = dir ] || skip "the time of a server cannot be moved here"
	fleet 2
	pass 1
	replica_list lspp-passes/ >"$T/one"
	find "$R" -mindepth 1 -maxdepth 1 ! -name lspp-passes -exec rm -r {} +
	NO_FAKE_STAT=1 at_time -f +30d lspp-prune -r "$R" --yes --keep-for 12h \
		'**' >"$T/out.txt" 2>"$T/err" && fail "0"
	grep -q "machine's clock says" "$T/err"
	assert_equal "$(cat "$T/out.txt")" ''
	replica_list lspp-passes/ | diff "$T/one" -
}

@test "nobody takes a pass for a database" {
	fleet 2
	pass 1
	run -0 lspp-scan -r "$R"
	assert_equal "${#lines[@]}" 2
	lspp-verify -r "$R" '**'
	run -0 --separate-stderr lspp-prune -n --foreign --keep-for 1d \
		-r "$R" '**'
	assert_equal "$(but_limits <<<"$stderr")" ""
	assert_equal "$output" ""
	rm -rf "$T/out" "$T/m.prom"
	run -0 lspp-restore -r "$R" -o "$T/out" '**'
	assert_equal "${#lines[@]}" 2
	# Not even where there is one of that name.
	mkdir lspp-passes
	sqlite3 lspp-passes/x.db 'CREATE TABLE t(x)'
	shipped lspp-passes/x.db
	run -0 lspp-scan -r "$R"
	assert_equal "${#lines[@]}" 3
	restores_to lspp-passes/x.db lspp-passes/x.db
}
