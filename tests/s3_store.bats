#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The S3 driver by itself, against a real server and one that misbehaves.
#
# Long: begins early.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3_up

setup() {
	set +T
	need s3tool faulty cmp
	s3_bucket
	U=s3://$BUCKET/fleet
	cd "$T" || return
	head -c 100000 /dev/urandom >f1
	head -c 100000 /dev/urandom >f2
}

teardown() {
	s3_faulty_stop
}

tool() {
	run --separate-stderr s3tool --stats "$@"
}

# raw_error FILE STATUS CODE HEADER [MORE-XML] -- an error of S3's for "raw".
raw_error() {
	local xml="<Error><Code>$3</Code>${5:-}</Error>"
	{
		printf 'HTTP/1.1 %s X\r\nContent-Length: %s\r\n' "$2" "${#xml}"
		printf '%s\r\n\r\n%s' "$4" "$xml"
	} >"$1"
}

# -- objects -------------------------------------------------------------------

@test "what was put comes back, and only what was asked for of it" {
	tool "$U" put a/b f1
	assert_success
	assert_output a/b
	s3tool "$U" get a/b | cmp - f1
	s3tool "$U" get a/b 10 20 | cmp - <(tail -c +11 f1 | head -c 20)
	s3tool "$U" get a/b 99990 100 | cmp - <(tail -c 10 f1)
	s3tool "$U" get a/b - 33 | cmp - <(tail -c 33 f1)
	s3tool "$U" get a/b - 200000 | cmp - f1
	tool "$U" get a/b 100000 5
	assert_success
	assert_output ''
}

@test "an empty object, and the tail of it" {
	: >empty
	tool "$U" put e empty
	assert_success
	tool "$U" get e
	assert_success
	assert_output ''
	tool "$U" get e - 10
	assert_success
	assert_output ''
}

@test "one PUT is one request, and the same bytes again are no conflict" {
	s3_needs conditions
	tool "$U" put a f1
	assert_success
	assert_equal "$stderr" 'put=1 get=0 head=0 list=0 delete=0 retries=0 slow=0'
	tool "$U" put a f1
	assert_success
	assert_equal "$stderr" 'put=1 get=0 head=1 list=0 delete=0 retries=0 slow=0'
}

@test "other bytes under a key that is taken are a conflict, and change nothing" {
	s3_needs conditions
	s3tool "$U" put a f1
	tool "$U" put a f2
	assert_equal "$status" 75
	[[ $stderr == 'a: a is in the replica already, with other bytes'* ]]
	s3tool "$U" get a | cmp - f1
}

@test "of eight that put one key at once, one wins" {
	s3_needs conditions
	s3_race "$U"
	assert_equal "$(grep -c 'with other bytes' <<<"$stderr")" 7
}

@test "a large object goes up in parts and comes back whole" {
	head -c 23000000 /dev/urandom >big
	tool --part-size 5M "$U" put big big
	assert_success
	# looked, begun, five parts, looked, completed
	assert_equal "$stderr" 'put=7 get=0 head=2 list=0 delete=0 retries=0 slow=0'
	s3tool "$U" get big | cmp - big
	tool --part-size 5M "$U" put big big
	assert_success
	assert_equal "${stderr#*get=}" '1 head=1 list=0 delete=0 retries=0 slow=0'
	cp big other
	printf x | dd of=other bs=1 seek=7000000 conv=notrunc status=none
	tool --part-size 5M "$U" put big other
	assert_equal "$status" 75
}

@test "an upload in parts that fails leaves none behind" {
	head -c 11000000 /dev/urandom >big
	s3_faulty
	rules 'PUT partNumber=2 - status 400 InvalidArgument'
	tool --part-size 5M "$U" put big big
	[ "$status" -ne 0 ]
	run -0 grep -c '^DELETE .*uploadId' requests
	assert_output 1
	tool "$U" ls
	assert_output ''
	assert_equal "$(s3_objects)" ''
}

@test "a signal ends an upload in parts, and it is aborted" {
	head -c 30000000 /dev/urandom >big
	s3_faulty
	(wait_for test -e go
	exec s3tool --part-size 5M "$U" put big big >out 2>err 3>&-) &
	pid=$!
	rules "PUT partNumber=1 1 kill $pid"
	: >go
	wait "$pid" || status=$?
	assert_equal "$status" 75
	grep -q 'interrupted by a signal' err
	run -0 grep -c '^DELETE .*uploadId' requests
	assert_output 1
}

