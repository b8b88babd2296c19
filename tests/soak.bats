#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A fleet for hours: hostile applications, a pass every few seconds, programs that
# are killed, a server that errs and goes away, prune and verify all the while.
# Whatever was acknowledged restores, and nothing grows.
#
# A quarter of the databases each goes to a directory and to S3, in both layouts,
# with one state for all.  LSPP_SOAK_MINUTES says how long under LSPP_SOAK, and
# LSPP_SOAK_DIR where: what is there stays.
#
# Long: begins early.
# Not under sanitizers: other suites run the same code, faster.

load lib/tenants
load lib/s3
load lib/replica

FORMAT=(wal ltx wal ltx)
# A crash, a signal but ours, or memory; and what would be lost, or is not whole.
# What else fails does so because of what happens to a database or a server.
BAD_STATUS='^(6[58]|7[0128]|12[0-9]|13[0-689]|14[0-24-9]|1[5-9][0-9])$'

setup_file() {
	s3_start
}

teardown_file() {
	s3_stop
}

setup() {
	set +T
	need lspp-scan lspp-hot lspp-ship lspp-restore lspp-prune lspp-verify \
		lspp-stat writer judge image measure faulty s3tool sqlite3 \
		"$LITESTREAM_0314" "$LITESTREAM_05"
	W=${LSPP_SOAK_DIR:-$T}/soak S=$W/state LOOPS=()
	rm -rf "$W"
	mkdir -p "$W/fleet"
	s3_bucket
	s3_faulty
	STRAIGHT=http://127.0.0.1:$S3_PORT
	cd "$W" || return
	seed
}

teardown() {
	local pid
	touch "$W/stop" "$W/over"
	for pid in "${LOOPS[@]}"; do
		wait "$pid" || :
	done
	s3_faulty_stop
	[ -n "${LSPP_SOAK_DIR:-}" ] || rm -rf "$W"
}

# root Q -- of that quarter's replicas.
root() {
	if [ "$1" -lt 2 ]; then
		echo "$W/fleet/q$1"
	else
		echo "s3://$BUCKET/fleet/q$1"
	fi
}

