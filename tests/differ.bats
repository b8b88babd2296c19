#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Random things happen to databases while they are shipped, by several versions
# of SQLite: whatever is acknowledged is what SQLite holds, and nothing that
# rests is refused or forgotten.  tests/differ/main.c says what is judged.
#
# Long: begins early.

load lib/lspp

setup() {
	set +T
	need differ lspp-ship lspp-hot lspp-restore image
	local name
	for name in 03 0314 05; do
		name=LITESTREAM_$name
		LITESTREAMS=${LITESTREAMS:+$LITESTREAMS }${!name}
		need "${!name}"
	done
	export LITESTREAMS
	seed
}

teardown() {
	if [ -n "${MOUNTED:-}" ]; then
		umount "$MOUNTED"
	fi
}

# writers -- the SQLites that are here, as options; those that are not are told.
writers() {
	local name scribe there=$LSPP_ROOT/.tools/sqlite
	WRITERS=(-c "differ scribe")
	[ -e "$there/wanted" ] ||
		say "no SQLite but this machine's: ./bootstrap --test brings some"
	for name in $(cat "$there/wanted" 2>/dev/null); do
		scribe=$there/$name/scribe
		if [ -x "$B/tools/scribe-$name" ]; then
			WRITERS+=(-c "$B/tools/scribe-$name")
		elif can_write "$scribe"; then
			WRITERS+=(-c "$scribe $LSPP_ROOT/tests/differ/scribe.py")
		else
			say "$name is not here, and not among the writers"
		fi
	done
}

# Its Python may have gone since.
can_write() {
	[[ $(echo version | "$1" "$LSPP_ROOT/tests/differ/scribe.py" \
		2>/dev/null) == "ok "* ]]
}

# rounds N AT_ONCE OPTION... -- all of them are fine.
rounds() {
	local n=$1 at_once=$2 bad=0
	shift 2
	writers
	seq "$SEED" $((SEED + n - 1)) |
		xargs -P "$at_once" -I '{}' differ -d "$T" -s '{}' \
			"${WRITERS[@]}" "$@" >"$T/report" 2>"$T/errors" || bad=1
	totals
	[ $bad = 0 ] && [ "$(grep -c '^round ' "$T/report")" = "$n" ] || {
		grep -v '^round ' "$T/report"
		cat "$T/errors"
		return 1
	}
}

totals() {
	say "$(awk '/^round / {
			n++
			for (i = 2; i <= NF; i++) {
				split($i, kv, "=")
				sum[kv[1]] += kv[2]
			}
			n_v = split($8, v, /[=,]/)
			for (i = 2; i <= n_v; i++) version[v[i]] = 1
		}
		END {
			printf "%d rounds, %d acknowledged states", n,
				sum["states"]
			printf " of %d, %d past, %d by peers, %d refused",
				sum["committed"], sum["past"], sum["peers"],
				sum["busy"]
			printf "; SQLite"
			for (name in version) printf " %s", name
		}' "$T/report")"
}

@test "what is acknowledged is what SQLite holds" {
	rounds "$(count 260 6 3)" "$(count 4 4)" -n "$(count 100 30)"
}

@test "slowly, when no time of a file is of this moment" {
	rounds "$(count 200 10 5)" "$(count 30 10 5)" -S -n "$(count 60 6)"
}

@test "slowly, where the times of files are of whole seconds" {
	root_or_skip "a file system of its own"
	truncate -s 300M "$T/disk"
	mkfs.ext4 -q -I 128 "$T/disk" 2>/dev/null
	mkdir "$T/mnt"
	mount -o loop "$T/disk" "$T/mnt" || skip "no loop mounts here"
	MOUNTED=$T/mnt
	rounds "$(count 80 5 3)" "$(count 20 5 3)" -S -n "$(count 60 5)" \
		-D "$T/mnt" -f 1s
	rounds "$(count 60 2)" "$(count 4 2)" -n "$(count 60 20)" \
		-D "$T/mnt" -f 1s
}