@test "listing: pages, a delimiter, and from behind a key" {
	local i args=()
	: >empty
	for i in {1000..2204}; do
		args+=("d/$i" empty)
	done
	s3tool -j8 "$U" put "${args[@]}" z empty >/dev/null
	tool "$U" ls d/
	assert_success
	assert_equal "${#lines[@]}" 1205
	assert_equal "${stderr#*list=}" '2 delete=0 retries=0 slow=0'
	sort -c <<<"$output"
	tool "$U" ls-d
	assert_output $'0 d/\n0 z'
	tool "$U" ls-after d/2203
	assert_output $'0 d/2204\n0 z'
	tool "$U" ls none/
	assert_success
	assert_output ''
}

@test "keys and prefixes of any shape" {
	local prefix key
	: >empty
	for prefix in '' /one '/a b+c%d=e' /é/ö/ //x//; do
		for key in 'a b' a+b 'a%41' a=b 'é/ü' "q'\"<&>" '#?!*()' \
			-n; do
			tool -- "s3://$BUCKET$prefix" put "$key" f1
			[ "$status" -eq 0 ] || echo "$prefix $key: $stderr" >&2
			assert_success
			s3tool "s3://$BUCKET$prefix" get "$key" | cmp - f1
			tool "s3://$BUCKET$prefix" ls "$key"
			assert_output "100000 $key"
		done
	done
}

@test "a key of 1024 bytes is the longest" {
	local key
	key=$(printf 'd%.0s' {1..200})
	key=$key/$key/$key/$key/$key
	key=$key/$(printf 'e%.0s' {1..13}) # 1004 + 1 + 13, and "fleet/"
	: >empty
	tool "$U" put "$key" empty
	assert_success
	tool "$U" put "${key}x" empty
	assert_equal "$status" 2
	[[ $stderr == *'its key has 1025 bytes, S3 allows 1024'* ]]
}

@test "what cannot be a key is refused" {
	for key in /a a//b a/./b a/../b a/ .. $'\xff'; do
		tool "$U" put "$key" f1
		assert_equal "$status" 2
	done
}

@test "deleting one, and a thousand at a time" {
	local i args=() keys=()
	: >empty
	for i in {1..1100}; do
		args+=("d/$i" empty)
		keys+=("d/$i")
	done
	s3tool -j8 "$U" put "${args[@]}" keep empty >/dev/null
	tool "$U" rm d/1 d/1
	assert_success
	s3_faulty
	tool "$U" rm-many "${keys[@]}"
	assert_success
	assert_equal "$(grep -c '^0 ' <<<"$output")" 1100
	assert_equal "$(requests 'POST .*delete')" 2
	grep -qi '^content-md5:' requests.head
	tool "$U" ls
	assert_output '0 keep'
}

@test "deleting: a 200 that is no answer, and an error that names no key of ours" {
	s3_faulty
	echo '<html><body>Welcome!</body></html>' >html
	rules "POST delete - answer $T/html"
	tool "$U" rm-many a b
	assert_equal "$status" 69
	assert_output $'-1 a\n-1 b'
	[[ $stderr == *'does not say what was deleted'* ]]
	echo '<DeleteResult><Error><Key>fleet%2Fb</Key>
		<Code>AccessDenied</Code></Error></DeleteResult>' >answer
	rules "POST delete - answer $T/answer"
	tool "$U" rm-many a b
	assert_equal "$status" 77
	assert_output $'-1 a\n-1 b'
	# An error instead of an answer, behind a 200: tried again.
	echo '<Error><Code>InternalError</Code></Error>' >answer
	rules "POST delete 2 answer $T/answer"
	tool "$U" rm-many a b
	assert_success
	assert_output $'0 a\n0 b'
}

@test "deleting: a 404 that is not about the object is none of its" {
	s3_faulty
	rules 'DELETE fleet/a - status 404 NoSuchKey' \
		'DELETE fleet/b - status 404 XAdminUserNotFound'
	tool "$U" rm a
	assert_success
	tool "$U" rm b
	assert_equal "$status" 77
	rules 'DELETE * - status 404 NoSuchBucket'
	tool "$U" rm c
	assert_equal "$status" 78
	s3_needs signatures
	s3_credentials
	AWS_ACCESS_KEY_ID=AKIAUNKNOWN tool "$U" rm a
	assert_equal "$status" 77
	AWS_ACCESS_KEY_ID=AKIAUNKNOWN tool "$U" rm-many a b
	assert_equal "$status" 77
	assert_output $'-1 a\n-1 b'
}

