# SPDX-License-Identifier: Apache-2.0
# lspp-restore --follow: a copy that goes on with what comes.
# Twice: on S3, too.
# Long: begins early.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/replica
load lib/ltx
load lib/follow

setup() {
	set +T
	follow_setup
}

teardown() {
	follow_teardown
}

# begun FORMAT -- a first state is shipped and has arrived, and readers look at it.
begun() {
	seed
	ship_start "$1"
	write_one
	ship
	follow_start
	wait_for printed 1
	wait_for arrived
	read_on
}

# follows FORMAT -- readers see each state whole; it stops, and goes on.
follows() {
	local i n
	n=$(count 60 4 3)
	[ "$1" != 03 ] || n=$((n / 2)) # it looks once a second
	begun "$1"
	for ((i = 0; i < n; i++)); do
		write_one
		ship
		[ $((RANDOM % 2)) -eq 0 ] || wait_for arrived
	done
	caught_up
	assert_equal "$(sort -u out.log)" out/a.db
	follow_stop
	assert_equal "$(cat err.log)" ''
	write_one
	ship
	follow_start -v
	caught_up
	read_off
	[ "$READS" -gt 1 ]
	assert_regex "$(cat out.log)" '^(out/a.db.)+'
	follow_stop
	ship_stop
	say "$1: $(wc -l <reads) reads of $READS states"
}

@test "a copy follows lspp-ship" {
	follows lspp
}

@test "a copy follows lspp-ship --format ltx" {
	follows lspp-ltx
}

@test "a copy follows Litestream 0.3" {
	follows 03
}

@test "a copy follows Litestream 0.5" {
	follows ltx
}

@test "each page size, and a rollback database, too" {
	local size
	for size in 512 65536; do
		replica_clear
		rm -rf a.db* out state
		PAGE_SIZE=$size follow_setup
		[ $size = 512 ] || sqlite3 a.db 'PRAGMA journal_mode=delete' >/dev/null
		ship_start lspp
		write_one
		ship
		follow_start
		wait_for printed 1
		write_one
		ship
		caught_up
		follow_stop
	done
}

# -- renewed --------------------------------------------------------------

@test "a new generation, and another page size, go through readers' connections" {
	begun lspp
	write_one
	lspp-ship --new-generation a.db
	wait_for arrived
	sqlite3 a.db 'PRAGMA journal_mode=delete; PRAGMA page_size=1024; VACUUM;
		PRAGMA journal_mode=wal' >/dev/null
	write_one
	ship
	caught_up
	assert_equal "$(sqlite3 -readonly out/a.db 'PRAGMA page_size')" 1024
	write_one
	ship
	caught_up
	read_off
	assert_equal "$(cat err.log)" ''
	follow_stop
}

@test "what was pruned meanwhile is bridged" {
	seed
	ship_start lspp
	write_one
	ship
	followed
	for _ in 1 2 3; do
		write_one
		lspp-ship --roll-at 4096 --snapshot-interval 0s a.db >/dev/null
	done
	run -0 lspp-prune --yes --keep-last 1 a.db
	assert_equal "$(generations a.db)" 1
	follow_start
	caught_up
	follow_stop
	assert_equal "$(cat err.log)" ''
}

# ltx_prune -- of level 0 the newest alone stays, and what else may be had.
ltx_level0_goes() {
	local files
	mapfile -t files < <(ltx_files a.db | sort -k 3 | awk '$1 == 0 { print $4 }')
	unset 'files[-1]'
	replica_rm "${files[@]}"
}

covered() {
	ltx_files a.db | awk -v max="$(ltx_newest a.db)" \
		'$1 == 9 && $3 == max { found = 1 } END { exit !found }'
}

@test "of LTX, too" {
	seed
	ship_start ltx
	write_one
	ship
	followed
	for _ in 1 2 3; do
		write_one
		ship
	done
	wait_for covered
	ship_stop
	ltx_level0_goes
	follow_start
	caught_up
	follow_stop
	assert_equal "$(cat err.log)" ''
}