# loop FUNCTION ARGUMENT... -- in the background, with random numbers of its own.
loop() {
	(
		trap - EXIT ERR
		set +eE
		RANDOM=$((SEED + ${#LOOPS[@]} + 1))
		"$@"
	) >>"$W/loops.log" 2>&1 3>&- &
	LOOPS+=($!)
}

over() {
	[ -e "$W/over" ]
}

# fault WHAT... -- it is told at the end, with what else there is.
fault() {
	echo "$(date +%T) $*" >>"$W/faults"
}

# settings Q -- sets AT and HOW, how the programs of that quarter are called.
settings() {
	local unit=s
	[ -z "${LSPP_SOAK:-}" ] || unit=m
	AT=(-r "$(root "$1")" -s "$S")
	[ "$1" -lt 2 ] || AT+=(--retries 4 --retry-max-wait 1s)
	HOW=(-C "$W/src/q$1" --format "${FORMAT[$1]}" --lock-wait 2s
		--snapshot-interval "$((RANDOM % 3 + 1))$unit")
	[ $((RANDOM % 8)) -ne 0 ] || HOW+=(--roll-at 65536)
	SCAN=()
	[ $((RANDOM % 2)) -eq 0 ] || SCAN=(--known "$S")
}

# measured NAME PROGRAM... -- what it takes goes to NAME.use, what it says to
# NAME.said, its status to NAME.status.
measured() {
	local name=$1 status=0
	shift
	measure "$name.use" "$@" 2>"$name.err" <&0 &
	echo $! >"$name.pid"
	wait $! || status=$?
	echo $status >"$name.status"
	judge_status "$name" $status
}

judge_status() {
	[[ ! $2 =~ $BAD_STATUS ]] ||
		fault "$1: status $2: $(head -n 3 "$1.err" | tr '\n' ' ')"
	! grep -q -e Sanitizer -e 'runtime error' "$1.err" || fault "$1: sanitizer"
	[ ! -s "$1.err" ] || sed "s|^|$(date +%T) $2 |" "$1.err" >>"$1.said"
}

# measured_pid NAME -- sets CHILD, the program that is measured as that now.
measured_pid() {
	local pid
	CHILD=
	read -r pid <"$1.pid" || return
	read -r CHILD _ <"/proc/$pid/task/$pid/children" || [ -n "$CHILD" ]
} 2>/dev/null

# killed NAME MS -- at a random moment within so many milliseconds.
killed() {
	sleep "$(printf '%d.%03d' $(($2 / 1000)) $(($2 % 1000)))"
	measured_pid "$1" &&
		[[ $(readlink "/proc/$CHILD/exe") == "$B/bin/lspp-"* ]] &&
		kill -KILL "$CHILD" && echo "$1" >>"$W/kills"
} 2>/dev/null

# descriptors NAME -- how many it has right now, to NAME.fds.
descriptors() {
	measured_pid "$1" || return 0
	set -- "$1" "/proc/$CHILD/fd/"*
	[ $# -lt 3 ] || echo $(($# - 1)) >>"$1.fds"
}

pipeline() {
	local q=$1
	measured "q$q.scan" lspp-scan "${SCAN[@]}" "$W/src/q$q" |
		tee "q$q.scan.out" |
		measured "q$q.hot" lspp-hot "${AT[@]}" |
		tee "q$q.hot.out" |
		measured "q$q.ship" lspp-ship "${AT[@]}" "${HOW[@]}" \
			>"q$q.ship.out"
} 2>/dev/null

# pass Q [unharmed] -- scan, hot and ship; what it acknowledged is in qQ.acks.
pass() {
	local q=$1 victims=(scan hot ship ship) pid killer='' began
	settings "$q"
	rm -f "q$q".{scan,hot,ship}.status
	floors "$q" >"q$q.before"
	began=${EPOCHREALTIME/./}
	pipeline "$q" &
	pid=$!
	if [ "${2:-}" != unharmed ] && [ $((RANDOM % 3)) -eq 0 ]; then
		killed "q$q.${victims[RANDOM % 4]}" $((RANDOM % (TOOK[q] + 20))) &
		killer=$!
	fi
	while kill -0 $pid 2>/dev/null; do
		descriptors "q$q.ship"
		descriptors "q$q.hot"
		sleep 0.1
	done
	wait $pid
	[ -z "$killer" ] || wait "$killer"
	TOOK[q]=$(((${EPOCHREALTIME/./} - began) / 1000))
	floors "$q" >"q$q.after"
	acknowledged "$q" >>"q$q.acks"
	echo "$(date +%T) $(cat "q$q".{scan,hot,ship}.status | tr '\n' ' ')" \
		"$(wc -l <"q$q.ship.out") ${TOOK[q]}" >>"q$q.passes"
}

# all_went_well Q -- the pass.
all_went_well() {
	[ "$(cat "q$1.scan.status" "q$1.hot.status" "q$1.ship.status")" = \
		"0"$'\n'"0"$'\n'"0" ]
}

# acknowledged Q -- "NAME N EPOCH" for what that pass printed, and for what it
# found and did not take for hot.
acknowledged() {
	{
		sed 's/^/B /' "q$1.before"
		sed 's/^/A /' "q$1.after"
		sed 's|.*/|P |' "q$1.ship.out"
		! all_went_well "$1" || comm -23 <(sort "q$1.scan.out") \
			<(sort "q$1.hot.out") | sed 's|.*/|P |'
	} | awk '
		$1 == "B" { n[$2] = $3; epoch[$2] = $4 }
		$1 == "A" && epoch[$2] != $4 { epoch[$2] = 1 }
		$1 == "P" && !($2 in n) { print "printed: " $2 >>"faults" }
		$1 == "P" && epoch[$2] % 2 == 0 { print $2, n[$2], epoch[$2] }'
}

passes() {
	local q=$1
	TOOK[q]=2000
	while ! over; do
		pass "$q"
		touch "q$q.passed"
		sleep "$EVERY"
	done
}

# lodger Q -- one pipe that goes on all the time, beside the passes.
lodger() {
	settings "$1"
	lspp-scan "$W/src/q$1" |
		measured "q$1.watch" lspp-hot "${AT[@]}" --watch |
		measured "q$1.long" lspp-ship "${AT[@]}" "${HOW[@]}" --drain 20s \
			>/dev/null
}

lodger_ends() {
	local name
	for name in watch long; do
		! measured_pid "q$1.$name" || kill -TERM "$CHILD" || :
	done
} 2>/dev/null

# What those may say who are not killed, of what a server does and of a database
# whose first ship was killed.
MAY='hint: |more failed like|tried [0-9]+ times|no snapshot, and there is no other'
MAY+='|no backup of that name|no replica root|no database in|no state in'
MAY+='|lspp-prune was ended'

# other PROGRAM... -- one of the others, which may be killed.
other() {
	local name=$1.other pid killer=''
	measured "$name" "$@" >"$name.out" </dev/null &
	pid=$!
	if [ $((RANDOM % 3)) -eq 0 ]; then
		killed "$name" $((RANDOM % (${LAST[$1]:-500} + 50))) &
		killer=$!
	fi
	local began=${EPOCHREALTIME/./}
	wait $pid
	[ -z "$killer" ] || wait "$killer"
	! grep -vE "$MAY" "$name.err" >"$name.odd" ||
		fault "$name: $(head -n 3 "$name.odd" | tr '\n' ' ')"
	LAST[$1]=$(((${EPOCHREALTIME/./} - began) / 1000))
}

prune_options() {
	PRUNE=(-r "$(root "$1")" -s "$S" --yes --gone-for 2d --keep-last 1)
	[ "$1" -ge 2 ] || PRUNE+=(--grace 1m)
}

others() {
	local q deep
	declare -A LAST
	# There is something of each root.
	until over || { [ -s q0.acks ] && [ -s q1.acks ] && [ -s q2.acks ] &&
		[ -s q3.acks ]; }; do
		sleep 0.1
	done
	while ! over; do
		q=$((RANDOM % 4))
		settings $q
		prune_options $q
		deep=()
		[ $((RANDOM % 3)) -ne 0 ] || deep=(--deep)
		case $((RANDOM % 8)) in
		0 | 1 | 2) other lspp-prune "${PRUNE[@]}" '**' ;;
		3 | 4) other lspp-verify "${AT[@]}" "${deep[@]}" \
			-C "$W/src/q$q" '**' ;;
		5) other lspp-verify "${AT[@]}" -C "$W/src/q$q" --against-source \
			--sample 10% ;;
		6) other lspp-stat -s "$S" ;;
		7) rm -rf "$W/again"
			other lspp-restore "${AT[0]}" "${AT[1]}" -o "$W/again" "t*$q.db"
			whole "$W/again" ;;
		esac
		sleep "0.$((RANDOM % 10))"
	done
}