@test "an error of one key inside a 200 is that key's" {
	s3_faulty
	{
		echo '<DeleteResult><Error><Key>fleet/b</Key>'
		echo '<Code>AccessDenied</Code><Message>no</Message></Error>'
		echo '</DeleteResult>'
	} >answer
	rules "POST delete - answer $T/answer"
	tool "$U" rm-many a b c
	assert_equal "$status" 77
	assert_output $'0 a\n-1 b\n0 c'
}

@test "virtual hosts" {
	tool --virtual-host --endpoint-url "http://s3.localhost:$S3_PORT" \
		"$U" put a f1
	assert_success
	s3tool "$U" get a | cmp - f1
}

# page FILE TOKEN XML... -- of a listing that goes on at TOKEN, if that is not "".
page() {
	local file=$1 token=$2
	shift 2
	{
		echo '<ListBucketResult>'
		[ -z "$token" ] || echo "<IsTruncated>true</IsTruncated>
			<NextContinuationToken>$token</NextContinuationToken>"
		echo "$*</ListBucketResult>"
	} >"$file"
}

object() {
	echo "<Contents><Key>fleet/$1</Key><Size>1</Size></Contents>"
}

@test "a listing that goes round in circles is an error" {
	s3_faulty
	page one A "$(object a)" "$(object b)"
	page two B "$(object c)"
	rules "GET token=A - answer $T/two" "GET list-type - answer $T/one"
	tool "$U" ls
	assert_equal "$status" 69
	[[ $stderr == *'a listing goes back, from fleet/c to fleet/a'* ]]
	assert_equal "$(requests GET)" 3
	# each time under another name, and nothing in it
	: >requests
	page one A
	page two B
	tool "$U" ls
	assert_equal "$status" 69
	[[ $stderr == *'a listing does not come to its end'* ]]
	assert_equal "$(requests GET)" 100
	# the same page for ever
	: >requests
	page one A "$(object a)"
	rules "GET list-type - answer $T/one"
	tool "$U" ls
	assert_equal "$status" 69
	assert_equal "$(requests GET)" 101
}

@test "a listing with empty pages, and a prefix on two of them" {
	s3_faulty
	page one A '<CommonPrefixes><Prefix>fleet/a/</Prefix></CommonPrefixes>'
	page two B
	page three '' \
		'<CommonPrefixes><Prefix>fleet/a/</Prefix></CommonPrefixes>' \
		"$(object b)"
	rules "GET token=A - answer $T/two" "GET token=B - answer $T/three" \
		"GET list-type - answer $T/one"
	tool "$U" ls-d
	assert_success
	assert_output $'0 a/\n1 b'
}

# -- conditions ----------------------------------------------------------------

@test "the probe finds out whether conditions hold" {
	s3_needs conditions
	tool "$U" probe
	assert_output 1
	tool "$U" probe
	assert_output 1
	# Several at once, each time.
	[[ $stderr == 'put=8 '*' delete=1 '* ]]
	# It is nobody's object.
	tool "$U" ls
	assert_output ''

	s3_faulty
	rules "PUT lspp-probe - answer $T/empty"
	: >empty
	tool "$U" probe
	assert_output 0
	[[ $stderr == *'the server ignores conditions on PUT'* ]]
}

@test "where conditions do not hold, it looks before it puts" {
	tool --look "$U" put a f1
	assert_success
	[[ $stderr == 'put=1 get=0 head=1 '* ]]
	tool --look "$U" put a f1
	assert_success
	[[ $stderr == 'put=0 get=0 head=1 '* ]]
	tool --look "$U" put a f2
	assert_equal "$status" 75
	s3tool "$U" get a | cmp - f1
}

@test "where conditions do not hold and looking is not allowed, nothing is put" {
	s3_faulty
	rules 'HEAD * - status 403 AccessDenied'
	head -c 6000000 /dev/urandom >big
	tool --look --part-size 5M "$U" put a f1 big big
	assert_equal "$status" 77
	assert_output ''
	assert_equal "$(requests)/$(requests HEAD)" 2/2
}

