# SPDX-License-Identifier: Apache-2.0
# lspp-prune where the times of objects can be made up: in a directory.

load lib/prune

setup() {
	set +T
	prune_setup
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
	run -0 sh -c "printf '%s\n' b.db c/d.db | NO_FAKE_STAT=1 \
		'$LSPP_ROOT/tests/lib/faketime' -f +3d \
		lspp-prune --own-clock -r '$R' -n --keep-last 1"
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

@test "a segment missing or damaged inside the newest run: nothing goes" {
	local i wal keys
	change
	change
	change --snapshot-interval=0s
	for i in 1 2 3; do change; done
	mapfile -t keys < <(replica_list a.db/generations/ | grep /wal/00000001)
	assert [ "${#keys[@]}" -ge 3 ]
	wal=${keys[1]}
	mv "$R/$wal" "$T/segment"
	replica_list >before
	run -65 --separate-stderr prune --yes --keep-last 1 '**'
	assert_regex "$stderr" "a\.db: $wal is missing: nothing is pruned"
	diff before <(replica_list)
	head -c -7 "$T/segment" >"$R/$wal"
	run -65 --separate-stderr prune --yes --keep-last 1 '**'
	assert_regex "$stderr" "a\.db: $wal is damaged: nothing is pruned"
	mv "$T/segment" "$R/$wal"
	run -0 prune --yes --keep-last 1 '**'
	assert_equal "${#lines[@]}" 3
	restores_to a.db a.db
}

# copied_backwards TIME TIME -- the replica, the older of two generations last:
# the times of the copies.
copied_backwards() {
	local old new
	old=$(sqlite3 "$S/state.db" "SELECT line FROM db")
	sqlite3 a.db "INSERT INTO t VALUES('the last')"
	sleep 0.1
	lspp-ship -q -r "$R" -C "$D" -s "$S" --new-generation a.db
	new=$(sqlite3 "$S/state.db" "SELECT line FROM db")
	assert [ "$old" != "$new" ]
	find "$R/a.db/generations/$new" -type f -exec touch -d "$1" {} +
	find "$R/a.db/generations/$old" -type f -exec touch -d "$2" {} +
}

@test "generations that were copied in another order: the newest stays" {
	history 4
	copied_backwards now "now + 1 second"
	restores_to a.db a.db lspp
	run -0 prune --yes --keep-last 1 '**'
	assert_output --partial /snapshots/00000001
	restores_to a.db a.db
	assert_equal "$(generations a.db)" 1
	# And with times from long ago.
	change
	copied_backwards 2020-01-01 2020-01-02
	restores_to a.db a.db lspp
	run -0 prune --yes --keep-last 1 '**'
	assert_equal "$(generations a.db)" 1
	restores_to a.db a.db lspp
}

# history_of HOURS N -- N changes, so many hours apart at most, the last two
# days ago; "TIME IMAGE SNAPSHOTS" of each state to the file states, where the
# last is how many there are of it.
history_of() {
	local i t hours=() was=0 is
	NOW=$(date +%s)
	: >"$T/states"
	t=$((NOW - 2 * 86400 - 3600))
	for ((i = 0; i < $2; i++)); do
		hours=("$t" "${hours[@]}")
		t=$((t - 60 - RANDOM % $1 * 3600 - RANDOM % 3600))
	done
	for t in "${hours[@]}"; do
		STEP=$((STEP + 1))
		sqlite3 a.db "INSERT INTO t VALUES(randomblob(300 + $STEP))"
		if [ $((RANDOM % 15)) = 0 ]; then
			at "$t" lspp-ship -r "$R" -C "$D" -s "$S" \
				--new-generation a.db
		else
			at "$t" lspp-ship -r "$R" -C "$D" -s "$S" a.db
		fi >/dev/null 2>&1
		cp a.db "$T/image-$STEP"
		is=$(find "$R" -name '*.snapshot.lz4' | wc -l)
		echo "$t $T/image-$STEP $((is - was))" >>"$T/states"
		was=$is
	done
}

# promised FOR DAILY WEEKLY -- "TIME IMAGE" of the states that such a policy
# keeps, and behind it "alone" if that is for its snapshot only.
promised() {
	awk -v as_of=$((NOW - 2 * 86400)) -v keep="$1" -v d="$2" -v w="$3" '
		function period(i, days) {
			return int((int(t[i] / 86400) + (days == 7) * 3) / days)
		}
		# Of the newest n: the last snapshot, or the newest state.
		function keep_of(n, days,    i, p, seen, has) {
			for (i = NR; i > 0; i--) {
				if (t[i] > as_of) continue
				p = period(i, days)
				if (!(p in newest)) {
					if (seen++ == n) break
					newest[p] = i
				}
				if (snapshot[i] && !(p in has)) has[p] = i
			}
			for (p in newest)
				if (!(p in has)) want[newest[p]] = 2
				else if (!want[has[p]]) want[has[p]] = 1
			delete newest
		}
		{ t[NR] = $1; line[NR] = $1 " " $2; snapshot[NR] = $3 }
		END {
			from = as_of - keep * 86400
			for (i = NR; i > 0; i--)
				# Those since then, and what there was then.
				if (t[i] >= from || !begun++) want[i] = 2
			keep_of(d, 1)
			keep_of(w, 7)
			for (i = 1; i <= NR; i++)
				if (want[i])
					print line[i], want[i] == 1 ? "alone" : ""
		}' "$T/states"
}

# restore_at BY TIME OUT
restore_at() {
	rm -rf "$3" "$3".tmp* out
	case $1 in
	lspp)
		lspp-restore -r "$R" -o out --timestamp "@$2" a.db >/dev/null &&
			mv out/a.db "$3" ;;
	lsppalone) # what came soon after it may be gone
		lspp-restore -q -r "$R" -o out --timestamp "@$2" a.db \
			>/dev/null || [ $? = 3 ]
		mv out/a.db "$3" ;;
	*)
		litestream "$1" restore -o "$3" -timestamp \
			"$(date -u -d "@$2" +%Y-%m-%dT%H:%M:%SZ)" \
			"file://$R/a.db" >litestream.log 2>&1 3>&- ;;
	esac
}

