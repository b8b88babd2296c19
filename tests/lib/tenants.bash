# SPDX-License-Identifier: Apache-2.0
# For a soak: applications that write all the time, each to its database, and
# what becomes of them.  Loads lib/lspp.
#
#	tenants_new N QUARTERS	in $W; database I is $W/src/q$((I % QUARTERS))/tI.db
#	tenants_run		until $W/stop is there; in the background
#	floors Q		"NAME N EPOCH CEILING" of each in that quarter
#
# N is what the application has committed.  It only grows, whatever becomes of the
# database: who puts an older copy in its place, or makes it anew, goes on with a
# higher number.  So what is captured after floors has at least N, and at
# most one more than N as it is then, or CEILING.  While a database is made anew in
# place, EPOCH is odd: an empty one has no number.

load lib/lspp

# tenants_new N QUARTERS -- each has written something by then.
tenants_new() {
	local i q
	TENANTS=$1 QUARTERS=$2
	mkdir -p "$W"/{count,epoch,ceiling,making,old,said}
	for ((q = 0; q < QUARTERS; q++)); do
		mkdir -p "$W/src/q$q"
	done
	for ((i = 0; i < TENANTS; i++)); do
		tenant_drawn $i
		printf '%012d\n' 0 >"$W/epoch/${NAME[i]}"
		printf '%012d\n' 0 >"$W/ceiling/${NAME[i]}"
		writer "${LOOKS[@]}" -j "${MODE[i]}" -c "$W/count/${NAME[i]}" \
			-s "$RANDOM" -n 60 "${DB[i]}" >/dev/null || return
	done
}

# What kind of application it is.
tenant_drawn() {
	local pauses=(200000 1000000 2000000 5000000 10000000 30000000)
	local sizes=(512 1024 4096 4096 4096 8192 65536)
	local modes=(wal wal wal delete truncate persist)
	NAME[$1]=$(printf 't%03d.db' "$1")
	DB[$1]=$W/src/q$(($1 % QUARTERS))/${NAME[$1]}
	MODE[$1]=${modes[RANDOM % 6]}
	PAUSE[$1]=${pauses[RANDOM % 6]}
	LOOKS=(-H -p "${sizes[RANDOM % 7]}" -b $((RANDOM % 4 * 100)))
}

# tenant_start I [OPTION...]
tenant_start() {
	local i=$1
	shift
	[ $((RANDOM % 3)) -ne 0 ] || set -- -R "$@"
	: >"$W/said/${NAME[i]}"
	writer -H -d "${PAUSE[i]}" -j "${MODE[i]}" -s "$RANDOM" \
		-c "$W/count/${NAME[i]}" "$@" "${DB[i]}" \
		>"$W/said/${NAME[i]}" 2>>"$W/writers.err" &
	PID[i]=$!
}

# tenant_stop I [SIGNAL]
tenant_stop() {
	local status=0
	[ -n "${PID[$1]:-}" ] || return 0
	kill "-${2:-TERM}" "${PID[$1]}" 2>/dev/null || :
	wait "${PID[$1]}" 2>/dev/null || status=$?
	PID[$1]=
	[ $status -eq 0 ] || [ $status -eq 137 ] || [ $status -eq 143 ] ||
		echo "the writer of ${NAME[$1]}: status $status" >>"$W/writers.err"
}