@test "an upload whose answer was lost is found to be there" {
	s3_needs conditions
	s3_faulty
	rules 'PUT fleet/a 1 drop'
	tool "$U" put a f1
	assert_success
	[[ $stderr == 'put=2 get=0 head=1 '*'retries=1 '* ]]
	s3tool "$U" get a | cmp - f1
}

@test "of an upload in parts, too" {
	head -c 11000000 /dev/urandom >big
	s3_faulty
	rules 'POST uploadId 1 drop'
	tool --part-size 5M "$U" put big big
	assert_success
	s3tool "$U" get big | cmp - big
}

@test "where looking is not allowed, a conflict cannot be told, and is one" {
	s3_needs conditions
	s3_faulty
	rules 'PUT fleet/a 1 drop' 'HEAD * - status 403'
	tool "$U" put a f1
	assert_equal "$status" 75
	[[ $stderr == *'whose it is cannot be told'* ]]
}

# -- failures ------------------------------------------------------------------

@test "connections that break are made again" {
	s3_faulty
	rules 'PUT fleet/a 2 refuse'
	tool "$U" put a f1
	assert_success
	[[ $stderr == 'put=3 '*'retries=2 '* ]]
}

@test "5xx, 429 and SlowDown are tried again; Retry-After and all" {
	local answer
	for answer in '500 InternalError' '502 BadGateway' '503 SlowDown' \
		'429 TooManyRequests' '400 RequestTimeout'; do
		s3_faulty
		rules "PUT fleet/a 2 status $answer"
		tool "$U" put "a${answer%% *}" f1
		assert_success
		[[ $stderr == *'put=3 '*'retries=2 '* ]]
		s3_faulty_stop
	done
}

@test "a server that is too busy for long is an unreachable one" {
	s3_faulty
	rules 'PUT fleet/a - status 503 SlowDown'
	tool --retries 2 --retry-max-wait 1s "$U" put a f1
	assert_equal "$status" 69
	[[ $stderr == *'HTTP 503 SlowDown'*'tried 3 times'* ]]
	assert_equal "$(requests PUT)" 3
}

@test "a server that is lost is waited for once, not for each object" {
	s3_faulty
	rules 'PUT fleet/a 1 pass' '* * - refuse'
	tool -j1 --timeout 2s --retry-max-wait 1s "$U" \
		put a f1 b f1 c f1 d f1 e f1
	assert_equal "$status" 69
	assert_output a
	# c, because a connection that breaks could be b's own trouble
	assert_equal "$(grep ' 000$' requests | cut -d ' ' -f 2 | sort -u |
		grep -o '.$')" $'b\nc'
	# One object's trouble is its own.
	rules 'PUT fleet/f - status 500' 'PUT fleet/h - status 500'
	tool -j1 --timeout 2s --retry-max-wait 1s "$U" \
		put f f1 g f1 h f1 i f1
	assert_equal "$status" 69
	assert_output $'g\ni'
}

@test "a server that nobody listens for any more is waited for once" {
	s3_faulty
	rules "PUT fleet/b 1 kill $(cat faulty.pid)"
	tool -j1 --timeout 2s --retry-max-wait 1s "$U" \
		put a f1 b f1 c f1 d f1
	assert_equal "$status" 69
	assert_equal "${lines[0]}" a
	# That all failed is told with the one object that was tried.
	assert_equal "$(grep -o 'PUT http[^ ]*' <<<"$stderr" | sort -u |
		wc -l)" 1
}

@test "AWS_MAX_ATTEMPTS counts the first try" {
	s3_faulty
	rules 'PUT fleet/a - status 500'
	AWS_MAX_ATTEMPTS=2 tool "$U" put a f1
	assert_equal "$status" 69
	assert_equal "$(requests PUT)" 2
}