# whole DIR -- no database in it is half of one.
whole() {
	local file
	for file in "$1"/*.db; do
		[ ! -e "$file" ] || lightly "$file" || keep "$file"
	done
}

# lightly FILE -- a state of an application, or empty, as it is at the beginning.
lightly() {
	[ "$(sqlite3 "file:$1?immutable=1" 'SELECT count(*) FROM sqlite_schema' \
		2>/dev/null)" = 0 ] || judge "$1" >/dev/null 2>"$1.why"
}

# keep FILE -- that is not what it should be, with all that may tell why.
keep() {
	local to
	to=$W/evidence/$(date +%H%M%S)-${1##*/}
	mkdir -p "$to"
	cp "$1"* "$to"
	cp -a "$W"/src/q*/"${1##*/}"* "$W"/q*.acks "$to"
	cp -a "$W"/fleet/q*/"${1##*/}" "$to" ||
		cp -a "$S3_DIR/data/$BUCKET"/fleet/q*/"${1##*/}" "$to"
	sqlite3 "$S/state.db" ".backup '$to/state.db'"
	fault "$1: $(cat "$1.why" || echo 'is not what is in the source')"
} 2>/dev/null

# bad_weather -- the server's and the network's, for some moments each.
bad_weather() {
	local actions=('status 503 SlowDown' 'status 500 InternalError' refuse drop
		'short 100' 'reset-up 50' 'reset-down 30' 'lie 500 InternalError'
		'cut 10' 'flip-body 30') lines i
	while ! over; do
		lines=()
		for ((i = RANDOM % 4; i > 0; i--)); do
			lines+=("* Signature=$(printf %x $((RANDOM % 16))) -"
				"${actions[RANDOM % 10]}")
		done
		printf '%s %s\n' "${lines[@]}" >"$T/rules.new"
		mv "$T/rules.new" "$T/rules"
		if [ $((RANDOM % 20)) -eq 0 ]; then
			flock "$W/server" bash -c : # nobody looks straight
			away
		fi
		: >"$T/requests.head"
		sleep "$((RANDOM % 3)).$((RANDOM % 10))"
	done
	: >"$T/rules"
}

# away -- the server, for a moment.
away() {
	(
		flock -x 9
		end_process "$S3_DIR/pid" KILL
		sleep "0.$((RANDOM % 10))"
		s3_serve --keep-alive 9>&- || s3_serve --keep-alive 9>&- ||
			fault "the server does not come back"
		echo away >>"$W/kills"
	) 9>"$W/server"
}

