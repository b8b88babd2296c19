# SPDX-License-Identifier: Apache-2.0
# Restoring what Litestream 0.5 ships, and what lspp ships as it does.
# Twice: on S3, too.
# Long: begins early.
load lib/replica
load lib/ltx

setup() {
	set +T
	replica_new "$T/r"
	cd "$T"
}

teardown() {
	[ -z "${LTX_PID:-}" ] || kill "$LTX_PID" 2>/dev/null || :
}

# At every TXID that some file ends with, both make the same bytes or neither
# makes any.
same_at_each() {
	local name=$1 txid n=0
	for txid in $(ltx_files "$name" | cut -d ' ' -f 3 | sort -u); do
		if ltx_theirs theirs "$name" -txid "$txid"; then
			ltx_ours ours "$name" --txid "$txid"
			cmp theirs ours
			n=$((n + 1))
		else
			run ltx_ours ours "$name" --txid "$txid"
			[ "$status" -ne 0 ]
			[ ! -s ours ]
		fi
	done
	[ $n -gt 0 ]
	TOLD=$((${TOLD:-0} + n))
}

# The last file is of what the database holds.
is_shipped() {
	ltx_theirs shipped "$1" && same_db "$1" shipped
}

# workload STEPS DB... -- so many random changes of each, all shipped.
workload() {
	local steps=$1 i db
	shift
	ltx_make "$@"
	ltx_config "$@"
	ltx_start
	for ((i = 0; i < steps; i++)); do
		for db; do
			ltx_step "$db"
		done
		sleep 0.3 # so that there is more than one file
	done
	for db; do
		wait_for is_shipped "$db"
	done
	ltx_stop
}

compared() {
	local db
	for db; do
		ltx_theirs theirs "$db"
		ltx_ours ours "$db"
		cmp theirs ours
		same_db "$db" ours
		same_at_each "$db"
	done
	say "$# databases, $TOLD states"
}

@test "random workloads come back as litestream restores them" {
	local dbs=() i rounds
	rounds=$(count 100 3 2)
	seed
	for ((i = 0; i < rounds; i++)); do
		dbs+=("$i.db")
	done
	workload "$(count 40 12 8)" "${dbs[@]}"
	compared "${dbs[@]}"
}

@test "what retention has left of them comes back, too" {
	export LTX_L0=1s LTX_SNAPSHOTS=5s
	seed
	workload "$(count 200 40 24)" a.db b.db
	compared a.db b.db
	run -1 grep -c ' 0000000000000001 0000000000000001 ' <(ltx_files a.db)
}

# A file of the replica with one thing done to it, which is noted.
bend() {
	local key=$1 how=$2 size at
	replica_get "$key" >bent
	size=$(stat -c %s bent)
	at=$((RANDOM * 32768 + RANDOM))
	at=$((at % size))
	case $how in
	flip) printf "\\x$(printf %02x $((RANDOM % 256)))" |
		dd of=bent bs=1 seek=$at conv=notrunc status=none ;;
	cut) truncate -s $at bent ;;
	empty) : >bent ;;
	zeros) dd if=/dev/zero of=bent bs=1 seek=$at conv=notrunc status=none \
		count=$((size - at)) ;;
	more) echo >>bent ;;
	other) cp "whole/$3" bent ;;
	esac
	if [ "$how" = gone ]; then
		replica_rm "$key"
	else
		replica_put "$key" bent
	fi
	echo "$how $at $key" >>log
}

