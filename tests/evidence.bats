#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# lspp-verify --report: what a drill proved, for one who was not there.

load lib/lspp

setup() {
	set +T
	need lspp-ship lspp-verify sqlite3 openssl jq
	export LSPP_STATE=$T/state LSPP_REPLICA=$T/r LSPP_BASE=$T
	cd "$T"
	mkdir d
	for i in {1..6}; do
		sqlite3 "d/$i.db" 'CREATE TABLE t (x); INSERT INTO t VALUES (1)'
	done
	lspp-scan d | lspp-ship >/dev/null
}

damage() {
	printf X | dd of="$(echo r/"$1"/generations/*/snapshots/*.snapshot.lz4)" \
		bs=1 seek=40 conv=notrunc status=none
}

@test "what was asked for, what it came to, each database in order" {
	damage d/3.db
	run lspp-verify --sql --report drill 'd/**'
	assert_failure
	jq -e '.asked.sql and .complete and .restore.how == "restored" and
		.counts == {looked_at: 6, sound: 5, earlier: 0, failed: 1} and
		.proved.sqlite == 5 and .asked.databases == "d/**"' drill
	[ "$(jq -r '.databases[].database' drill)" = \
		"$(printf 'd/%s.db\n' {1..6})" ]
	jq -e '.databases[2] | .result == "failed" and (.why | length > 0)' drill
	jq -e '[.databases[] | select(.result == "sound") | .generation] |
		length == 5 and all(test("^[0-9a-f]{16}$"))' drill
	grep -q '5 sound, 1 failed' drill.txt
	grep -q '^  d/3.db$' drill.txt
	grep -q "SHA-256 $(sha256sum <drill | cut -d ' ' -f 1)" drill.txt
	[ "$(awk 'length > 80' drill.txt | grep -vc snapshot)" -eq 0 ]
}

@test "a shallow look says that nothing was restored" {
	lspp-verify --report drill 'd/**' >/dev/null
	jq -e '.restore.how == null and .proved.names == 6' drill
	grep -q 'Not measured' drill.txt
}

@test "a sample says of how many" {
	lspp-verify --deep --report drill --sample 2 >/dev/null
	jq -e '.asked.databases == "a sample of 2" and .asked.of == 6 and
		.counts.looked_at == 2' drill
	grep -q 'Looked at    2 databases: a sample of 2 of 6' drill.txt
}

@test "against the live databases" {
	sqlite3 d/1.db 'INSERT INTO t VALUES (2)'
	lspp-verify --against-source --report drill 'd/**' >/dev/null
	jq -e '.source.equal == 5 and .source.behind == 1 and
		.age.behind_ms >= 0' drill
	grep -q '1 behind it: it was written to since' drill.txt
}

@test "a signature that openssl verifies, and not of another file" {
	openssl genpkey -algorithm ed25519 -out key.pem
	openssl pkey -in key.pem -pubout -out public.pem
	lspp-verify --report drill --sign key.pem 'd/**' >/dev/null
	openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in drill \
		-sigfile drill.sig
	sed 's/"sound":6/"sound":7/' drill >forged
	! openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in forged \
		-sigfile drill.sig || false
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
		-out key.pem
	openssl pkey -in key.pem -pubout -out public.pem
	lspp-verify --report drill --sign key.pem 'd/**' >/dev/null
	openssl pkeyutl -verify -pubin -inkey public.pem -rawin \
		-digest sha256 -in drill -sigfile drill.sig
}

@test "what cannot be written or signed is told before the drill" {
	run lspp-verify --report no/drill 'd/**'
	assert_failure 66
	refute_output --partial d/1.db
	openssl genpkey -algorithm ed25519 -aes256 -pass pass:secret -out key.pem
	run lspp-verify --report drill --sign key.pem 'd/**' </dev/null
	assert_failure 78
	assert_output --partial 'a key with a passphrase'
	refute_output --partial d/1.db
	[ ! -e drill ]
	run lspp-verify --sign key.pem 'd/**'
	assert_failure 2
	run lspp-verify -n --report drill 'd/**'
	assert_failure 2
}
