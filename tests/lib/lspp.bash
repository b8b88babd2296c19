# SPDX-License-Identifier: Apache-2.0
# What every bats file loads first:
#
#	load lib/lspp
#
# Sets (all exported):
#	LSPP_ROOT	the source tree
#	B		the build folder (absolute; default LSPP_ROOT/build)
#	PATH		programs, then test tools, then what it was
#	LITESTREAM_03	litestream 0.3.13
#	LITESTREAM_0314	litestream 0.3.14
#	LITESTREAM_05	litestream 0.5.18
#	T		$BATS_TEST_TMPDIR, resolved: in here a test may do anything
# Each setup() begins with "set +T".  Without it bats notes every command of every
# function before it runs, its own assertions included, which takes half a
# millisecond; with it a failure names the line of the test, and none of a helper.
# A variable that is set already wins, so a test can be run by hand with other
# binaries.  A peer that is missing is a failure, never a skip: a test that did
# not run proves nothing.

bats_require_minimum_version 1.5.0

LSPP_ROOT=$(cd -P "${BASH_SOURCE[0]%/*}/../.." && pwd)
: "${B:=$LSPP_ROOT/build}"
case $B in /*) ;; *) B=$LSPP_ROOT/$B ;; esac
PATH=$B/bin:$B/tools:$PATH
: "${LITESTREAM_03:=$LSPP_ROOT/.tools/litestream-0.3.13}"
: "${LITESTREAM_0314:=$LSPP_ROOT/.tools/litestream-0.3.14}"
: "${LITESTREAM_05:=$LSPP_ROOT/.tools/litestream-0.5.18}"
BATS_LIB_PATH=${BATS_LIB_PATH:+$BATS_LIB_PATH:}$LSPP_ROOT/.tools/bats
BATS_LIB_PATH=$BATS_LIB_PATH:/usr/lib/bats:/usr/share/bats:/usr/lib
BATS_LIB_PATH=$BATS_LIB_PATH:/opt/homebrew/lib:/usr/local/lib
export LSPP_ROOT B PATH BATS_LIB_PATH
export LITESTREAM_03 LITESTREAM_0314 LITESTREAM_05

# The caller's own settings must not leak into a test.
unset LSPP_REPLICA LSPP_BASE LSPP_STATE LSPP_STATE_DIR STATE_DIRECTORY
unset XDG_STATE_HOME

# load_assertions LIBRARY... -- as bats_load_library does, but for the process that
# load.bash starts for each file of a library, in each test anew: half of what a
# short test took.
load_assertions() {
	local dirs dir file library
	IFS=: read -ra dirs <<<"$BATS_LIB_PATH"
	for library; do
		for dir in "${dirs[@]}" ''; do
			[ ! -e "$dir/$library/load.bash" ] || break
		done
		for file in "$dir/$library"/src/*.bash; do
			# shellcheck disable=SC1090
			source "$file" || exit
		done
	done
}
load_assertions bats-support bats-assert

if [ -n "${BATS_TEST_TMPDIR:-}" ]; then
	T=$(cd "$BATS_TEST_TMPDIR" && pwd -P)
	export T
fi

# need PROGRAM... -- fail, with the cure, unless each can be run.
need() {
	local p
	for p; do
		command -v -- "$p" >/dev/null && continue
		echo "$p: not found: run make and ./bootstrap --test" >&2
		return 1
	done
}

# litestream 03|0314|05 ARGUMENT... -- the real one, of that version.
litestream() {
	local bin
	case $1 in
	03) bin=$LITESTREAM_03 ;;
	0314) bin=$LITESTREAM_0314 ;;
	05) bin=$LITESTREAM_05 ;;
	*) echo "litestream: which version?" >&2; return 2 ;;
	esac
	need "$bin" || return 1
	shift
	"$bin" "$@"
}

# traced ARGUMENT... -- strace, which leak detection cannot work under.
traced() {
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace "$@"
}

# count SOAK CHECK [LESS] -- how often to do a thing: SOAK times under `make soak`
# (LSPP_SOAK set), else CHECK times, or LESS where each time takes longer: under
# sanitizers, and in the second run of a suite, against object storage.
count() {
	if [ -n "${LSPP_SOAK:-}" ]; then
		echo "$1"
	elif [ "${REPLICA:-dir}" = s3 ] || [ -n "${SANITIZE:-}" ]; then
		echo "${3:-$2}"
	else
		echo "$2"
	fi
}

# sha_tree DIR... -- "hash mode path" of every file and "dir mode path" of
# every directory, sorted: equal output is an equal tree.
sha_tree() {
	local files
	find "$@" -type d -printf 'dir %m %p\n' | LC_ALL=C sort
	mapfile -d '' files < <(find "$@" -type f -print0 | LC_ALL=C sort -z)
	[ ${#files[@]} -eq 0 ] || paste -d ' ' \
		<(printf '%s\0' "${files[@]}" | xargs -0 sha256sum -z -- |
			cut -z -d ' ' -f 1 | tr '\0' '\n') \
		<(printf '%s\0' "${files[@]}" | xargs -0 stat -c '%a %n' --)
	find "$@" ! -type d ! -type f -printf '%y %m %p -> %l\n' |
		LC_ALL=C sort
}

# same_db A B -- both pass integrity_check and hold the same schema and rows.
same_db() {
	local f sums=() out
	for f; do
		out=$(sqlite3 -readonly "$f" 'PRAGMA integrity_check') || return
		if [ "$out" != ok ]; then
			echo "$f: $out" >&2
			return 1
		fi
		sums+=("$(set -o pipefail; sqlite3 -readonly "$f" .dump | sha256sum)") ||
			return
	done
	if [ "${sums[0]}" != "${sums[1]}" ]; then
		echo "$1 and $2 differ" >&2
		return 1
	fi
}

# A test waits for its own processes by id: with BATS_TEST_TIMEOUT the shell has
# another child, bats' watchdog, and a bare `wait` would wait for that too.

# seed -- what is drawn by RANDOM in a test follows from SEED, which is told, and
# which LSPP_SEED sets; in $(...), a pipe or "run" bash draws anew.
seed() {
	SEED=${LSPP_SEED:-$((RANDOM * 32768 + RANDOM))}
	say "LSPP_SEED=$SEED"
	RANDOM=$SEED
}

# noise SEED N -- so many bytes of it, always the same.
noise() {
	openssl enc -aes-128-ctr -K "$(printf %032x "$1")" \
		-iv "$(printf %032x "$1")" -in /dev/zero 2>/dev/null |
		head -c "$2"
}

# root_or_skip WHAT -- visibly.
root_or_skip() {
	[ "$(id -u)" -eq 0 ] || skip "needs root for $1"
}

# wait_for COMMAND... -- until it succeeds, at most a minute.
wait_for() {
	local i
	for ((i = 0; i < 1200; i++)); do
		"$@" && return
		sleep 0.05
	done
	echo "waited in vain for: $*" >&2
	return 1
}

# minds_term PID PROGRAM -- has it become that program, which catches SIGTERM by now?
# Before, the shell's child would die of it, or tell that the test had failed.
minds_term() {
	local caught
	[ "$(readlink "/proc/$1/exe")" = "$B/bin/$2" ] || return
	caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$1/status")
	(((0x$caught >> 14) & 1))
}

# say ... -- a line for people, whatever the test's outcome.
say() {
	echo "# $*" >&3
}

# killed_within SECONDS COMMAND... -- run it, and kill it then; its status.  It
# is gone when this returns.  timeout(1) with KILL kills itself, too, and who waits for it
# goes on while the command is still dying.
killed_within() {
	local after=$1 pid killer status=0
	shift
	"$@" &
	pid=$!
	{ if sleep "$after"; then kill -KILL "$pid" || :; fi; } 2>/dev/null 3>&- &
	killer=$!
	wait "$pid" 2>/dev/null || status=$?
	# Any other signal may come before it is rid of the trap that bats has
	# for the end of a shell, and then it says that the test failed.
	kill -KILL "$killer" 2>/dev/null || :
	wait "$killer" 2>/dev/null || :
	return $status
}
