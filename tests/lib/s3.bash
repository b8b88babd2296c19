# For tests against S3: load lib/s3 after lib/lspp.
#
# A real server runs for a whole file, of the kind S3_KIND: versitygw (which
# checks signatures, dates, regions and digests; the default) or minio.
#
#	setup_file() { s3_start; }
#	teardown_file() { s3_stop; }
#
# and each test has a bucket of its own:
#
#	setup() { s3_bucket; }		sets BUCKET
#
# The environment then is what a user's would be: keys and endpoint.

: "${VERSITYGW:=$LSPP_ROOT/.tools/versitygw}"
: "${TOXIPROXY:=$LSPP_ROOT/.tools/toxiproxy}"
: "${MINIO:=$LSPP_ROOT/.tools/minio}"
: "${S3_KIND:=versitygw}"
export VERSITYGW TOXIPROXY MINIO S3_KIND

# Nothing of the caller's may help.
s3_clean_environment() {
	local v
	for v in $(compgen -e AWS_) $(compgen -e LITESTREAM_) \
		$(compgen -e SSL_CERT_); do
		case $v in
		LITESTREAM_0?) ;;
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
	case $S3_KIND in
	versitygw)
		"$VERSITYGW" --port "127.0.0.1:$S3_PORT" \
			--access "$S3_KEY" --secret "$S3_SECRET" \
			--region us-east-1 --iam-dir "$S3_DIR/iam" \
			--virtual-domain "s3.localhost:$S3_PORT" "$@" \
			posix "$S3_DIR/data" >>"$S3_DIR/log" 2>&1 3>&- &
		;;
	minio)
		MINIO_ROOT_USER=$S3_KEY MINIO_ROOT_PASSWORD=$S3_SECRET \
			MINIO_DOMAIN=s3.localhost MINIO_REGION=us-east-1 \
			"$MINIO" server --quiet \
			--address "127.0.0.1:$S3_PORT" \
			--console-address "127.0.0.1:$S3_CONSOLE" \
			"$S3_DIR/data" >>"$S3_DIR/log" 2>&1 3>&- &
		;;
	*)
		echo "S3_KIND: $S3_KIND is not known" >&2
		return 1
		;;
	esac
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
	need s3tool || return
	case $S3_KIND in
	minio) need "$MINIO" || return ;;
	*) need "$VERSITYGW" || return ;;
	esac
	S3_DIR=$(cd "$BATS_FILE_TMPDIR" && pwd -P)/s3
	S3_KEY=AKIATESTKEY00000001
	S3_SECRET=testsecretkey0123456789abcdefABCDEF01
	S3_PORT=$(free_port)
	S3_CONSOLE=$(free_port)
	export S3_DIR S3_KEY S3_SECRET S3_PORT S3_CONSOLE
	mkdir -p "$S3_DIR/data" "$S3_DIR/iam"
	s3_serve --keep-alive
}

# end_process FILE -- the process whose id is in it.
end_process() {
	local pid
	[ -e "$1" ] || return 0
	pid=$(cat "$1")
	rm "$1"
	kill "$pid" 2>/dev/null || return 0
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.02
	done
}

s3_stop() {
	end_process "$S3_DIR/pid"
}

s3_bucket() {
	s3_clean_environment "$T"
	s3_credentials
	BUCKET=bucket-$BATS_TEST_NUMBER-$RANDOM
	s3tool "s3://$BUCKET" mb
}

# s3_objects -- all in the bucket, whatever the test has in between.
s3_objects() {
	(s3_credentials; s3tool "s3://$BUCKET" ls | cut -d ' ' -f 2-)
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