# kept -- what is promised, and what litestream could restore before.  Where a
# snapshot stands alone, 0.3.13 may fail, but restores nothing else.
kept() {
	local t image by alone
	while read -r t image alone; do
		restore_at "lspp$alone" $((t + 30)) "$T/one" || return
		cmp "$T/one" "$image" || return
	done <promised
	while read -r by t image alone; do
		if ! restore_at "$by" $((t + 30)) "$T/one"; then
			[ "$by$alone" = 03alone ] && continue
			cat litestream.log
			return 1
		fi
		cmp "$T/one" "$image" || return
	done <could
}

@test "every state that a policy keeps is restored at its time, by all three" {
	local i n for daily weekly t image by alone policy
	seed
	for ((i = 0; i < $(count 150 2); i++)); do
		rm -rf "$R" "$S" a.db
		sqlite3 a.db "CREATE TABLE t(x)"
		history_of $((6 + RANDOM % 40)) $(count 30 10)
		for=$((RANDOM % 6)) daily=$((1 + RANDOM % 4))
		weekly=$((1 + RANDOM % 3))
		promised $for $daily $weekly >promised
		# The time is that of the capture, a little later.
		while read -r t image alone; do
			for by in 03 05; do
				restore_at $by $((t + 30)) "$T/one" 2>/dev/null &&
					cmp -s "$T/one" "$image" &&
					echo "$by $t $image $alone"
			done
			:
		done <promised >could
		policy=(--keep-for "${for}d" --keep-daily "$daily"
			--keep-weekly "$weekly" '**')
		# Killed somewhere, in a copy.
		for ((n = 0; n < $(count 4 1); n++)); do
			mv "$R" "$T/whole"
			cp -a "$T/whole" "$R"
			atcall -k write -n $((1 + RANDOM % 60)) lspp-prune \
				-r "$R" --yes "${policy[@]}" >/dev/null 2>&1 || :
			kept || { echo "killed, ${policy[*]}"; false; }
			restores_to a.db a.db
			rm -r "$R"
			mv "$T/whole" "$R"
		done
		find "$R" -type f | sort >before
		lspp-prune -r "$R" -n "${policy[@]}" |
			sed -n 's,.*file://,,p' | sort >plan
		lspp-prune -r "$R" --yes "${policy[@]}" | sed 's,file://,,' |
			sort >did
		diff plan did
		diff did <(comm -23 before <(find "$R" -type f | sort))
		kept
		restores_to a.db a.db
		rm -f "$T"/image-*
	done
}

