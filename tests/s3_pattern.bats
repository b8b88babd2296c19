#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a restore by pattern costs: a few listings, not one a database.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3_up

setup() {
	set +T
	s3_here
	export LSPP_STATE=$T/state LSPP_BASE=$T
	local i
	for ((i = 100; i < 160; i++)); do
		sqlite3 "$i.db" "CREATE TABLE t (x); INSERT INTO t VALUES ($i)"
	done
	lspp-ship -q -r "$R" [0-9]*.db >/dev/null
}

# restored PATTERN N LISTINGS -- so many, with so many requests to list at most.
restored() {
	rm -rf out
	s3_faulty
	run -0 --separate-stderr lspp-restore -r "$R" -o out "$1"
	s3_faulty_stop
	s3_credentials
	assert_equal "$(wc -l <<<"$output")" "$2"
	say "$1: $(requests) requests, $(grep -c list-type requests) listings"
	[ "$(grep -c list-type requests)" -le "$3" ]
	for path in $output; do
		cmp "$path" "${path#out/}"
	done
}

@test "a pattern's databases are not listed one by one" {
	restored '**' 60 4
	restored '1[0-3]*.db' 40 4
	# What lies between is listed, too, and serves nobody.
	restored '1?7.db' 6 6
}

@test "one with more objects than a page has is listed alone" {
	local i args=() gen
	: >empty
	gen=$(s3tool "$R" ls 130.db/ | sed -nE 's,.*/generations/([0-9a-f]{16})/.*,\1,p' |
		head -n 1)
	for ((i = 0; i < 1100; i++)); do
		args+=("130.db/generations/$gen/x-$i" empty)
	done
	s3tool -j8 "$R" put "${args[@]}" >/dev/null
	restored '**' 60 12
	# And nothing is passed over by it.
	for ((i = 0; i < 3; i++)); do
		sqlite3 130.db "INSERT INTO t VALUES (1)"
		lspp-ship -q -r "$R" 130.db >/dev/null
	done
	restored '1[23]*.db' 20 12
}