@test "what says which state it leads to is taken without what is before it" {
	local gone
	seed
	ship_start lspp-ltx
	write_one
	ship
	followed
	gone=$(newest_object)
	for _ in 1 2 3; do
		write_one
		ship
	done
	write_one
	lspp-ship --snapshot-interval 0s a.db >/dev/null
	# Nothing else tells where the copy stands.
	replica_rm "$gone"
	lspp-restore --follow --interval 100ms --json -o out a.db >out.log 2>err.log 3>&- &
	# shellcheck disable=SC2034  # of tests/lib/follow.bash
	FOLLOW=$!
	caught_up
	wait_for printed 2
	follow_stop
	assert_equal "$(cat err.log)" ''
	assert_regex "$(tail -n 1 out.log)" '"did":"applied"'
}

# -- killed ---------------------------------------------------------------

# killed FORMAT -- before a random call that changes files, again and again.
killed() {
	local i n calls status was
	seed
	ship_start "$1"
	write_one
	ship
	followed
	cp -a out before
	write_one
	write_one
	ship
	ship_stop
	was=$(last_of before/a.db)
	atcall -k write -o calls lspp-restore --follow --for 1s -o out a.db >/dev/null
	calls=$(cat calls)
	n=$(count 300 6 3)
	for ((i = 0; i < n; i++)); do
		rm -rf out
		cp -a before out
		status=0
		atcall -k write -n $((RANDOM % calls + 1)) lspp-restore --follow \
			--for 1s -o out a.db >killed.log 2>&1 || status=$?
		[ $status -eq 137 ] || [ $status -eq 0 ] || fail "$(cat killed.log)"
		# SQLite makes it whole, to the state before or to the one behind.
		assert_equal "$(sqlite3 out/a.db 'PRAGMA integrity_check')" ok
		assert_regex " $was $WROTE " " $(last_of out/a.db) "
		follow_start
		wait_for arrived
		follow_stop
		same_db a.db out/a.db
		assert_equal "$(cat err.log)" ''
	done
}

@test "killed at any moment it is whole, and goes on: generations" {
	killed lspp
}

@test "killed at any moment it is whole, and goes on: LTX" {
	killed ltx
}

# -- what is not applied --------------------------------------------------

newest_object() {
	if [[ $SHIP == *ltx ]]; then
		ltx_files a.db | sort -k 3,3 -k 1,1r | tail -n 1 | cut -d ' ' -f 4
	else
		replica_list a.db/ | grep /wal/ | tail -n 1
	fi
}

# flip_byte FROM TO -- one in the middle.
flip_byte() {
	local at byte
	at=$(($(stat -c %s "$1") / 2))
	byte=$((0x$(xxd -s $at -l 1 -p "$1") ^ 0x10))
	cp "$1" "$2"
	printf %02x $byte | xxd -r -p |
		dd of="$2" bs=1 seek=$at conv=notrunc 2>/dev/null
}

told() {
	grep -q "$1" err.log
}

# put_whole KEY FILE -- in place of what is there, and never a part of it.
put_whole() {
	if [ $REPLICA = dir ]; then
		cp "$2" "$R/$1.whole"
		mv "$R/$1.whole" "$R/$1"
	else
		replica_put "$1" "$2"
	fi
}

same_rows() {
	cmp <(sql_on -readonly "$1" .dump) <(sql_on -readonly "$2" .dump)
}

# damaged FORMAT -- one is not applied, told once, and got when it is whole.
damaged() {
	local key
	seed
	ship_start "$1"
	write_one
	ship
	followed
	write_one
	ship
	ship_stop
	# Nothing else leads there.
	[[ $1 != *ltx ]] || while read -r level _ _ key; do
		[ "$level" = 0 ] || replica_rm "$key"
	done < <(ltx_files a.db)
	key=$(newest_object)
	replica_get "$key" >good
	flip_byte good bad
	replica_put "$key" bad
	# A daemon of Litestream may have made more than one of a change.
	run -3 lspp-restore -q -o was --to-last-good a.db
	follow_start
	wait_for told "$key"
	same_rows was/a.db out/a.db
	assert_equal "$(wc -l <err.log)" 1
	put_whole "$key" good
	caught_up
	assert_equal "$(wc -l <err.log)" 1
	follow_stop
}