# next I -- a number that the database never had: to NEXT.
next() {
	local n ceiling
	n=$(od -An -td8 "$W/count/${NAME[$1]}")
	ceiling=$(cat "$W/ceiling/${NAME[$1]}")
	[ "$n" -gt $((10#$ceiling)) ] || n=$((10#$ceiling))
	NEXT=$((n + 1000))
}

# put I epoch|ceiling N -- all of it at once.
put() {
	printf '%012d\n' "$3" 1<>"$W/$2/${NAME[$1]}"
}

sql() {
	sqlite3 -batch -bail -cmd '.timeout 10000' "$@" 2>>"$W/sql.err"
}

# settled I -- nobody is in it, and all of it is in the file.
settled() {
	[[ $(sql "${DB[$1]}" 'SELECT n > 0 FROM meta;
		PRAGMA wal_checkpoint(TRUNCATE)') == "1"$'\n'"0|"* ]]
}

# made I -- $W/making has another database: it takes the place of the old one.
made() {
	local new=$W/making/${NAME[$1]}
	next "$1"
	[ "${MODE[$1]}" != wal ] || sql "$new" 'PRAGMA journal_mode = wal' >/dev/null
	writer -j "${MODE[$1]}" -n 1 -m $NEXT "$new" >/dev/null || return
	put "$1" ceiling $NEXT
	mv "$new" "${DB[$1]}"
	rm -f "${DB[$1]}"-wal "${DB[$1]}"-shm "${DB[$1]}"-journal
}

renamed_over() {
	local new=$W/making/${NAME[$1]}
	rm -f "$new"*
	settled "$1" || return 0
	sql "${DB[$1]}" "VACUUM INTO '$new'" || return 0
	cp "$new" "$W/old/${NAME[$1]}"
	made "$1"
}

put_back() {
	settled "$1" && [ -e "$W/old/${NAME[$1]}" ] || return 0
	rm -f "$W/making/${NAME[$1]}"*
	cp "$W/old/${NAME[$1]}" "$W/making"
	made "$1"
}

gone_for_a_while() {
	local new=$W/making/${NAME[$1]}
	settled "$1" || return 0
	rm -f "$new"*
	cp "${DB[$1]}" "$new"
	rm -f "${DB[$1]}" "${DB[$1]}"-*
	sleep "$((RANDOM % 4)).$((RANDOM % 10))"
	made "$1"
}

anew_in_place() {
	local epoch
	epoch=$((10#$(cat "$W/epoch/${NAME[$1]}") | 1))
	next "$1"
	put "$1" ceiling $NEXT
	put "$1" epoch $epoch
	rm -f "${DB[$1]}"
	rm -f "${DB[$1]}"-*
	[ $((RANDOM % 2)) -eq 0 ] || sleep "$((RANDOM % 3)).$((RANDOM % 10))"
	tenant_start "$1" -m $NEXT -p $((512 << (RANDOM % 6)))
	until grep -q ready "$W/said/${NAME[$1]}"; do
		kill -0 "${PID[$1]}" 2>/dev/null || return # and it stays odd
		sleep 0.05
	done
	put "$1" epoch $((epoch + 1))
}

# Another page size, which a WAL does not bear, or another way to keep a journal.
changed() {
	local modes=(wal wal delete truncate)
	if [ $((RANDOM % 3)) -eq 0 ]; then
		MODE[$1]=${modes[RANDOM % 4]}
	else
		sql "${DB[$1]}" "SELECT n FROM meta; PRAGMA journal_mode = delete;
			PRAGMA page_size = $((512 << (RANDOM % 8))); VACUUM" \
			>/dev/null || :
	fi
	sql "${DB[$1]}" "PRAGMA journal_mode = ${MODE[$1]}" >/dev/null || :
}

# disturbed I -- its application ends, or is killed, and something happens.
disturbed() {
	local signals=(TERM KILL)
	tenant_stop "$1" "${signals[RANDOM % 2]}"
	case $((RANDOM % 10)) in
	0) renamed_over "$1" ;;
	1) put_back "$1" ;;
	2) gone_for_a_while "$1" ;;
	3) anew_in_place "$1" ;;
	4) changed "$1" ;;
	5) return ;; # and rests
	esac || echo "${NAME[$1]}: no database was made" >>"$W/writers.err"
	[ -n "${PID[$1]:-}" ] || tenant_start "$1"
	echo "${NAME[$1]}" >>"$W/disturbed"
}

# All of them, until $W/stop is there; then each database is left as it is by an
# application that has ended well.
tenants_run() {
	local i
	RANDOM=$1
	for ((i = 0; i < TENANTS; i++)); do
		tenant_start $i
	done
	while [ ! -e "$W/stop" ]; do
		disturbed $((RANDOM % TENANTS))
		sleep "0.$((RANDOM % 5))"
	done
	for ((i = 0; i < TENANTS; i++)); do
		tenant_stop $i
		sql "${DB[i]}" 'SELECT n FROM meta' >/dev/null
	done
}

# floors Q
floors() {
	local i names=()
	for ((i = $1; i < TENANTS; i += QUARTERS)); do
		names+=("${NAME[i]}")
	done
	paste -d ' ' <(printf '%s\n' "${names[@]}") \
		<(cd "$W/count" && cat "${names[@]}" | od -An -v -w8 -td8 | tr -d ' ') \
		<(cd "$W/epoch" && cat "${names[@]}") \
		<(cd "$W/ceiling" && cat "${names[@]}")
}
