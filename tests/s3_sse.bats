#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Encryption by the server, for real: MinIO with a key of its own, over TLS.

# stderr is set by run --separate-stderr; RESTORE is split on purpose.
# shellcheck disable=SC2154,SC2086

load lib/lspp
load lib/s3

setup_file() {
	[ -x "$MINIO" ] || [ "$S3_KIND" = minio ] || return 0
	need "$MINIO" openssl s3tool
	S3_DIR=$(cd "$BATS_FILE_TMPDIR" && pwd -P)/s3
	S3_KEY=AKIATESTKEY00000001
	S3_SECRET=testsecretkey0123456789abcdefABCDEF01
	S3_PORT=$(free_port)
	export S3_DIR S3_KEY S3_SECRET S3_PORT
	mkdir -p "$S3_DIR/data" "$S3_DIR/certs"
	openssl req -x509 -newkey rsa:2048 -nodes \
		-keyout "$S3_DIR/certs/private.key" \
		-out "$S3_DIR/certs/public.crt" -days 2 -subj /CN=localhost \
		-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>/dev/null
	MINIO_ROOT_USER=$S3_KEY MINIO_ROOT_PASSWORD=$S3_SECRET \
		MINIO_REGION=us-east-1 \
		MINIO_KMS_SECRET_KEY="key-1:$(head -c 32 /dev/urandom | base64)" \
		"$MINIO" server --quiet --certs-dir "$S3_DIR/certs" \
		--address "127.0.0.1:$S3_PORT" \
		--console-address "127.0.0.1:$(free_port)" \
		"$S3_DIR/data" >>"$S3_DIR/log" 2>&1 3>&- &
	echo $! >"$S3_DIR/pid"
	disown
	wait_for ready
}

ready() {
	(
		tls_environment "$S3_DIR"
		s3tool --retries 0 s3://no-such-bucket-yet ls 2>&1 |
			grep -q NoSuchBucket
	)
}

tls_environment() {
	s3_clean_environment "$1"
	s3_credentials
	export AWS_ENDPOINT_URL=https://127.0.0.1:$S3_PORT
	export AWS_CA_BUNDLE=$S3_DIR/certs/public.crt
}

teardown_file() {
	[ ! -e "${S3_DIR:-/nonexistent}/pid" ] || end_process "$S3_DIR/pid"
}

setup() {
	set +T
	[ -x "$MINIO" ] || skip "MinIO is not there: ./bootstrap --test-s3"
	need lspp-ship lspp-restore lspp-scan s3tool sqlite3
	tls_environment "$T"
	BUCKET=bucket-$BATS_TEST_NUMBER-$RANDOM
	s3tool "s3://$BUCKET" mb
	R=s3://$BUCKET/fleet
	cd "$T" || return
	mkdir src
	for i in 1 2 3; do
		sqlite3 src/$i.db "CREATE TABLE t(x); INSERT INTO t
			VALUES($i)"
	done
	# one that goes up in parts
	sqlite3 src/large.db 'CREATE TABLE t(x);
		INSERT INTO t VALUES(randomblob(12000000))'
	head -c 32 /dev/urandom >key
	head -c 32 /dev/urandom >other
}

# round_trip OPTION... -- ship, ship again, ship with a lost answer's look, and
# restore with the options in RESTORE.
round_trip() {
	local f
	lspp-scan src >all
	run --separate-stderr lspp-ship -C src -s state -r "$R" \
		--part-size 5M "$@" <all
	assert_success
	assert_equal "$stderr" ''
	assert_equal "${#lines[@]}" 4
	sqlite3 src/1.db 'INSERT INTO t VALUES(4)'
	sqlite3 src/large.db 'INSERT INTO t VALUES(randomblob(11000000))'
	cp -r state old
	lspp-ship -C src -s state -r "$R" --part-size 5M "$@" <all >/dev/null
	# With the state of before: what is there is compared, and adopted.
	rm -r state
	mv old state
	run --separate-stderr lspp-ship -C src -s state -r "$R" \
		--part-size 5M "$@" <all
	assert_success
	refute_regex "$stderr" 'new generation'
	run -0 lspp-scan "$R"
	assert_equal "${#lines[@]}" 4
	lspp-scan "$R" | lspp-restore -r "$R" -o out $RESTORE >/dev/null
	while IFS= read -r f; do
		same_db "$f" "out/${f#src/}"
	done <all
}

# plain OPTION... -- does what was sent lie on the server's disk as it is?
plain() {
	local key=plain-$RANDOM
	head -c 300000 /dev/zero | tr '\0' "${key: -1}" >sent
	echo "not for everybody $key" >>sent
	s3tool "$@" "$R" put "$key" sent >/dev/null || return 0
	grep -rqF "not for everybody $key" "$S3_DIR/data/$BUCKET"
}

@test "AES256" {
	RESTORE='' round_trip --sse AES256
	refute plain --sse AES256
}

@test "aws:kms, with the id of a key, and one that is not there" {
	RESTORE='' round_trip --sse aws:kms --sse-kms-key-id key-1
	refute plain --sse aws:kms --sse-kms-key-id key-1
	run --separate-stderr lspp-ship -C src -s none -r "$R/none" \
		--sse aws:kms --sse-kms-key-id no-such-key src/1.db
	assert_equal "$status" 78
	assert_output ''
	[[ $stderr == *'is --sse-kms-key-id right?'* ]]
}

@test "a key of one's own, which reading needs, too" {
	RESTORE="--sse-c $T/key" round_trip --sse-c key
	refute plain --sse-c key
	# Without it, or with another: no restored byte, and no doubt why.
	rm -rf out
	run --separate-stderr lspp-restore -r "$R" -o out 1.db
	assert_equal "$status" 78
	[[ $stderr == *'was it encrypted with --sse-c?'* ]]
	run --separate-stderr lspp-restore -r "$R" -o out --sse-c other 1.db
	[ "$status" -ne 0 ]
	refute [ -e out/1.db ]
	# Nor does the key show.
	run lspp-ship -v --debug sign -C src -s debug -r "$R/debug" \
		--sse-c key src/1.db
	assert_success
	refute_output --partial "$(base64 <key)"
	assert_output --partial 'customer-key:****'
}

@test "headers of one's own, on objects and their parts" {
	RESTORE='' round_trip --header 'x-amz-meta-team: backup' \
		--header 'x-amz-tagging: a=b' --storage-class STANDARD
	# This is how the others would look without encryption.
	plain --header x-amz-meta-a:b
}