@test "an old state in the middle of what is kept begins anew" {
	local i t=$(($(date +%s) / 86400 - 20))
	# The second day is a Sunday: the newest of its week.
	t=$(((t - (t - 2) % 7) * 86400))
	for ((i = 0; i < 17; i++)); do
		sqlite3 a.db "INSERT INTO t VALUES(randomblob(500))"
		at $((t + i * 86400)) lspp-ship -r "$R" -C "$D" -s "$S" \
			--snapshot-interval 2d a.db >/dev/null
		[ $i != 1 ] || cp -r "$S" old
	done
	# The first run stays, for its week; those behind it go.
	lspp-prune -r "$R" --yes --keep-weekly 9 a.db >gone
	refute [ "$(grep -c . gone)" = 0 ]
	ls "$R"/a.db/generations/*/snapshots/00000000.snapshot.lz4
	refute [ -e "$R"/a.db/generations/*/snapshots/00000001.snapshot.lz4 ]
	rm -rf "$S"
	cp -r old "$S"
	sqlite3 a.db "INSERT INTO t VALUES(randomblob(999))"
	run -0 --separate-stderr ship a.db
	assert_output a.db
	assert_regex "$stderr" 'a new generation begins'
	restores_to a.db a.db
}

@test "a database that is gone goes, when asked and not sooner" {
	local prune=(lspp-prune -r "$R" -s "$S" --yes --gone-for 90d '**')
	change
	cp a.db b.db
	shipped b.db
	lspp-verify -q -r "$R" -C "$D" -s "$S" b.db
	rm b.db
	replica_list >before
	# The first run takes the time.
	later 100 "${prune[@]}"
	diff before <(replica_list)
	later 189 "${prune[@]}"
	diff before <(replica_list)
	run -0 later 191 lspp-prune -r "$R" --yes --keep-last 1 '**'
	assert_output ""
	# It is there again, and gone once more: from then on.
	echo >b.db
	later 191 "${prune[@]}"
	rm b.db
	later 192 "${prune[@]}"
	diff before <(replica_list)
	run -0 later 283 lspp-prune -r "$R" -s "$S" -n --gone-for 90d '**'
	assert_line --partial 'gone '
	diff before <(replica_list)
	run -0 --separate-stderr later 283 "${prune[@]}"
	assert_equal "$stderr" ""
	assert_equal "$(grep -c b.db/generations before)" "${#lines[@]}"
	diff <(grep -v '^b\.db/' before) <(replica_list)
	assert [ ! -e "$R/b.db" ]
	# And is forgotten.
	run -0 lspp-hot -r "$R" -s "$S" --gone
	assert_output ""
	assert_equal "$(sqlite3 "$S/state.db" \
		"SELECT count(*) FROM verdict WHERE key = 'b.db'")" 0
	restores_to a.db a.db
	cp a.db b.db
	shipped b.db
	restores_to b.db b.db
}

@test "gone: what a run that was killed at its end left goes, too" {
	cp a.db b.db
	change
	shipped b.db
	rm b.db
	later 1 lspp-prune -r "$R" -s "$S" --yes --gone-for 3d '**'
	find "$R/b.db/generations" -mindepth 1 -type d -prune -exec rm -r {} +
	run -0 later 9 lspp-prune -r "$R" -s "$S" --yes --gone-for 3d '**'
	assert_output "file://$R/b.db/generations/owner-00000000.lz4"
	assert [ ! -e "$R/b.db" ]
}

@test "gone: a database that is being shipped is left for the next run" {
	cp a.db b.db
	change
	shipped b.db
	mv b.db aside
	later 1 lspp-prune -r "$R" -s "$S" --yes --gone-for 3d '**'
	replica_list >before
	# It comes back between the look and the deletion.
	run -75 --separate-stderr later 9 atcall -f /lock -k all -n 1 \
		-x "mv $D/aside $D/b.db" \
		lspp-prune -r "$R" -s "$S" --yes --gone-for 3d b.db
	diff before <(replica_list)
}

