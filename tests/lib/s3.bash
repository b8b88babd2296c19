# SPDX-License-Identifier: Apache-2.0
# For tests against S3: load lib/s3 after lib/lspp.
#
# A real server runs for a whole file, of the kind S3_KIND, one of those in
# lib/s3_servers: versitygw (which checks signatures, dates, regions and digests)
# unless told.
#
#	setup_file() { s3_start; }
#	teardown_file() { s3_stop; }
#
# and each test has a bucket of its own:
#
#	setup() { s3_bucket; }		sets BUCKET
#
# The environment then is what a user's would be: keys and endpoint.

load lib/s3_servers

: "${TOXIPROXY:=$LSPP_ROOT/.tools/toxiproxy}"
export TOXIPROXY

# Nothing of the caller's may help.
s3_clean_environment() {
	local v
	for v in $(compgen -e AWS_) $(compgen -e LITESTREAM_) \
		$(compgen -e SSL_CERT_); do
		case $v in
		LITESTREAM_0*) ;;
		*) unset "$v" ;;
		esac
	done
	unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY no_proxy
	export AWS_EC2_METADATA_DISABLED=true
	export HOME=$1
}

# free_port -- one that nobody listens on, most likely.
free_port() {
	local port
	while :; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		(exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null || break
	done
	echo "$port"
}

answers() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# s3_serve [OPTION...] -- (again) on $S3_PORT with what lies in $S3_DIR.
s3_serve() {
	(s3_run "$@") >>"$S3_DIR/log" 2>&1 3>&- &
	echo $! >"$S3_DIR/pid"
	disown # so that bash says nothing of its end
	wait_for s3_ready
}

# Just after the start a server may answer 503, or nobody.
s3_ready() {
	(
		s3_clean_environment "$S3_DIR"
		s3_credentials
		s3tool --retries 0 "s3://no-such-bucket-yet" ls 2>&1 |
			grep -q NoSuchBucket
	)
}

s3_credentials() {
	export AWS_ACCESS_KEY_ID=$S3_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET
	export AWS_ENDPOINT_URL=http://127.0.0.1:$S3_PORT
}

s3_start() {
	need s3tool && s3_installed || return
	S3_DIR=$(cd "$BATS_FILE_TMPDIR" && pwd -P)/s3
	S3_PORT=$(free_port)
	s3_keys
	export S3_DIR S3_KEY S3_SECRET S3_PORT
	s3_prepare && s3_serve --keep-alive || {
		tail -n 30 "$S3_DIR/log"
		return 1
	}
}

# end_process FILE [SIGNAL] -- the process whose id is in it.
end_process() {
	local pid
	[ -e "$1" ] || return 0
	pid=$(cat "$1")
	rm "$1"
	kill "-${2:-TERM}" "$pid" 2>/dev/null || return 0
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.02
	done
}

# s3_down -- for now; s3_serve starts it again, and nothing is lost.
s3_down() {
	end_process "$S3_DIR/pid"
}

s3_stop() {
	local file
	for file in "$S3_DIR"/pid "$S3_DIR"/*.pid; do
		end_process "$file" KILL
	done
}

s3_bucket() {
	s3_clean_environment "$T"
	s3_credentials
	BUCKET=bucket-$BATS_TEST_NUMBER-$RANDOM-$RANDOM
	s3tool "s3://$BUCKET" mb
}

# s3_objects -- all in the bucket, whatever the test has in between.
s3_objects() {
	(s3_credentials; s3tool "s3://$BUCKET" ls | cut -d ' ' -f 2-)
}

# s3_litestream KEY -- the lines of a litestream's configuration that name the
# replica KEY below fleet/ of the bucket.
s3_litestream() {
	cat <<-END
	      - type: s3
	        bucket: $BUCKET
	        path: fleet/$1
	        region: us-east-1
	        endpoint: http://127.0.0.1:$S3_PORT
	        force-path-style: true
	        access-key-id: $S3_KEY
	        secret-access-key: $S3_SECRET
	END
}

# s3_faulty -- the program faulty between us and the server: rules in
# $T/rules, requests in $T/requests.  Without a server: s3_faulty 0.
s3_faulty() {
	rm -f "$T/faulty.port"
	: >"$T/rules"
	: >"$T/requests"
	faulty "$T/rules" "$T/requests" "${1:-$S3_PORT}" \
		>"$T/faulty.port" 2>"$T/faulty.log" 3>&- &
	echo $! >"$T/faulty.pid"
	wait_for test -s "$T/faulty.port"
	FAULTY=http://127.0.0.1:$(cat "$T/faulty.port")
	export AWS_ENDPOINT_URL=$FAULTY
}

s3_faulty_stop() {
	end_process "$T/faulty.pid"
}

# rules LINE... -- from now on these.
rules() {
	printf '%s\n' "$@" >"$T/rules.new"
	mv "$T/rules.new" "$T/rules"
}

# requests [METHOD] -- how many there were.
requests() {
	grep -c "^${1:-}" "$T/requests" || true
}

# s3_putter NAME ROOT -- a user who may put objects into BUCKET and do nothing
# else, with the secret NAMEsecret: AWS_ACCESS_KEY_ID is NAME and the test's
# number.  ROOT is a URL in it.
s3_putter() {
	[ "$S3_KIND" = versitygw ] ||
		skip "users are made with versitygw's own command"
	"$VERSITYGW" admin --access "$S3_KEY" --secret "$S3_SECRET" \
		--endpoint-url "http://127.0.0.1:$S3_PORT" create-user \
		--access "$1$BATS_TEST_NUMBER" --secret "$1secret" \
		--role user >admin.log 2>&1
	cat >policy <<-END
	{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
	 "Principal": {"AWS": ["$1$BATS_TEST_NUMBER"]},
	 "Action": ["s3:PutObject", "s3:AbortMultipartUpload"],
	 "Resource": ["arn:aws:s3:::$BUCKET/*"]}]}
	END
	s3tool "$2" policy policy
}

# s3_race URL -- eight put "race" below it at once, each with bytes of its own, in
# r1 to r8: one wins, and the others end with 75.  Uses the test's tool().
s3_race() {
	local i args=()
	for i in {1..8}; do
		head -c 5000 /dev/urandom >"r$i"
		args+=(race "r$i")
	done
	tool -j8 "$1" put "${args[@]}"
	assert_equal "$status" 75
	assert_equal "$(grep -c '^race$' <<<"$output")" 1
}

# s3_here PROGRAM... -- in the test's directory, with a bucket and the root R in it.
s3_here() {
	need lspp-ship lspp-restore lspp-scan s3tool faulty sqlite3 "$@"
	s3_bucket
	# shellcheck disable=SC2034  # the tests use it
	R=s3://$BUCKET/fleet
	cd "$T" || return
}
