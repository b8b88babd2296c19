# SPDX-License-Identifier: Apache-2.0
# For tests in which days go by.

# at_time ARGUMENT... -- as faketime(1).
at_time() {
	"$LSPP_ROOT/tests/lib/faketime" "$@"
}

# later DAYS PROGRAM... -- so many days from now; files keep their times.  All of
# its standard error goes to the file LATER_ERR, too, if that is set.
later() {
	local days=$1 rc=0 args=() word err=${LATER_ERR:-$T/later.$BASHPID}
	shift
	for word; do
		args+=("$word")
		[ "$word" != lspp-prune ] || args+=(--own-clock)
	done
	set -- "${args[@]}"
	NO_FAKE_STAT=1 at_time -f "+${days}d" "$@" 2>"$err" || rc=$?
	sed '/: this machine.s clock is/d' "$err" >&2
	return $rc
}
