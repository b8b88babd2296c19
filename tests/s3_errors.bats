#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What goes wrong for everything: each has a message and a hint of its own and
# the right status, in every program, and is not tried for long.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3

setup_file() {
	need openssl
	s3_start
	# The same server behind a certificate that nobody trusts.
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$S3_DIR/key.pem" \
		-out "$S3_DIR/cert.pem" -days 2 -subj /CN=localhost \
		-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>/dev/null
	TLS_PORT=$(free_port)
	export TLS_PORT
	"$VERSITYGW" --port "127.0.0.1:$TLS_PORT" --access "$S3_KEY" \
		--secret "$S3_SECRET" --region us-east-1 \
		--cert "$S3_DIR/cert.pem" --key "$S3_DIR/key.pem" \
		posix "$S3_DIR/data" >"$S3_DIR/tls.log" 2>&1 3>&- &
	echo $! >"$S3_DIR/tls.pid"
	disown
	wait_for answers "$TLS_PORT"
}

teardown_file() {
	end_process "$S3_DIR/tls.pid"
	s3_stop
}

setup() {
	set +T
	s3_here
	mkdir src
	for f in a b c; do
		sqlite3 src/$f.db 'CREATE TABLE t(x)'
	done
	lspp-scan src | lspp-ship -C src -s first -r "$R" >/dev/null
}

teardown() {
	s3_faulty_stop
}

# sum_of_requests -- of what -v said.
sum_of_requests() {
	sed -n 's/.*requests: \(put=[0-9]* get=[0-9]* head=[0-9]* list=[0-9]*\) .*/\1/p' \
		<<<"$stderr" | tr ' ' '\n' |
		awk -F= '{ n += $2 } END { print n + 0 }'
}

# all_say STATUS MESSAGE HINT REQUESTS -- ship, restore and scan end so, with
# that many requests at most.
all_say() {
	local program
	for program in ship restore scan; do
		rm -rf state out
		case $program in
		ship)
			run --separate-stderr lspp-ship -v -C src -s state \
				-r "$R" src/a.db src/b.db src/c.db
			;;
		restore)
			run --separate-stderr lspp-restore -v -r "$R" -o out \
				a.db b.db c.db
			;;
		scan) run --separate-stderr lspp-scan -v "$R" ;;
		esac
		if [ "$status" -ne "$1" ] || [[ $stderr != *"$2"* ]] ||
			[[ $stderr != *"hint: "*"$3"* ]] ||
			[ "$(sum_of_requests)" -gt "$4" ]; then
			echo "$program: $status: $stderr" >&2
			return 1
		fi
		assert_output ''
		refute [ -e out/a.db ]
		# not a flood of them either
		[ "${#stderr_lines[@]}" -le 12 ]
	done
}

@test "libcurl that does not load: 71 on S3, and no word of it in a directory" {
	mkdir lib
	: >lib/libcurl.so.4
	LD_LIBRARY_PATH=$T/lib all_say 71 'cannot load libcurl' 'is it installed?' 0
	LD_LIBRARY_PATH=$T/lib run -0 --separate-stderr lspp-ship -C src -s own \
		-r "$T/rep" src/a.db
	assert_output src/a.db
	assert_equal "$stderr" ''
}

@test "a wrong secret" {
	s3_needs signatures codes
	AWS_SECRET_ACCESS_KEY=wrong all_say 77 SignatureDoesNotMatch \
		'is the secret access key right?' 3
}

@test "an access key that is not known" {
	s3_needs signatures codes
	AWS_ACCESS_KEY_ID=AKIAUNKNOWN all_say 77 '' \
		'does not know this access key' 3
}

@test "a session that has expired" {
	s3_faulty
	rules '* * - status 400 ExpiredToken'
	all_say 77 ExpiredToken 'the session has ended: get new keys' 6
}

@test "a session token of other keys" {
	s3_faulty
	rules '* * - status 403 InvalidTokenId'
	all_say 77 InvalidTokenId 'is AWS_SESSION_TOKEN of the same keys?' 3
}

@test "a bucket that is not there" {
	R=s3://none-$BUCKET/x all_say 78 NoSuchBucket \
		'check the URL and the endpoint' 3
}

@test "no permission" {
	s3_faulty
	rules '* * - status 403 AccessDenied'
	all_say 77 AccessDenied 'allowed?' 4
	# each names its own
	run lspp-ship -C src -s state -r "$R" src/a.db
	assert_output --partial 'is s3:PutObject allowed?'
	run lspp-restore -r "$R" -o out a.db
	assert_output --partial 'is s3:ListBucket allowed?'
	rules 'GET lz4 - status 403 AccessDenied'
	run lspp-restore -r "$R" -o out a.db
	assert_equal "$status" 77
	assert_output --partial 'is s3:GetObject allowed?'
}