@test "a get goes on from the byte where the connection broke" {
	s3tool "$U" put a f1
	s3_faulty
	rules 'GET fleet/a 1 cut 40000' 'GET fleet/a 1 cut 1'
	s3tool "$U" get a | cmp - f1
	assert_equal "$(requests GET)" 3
	grep -q '^Range: bytes=40000-' requests.head
	grep -q '^If-Match: ' requests.head
	rules 'GET fleet/a 1 cut 10' 'GET fleet/a 2 cut 5'
	s3tool "$U" get a 50 100 | cmp - <(tail -c +51 f1 | head -c 100)
	rules 'GET fleet/a 1 cut 11' 'GET fleet/a 2 cut 6'
	s3tool "$U" get a - 100 | cmp - <(tail -c 100 f1)
	# large ones go through another thread
	head -c 9000000 /dev/urandom >big
	s3tool "$U" put big big
	rules 'GET fleet/big 1 cut 1' 'GET fleet/big 2 cut 5000000'
	s3tool "$U" get big | cmp - big
	grep -q '^Range: bytes=1-' requests.head
}

@test "bytes changed on the way up are refused by the server, and sent again" {
	s3_faulty
	rules 'PUT fleet/a 1 flip-body 777'
	tool "$U" put a f1
	assert_success
	[[ $stderr == *'retries=1 '* ]]
	s3tool "$U" get a | cmp - f1
}

@test "an answer about other bytes than ours is looked into" {
	s3_faulty
	# The server says that it stored the bytes of f2, and did.
	{
		printf 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n'
		printf 'ETag: "%s"\r\n\r\n' "$(md5sum <f2 | cut -c1-32)"
	} >answer
	s3tool "$U" put a f2 c f1
	rules "PUT fleet/a 1 raw $T/answer" "PUT fleet/c 1 raw $T/answer"
	tool "$U" put a f1
	assert_equal "$status" 69
	[[ $stderr == *'has stored other bytes than were sent'* ]]
	# It says so, and did not.
	tool "$U" put c f1
	assert_success
}

@test "a success that does not say what was stored is looked into" {
	s3_faulty
	printf 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok' >answer
	rules "PUT fleet/a - raw $T/answer"
	tool "$U" put a f1
	assert_equal "$status" 69
	[[ $stderr == *'a: the answer was a success, and nothing is stored'* ]]
	rules
	tool "$U" put a f1
	assert_success
	rules "PUT fleet/a - raw $T/answer"
	tool "$U" put a f1
	assert_success
	[[ $stderr == 'put=1 get=0 head=1 '* ]]
	tool "$U" put a f2
	assert_equal "$status" 69
	rules "PUT fleet/a - raw $T/answer" 'HEAD * - status 403 AccessDenied'
	tool "$U" put a f1
	assert_equal "$status" 77
	[[ $stderr == *'the answer does not say that it is stored'* ]]
}

@test "an upload in parts that fails behind a 200 is completed again" {
	head -c 11000000 /dev/urandom >big
	echo '<Error><Code>InternalError</Code><Message>x</Message></Error>' \
		>answer
	s3_faulty
	rules "POST uploadId 1 answer $T/answer"
	tool --part-size 5M "$U" put big big
	assert_success
	assert_equal "$(requests 'POST .*uploadId')" 2
	s3tool "$U" get big | cmp - big
	: >requests
	rules "POST uploadId - answer $T/answer"
	tool --part-size 5M --retries 1 --retry-max-wait 1s "$U" put huge big
	assert_equal "$status" 69
	[[ $stderr == *InternalError* ]]
	assert_equal "$(requests 'DELETE .*uploadId')" 1
	tool "$U" ls huge
	assert_output ''
	# Nor is a 200 that says nothing believed.
	: >empty
	rules "POST uploadId - answer $T/empty"
	tool --part-size 5M --retries 1 "$U" put huge big
	assert_equal "$status" 69
	[[ $stderr == *'does not say that it is stored'* ]]
}

@test "a get that is begun anew each time, and gets nowhere, ends" {
	s3_faulty
	# Ranges are not known there, and after ten bytes it is over.
	printf 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n0123456789' \
		>answer
	rules "GET fleet/a - raw $T/answer"
	tool --retries 4 --retry-max-wait 1s "$U" get a
	assert_equal "$status" 69
	assert_output 0123456789
	assert_equal "$(requests GET)" 5
}

@test "a large object is read to find out whether it is the same" {
	head -c 11000000 /dev/urandom >big
	s3tool --part-size 5M "$U" put big big
	tool --part-size 6M "$U" put big big
	assert_success
	[[ $stderr == 'put=0 get=1 head=1 '* ]]
}