@test "a damaged object is never applied, and told once: generations" {
	damaged lspp
}

@test "a damaged object is never applied, and told once: LTX" {
	damaged ltx
}

@test "a damaged object is never applied, and told once: LTX of lspp-ship" {
	damaged lspp-ltx
}

# passed_over [OPTION...] -- as lspp-ship begins: a snapshot leads past the damage.
passed_over() {
	local key
	seed
	ship_start lspp
	write_one
	lspp-ship "$@" a.db
	followed
	write_one
	lspp-ship -v a.db 2>shipped.log
	key=$(sed -nE 's/.*shipped segment (a\.db[^,]*),.*/\1/p' shipped.log)
	write_one
	lspp-ship --snapshot-interval 0s a.db
	write_one
	ship
	replica_get "$key" >good
	flip_byte good bad
	replica_put "$key" bad
	run -0 --separate-stderr lspp-restore --follow --for 1s -o out a.db
	assert_equal "$stderr" ''
	same_db a.db out/a.db
}

@test "what is damaged and a snapshot passes over is no hindrance" {
	passed_over
	replica_clear
	export LSPP_REPLICA=$R
	rm -r out state
	passed_over --format ltx
}

# put_back DIR -- what of it is not there.
put_back() {
	local key
	if [ $REPLICA = dir ]; then
		cp -a "$1/." "$R"
		return
	fi
	replica_list >there
	(cd "$1" && find . -type f -printf '%P\n') | grep -vxFf there |
		while IFS= read -r key; do
			s3tool "$R" put "$key" "$1/$key" >/dev/null
		done
}

# rewound FORMAT -- told, and not applied; and when it is back, it goes on.
rewound() {
	seed
	ship_start "$1"
	write_one
	ship
	ship_stop
	replica_save old
	ship_start "$1"
	write_one
	ship
	followed
	ship_stop
	replica_save new
	replica_back old
	cp out/a.db before
	follow_start
	wait_for told 'rewound or replaced'
	assert_regex "$(cat err.log)" 'begins the copy anew'
	put_back new
	write_one
	ship_start "$1"
	ship
	caught_up
	follow_stop
	ship_stop
	assert_equal "$(wc -l <err.log)" 1
}

@test "a replica that was rewound is told of: generations" {
	rewound lspp
}

@test "a replica that was rewound is told of: LTX" {
	rewound ltx
}

@test "another database under the name, of LTX, is not mixed into the copy" {
	seed
	ship_start ltx
	write_one
	ship
	followed
	ship_stop
	replica_clear
	rm -rf a.db* .a.db*
	WROTE=100
	export LSPP_REPLICA=$R
	sqlite3 a.db 'PRAGMA journal_mode=wal; CREATE TABLE t (a, b, c);
		CREATE TABLE u (a, b)' >/dev/null
	ship_start ltx
	for _ in 1 2 3 4; do
		write_one
		ship
	done
	ship_stop
	cp out/a.db before
	[ $REPLICA = dir ] || {
		# The bucket is another.
		run -73 lspp-restore --follow --for 1s -o out a.db
		return
	}
	follow_start
	wait_for told 'rewound or replaced'
	follow_stop
	cmp before out/a.db
	run -0 lspp-restore --follow --force --for 1s -o out a.db
	same_db a.db out/a.db
}