@test "no permission, and a record of two days: it fails, and does not go round" {
	R=s3://$BUCKET/other
	s3_faulty
	lspp-ship -C src -s state -r "$R" src/a.db
	sqlite3 state/state.db 'UPDATE db SET
		captured_ns = captured_ns - 172800000000000'
	sqlite3 src/a.db 'INSERT INTO t VALUES(1)'
	rules '* * - status 403 AccessDenied'
	run --separate-stderr timeout -s KILL 60 lspp-ship -C src -s state \
		-r "$R" src/a.db
	assert_equal "$status" 77
	[[ $stderr == *'is s3:PutObject allowed?'* ]]
	# once the right is there again, it ships
	rules 'GET * - status 403 AccessDenied'
	run --separate-stderr -0 lspp-ship -C src -s state -r "$R" src/a.db
	# The run that was refused had begun to end the old one.
	[[ $stderr == *'a new generation begins: '*'a run began to end it'* ]]
	# likewise where only what is there may be read: no s3:ListBucket
	sqlite3 state/state.db 'UPDATE db SET
		captured_ns = captured_ns - 172800000000000'
	sqlite3 src/a.db 'INSERT INTO t VALUES(1)'
	rules 'GET alone - status 403 AccessDenied'
	run --separate-stderr -0 lspp-ship -C src -s state -r "$R" src/a.db
	[[ $stderr == *'without s3:GetObject and s3:ListBucket'* ]]
	rules
	lspp-restore -r "$R" -o out a.db
	cmp out/a.db src/a.db
}

@test "a lost state, and no s3:GetObject: --new-generation counts on" {
	s3_faulty
	rules 'GET lz4 - status 403 AccessDenied'
	run --separate-stderr timeout -s KILL 60 lspp-ship -C src -s state \
		-r "$R" src/a.db
	assert_equal "$status" 75
	run --separate-stderr timeout -s KILL 60 lspp-ship -C src -s state \
		-r "$R" --new-generation src/a.db
	assert_equal "$status" 0
	[[ $stderr == *'looking whether another machine ships it'* ]]
	s3_objects | grep a.db/generations/owner-00000001.lz4
}

@test "a wrong region" {
	[ "$S3_KIND" = versitygw ] || skip "the other is the same to us"
	local wrong="$R?region=eu-west-9"
	R=$wrong all_say 78 AuthorizationHeaderMalformed \
		'the bucket is in us-east-1: --region us-east-1' 3
	# where it is only a default, the server's is followed
	AWS_REGION=eu-west-9 run -0 lspp-scan "$R"
	assert_equal "${#lines[@]}" 3
}

@test "a host that is not there" {
	AWS_ENDPOINT_URL=http://no-such-host.invalid all_say 69 \
		'no-such-host.invalid' 'no such host' 9
}

@test "a port where nobody listens" {
	AWS_ENDPOINT_URL=http://127.0.0.1:$(free_port) all_say 69 \
		'connect' 'is the server running there?' 9
}

@test "TLS to a port without it" {
	s3_needs plain-port
	AWS_ENDPOINT_URL=https://127.0.0.1:$S3_PORT all_say 69 TLS: \
		'plain HTTP? then the endpoint begins with http://' 3
}

@test "no TLS to a port with it" {
	AWS_ENDPOINT_URL=http://127.0.0.1:$TLS_PORT all_say 69 '' \
		'is it a port for TLS? then the endpoint begins with https://' 18
}

@test "a certificate that is not trusted" {
	AWS_ENDPOINT_URL=https://127.0.0.1:$TLS_PORT all_say 69 TLS: \
		'the certificate is not trusted: name its CA with AWS_CA_BUNDLE or --cacert' \
		3
}

@test "a certificate of another host" {
	AWS_CA_BUNDLE=$S3_DIR/cert.pem \
		AWS_ENDPOINT_URL=https://s3.localhost:$TLS_PORT all_say 69 TLS: \
		'the certificate is of another host' 3
}

@test "a file of certificates that is not there" {
	AWS_CA_BUNDLE=$T/none.pem AWS_ENDPOINT_URL=https://127.0.0.1:$TLS_PORT \
		all_say 78 none.pem AWS_CA_BUNDLE 3
}

@test "a proxy that is not there" {
	http_proxy=http://no-such-proxy.invalid:1 NO_PROXY='' \
		AWS_ENDPOINT_URL=http://s3.example.invalid all_say 69 \
		no-such-proxy.invalid 'is HTTPS_PROXY or HTTP_PROXY right?' 9
}

@test "no credentials" {
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
	all_say 78 'no credentials for S3 were found' 'set AWS_ACCESS_KEY_ID' 0
}

@test "somebody who is not S3" {
	s3_faulty 0
	echo '<html><body>Sign in to the network</body></html>' >page
	rules "PUT * - raw $T/raw" "* * - answer $T/page"
	printf 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi' >raw
	all_say 69 '' 'is it S3 that answers there?' 12
}
