#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --shard K/N: parts of a fleet that hold each database once, by its name.
# Twice: on S3, too.

load lib/lspp
load lib/replica

setup() {
	set +T
	need lspp-scan lspp-new
	D=$T/src
	mkdir "$D"
	cd "$T"
	export LSPP_STATE=$T/state LSPP_BASE=$D
}

# fleet_of N -- a.db and others in directories, $T/keys.
fleet_of() {
	sqlite3 t.db 'CREATE TABLE t (x); INSERT INTO t VALUES (1)'
	{
		echo a.db
		seq -f 'tenants/%g/app.db' "$(($1 - 1))"
	} | LC_ALL=C sort >keys
	sed "s|^|$D/|" keys | lspp-new -t t.db >paths
}

shipped_fleet() {
	fleet_of "$1"
	replica_new "$T/replica"
	export LSPP_REPLICA=$R
	lspp-ship -q <paths >/dev/null
}

# parts N COMMAND... -- of each of N parts, to part.K, as keys.
parts() {
	local n=$1 k
	shift
	for ((k = 1; k <= n; k++)); do
		"$@" --shard "$k/$n" | sed "s|^$D/||; s|^.*/fleet/||" \
			>"part.$k" || return
	done
}

# whole N -- each key is in one of the parts, and no part is all.
whole() {
	local k
	LC_ALL=C sort part.[1-"$1"] | diff keys -
	for ((k = 1; k <= $1; k++)); do
		[ "$(wc -l <"part.$k")" -lt "$(wc -l <keys)" ]
	done
}

@test "seven parts hold each of 10,000 paths once, and the eighth takes an eighth" {
	local n k moved=0
	n=$(count 200000 10000)
	fleet_of "$n"
	parts 7 lspp-scan "$D"
	whole 7
	for k in 1 2 3 4 5 6 7; do cp "part.$k" "was.$k"; done
	parts 8 lspp-scan "$D"
	LC_ALL=C sort part.? | diff keys -
	for k in 1 2 3 4 5 6 7; do
		# Nothing comes to a part that was there.
		run -0 comm -13 "was.$k" "part.$k"
		assert_output ''
		moved=$((moved + $(comm -23 "was.$k" "part.$k" | wc -l)))
	done
	assert_equal "$moved" "$(wc -l <part.8)"
	[ "$moved" -le $((n / 7 + n / 50)) ]
	# A part does not move when others come and go.
	rm -r "$D/tenants/1"*
	grep -v '^tenants/1' keys >left
	mv left keys
	cp part.3 was
	parts 8 lspp-scan "$D"
	grep -v '^tenants/1' was | diff - part.3
}

@test "a tree, a replica and a part of it are divided alike" {
	shipped_fleet 40
	parts 3 lspp-scan "$D"
	whole 3
	for k in 1 2 3; do cp "part.$k" "was.$k"; done
	lspp-scan -r "$R" --shard 2/3 >urls
	sed "s|^$(lspp-scan -r "$R" | sed -n 's|/a\.db$||p')/||" urls |
		LC_ALL=C sort | diff <(LC_ALL=C sort was.2) -
	url=$(lspp-scan -r "$R" | sed -n 's|/a\.db$||p')
	lspp-scan --shard 2/3 "$url/tenants/**" | sed "s|^$url/||" |
		LC_ALL=C sort | diff <(grep ^tenants was.2 | LC_ALL=C sort) -
	lspp-scan --shard 2/3 "$url/tenants" | sed "s|^$url/||" |
		LC_ALL=C sort | diff <(grep ^tenants was.2 | LC_ALL=C sort) -
	# Relative paths have the same names.
	(cd src && lspp-scan --shard 2/3 . | sed 's|^\./||') |
		diff was.2 -
	run -2 lspp-scan --shard 4/3 .
	assert_output --partial 'is not K/N'
}

@test "lspp-restore: parts of a pattern, and of a list" {
	shipped_fleet 40
	parts 3 lspp-scan "$D"
	for k in 1 2 3; do
		lspp-restore --shard "$k/3" -o "out$k" '**' |
			sed "s|^out$k/||" | LC_ALL=C sort |
			diff <(LC_ALL=C sort "part.$k") -
		lspp-restore --shard "$k/3" -o "list$k" <keys |
			sed "s|^list$k/||" | LC_ALL=C sort |
			diff <(LC_ALL=C sort "part.$k") -
	done
	# A pattern that finds but what is another's is none that finds nothing.
	key=$(sed -n 1p part.1)
	run -0 lspp-restore --shard 2/3 -o out "${key%?}?"
	assert_output ''
	run -66 lspp-restore --shard 2/3 -o out 'none*'
}