@test "an application that writes into the copy is noticed, and stops it" {
	ship_start lspp
	write_one
	ship
	follow_start
	wait_for printed 1
	sqlite3 -cmd '.timeout 20000' out/a.db 'INSERT INTO u VALUES (77, 1)'
	wait_for told 'something else wrote into the copy'
	write_one
	ship
	follow_stop
	assert_equal "$(sqlite3 out/a.db 'SELECT count(*) FROM u WHERE a = 77')" 1
	assert_equal "$(last_of out/a.db)" 1
	run -65 --separate-stderr lspp-restore --follow --for 1s -o out a.db
	assert_output ''
	assert_regex "$stderr" 'hint: --follow --force begins the copy anew'
	run -0 lspp-restore --follow --force --for 1s -o out a.db
	assert_output out/a.db
	same_db a.db out/a.db
	# In WAL mode, too, where nothing is in the file yet.
	follow_start
	wait_for printed 1
	sqlite3 -cmd '.timeout 20000' out/a.db \
		'PRAGMA journal_mode = wal; INSERT INTO u VALUES (78, 1)'
	wait_for told 'something else wrote into the copy'
	follow_stop
}

@test "what is there is not replaced, unless told to" {
	ship_start lspp
	write_one
	ship
	mkdir out
	sqlite3 out/a.db 'CREATE TABLE mine (x)'
	run -73 lspp-restore --follow --for 1s -o out a.db
	assert_output --partial 'exists'
	assert_equal "$(sqlite3 out/a.db .tables)" mine
	rm -r out
	followed
	# A copy moves with its position, and only with that.
	mkdir other
	cp out/a.db* other
	run -0 lspp-restore --follow --for 1s -o other a.db
	assert_output other/a.db
	rm other/a.db-follow
	run -73 lspp-restore --follow --for 1s -o other a.db
	# Of another database it is none.
	cp a.db b.db
	lspp-ship b.db
	cp out/a.db out/b.db
	cp out/a.db-follow out/b.db-follow
	run -73 lspp-restore --follow --for 1s -o out b.db
	assert_output --partial 'another database'
	# An older copy put back without the position of then.
	cp out/a.db older
	for _ in 1 2; do
		write_one
		ship
		followed
	done
	cp older out/a.db
	run -65 lspp-restore --follow --for 1s -o out a.db
	printf x >>out/a.db-follow
	run -65 lspp-restore --follow --for 1s -o out a.db
	assert_output --partial 'a.db-follow is damaged'
}