@test "checksums of the server's are checked where it has them" {
	s3_needs checksums
	export AWS_REQUEST_CHECKSUM_CALCULATION=when_supported
	tool "$U" put a f1
	assert_success
	s3_faulty
	s3tool "$U" get a | cmp - f1
	grep -qi '^x-amz-checksum-mode: ENABLED' requests.head
	rules 'GET fleet/a 1 flip 50000'
	run --separate-stderr s3tool "$U" get a
	assert_equal "$status" 65
	[[ $stderr == *CRC32* ]]
	: >requests.head
	AWS_RESPONSE_CHECKSUM_VALIDATION=when_required s3tool "$U" get a |
		cmp - f1
	refute grep -qi checksum requests.head
}

@test "an upload in parts with checksums says them once more at its end" {
	s3_needs checksums
	export AWS_REQUEST_CHECKSUM_CALCULATION=when_supported
	head -c 11000000 /dev/urandom >big
	tool --part-size 5M "$U" put big big
	assert_success
	s3tool "$U" get big | cmp - big
}

@test "payloads are signed, and carry their MD5" {
	s3_faulty
	s3tool "$U" put a f1
	grep -qi "^x-amz-content-sha256: $(sha256sum <f1 | cut -c1-64)" \
		requests.head
	grep -qi '^content-md5: ' requests.head
	grep -qi '^content-length: 100000' requests.head
	refute grep -qiE '^(transfer-encoding|expect|x-amz-trailer)|UNSIGNED' \
		requests.head
}

@test "a request over the budget is not sent" {
	tool --max-requests 2 "$U" put a f1 b f1 c f1
	assert_equal "$status" 75
	assert_output $'a\nb'
	[[ $stderr == *'c: the budget of 2 requests (--max-requests) is used up'* ]]
}

@test "a rate holds for all threads together" {
	: >empty
	local began=$EPOCHREALTIME
	tool -j4 --rate 20/s "$U" put a empty b empty c empty d empty e empty \
		f empty g empty h empty i empty j empty k empty
	assert_success
	# eleven at 20 a second: half a second lies between first and last
	[ $((${EPOCHREALTIME/./} - ${began/./})) -ge 500000 ]
}

# -- who and where -------------------------------------------------------------

@test "wrong secret, wrong key, no bucket: said at once, each in its way" {
	tool s3://no-such-bucket-here/x put a f1
	assert_equal "$status" 78
	[[ $stderr == *NoSuchBucket* ]]
	s3_needs signatures codes
	AWS_SECRET_ACCESS_KEY=wrong tool "$U" put a f1 b f1
	assert_equal "$status" 77
	[[ $stderr == *SignatureDoesNotMatch*'is the secret access key right?'* ]]
	# and not tried for the second object
	[[ $stderr == *'put=1 '* ]]
	AWS_ACCESS_KEY_ID=AKIAUNKNOWN tool "$U" put a f1
	assert_equal "$status" 77
	[[ $stderr == *'does not know this access key'* ]]
}

@test "wrong region: said, when it was asked for" {
	s3_needs regions
	tool --region eu-west-9 "$U" put a f1
	assert_equal "$status" 78
	[[ $stderr == *region* ]]
}

@test "another region is followed when the server names it" {
	s3_faulty
	raw_error answer 400 AuthorizationHeaderMalformed 'X-Y: z' \
		'<Region>us-east-1</Region>'
	rules "PUT fleet/a 1 raw $T/answer"
	AWS_REGION=eu-west-9 tool "$U" put a f1
	assert_success
	grep -q 'Credential=[^ ]*/eu-west-9/s3/' requests.head
	# but not when another one was asked for
	rules "PUT fleet/b 1 raw $T/answer"
	tool --region eu-west-9 "$U" put b f1
	assert_equal "$status" 78
	[[ $stderr == *'the bucket is in us-east-1: --region us-east-1'* ]]
}

@test "nobody there, no such host, TLS to a plain port: said within seconds" {
	tool --endpoint-url "http://127.0.0.1:$(free_port)" "$U" put a f1 b f1
	assert_equal "$status" 69
	[[ $stderr == *'is the server running there?'* ]]
	tool --endpoint-url http://no-such-host.invalid "$U" put a f1
	assert_equal "$status" 69
	[[ $stderr == *'no such host'* ]]
	s3_needs plain-port
	tool --endpoint-url "https://127.0.0.1:$S3_PORT" "$U" put a f1
	assert_equal "$status" 69
	[[ $stderr == *'plain HTTP?'* ]]
}

