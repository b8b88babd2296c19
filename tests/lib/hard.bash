# SPDX-License-Identifier: Apache-2.0
# For the tests that ship what live writers write.  Loads lib/lspp; sets
#	D	directory of the sources, base of all keys
#	R	replica root (lib/replica)
#	S	state directory
#	LIVE	process ids of what to end when the test is over

load lib/replica
load lib/later

# hard_setup [DIR] -- everything in DIR, or the test's own directory.
hard_setup() {
	local at=${1:-$T}
	need lspp-ship lspp-restore writer judge image atcall sqlite3 lz4 \
		"$LITESTREAM_03" "$LITESTREAM_0314" "$LITESTREAM_05"
	D=$at/src S=$at/state
	LIVE=()
	mkdir "$D"
	replica_new "$at/replica"
	cd "$D" || return
}

hard_teardown() {
	local pid
	for pid in "${LIVE[@]}"; do
		# The number of one that has ended may be another's by now.
		grep -q "^PPid:[[:space:]]*$BASHPID\$" "/proc/$pid/status" \
			2>/dev/null || continue
		kill -KILL "$pid" 2>/dev/null && wait "$pid" || :
	done
}

# ship ARGUMENT... -- with the replica, base and state of this test.
ship() {
	lspp-ship "${AS[@]}" -r "$R" -C "$D" -s "$S" "$@"
}

# shipped PATH... -- ship must print exactly these and nothing on stderr.
shipped() {
	ship "$@" >"$T/stdout" 2>"$T/stderr" || {
		echo "lspp-ship $*: status $?"
		cat "$T/stderr"
		return 1
	}
	[ -z "$(but_limits <"$T/stderr")" ] || {
		cat "$T/stderr"
		return 1
	}
	diff <(printf '%s\n' "$@" | grep -v ^- | sort) <(sort "$T/stdout")
}

# told PATTERN PATH... -- the same, but that it says what matches on stderr.
told() {
	local pattern=$1
	shift
	ship "$@" >"$T/stdout" 2>"$T/stderr" || {
		cat "$T/stderr"
		return 1
	}
	grep -qE "$pattern" "$T/stderr" || {
		echo "nothing like '$pattern':"
		cat "$T/stderr"
		return 1
	}
	diff <(printf '%s\n' "$@" | grep -v ^- | sort) <(sort "$T/stdout")
}

# restore BY KEY OUT -- the newest state of KEY as the file OUT; BY is lspp or
# a litestream, 03, 0314 or 05, which alone knows LTX.  Judge and cmp need no
# name beside it.
restore() {
	rm -rf "$3" "$3".tmp-*
	[ $LAYOUT = wal ] || [ "$1" = lspp ] || set -- 05 "$2" "$3"
	case $1 in
	lspp)
		rm -rf "$T/lspp-out"
		lspp-restore -r "$R" -o "$T/lspp-out" "$2" >/dev/null || return
		mv "$T/lspp-out/$2" "$3" ;;
	*) litestream_restore "$1" "$2" "$3" ;;
	esac
}

# restores_to KEY IMAGE [BY...] -- all of them (default lspp 03 05) that know the
# layout must give exactly these bytes.
restores_to() {
	local key=$1 image=$2 by
	shift 2
	[ $# -gt 0 ] || set -- lspp 03 05
	for by; do
		[ $LAYOUT = wal ] || [[ $by != 03* ]] || continue
		restore "$by" "$key" "$T/restored" || return
		cmp "$T/restored" "$image" || {
			echo "$key as restored by $by is not $image"
			return 1
		}
	done
}

# no_litter -- nothing in replica and state that a finished run leaves out.
no_litter() {
	local found
	found=$(replica_list | grep -v -e '\.snapshot\.lz4$' -e '\.wal\.lz4$' \
			-e '\.alone\.lz4$' -e '/[0-9a-f]\{16\}-[0-9a-f]\{16\}\.ltx$' \
			-e '/owner-[0-9a-f]*\.lz4$'
		find "$S" -type f ! -name state.db ! -name state.db-wal \
			! -name state.db-shm ! -name lock)
	[ -z "$found" ] || {
		echo "left over: $found"
		return 1
	}
}

# start_writer DB OPTION... -- in the background: its id in WRITER, what it
# committed in $T/committed.
start_writer() {
	local db=$1
	shift
	rm -f "$T/writer.out"
	writer -c "$T/committed" "$@" "$db" >"$T/writer.out" 3>&- &
	WRITER=$!
	LIVE+=("$WRITER")
	wait_for writer_ready
}

writer_ready() {
	grep -q ready "$T/writer.out" 2>/dev/null ||
		! kill -0 "$WRITER" 2>/dev/null
}

stop_writer() {
	kill "$WRITER"
	wait "$WRITER"
	LIVE=()
}

# committed -- the number of the writer's last transaction.
committed() {
	od -An -td8 "$T/committed" | tr -d ' '
}

# app DB -- an application that keeps DB open; tell it what to do with "sql".
app() {
	coproc APP { exec sqlite3 -batch -bail "$1" 2>&1 3>&-; }
	APP_ID=$! # bash forgets its own APP_PID as soon as it has ended
	LIVE+=("$APP_ID")
}

# sql TEXT -- done by the application when this returns.
sql() {
	local line
	printf '%s;\n.print "=="\n' "$1" >&"${APP[1]}"
	while IFS= read -r -t 60 line <&"${APP[0]}"; do
		[ "$line" != == ] || return 0
		case $line in *rror*) echo "$line"; return 1 ;; esac
	done
	echo "the application died of: $1"
	return 1
}

app_quit() {
	echo .quit >&"${APP[1]}"
	wait "$APP_ID"
	LIVE=()
}

# rows N SIZE -- SQL that makes N rows of about SIZE bytes, none like another.
rows() {
	echo "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c
		WHERE i < $1) INSERT INTO t(x) SELECT randomblob($2) FROM c"
}

# A file with more to end has one of its own.
teardown() {
	hard_teardown
}