# back AT -- the directory of a database is there again, as it was: it is
# shipped, and restores.
back() {
	mv aside/acme acme
	run -0 --separate-stderr lspp-ship -r "$R" -C "$D" -s "$S" acme/b.db
	rm -rf out
	lspp-restore -q -r "$R" -o out acme/b.db &&
		cmp out/acme/b.db acme/b.db || { echo "$1"; return 1; }
	mv acme aside
}

@test "gone: killed or refused on its way, a database that is back is shipped" {
	local n rc calls=0 step prune=(lspp-prune -r "$R" -s "$S" --yes --gone-for 3d)
	step=$(count 1 5)
	mkdir acme aside
	cp a.db acme/b.db
	change
	lspp-ship -r "$R" -C "$D" -s "$S" acme/b.db
	sqlite3 acme/b.db "INSERT INTO t VALUES(1)"
	sleep 1.1 # its record is not to be racy
	lspp-ship -r "$R" -C "$D" -s "$S" acme/b.db
	mv acme aside
	later 1 "${prune[@]}" '**'
	cp -rp "$R" "$T/r"
	cp -rp "$S" "$T/s"
	for ((n = 1; ; n += step)); do
		rc=0
		later 9 atcall -k write -n $n "${prune[@]}" '**' \
			>/dev/null 2>&1 || rc=$?
		[ $rc != 0 ] || break
		[ "$(objects acme/b.db)" = 3 ] || calls=$((calls + 1))
		cp -rp "$R" "$T/r2"
		cp -rp "$S" "$T/s2"
		back "killed at $n"
		# Without it, the next run ends what was begun.
		rm -rf "$R" "$S"
		mv "$T/r2" "$R"
		mv "$T/s2" "$S"
		later 10 "${prune[@]}" '**' >/dev/null
		run replica_list acme
		assert_output ""
		rm -rf "$R" "$S"
		cp -rp "$T/r" "$R"
		cp -rp "$T/s" "$S"
	done
	assert [ $calls -ge 1 ]
	back "at the end"
}

@test "gone: litestream's generation stays, and goes with --foreign" {
	local gen=b.db/generations/0123456789abcdef
	cp a.db b.db
	change
	mkdir -p "$R/$gen/snapshots"
	lz4 -qc b.db >"$R/$gen/snapshots/00000000.snapshot.lz4"
	lspp-ship -q -r "$R" -C "$D" -s "$S" b.db
	rm b.db
	later 1 lspp-prune -r "$R" -s "$S" --yes --gone-for 3d '**'
	run -0 later 9 lspp-prune -r "$R" -s "$S" -n --gone-for 3d --foreign '**'
	assert_line --partial "$gen/snapshots/00000000"
	run -0 later 9 lspp-prune -r "$R" -s "$S" --yes --gone-for 3d '**'
	assert_line --partial b.db/generations/owner-00000000
	refute_line --partial "$gen"
	run -0 replica_list b.db
	assert_output "$gen/snapshots/00000000.snapshot.lz4"
}

@test "gone: what may be mounted elsewhere or shipped by another stays" {
	mkdir sub
	cp a.db sub/b.db
	shipped sub/b.db
	rm sub/b.db
	replica_list >before
	later 1 lspp-prune -r "$R" -s "$S" --yes --gone-for 3d '**'
	run -0 --separate-stderr later 9 lspp-prune -r "$R" -s "$S" --yes \
		--gone-for 3d '**'
	assert_output ""
	assert_regex "$stderr" 'sub/b\.db: gone, but the directory it was below is empty: left'
	touch sub/other
	sqlite3 "$S/state.db" "UPDATE meta SET value = randomblob(16) WHERE name = 'id'"
	LSPP_MACHINE=elsewhere run -0 --separate-stderr later 9 \
		lspp-prune -r "$R" -s "$S" --yes --gone-for 3d '**'
	assert_output ""
	assert_regex "$stderr" 'written by another machine: left'
	diff before <(replica_list)
}