@test "a clock that is wrong is put right by the server's" {
	s3_faulty
	rules 'PUT fleet/a 1 status 403 RequestTimeTooSkewed'
	tool "$U" put a f1
	# without a Date to learn from it is an error
	assert_equal "$status" 77
	[[ $stderr == *"clock is wrong"* ]]

	raw_error answer 403 RequestTimeTooSkewed \
		"Date: $(LC_ALL=C date -u -d '+300 seconds' \
			'+%a, %d %b %Y %H:%M:%S GMT')"
	rules "PUT fleet/a 1 raw $T/answer" "PUT fleet/b 1 raw $T/answer"
	: >requests.head
	tool "$U" put a f1 b f1
	assert_success
	# learned, and said once
	assert_equal "$(grep -c 'behind the server' <<<"$stderr")" 1
	[ "$(grep -i '^x-amz-date' requests.head | sort -u | wc -l)" -ge 2 ]
}

@test "a session that has expired is renewed once, then it is an error" {
	s3_faulty
	rules 'PUT fleet/a 1 status 400 ExpiredToken'
	tool "$U" put a f1
	assert_success
	rules 'PUT fleet/b - status 400 ExpiredToken'
	tool "$U" put b f1
	assert_equal "$status" 77
	[[ $stderr == *'get new keys'* ]]
	assert_equal "$(requests 'PUT .*fleet/b')" 2
}

@test "Retry-After is waited for" {
	s3_faulty
	raw_error answer 503 SlowDown 'Retry-After: 1'
	rules "PUT fleet/a 1 raw $T/answer"
	local began=$EPOCHREALTIME
	tool "$U" put a f1
	assert_success
	[ $((${EPOCHREALTIME/./} - ${began/./})) -ge 1000000 ]
	[[ $stderr == *'slow=1' ]]
	# Longer than there is time: it is asked once more at the end of that,
	# and for those that follow not at all.
	raw_error answer 503 SlowDown 'Retry-After: 100'
	rules "PUT fleet/b 1 raw $T/answer"
	tool --timeout 2s "$U" put b f1
	assert_success
	[[ $stderr == *'retries=1 slow=1' ]]
	rules "PUT fleet/ - raw $T/answer"
	: >requests
	tool --timeout 2s -j1 "$U" put c f1 d f1 e f1 f f1
	assert_equal "$status" 69
	assert_equal "$(requests)" 4
}

@test "the same bucket under other spellings of the URL" {
	unset AWS_ENDPOINT_URL
	local e=http://127.0.0.1:$S3_PORT
	local hosts=("s3://$BUCKET.localhost:$S3_PORT/fleet")
	s3_can localhost || hosts=()
	for u in "${hosts[@]}" "s3://$BUCKET/fleet?endpoint=$e" \
		"s3://$BUCKET/fleet/?endpoint=127.0.0.1:$S3_PORT&region=us-east-1" \
		"s3://$BUCKET//fleet//?path-style=true&endpoint=http%3A%2F%2F127.0.0.1%3A$S3_PORT"; do
		tool "$u" put a f1
		[ "$status" -eq 0 ] || echo "$u: $stderr" >&2
		assert_success
	done
	run -0 s3tool "s3://$BUCKET/fleet/?endpoint=$e/" url
	assert_output "s3://$BUCKET/fleet?endpoint=$e"
	for var in AWS_ENDPOINT_URL_S3 AWS_ENDPOINT_URL AWS_ENDPOINT; do
		export $var=$e
		tool "$U" ls
		assert_success
		unset $var
	done
	tool --endpoint-url "$e" "$U" ls
	assert_success
	run --separate-stderr -78 s3tool "s3://$BUCKET/fleet?endpont=$e" ls
	[[ $stderr == *'"endpont" in the query of the URL is not known'* ]]
}

@test "--debug=sign shows what is signed, and no secret" {
	tool --debug sign "$U" put a f1
	assert_success
	[[ $stderr == *'canonical request:'*'/fleet/a'*'string to sign:'*AWS4-HMAC-SHA256* ]]
	[[ $stderr != *"$S3_SECRET"* ]]
	AWS_SESSION_TOKEN=hushhush tool --debug sign "$U" put b f1
	[[ $stderr == *'x-amz-security-token:********'* ]]
	[[ $stderr != *hushhush* ]]
}

