#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Two machines that ship databases of one name to one replica: random writes,
# ships and takeovers, runs that are killed at any system call, and damage of any
# object.  Never do both go on, and what is restored with status 0 is what the
# one that goes on acknowledged last, or newer.
#
# And as LTX.

load lib/replica

setup() {
	set +T
	need lspp-ship lspp-restore atcall sqlite3
	cd "$T" || return
	seed
}

# on MACHINE COMMAND...
on() {
	local m=$1
	shift
	LSPP_MACHINE=$m LSPP_STATE=$PWD/state.$m LSPP_BASE=$PWD/src.$m \
		LSPP_REPLICA=$PWD/rep "$@"
}

begin() {
	local m
	rm -rf rep state.? src.? out log
	for m in a b; do
		mkdir src.$m
		sqlite3 src.$m/x.db 'CREATE TABLE t(who, n INTEGER PRIMARY KEY)'
	done
	holder='' acked='' unsure='' damaged=''
	n=0
	changing=''
}

# Only databases that have something to ship are of interest: an idle one is not
# looked at in the replica.
write() {
	sqlite3 "src.$1/x.db" "INSERT INTO t VALUES('$1', $((++n)))"
}

fail_model() {
	printf 'LSPP_SEED=%s, round %s: %s\n' "$SEED" "$round" "$*"
	cat log
	find rep -type f | sort
	return 1
}

# printed MACHINE HOW -- it acknowledged n.
printed() {
	if [ "$2" = takeover ] || [ -z "$holder" ]; then
		holder=$1 unsure=''
	elif [ "$holder" != "$1" ]; then
		# A takeover that was killed may have come far enough, or not.
		[ -n "$unsure" ] || fail_model "$1 ships, and $holder does" ||
			return
		holder=$1 unsure=''
	else
		unsure=''
	fi
	acked=$n
}

# ship MACHINE [takeover] [killed]
ship() {
	local m=$1 opts=() run=(lspp-ship -q "${AS[@]}") how=ship
	shift
	for how; do
		case $how in
		takeover) opts=(--new-generation) ;;
		killed) run=(atcall -k write -n $((RANDOM % 60 + 1)) lspp-ship -q
			"${AS[@]}") ;;
		esac
	done
	how=ship
	[ ${#opts[@]} = 0 ] || how=takeover
	[ -z "$changing" ] || ((RANDOM % 2)) || opts+=(--format ltx)
	[ $how = ship ] || [ "${run[0]}" = lspp-ship ] || unsure=$m
	echo "$m: ${run[*]} ${opts[*]}, n $n" >>log
	on "$m" "${run[@]}" "${opts[@]}" "src.$m/x.db" >acks 2>>log || :
	if [ -s acks ]; then
		echo "$m: printed" >>log
		printed "$m" $how
	fi
}

# damage -- a byte of any object, or its end.
damage() {
	local files f size
	mapfile -t files < <(find rep -type f '(' -name '*.lz4' -o -name '*.ltx' ')' | sort)
	[ ${#files[@]} -gt 0 ] || return 0
	f=${files[RANDOM % ${#files[@]}]}
	size=$(stat -c %s "$f")
	[ "$size" -gt 0 ] || return 0
	echo "damage: $f of $size" >>log
	case $((RANDOM % 3)) in
	0) truncate -s -$((RANDOM % size + 1)) "$f" ;;
	1) truncate -s -1 "$f" ;;
	2) printf '\xa5' | dd of="$f" bs=1 seek=$((RANDOM % size)) \
		conv=notrunc status=none ;;
	esac
	damaged=1
}

# restores -- with status 0, to what was acknowledged last, or what came after.
restores() {
	local rc=0 top
	[ -n "$acked" ] || return 0
	rm -rf out
	lspp-restore -q -r rep -o out x.db >/dev/null 2>>log || rc=$?
	if [ $rc != 0 ]; then
		[ -n "$damaged" ] || fail_model "restore ends with $rc"
		return
	fi
	top=$(sqlite3 out/x.db 'SELECT max(n) FROM t')
	[ "${top:-0}" -ge "$acked" ] ||
		fail_model "restored ${top:-none}, acknowledged $acked"
}

step() {
	local m
	((RANDOM % 2)) && m=a || m=b
	case $((RANDOM % 16)) in
	0 | 1) write $m && ship $m takeover ;;
	2) write $m && ship $m takeover killed ;;
	3 | 4 | 5) write $m && ship $m killed ;;
	6) [ -n "$damaged" ] || ((RANDOM % 2)) || damage ;;
	*) write $m && ship $m ;;
	esac
}

@test "two machines, kills and damage: never do both go on, and what restores is what was acknowledged" {
	local round steps
	for ((round = 1; round <= $(count 500 12); round++)); do
		begin
		for ((steps = RANDOM % 10 + 4; steps > 0; steps--)); do
			step
			restores
		done
	done
}

# From the layout of Litestream 0.3 to LTX at some step, by either of the two or by
# both.
@test "likewise, while the layout changes" {
	local round steps
	AS=()
	for ((round = 1; round <= $(count 500 12); round++)); do
		begin
		for ((steps = RANDOM % 12 + 6; steps > 0; steps--)); do
			[ -n "$changing" ] || ((RANDOM % 4)) || changing=1
			step
			restores
		done
	done
}
