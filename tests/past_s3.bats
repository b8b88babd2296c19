#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-restore to a time, from object storage.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3_up

setup() {
	set +T
	s3_bucket
	cd "$T" || return
}

@test "to a time, and what there is, as from a directory" {
	local k at=()
	mkdir src
	sqlite3 src/x.db 'CREATE TABLE t(x)'
	for k in 1 2 3 4 5; do
		sqlite3 src/x.db "INSERT INTO t VALUES($k)"
		cp src/x.db "s$k"
		at[k]=$(lspp-ship -q --json -r "s3://$BUCKET/b" -C "$T/src" \
			-s state src/x.db |
			sed -n 's/.*"captured":"\([^"]*\)".*/\1/p')
	done
	for k in 1 2 3 4 5; do
		rm -rf out
		lspp-restore -r "s3://$BUCKET/b" -o out \
			--timestamp "${at[k]}" x.db
		cmp "s$k" out/x.db
	done
	k=$(date -d "${at[1]}" +%s)
	rm -r out
	run --separate-stderr lspp-restore -r "s3://$BUCKET/b" -o out \
		--timestamp "@$((k - 1))" x.db
	assert_failure 66
	[[ $stderr == *"there is nothing as old as "* ]] || fail "$stderr"
	run lspp-restore -r "s3://$BUCKET/b" --list --json x.db
	assert_success
	[[ $output == *'"snapshots":1,"segments":4,'*"\"from\":\"${at[1]}\",\
\"until\":\"${at[5]}\""* ]] || fail "$output"
	s3tool "s3://$BUCKET" rm "$(s3_objects | awk '{ print $NF }' |
		grep wal.lz4 | LC_ALL=C sort | sed -n 3p)"
	run --separate-stderr lspp-restore -r "s3://$BUCKET/b" -o out x.db
	assert_failure 65
	[[ $stderr == *" is missing"*--to-last-good* ]] || fail "$stderr"
	run lspp-restore -r "s3://$BUCKET/b" -o out --to-last-good x.db
	assert_failure 3
	cmp s3 out/x.db
}