# -- the way there -------------------------------------------------------------

@test "TLS: a certificate that is not trusted, and four ways to trust it" {
	need openssl
	[ "$S3_KIND" = versitygw ] || skip "the other is the same to us"
	local port
	port=$(free_port)
	openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem \
		-out cert.pem -days 2 -subj /CN=localhost \
		-addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>/dev/null
	"$VERSITYGW" --port "127.0.0.1:$port" --access "$S3_KEY" \
		--secret "$S3_SECRET" --region us-east-1 \
		--cert "$T/cert.pem" --key "$T/key.pem" \
		posix "$S3_DIR/data" >tls.log 2>&1 3>&- &
	echo $! >tls.pid
	disown
	wait_for answers "$port"
	export AWS_ENDPOINT_URL=https://127.0.0.1:$port
	tool "$U" put a f1
	assert_equal "$status" 69
	[[ $stderr == *'not trusted'*AWS_CA_BUNDLE* ]]
	AWS_CA_BUNDLE=$T/cert.pem tool "$U" put a f1
	assert_success
	SSL_CERT_FILE=$T/cert.pem tool "$U" ls
	assert_success
	tool --cacert cert.pem "$U" ls
	assert_success
	tool --insecure "$U" ls
	assert_success
	[[ $stderr == *'any certificate is trusted'* ]]
	AWS_CA_BUNDLE=$T/cert.pem AWS_ENDPOINT_URL=https://localhost:$port \
		tool "$U" ls
	assert_success
	AWS_CA_BUNDLE=$T/none.pem tool "$U" ls
	assert_equal "$status" 78
	# A key of our own goes up, and back with it alone.
	head -c 32 /dev/urandom >sse-c
	s3_faulty_stop
	tool --cacert cert.pem --sse-c sse-c "$U" put c f1
	assert_success
	AWS_CA_BUNDLE=$T/cert.pem s3tool --sse-c sse-c "$U" get c | cmp - f1
	end_process tls.pid
}

@test "a key of one's own does not go over plain HTTP" {
	head -c 32 /dev/urandom >sse-c
	tool --sse-c sse-c "$U" put c f1
	assert_equal "$status" 78
	[[ $stderr == *'plain HTTP'* ]]
	head -c 31 /dev/urandom >short
	tool --sse-c short "$U" put c f1
	assert_equal "$status" 78
}

@test "proxies of the environment are used, and NO_PROXY is heeded" {
	local server=$AWS_ENDPOINT_URL
	s3_faulty
	: >empty
	rules "PUT * - answer $T/empty"
	export AWS_ENDPOINT_URL=http://s3.example.invalid
	for var in http_proxy HTTP_PROXY; do
		: >requests
		env "$var=$FAULTY" s3tool "$U" put a empty
		grep -q '^PUT http://s3.example.invalid/' requests
	done
	export AWS_ENDPOINT_URL=$server
	: >requests
	HTTP_PROXY=$FAULTY NO_PROXY=127.0.0.1 s3tool "$U" put a f1
	assert_equal "$(requests)" 0
}

@test "encryption, storage class and headers are sent, signed, with objects" {
	s3_faulty
	: >empty
	rules "PUT * - answer $T/empty"
	tool --sse aws:kms --sse-kms-key-id k1 --storage-class STANDARD_IA \
		--header 'x-amz-tagging: a=b' --header x-amz-acl:private \
		"$U" put a empty
	assert_success
	for line in 'x-amz-server-side-encryption: aws:kms' \
		'x-amz-server-side-encryption-aws-kms-key-id: k1' \
		'x-amz-storage-class: STANDARD_IA' 'x-amz-tagging: a=b' \
		'x-amz-acl: private'; do
		grep -q "^$line" requests.head
		grep -q "SignedHeaders=[^ ]*${line%%:*}" requests.head
	done
	for bad in '--sse no' '--sse-kms-key-id k' '--header a:b' '--rate 5' \
		'--part-size 1M' '--timeout 5' '--debug x' '--retries x'; do
		# shellcheck disable=SC2086  # an option and its argument
		tool $bad "$U" put a empty
		assert_equal "$status" 2
	done
}