# restored Q DIR NAME... -- by the straight way.
restored() {
	local q=$1 dir=$2
	shift 2
	rm -rf "$dir"
	(
		flock -s 9
		printf '%s\n' "$@" | AWS_ENDPOINT_URL=$STRAIGHT measured "q$q.restore" \
			lspp-restore -r "$(root "$q")" -o "$dir" >"q$q.restore.out"
	) 9>"$W/server"
	[ "$(cat "q$q.restore.status")" = 0 ] ||
		fault "q$q: restore: $(head -n 3 "q$q.restore.err" | tr '\n' ' ')"
}

# judged Q -- all that was acknowledged until now.
judged() {
	local q=$1 name n epoch upto now rest
	awk '{ last[$1] = $0 } END { for (i in last) print last[i] }' "q$q.acks" |
		sort >"q$q.acked"
	mapfile -t names < <(cut -d ' ' -f 1 "q$q.acked")
	[ ${#names[@]} -gt 0 ] || return 0
	restored "$q" "$W/judged" "${names[@]}"
	floors "$q" | sort >"q$q.now"
	while read -r name n epoch upto now rest; do
		[ -e "judged/$name" ] || continue # told already
		epoch=$((10#$epoch)) now=$((10#$now)) rest=$((10#$rest))
		[ $rest -gt "$upto" ] || rest=$((upto + 1))
		if [ $epoch -ne $now ]; then
			lightly "judged/$name" || keep "judged/$name"
		else
			judge "judged/$name" "$n" $rest >/dev/null \
				2>"judged/$name.why" || keep "judged/$name"
			echo "$name" >>"$W/verdicts"
		fi
	done < <(join "q$q.acked" "q$q.now")
}

# sizes -- of the state, in bytes; and what the lodgers take.
sizes() {
	local q kb
	(cat "$S"/state.db*; true) 2>/dev/null | wc -c >>state.size
	for q in 0 2; do
		descriptors "q$q.watch"
		descriptors "q$q.long"
		for kb in watch long; do
			measured_pid "q$q.$kb" && awk -v n="$SECONDS" '$1 == "VmRSS:" {
				print n, $2, 0 }' "/proc/$CHILD/status" \
				>>"q$q.$kb.rss" 2>/dev/null || :
		done
	done
}

# passed N -- each quarter has made so many passes; minutes, on a busy machine.
passed() {
	local q i=0
	for ((q = 0; q < 4; q++)); do
		until [ -e "q$q.passes" ] && [ "$(wc -l <"q$q.passes")" -ge "$1" ]; do
			[ $((i++)) -lt 6000 ] || return
			sleep 0.1
		done
	done
}

# rounds -- until it is time.
rounds() {
	local q n until
	until=$((SECONDS + 60 * ${LSPP_SOAK_MINUTES:-120}))
	for ((n = 1; ; n++)); do
		if [ -z "${LSPP_SOAK:-}" ]; then
			[ $n -le 2 ] || break
			passed $((2 * n)) || return
		else
			[ $SECONDS -lt $until ] || break
			sleep 20
		fi
		for ((q = 0; q < 4; q++)); do
			judged $q
		done
		sizes
		[ ! -e faults ] || [ "$(wc -l <faults)" -lt 20 ] || break
	done
}

# at_rest Q -- nobody writes, no one is killed, the weather is fine: nothing is hot.
at_rest() {
	local i
	for ((i = 0; i < 30; i++)); do
		pass "$1" unharmed
		! all_went_well "$1" || [ -s "q$1.hot.out" ] || return 0
		sleep 0.5
	done
	fault "q$1: does not come to rest: $(tail -n 1 "q$1.passes")"
}

# sample Q NAME... -- some of them by litestream.
sample() {
	local q=$1 by name
	shift
	# shellcheck disable=SC2034  # litestream_restore uses both
	R=$W/fleet REPLICA=dir
	# shellcheck disable=SC2034
	[ "$q" -lt 2 ] || REPLICA=s3
	for name; do
		for by in 0314 05; do
			[ "${FORMAT[q]}" = wal ] || [ $by = 05 ] || continue
			rm -rf "$W/theirs"*
			litestream_restore $by "q$q/$name" "$W/theirs" >/dev/null &&
				cmp -s "$W/theirs" "$W/image" ||
				fault "q$q: $name by litestream $by"
		done
	done
}

# all_at_rest -- and once more, with something new: what ends a generation and the
# snapshot of the next one may be of one second, and up to the next ship Litestream
# takes either.
all_at_rest() {
	local q name
	for q in 0 1 2 3; do
		at_rest $q
	done
	sleep 1.1
	for name in "$W"/src/q?/*.db; do
		writer -n 1 "$name" >/dev/null
	done
	for q in 0 1 2 3; do
		at_rest $q
	done
}

# the_end Q -- each database is what SQLite reads in the source, and all of the
# replica is sound.
the_end() {
	local q=$1 name names=() n=0
	for name in "$W/src/q$q"/*.db; do
		names+=("${name##*/}")
	done
	restored "$q" "$W/judged" "${names[@]}"
	for name in "${names[@]}"; do
		image "$W/src/q$q/$name" "$W/image"
		cmp -s "$W/judged/$name" "$W/image" || keep "judged/$name"
		[ $((n++ % $(count 5 3))) -ne 0 ] || sample "$q" "$name"
	done
	prune_options "$q"
	for name in lspp-prune lspp-verify; do
		[ $name = lspp-prune ] || PRUNE=("${AT[@]}" --deep -C "$W/src/q$q")
		AWS_ENDPOINT_URL=$STRAIGHT measured "q$q.end" $name "${PRUNE[@]}" '**' \
			>"q$q.end.out" </dev/null
		[ "$(cat "q$q.end.status")" = 0 ] ||
			fault "q$q: $name: $(head -n 3 "q$q.end.err" | tr '\n' ' ')"
	done
}

# flat WHAT FILE FIELD SLACK -- of the last quarter of all samples (of programs that
# ended with 0) the median is at most a quarter more than that of the first, and the
# largest at most a half; and SLACK, for what comes and goes.  Of descriptors only the
# largest counts: the median is of the moments at which somebody looked.
flat() {
	[ -s "$2" ] || return 0
	awk -v f="$3" '!f || $3 == 0 || NF < 3 { print f ? $f : $1 }' "$2" |
		awk -v what="$1" -v slack="$4" '
		function half(from, to, i, j, t, n, a) {
			n = 0
			for (i = from; i <= to; i++) a[++n] = v[i]
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && a[j - 1] > a[j]; j--) {
					t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
				}
			most = a[n]
			return a[int((n + 1) / 2)]
		}
		{ v[NR] = $1 + 0 }
		END {
			if (NR < 40) exit
			q = int(NR / 4)
			m1 = half(1, q); x1 = most
			m4 = half(NR - q + 1, NR); x4 = most
			printf "%s: %d samples, first quarter %d, at most %d;" \
				" last %d, at most %d\n", what, NR, m1, x1, m4, x4
			if ((what !~ /descriptors/ && m4 > 1.25 * m1 + slack) ||
			    x4 > 1.5 * x1 + slack)
				print what ": grows" >>"faults"
		}'
}

growth() {
	local q p
	for ((q = 0; q < 4; q++)); do
		for p in scan hot ship; do
			flat "q$q lspp-$p, peak KiB" "q$q.$p.use" 2 2048
		done
		flat "q$q lspp-ship, descriptors" "q$q.ship.fds" 1 8
		for p in watch long; do
			flat "q$q $p, KiB" "q$q.$p.rss" 2 2048
			flat "q$q $p, descriptors" "q$q.$p.fds" 1 8
		done
	done
	for p in prune verify restore stat; do
		flat "lspp-$p, peak KiB" "lspp-$p.other.use" 2 4096
	done
	flat "state, bytes" state.size 1 1000000
}

@test "for hours, whatever happens, what was acknowledged restores, and nothing grows" {
	local q
	EVERY=$(count 5 0.2)
	tenants_new "$(count 200 20)" 4
	loop tenants_run "$SEED"
	loop bad_weather
	for ((q = 0; q < 4; q++)); do
		loop passes $q
	done
	loop others
	if [ -n "${LSPP_SOAK:-}" ]; then
		loop lodger 0
		loop lodger 2
	fi
	rounds || fault "the passes do not go on"
	touch "$W/stop" "$W/over"
	lodger_ends 0
	lodger_ends 2
	for q in "${LOOPS[@]}"; do
		wait "$q" || fault "a loop ended with $?"
	done
	LOOPS=()
	TOOK=(0 0 0 0)
	all_at_rest || fault "not all came to rest"
	for ((q = 0; q < 4; q++)); do
		the_end $q || fault "q$q: not looked at to the end"
	done
	: >growth
	[ -z "${LSPP_SOAK:-}" ] || growth >growth
	say "$(cat q?.passes | wc -l) passes, $(cat q?.acks | wc -l) acknowledged," \
		"$(wc -l <verdicts) judged, $(wc -l <kills) kills," \
		"$(cat disturbed | wc -l) applications disturbed"
	while read -r q; do
		say "$q"
	done <growth
	[ ! -e faults ] || { cat faults; return 1; }
}