# never_wrong -- of a.db, which is shipped, any file is damaged, and what is
# restored with 0 is its newest state, and with 3 one before.
never_wrong() {
	local keys key i rounds how txid wrong=0 refused=0 earlier=0 bent
	local newest status good gone
	local hows=(flip flip flip cut empty zeros more other gone)
	rounds=$(count 1000 30 15)
	mkdir states
	for txid in $(ltx_files a.db | cut -d ' ' -f 3 | sort -u); do
		ltx_ours "states/$txid" a.db --txid "$txid"
	done
	newest=$(ltx_newest a.db)
	mapfile -t keys < <(ltx_files a.db | cut -d ' ' -f 4)
	replica_save whole
	for ((i = 0; i < rounds; i++)); do
		mapfile -t bent < <(shuf -n $((RANDOM % 4 + 1)) -e "${keys[@]}" \
			--random-source <(noise $RANDOM 1000))
		gone='' good=''
		[ $((RANDOM % 2)) -eq 0 ] || good=--to-last-good
		: >log
		for key in "${bent[@]}"; do
			how=${hows[RANDOM % ${#hows[@]}]}
			bend "$key" "$how" "${keys[RANDOM % ${#keys[@]}]}"
			[ "$how" != gone ] || gone=yes
		done
		status=0
		lspp-restore -v -r "$R" -o - $good a.db >out.db \
			2>said || status=$?
		case $status in
		0 | 3)
			txid=$(sed -n 's/.*TXID \([0-9a-f]\{16\}\), .*/\1/p' said)
			cmp out.db "states/$txid" || wrong=1
			# The newest that is gone leaves no trace.
			[ "$status" -eq 3 ] || [ -n "$gone" ] ||
				cmp out.db "states/$newest" || wrong=1
			earlier=$((earlier + (status == 3)))
			;;
		*) refused=$((refused + 1)) ;;
		esac
		if [ $wrong -ne 0 ]; then
			cat log said
			false
		fi
		# What is sound restores.
		if lspp-verify -s none -q -r "$R" --deep a.db 2>&1; then
			ltx_ours out.db a.db
			cmp out.db "states/$newest" || [ -n "$gone" ]
		fi >/dev/null
		for key in "${bent[@]}"; do
			[ $REPLICA = s3 ] || mkdir -p "$R/${key%/*}"
			replica_put "$key" "whole/$key"
		done
	done
	say "$rounds times: $refused refused, $earlier earlier, none wrong"
}

@test "a damaged replica never restores to what never was" {
	seed
	workload 8 a.db
	never_wrong
}

@test "nor does one that lspp has shipped" {
	local i
	seed
	ltx_make a.db
	for ((i = 0; i < 9; i++)); do
		ltx_step a.db
		lspp-ship --format ltx -r "$R" -s s -C "$T" \
			--snapshot-interval "$((i == 3 ? 0 : 3600))s" a.db
	done
	never_wrong
}

@test "--timestamp goes by the times in the files, so that a copy will do" {
	local level max key at ms first i last=0
	workload 8 a.db
	replica_save whole
	rm -rf copy
	mkdir copy
	(cd whole && find . -type f -exec sh -c 'mkdir -p "../copy/${1%/*}" &&
		cat "$1" >"../copy/$1"' sh {} \;)
	while read -r level _ max key; do
		[ "$level" -eq 0 ] || continue
		ms=$((16#$(xxd -s 32 -l 8 -p "copy/$key")))
		[ $ms -gt $last ]
		last=$ms
		echo "$ms $max" >>moments
		at=@$((ms / 1000)).$(printf %03d $((ms % 1000)))
		lspp-restore -r "$T/copy" -o - --timestamp "$at" a.db >ours
		ltx_theirs theirs a.db -txid "$max"
		cmp ours theirs
	done < <(ltx_files a.db | sort)
	# Any time: the last of those until then.
	seed
	sort -n moments >sorted
	first=$(head -n 1 sorted | cut -d ' ' -f 1)
	for ((i = $(count 500 20 5); i > 0; i--)); do
		ms=$((first + RANDOM * (last - first + 500) / 32767))
		max=$(awk -v ms=$ms '$1 <= ms { max = $2 } END { print max }' sorted)
		at=@$((ms / 1000)).$(printf %03d $((ms % 1000)))
		lspp-restore -r "$T/copy" -o - --timestamp "$at" a.db >ours
		lspp-restore -r "$T/copy" -o - --txid "$max" a.db | cmp ours
	done
	run -66 lspp-restore -r "$T/copy" -o - --timestamp @1000000000 a.db
	assert_output --partial 'nothing as old as'
}

@test "what is in LTX is found; what does not know it says so" {
	local key
	workload 2 a.db
	# Nothing is shipped beside it; but it may have been.
	run -78 lspp-ship -r "$R" -s s -C "$T" a.db
	assert_output --partial 'its replica is in LTX'
	lspp-ship -r "$T/other" -s s -C "$T" a.db
	find other -type f -printf '%P\n' >other.keys
	while IFS= read -r key; do
		[ $REPLICA = s3 ] || mkdir -p "$R/${key%/*}"
		replica_put "$key" "other/$key"
	done <other.keys
	run -0 lspp-scan -r "$R"
	assert_output "$(lspp-scan -r "$R" | sort -u)"
	assert_output --partial /a.db
	# In both, nothing tells which is newer.
	run -78 lspp-restore -r "$R" -o out a.db
	assert_output --partial '--format'
	run -0 lspp-restore -r "$R" -o wal --format wal a.db
	run -0 lspp-restore -r "$R" -o ltx --format ltx a.db
	same_db wal/a.db a.db
	same_db ltx/a.db a.db
	run -78 lspp-verify -r "$R" a.db
	assert_output --partial LTX
	run -0 lspp-restore -r "$R" --list a.db
	assert_output --partial 'ltx  '
	assert_equal "$(wc -l <<<"$output")" 3
	run -2 lspp-restore -r "$R" --list --format ltx a.db
	run -2 lspp-restore -r "$R" --list --txid 0000000000000001 a.db
	# In LTX alone.
	mapfile -t keys < <(replica_list a.db/generations/)
	replica_rm "${keys[@]}"
	run -0 lspp-scan -r "$R"
	assert_output --regexp '^[^ ]*/a.db$'
	run -0 lspp-restore -n -r "$R" -o one a.db
	assert_output --regexp 'ltx +- +[0-9]+ +[0-9]+ .* a.db -> one/a.db$'
	run -0 lspp-restore -n --json -r "$R" -o one a.db
	assert_output --regexp '"generation":null,"txid":"[0-9a-f]{16}",'
	run -0 --separate-stderr lspp-restore -v -r "$R" -o one '*.db'
	assert_output one/a.db
	assert_regex "$stderr" 'LTX, TXID [0-9a-f]{16}, '
	run -0 lspp-verify -s none -r "$R" --deep --sql '**'
	assert_output a.db
	run -0 lspp-verify -s none -r "$R" --against-source -C "$T" a.db
	run -78 lspp-restore -r "$R" --list --around 1h a.db
	run -66 lspp-restore -r "$R" -o out --txid ffff000000000000 a.db
	run -2 lspp-restore -r "$R" -o out --txid 1 a.db
}

@test "a database below one that is in LTX is found behind a thousand files" {
	local base=$R i
	[ $REPLICA = dir ] || base=$S3_DIR/data/$BUCKET/fleet
	mkdir -p "$base/t/0005" "$base/t/0005x.db/0000" "$base/t/ltx/u.db/0001"
	for ((i = 1; i <= 1100; i++)); do
		: >"$base/t/0005/$(printf '%016x-%016x' $i $i).ltx"
	done
	cp "$base/t/0005/0000000000000001-0000000000000001.ltx" \
		"$base/t/0005x.db/0000"
	cp "$base/t/0005/0000000000000001-0000000000000001.ltx" \
		"$base/t/ltx/u.db/0001"
	run -0 lspp-scan -r "$R"
	assert_equal "$(sed 's|.*/fleet/||; s|.*/r/||' <<<"$output" | sort)" \
		"$(printf '%s\n' t t/0005x.db t/ltx/u.db | sort)"
}