@test "lspp-verify: parts of a pattern, and a sample of a part" {
	shipped_fleet 40
	parts 3 lspp-scan "$D"
	for k in 1 2 3; do
		lspp-verify --shard "$k/3" '**' | LC_ALL=C sort |
			diff <(LC_ALL=C sort "part.$k") -
	done
	run -0 lspp-verify --shard 2/3 --sample 5
	assert_equal "$(sort -u <<<"$output" | wc -l)" 5
	assert_equal "$(grep -vxFf part.2 <<<"$output")" ''
	lspp-verify --shard 2/3 --sample 100% --report r.json | LC_ALL=C sort |
		diff <(LC_ALL=C sort part.2) -
	grep -q '"a sample of 100%, part 2 of 3"' r.json
	lspp-verify --shard 2/3 --report r.json 'tenants/**' >/dev/null
	grep -q '"tenants/\*\*, part 2 of 3"' r.json
}

@test "a litestream.yml: parts by the path, whoever reads it" {
	shipped_fleet 40
	printf 'dbs:\n  - dir: %s\n    pattern: "*.db"\n    recursive: true\n    replica: {url: "%s"}\n' \
		"$D" "$([ "$REPLICA" = s3 ] && echo "$R" || echo "file://$R")" >c.yml
	unset LSPP_BASE LSPP_REPLICA
	parts 3 lspp-scan -c c.yml
	whole 3
	lspp-scan --shard 2/3 "$D" | diff - <(lspp-scan -c c.yml --shard 2/3)
	lspp-scan -c c.yml | lspp-ship -q -c c.yml >/dev/null
	for k in 1 2 3; do
		lspp-restore -c c.yml --shard "$k/3" -o "out$k" '**' |
			sed "s|^out$k$D/||" | LC_ALL=C sort |
			diff <(LC_ALL=C sort "part.$k") -
		lspp-verify -c c.yml --shard "$k/3" '**' |
			sed "s|^$D/||" | LC_ALL=C sort |
			diff <(LC_ALL=C sort "part.$k") -
	done
	run -0 lspp-verify -c c.yml --shard 1/3 --sample 100%
	assert_equal "$(wc -l <<<"$output")" "$(wc -l <part.1)"
}

# left_in_replica -- what the parts are then, of which part 2 lost what matches $1.
left_in_replica() {
	lspp-scan -r "$R" | sed 's|^.*/tenants/|tenants/|; s|^.*/a.db|a.db|' |
		LC_ALL=C sort |
		diff <({ cat part.1 part.3; grep -v "$1" part.2; } |
			LC_ALL=C sort) -
}

@test "lspp-prune: parts of a list, of a pattern, and of what is gone" {
	shipped_fleet 40
	parts 3 lspp-scan "$D"
	rm -r "$D"/tenants/[123]*
	if [ "$REPLICA" = dir ]; then
		# From here on they are gone, and then for long enough.
		lspp-prune -q --yes --own-clock --gone-for 0s '**' --shard 2/3
		sleep 1.1
		lspp-prune -q --yes --own-clock --gone-for 1s '**' --shard 2/3
		left_in_replica 'tenants/[123]'
	fi
	rm -r "${D:?}"/*
	lspp-scan -r "$R" |
		lspp-prune -q --yes --own-clock --erase --shard 2/3
	left_in_replica '^'
}

@test "lspp-hot: what another part has is neither gone nor lost nor left out" {
	shipped_fleet 40
	parts 3 lspp-scan "$D"
	lspp-scan "$D" | lspp-hot
	mine=$(sed -n 2p part.2) other=$(sed -n 2p part.3)
	rm "$D/$mine" "$D/$other"
	: >"$D/$(sed -n 3p part.3)"
	run -1 --separate-stderr bash -c \
		'lspp-scan --shard 2/3 "$LSPP_BASE" | lspp-hot --shard 2/3'
	assert_equal "$stderr" \
		"lspp-hot: $D/$mine: gone: No such file or directory"
	# It is told once, and what is stale are no others.
	run -0 --separate-stderr bash -c \
		'lspp-scan --shard 2/3 "$LSPP_BASE" | lspp-hot --shard 2/3 --stale 1h'
	assert_output ''
	assert_equal "$stderr" ''
	assert_equal "$(lspp-hot --shard 2/3 --gone)" "$D/$mine"
	assert_equal "$(lspp-stat --shard 2/3 --json | jq -c \
		'[.gone, .lost, .left_out, .databases]')" \
		"[1,0,0,$(($(wc -l <part.2) - 1))]"
	# A watch is a pass, too.
	run -0 --separate-stderr bash -c 'lspp-scan --shard 1/3 "$LSPP_BASE" |
		lspp-hot --watch --for 1s --shard 1/3'
	assert_equal "$stderr" ''
	# The third finds its own.
	run -1 --separate-stderr bash -c \
		'lspp-scan --shard 3/3 "$LSPP_BASE" | lspp-hot --shard 3/3'
	assert_equal "$(grep -c ': gone: ' <<<"$stderr")" 1
	assert_equal "$(grep -c ': lost: ' <<<"$stderr")" 1
	run -2 lspp-hot --forget --shard 2/3 a.db
}