@test "it asks on a terminal, and elsewhere wants --yes" {
	history 4
	replica_list >before
	run -2 --separate-stderr prune --keep-last 1 '**' </dev/null
	assert_regex "$stderr" 'there is nobody to ask: --yes deletes'
	run -2 --separate-stderr prune --yes '**'
	assert_regex "$stderr" 'what is to be kept\?'
	run -2 lspp-prune -r s3://b/p --keep-last 1 --grace 1h --yes '**'
	assert_output --partial 'at least 2d for object storage'
	run -2 lspp-prune -r "$R" --keep-last 0 --yes '**'
	echo 'NO_FAKE_STAT=1 "$LSPP_ROOT/tests/lib/faketime" -f +3d \
		lspp-prune --own-clock -r "$R" --keep-last 1 "**"' >ask
	export R LSPP_ROOT ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0:detect_leaks=0
	run -75 script -qec 'sh ask' /dev/null <<<n
	assert_output --regexp 'delete 3 objects, [0-9]* bytes, of 1 databases\? \[y/N\]'
	assert_output --partial 'nothing was deleted'
	diff before <(replica_list)
	run -0 script -qec 'sh ask' /dev/null <<<y
	assert_equal "$(gone_since before | wc -l)" 3
}

@test "what killed writers left is aborted when it is old" {
	change
	mkdir "$R/.lspp-tmp"
	echo x >"$R/.lspp-tmp/0123456789abcdef"
	echo y >"$R/.lspp-tmp/fedcba9876543210"
	exec 7<"$R/.lspp-tmp/fedcba9876543210"
	flock 7
	run -0 prune -n --keep-last 1 '**'
	assert_output ""
	run -0 later 9 lspp-prune -r "$R" -n --keep-last 1 '**'
	assert_line --regexp "^unfinished +2 file://$R/\.lspp-tmp/0123456789abcdef$"
	run -0 later 9 lspp-prune -r "$R" --yes --keep-last 1 '**'
	assert_output "file://$R/.lspp-tmp/0123456789abcdef"
	assert [ ! -e "$R/.lspp-tmp/0123456789abcdef" ]
	assert [ -e "$R/.lspp-tmp/fedcba9876543210" ]
	exec 7<&-
}

@test "an object that cannot be deleted is named, and keeps what needs it" {
	local snap
	history 4
	[ "$(id -u)" = 0 ] && chattr +i "$T" 2>/dev/null && chattr -i "$T" ||
		skip "chattr is not to be had"
	snap=$(replica_list | grep snapshots/00000000)
	chattr +i "$R/$snap"
	replica_list >before
	run -77 --separate-stderr prune --yes --keep-last 1 '**'
	chattr -i "$R/$snap"
	assert_output ""
	assert_regex "$stderr" "lspp-prune: $snap: cannot remove object"
	diff before <(replica_list)
	run -0 prune --yes --keep-last 1 '**'
	assert_equal "${#lines[@]}" 3
}

@test "a litestream.yml says what and where" {
	history 4
	cat >"$T/l.yml" <<-END
	dbs:
	  - path: $D/a.db
	    replicas:
	      - type: file
	        path: $R/a.db
	END
	run -0 later 3 lspp-prune -c "$T/l.yml" -n --keep-last 1 "$D/a.db"
	assert_equal "$(grep -c superseded <<<"$output")" 3
	run -0 later 3 lspp-prune -c "$T/l.yml" --yes --keep-last 1 '**'
	assert_equal "${#lines[@]}" 3
	restores_to a.db a.db
}

@test "a litestream.yml with two replicas: both are pruned" {
	cat >"$T/l.yml" <<-END
	dbs:
	  - path: $D/a.db
	    replicas:
	      - url: file://$R/1/a.db
	      - url: file://$R/2/a.db
	END
	lspp-ship -c "$T/l.yml" -s "$S" "$D/a.db"
	sqlite3 a.db "INSERT INTO t VALUES(1)"
	lspp-ship -c "$T/l.yml" -s "$S" --snapshot-interval 0s "$D/a.db"
	run -0 later 3 lspp-prune -c "$T/l.yml" --yes --keep-last 1 "$D/a.db"
	assert_line --partial "$R/1/a.db/generations/"
	assert_line --partial "$R/2/a.db/generations/"
}