@test "a link in the place of the copy's directory leads nowhere" {
	ship_start lspp
	mkdir d victim
	cp a.db d/a.db
	lspp-ship d/a.db >/dev/null
	lspp-restore --follow --interval 100ms -o out d/a.db >out.log 2>err.log 3>&- &
	# shellcheck disable=SC2034  # of tests/lib/follow.bash
	FOLLOW=$!
	wait_for printed 1
	mv out/d out/was
	cp out/was/* victim
	sha_tree victim >before
	ln -s ../victim out/d
	sqlite3 d/a.db 'INSERT INTO u VALUES (5, 5)'
	lspp-ship d/a.db >/dev/null
	wait_for test -s err.log
	follow_stop
	diff before <(sha_tree victim)
	run lspp-restore --follow --for 1s -o out d/a.db
	[ "$status" -ne 0 ]
	diff before <(sha_tree victim)
}

@test "two that follow one copy do not take each other for somebody else" {
	ship_start lspp
	write_one
	ship
	followed
	write_one
	ship
	run -0 --separate-stderr atcall -f /a.db-follow -k all -n 2 \
		-x 'lspp-restore --follow --for 1s -o out a.db >other.log' \
		lspp-restore --follow --for 1s -o out a.db
	assert_equal "$stderr" ''
	assert_equal "$(sort -u other.log)" out/a.db
	same_db a.db out/a.db
}

@test "a reader that goes on reading is waited for" {
	ship_start lspp
	write_one
	ship
	follow_start --live-wait 1s
	wait_for printed 1
	mkfifo ask
	sqlite3 out/a.db <ask >answer 3>&- &
	READER=$!
	exec 8>ask
	echo 'BEGIN; SELECT max(a) FROM t;' >&8
	wait_for test -s answer
	write_one
	ship
	wait_for told 'no lock within 1 s'
	echo 'SELECT max(a) FROM t; COMMIT;' >&8
	caught_up
	exec 8>&-
	wait $READER
	READER=
	assert_equal "$(cat answer)" "$(printf '1\n1')"
	follow_stop
}

@test "many at once, from standard input and by pattern" {
	local i n
	n=$(count 300 20 10)
	for ((i = 0; i < n; i++)); do
		sqlite3 "$i.db" 'CREATE TABLE t (x); INSERT INTO t VALUES (1)'
		echo "$i.db"
	done >names
	lspp-ship <names >/dev/null
	lspp-restore --follow --interval 100ms -o out <names >out.log 2>err.log 3>&- &
	# shellcheck disable=SC2034  # of tests/lib/follow.bash
	FOLLOW=$!
	wait_for printed "$n"
	assert_equal "$(sort out.log)" "$(sed 's,^,out/,' names | sort)"
	for i in 3 7; do
		sqlite3 "$i.db" 'INSERT INTO t VALUES (2)'
	done
	lspp-ship <names >/dev/null
	wait_for printed $((n + 2))
	assert_equal "$(tail -n 2 out.log | sort | tr '\n' ' ')" 'out/3.db out/7.db '
	follow_stop
	run -0 --separate-stderr lspp-restore --follow --json --for 1s -o out '[0-4].db'
	assert_equal "$(wc -l <<<"$output")" 5
	assert_regex "$output" '"did":"resumed","generation":"[0-9a-f]{16}","txid":null,'
	run -66 lspp-restore --follow --for 1s -o out none.db
	run -1 --separate-stderr lspp-restore --follow --for 1s -o out none.db 3.db
	assert_output out/3.db
}

@test "what makes no sense of a copy that goes on is wrong use" {
	local option
	for option in '--timestamp 1h' '--txid 0000000000000001' --list -n --live \
		--resume '-o -' --bisect --to-last-good --if-not-exists '-s state'; do
		# shellcheck disable=SC2086
		run -2 lspp-restore --follow -r "$R" $option a.db </dev/null
	done
	run -2 lspp-restore --for 1s -r "$R" -o out a.db
	run -2 lspp-restore --interval 1s -r "$R" -o out a.db
	run -2 lspp-restore --follow --interval 99ms -r "$R" -o out a.db
}

# idle -- for some seconds: the requests are in requests.
idle() {
	local began
	s3_faulty
	began=$(date +%s)
	run -0 lspp-restore --follow --for 3s -o out a.db
	ELAPSED=$(($(date +%s) - began))
	s3_faulty_stop
	unset AWS_ENDPOINT_URL
	s3_credentials
	say "$(requests) requests in $ELAPSED s, $(grep -c list-type requests) listings"
}

@test "an idle copy costs one listing an interval" {
	[ $REPLICA = s3 ] || skip 'a directory has no requests'
	ship_start lspp
	write_one
	ship
	followed
	idle
	# At first, a plan, and a look at the object that was applied last.
	[ "$(grep -vc list-type requests)" -le 3 ]
	[ "$(grep -c list-type requests)" -le $((ELAPSED + 4)) ]
}

@test "however many objects there are" {
	local i args=()
	[ $REPLICA = s3 ] || skip 'a directory has no requests'
	ship_start lspp
	write_one
	ship
	write_one
	ship
	: >empty
	for ((i = 0; i < 1100; i++)); do
		args+=("a.db/generations/0000000000000000/x-$i" empty)
	done
	s3tool -j8 "$R" put "${args[@]}" >/dev/null
	followed
	idle
	[ "$(grep -vc list-type requests)" -le 3 ]
	# A plan lists all.
	[ "$(grep -c list-type requests)" -le $((ELAPSED + 12)) ]
	tail -n 2 requests | grep -c 'start-after=.*a.db.*wal' >/dev/null
	follow_start
	wait_for printed 1
	write_one
	ship
	caught_up
	write_one
	lspp-ship --new-generation a.db
	caught_up
	follow_stop
}