@test "JSON and metrics" {
	load lib/metrics
	history 4
	run -0 prune -n --json --keep-last 1 '**'
	assert_equal "$(jq -r '[.path, .reason, .bytes, .dry_run] | length' <<<"${lines[0]}")" 4
	assert_equal "$(jq -r .dry_run <<<"${lines[0]}")" true
	prune --yes --json --metrics m.prom --keep-last 1 '**' >did
	sound m.prom
	assert_equal "$(value 'lspp_pruned_objects_total{reason="superseded"}' m.prom)" 3
	assert_equal "$(value 'lspp_pruned_bytes_total{reason="superseded"}' m.prom)" \
		"$(jq -s 'map(.bytes) | add' did)"
	assert_equal "$(value 'lspp_databases{state="pruned"}' m.prom)" 1
}

@test "databases called generations are nobody else's, for all programs" {
	local names=(z/generations generations/generations k/generations/x.db
		y/generations/0123456789abcdef/a.db z/other w) name
	for name in "${names[@]}"; do
		mkdir -p "$(dirname "$name")"
		cp a.db "$name"
		shipped "$name"
		sqlite3 "$name" "INSERT INTO t VALUES(1)"
		shipped --snapshot-interval=0s "$name"
	done
	# one that lies between the objects of another
	cp -r "$R/z/generations/generations" "$R/w/generations/generations"
	run -0 lspp-scan "file://$R"
	assert_equal "${#lines[@]}" 7
	run -0 lspp-verify -r "$R" --deep '**'
	assert_equal "${#lines[@]}" 7
	replica_list >before
	run -0 --separate-stderr prune --yes --keep-last 1 '**'
	assert_equal "$stderr" ""
	# of each the first snapshot, and what led from it
	for name in "${names[@]}" w/generations; do
		assert_equal "$(replica_list "$name/generations/" |
			grep -v "^$name/generations/generations" |
			grep -c snapshots/)" 1
	done
	run -0 lspp-restore -r "$R" -o out '**/*s' '**/*.db' '**/other'
	assert_equal "${#lines[@]}" 6
	for name in "${names[@]:0:5}"; do
		cmp "$name" "out/$name"
	done
	cmp z/generations out/w/generations
	# by their names
	for name in w w/generations z/generations; do
		run -0 prune -n --keep-last 1 "$name"
		run -0 lspp-verify -r "$R" --deep "$name"
		rm -rf out
		run -0 lspp-restore -r "$R" -o out "$name"
		assert_equal "$(find out -type f | wc -l)" 1
	done
}

# peak COMMAND... -- in KB.
peak() {
	# The sanitizers keep for a while what is freed.
	local -x ASAN_OPTIONS=${ASAN_OPTIONS:-}:quarantine_size_mb=0
	ASAN_OPTIONS+=:thread_local_quarantine_size_kb=0
	measure "$T/peak.$$" "$@" >/dev/null
	awk '{ print $2 }' "$T/peak.$$"
	rm "$T/peak.$$"
}

@test "what it needs of memory does not grow with the names" {
	need measure
	local i few many most=800
	# What the sanitizers lay around each piece is a multiple of it.
	[[ ${B##*/} != *-* ]] || most=8000
	history 1
	mkdir "$R/0"
	for i in {0..99}; do
		cp -al "$R/a.db" "$R/0/$i.db"
	done
	for i in {1..59}; do
		cp -al "$R/0" "$R/$i"
	done
	few=$(peak lspp-prune -r "$R" -n --keep-last 1 '0/**')
	many=$(peak lspp-prune -r "$R" -n --keep-last 1 '**')
	say "101 databases: $few KB, 6,001: $many KB"
	((many < few + most))
	[ -n "${LSPP_SOAK:-}" ] || return 0
	# A drill reads them all, and what it does at once is more: of more names.
	for i in {60..399}; do
		cp -al "$R/0" "$R/$i"
	done
	few=$(peak lspp-verify -r "$R" '[0-9]/**')
	many=$(peak lspp-verify -r "$R" '**')
	say "a drill of 1,000: $few KB, of 40,001: $many KB"
	((many < few + 2000))
}
