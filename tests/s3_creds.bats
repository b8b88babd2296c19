#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whose keys are used, and until when: every provider, against doubles.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3

U=s3://bucket/fleet

setup() {
	set +T
	need s3tool faulty
	s3_clean_environment "$T"
	export AWS_ENDPOINT_URL=http://127.0.0.1:9 # nobody
	mkdir "$T/.aws"
	cd "$T" || return
}

teardown() {
	s3_faulty_stop
}

whoami() {
	run --separate-stderr s3tool "$@" "$U" whoami
}

# json FILE KEY [TOKEN-NAME] [EXPIRATION]
json() {
	cat >"$1" <<-END
	{"Version": 1, "Code": "Success", "AccessKeyId": "AKIA$2",
	 "SecretAccessKey": "secret-$2", "${3:-Token}": "token-$2",
	 "Expiration": "${4:-2099-01-02T03:04:05Z}"}
	END
}

@test "the environment, with a session token" {
	AWS_ACCESS_KEY_ID=AKIAENV1 AWS_SECRET_ACCESS_KEY=s whoami
	assert_success
	assert_line 'credentials: environment (AWS_ACCESS_KEY_ID)'
	assert_line 'access key: ...ENV1'
	assert_line 'expires: never'
	s3_faulty 0
	: >empty
	rules "PUT * - answer $T/empty"
	AWS_ACCESS_KEY_ID=AKIAENV1 AWS_SECRET_ACCESS_KEY=s \
		AWS_SESSION_TOKEN=tok run s3tool "$U" put a empty
	assert_success
	grep -q '^x-amz-security-token: tok' requests.head
	grep -q 'SignedHeaders=[^ ]*x-amz-security-token' requests.head
}

@test "half a pair is an error, and says which half" {
	AWS_ACCESS_KEY_ID=AKIAENV1 whoami
	assert_equal "$status" 78
	assert_equal "$stderr" 'whoami: AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not'
	AWS_SECRET_ACCESS_KEY=x whoami
	assert_equal "$status" 78
	LITESTREAM_ACCESS_KEY_ID=x whoami
	assert_equal "$status" 78
}

@test "Litestream's variables do when AWS's are not set" {
	export LITESTREAM_ACCESS_KEY_ID=AKIALITE LITESTREAM_SECRET_ACCESS_KEY=s
	whoami
	assert_line 'credentials: environment (LITESTREAM_ACCESS_KEY_ID)'
	AWS_ACCESS_KEY_ID=AKIAENV1 AWS_SECRET_ACCESS_KEY=s whoami
	assert_line 'access key: ...ENV1'
}

@test "nobody: it says what to set, and that cron passes nothing on" {
	whoami
	assert_equal "$status" 78
	[[ $stderr == *'no credentials for S3 were found'*cron* ]]
}

@test "profiles: default, AWS_PROFILE, --profile, and files elsewhere" {
	cat >.aws/credentials <<-'END'
	[default]
	aws_access_key_id = AKIADEF1
	aws_secret_access_key = s#1;x	; a comment
	[other]
	aws_access_key_id=AKIAOTH2
	aws_secret_access_key=s2
	END
	cat >.aws/config <<-'END'
	[profile  other]
	region = eu-north-7
	[profile third]
	aws_access_key_id = AKIATHR3
	aws_secret_access_key = s3
	END
	whoami
	assert_line 'credentials: profile default'
	AWS_PROFILE=other whoami
	assert_line 'access key: ...OTH2'
	assert_line 'region: eu-north-7'
	AWS_PROFILE=other whoami --profile third
	assert_line 'access key: ...THR3'
	# --profile is asked for; keys in the environment beat AWS_PROFILE only
	export AWS_ACCESS_KEY_ID=AKIAENV1 AWS_SECRET_ACCESS_KEY=s
	AWS_PROFILE=other whoami
	assert_line 'access key: ...ENV1'
	AWS_PROFILE=other whoami --profile third
	assert_line 'access key: ...THR3'
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
	AWS_PROFILE=nobody whoami
	assert_equal "$status" 78
	[[ $stderr == *'there is no profile nobody'* ]]
	mv .aws/credentials "$T/elsewhere"
	# shellcheck disable=SC2088  # it is lspp that expands it
	AWS_SHARED_CREDENTIALS_FILE='~/elsewhere' whoami
	assert_line 'access key: ...DEF1'
}

@test "a profile's endpoint, also in a services section" {
	unset AWS_ENDPOINT_URL
	cat >.aws/config <<-'END'
	[default]
	aws_access_key_id = AKIADEF1
	aws_secret_access_key = s
	endpoint_url = http://all.example
	[profile serv]
	aws_access_key_id = AKIADEF1
	aws_secret_access_key = s
	endpoint_url = http://all.example
	services = mine
	[services mine]
	s3 =
	  endpoint_url = http://s3.example:81
	END
	whoami
	assert_line 'endpoint: http://all.example'
	whoami --profile serv
	assert_line 'endpoint: http://s3.example:81'
	AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true whoami --profile serv
	assert_line 'endpoint: https://s3.us-east-1.amazonaws.com'
	assert_line 'addressing: virtual host'
	AWS_USE_FIPS_ENDPOINT=true whoami --profile serv
	assert_equal "$status" 78
}

@test "providers whose hosts are known: endpoint, region, addressing" {
	local url endpoint region how
	unset AWS_ENDPOINT_URL
	export AWS_ACCESS_KEY_ID=AKIA1 AWS_SECRET_ACCESS_KEY=s
	while read -r url endpoint region how; do
		run -0 s3tool "s3://$url" whoami
		assert_line "endpoint: $endpoint"
		assert_line "region: $region"
		assert_line "addressing: $how"
	done <<-'END'
	b.s3.us-west-002.backblazeb2.com/p https://s3.us-west-002.backblazeb2.com us-west-002 path
	b.s3.filebase.com https://s3.filebase.com us-east-1 path
	b.fra1.digitaloceanspaces.com/p https://fra1.digitaloceanspaces.com fra1 path
	b.s3.nl-ams.scw.cloud https://s3.nl-ams.scw.cloud nl-ams path
	b.eu-central-1.linodeobjects.com https://eu-central-1.linodeobjects.com eu-central-1 path
	b.account.r2.cloudflarestorage.com https://account.r2.cloudflarestorage.com auto path
	b?endpoint=https://account.r2.cloudflarestorage.com https://account.r2.cloudflarestorage.com auto path
	b.localhost:9000/p http://localhost:9000 us-east-1 path
	b.minio.example:9000/p http://minio.example:9000 us-east-1 path
	b?endpoint=10.0.0.1:9000 http://10.0.0.1:9000 us-east-1 path
	b?endpoint=minio.example:9000 https://minio.example:9000 us-east-1 path
	b?endpoint=https://minio.example&path-style=false https://minio.example us-east-1 virtual host
	b https://s3.us-east-1.amazonaws.com us-east-1 virtual host
	b?region=cn-north-1 https://s3.cn-north-1.amazonaws.com.cn cn-north-1 virtual host
	b.s3.eu-west-1.amazonaws.com https://s3.eu-west-1.amazonaws.com eu-west-1 virtual host
	b.with.dots https://s3.us-east-1.amazonaws.com us-east-1 path
	END
	AWS_S3_US_EAST_1_REGIONAL_ENDPOINT=legacy run -0 s3tool s3://b whoami
	assert_line 'endpoint: https://s3.amazonaws.com'
	AWS_USE_DUALSTACK_ENDPOINT=true run -0 s3tool s3://b whoami
	assert_line 'endpoint: https://s3.dualstack.us-east-1.amazonaws.com'
}

@test "credential_process" {
	json keys PRC4 SessionToken
	cat >.aws/config <<-END
	[profile p]
	credential_process = cat '$T/keys'
	[profile bad]
	credential_process = echo oops; exit 3
	[profile nonsense]
	credential_process = echo hello
	END
	whoami --profile p
	assert_success
	assert_line 'credentials: profile p, credential_process'
	assert_line 'expires: 2099-01-02T03:04:05Z'
	whoami --profile bad
	assert_equal "$status" 78
	[[ $stderr == *'credential_process: it failed (status 3)'* ]]
	whoami --profile nonsense
	assert_equal "$status" 78
	[[ $stderr == *'not JSON'* ]]
}

@test "a credential_process that does not end is ended, with all it began" {
	cat >.aws/config <<-END
	[profile stuck]
	credential_process = sleep 987654 & echo \$! >'$T/child'; wait
	[profile silent]
	credential_process = exec >&-; sleep 987654
	[profile endless]
	credential_process = yes
	END
	for p in stuck silent; do
		whoami --timeout 1s --profile $p
		assert_equal "$status" 78
		[[ $stderr == *'credential_process: it did not end within 1 s (--timeout)'* ]]
	done
	child=$(cat child)
	wait_for gone "$child"
	whoami --profile endless
	assert_equal "$status" 78
	[[ $stderr == *'it prints too much'* ]]
}

@test "a credential_process that has answered and left a child is done" {
	json keys PRC5 SessionToken
	cat >.aws/config <<-END
	[profile left]
	credential_process = cat '$T/keys'; sleep 987654 & echo \$! >'$T/child'
	END
	SECONDS=0
	whoami --timeout 100s --profile left
	kill "$(cat child)"
	assert_success
	assert_line 'credentials: profile left, credential_process'
	assert [ "$SECONDS" -lt 90 ]
}

# gone PID -- it may yet be a zombie that nobody asks for.
gone() {
	! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status"
}

@test "SSO is not supported, and said so" {
	printf '[profile s]\nsso_session = x\n' >.aws/config
	whoami --profile s
	assert_equal "$status" 78
	[[ $stderr == *'SSO is not supported'*export-credentials* ]]
}

@test "a container: address, token file, and what is not local is refused" {
	s3_faulty 0
	json keys CON5
	rules "GET /creds - answer $T/keys"
	echo 'file-token' >token
	export AWS_CONTAINER_CREDENTIALS_FULL_URI=$FAULTY/creds
	AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$T/token whoami
	assert_success
	assert_line 'credentials: container'
	grep -q '^Authorization: file-token' requests.head
	AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.example.com/creds whoami
	assert_equal "$status" 78
	[[ $stderr == *'neither https nor on this machine'* ]]
	# what stands before the "@" is no host
	: >requests
	AWS_CONTAINER_CREDENTIALS_FULL_URI=http://localhost:80@${FAULTY#http://}/creds \
		AWS_CONTAINER_AUTHORIZATION_TOKEN=hush whoami
	assert_equal "$status" 78
	[[ $stderr == *'neither https nor on this machine'* ]]
	refute [ -s requests ]
}

@test "keys with a control character are refused, wherever they are from" {
	printf '{"AccessKeyId":"AK\\r\\nx-amz-acl: public","SecretAccessKey":"s"}' >keys
	printf '[default]\ncredential_process = cat %s\n' "$T/keys" >.aws/config
	whoami
	assert_equal "$status" 78
	[[ $stderr == *'the access key holds a control character'* ]]
	AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b \
		AWS_SESSION_TOKEN=$'t\nHost: x' whoami
	assert_equal "$status" 78
	[[ $stderr == *'the session token holds a control character'* ]]
}

@test "keys of a profile that are replaced during a run are read again" {
	local code pid
	s3_faulty 0
	: >empty
	for code in '400 ExpiredToken' '403 InvalidAccessKeyId'; do
		printf '[default]\naws_access_key_id=OLD\naws_secret_access_key=s\n' \
			>.aws/credentials
		: >requests
		: >requests.head
		# b waits until there are others, and is refused with the old ones
		rules 'PUT /fleet/b - status 503' "PUT * - answer $T/empty"
		s3tool --retry-max-wait 1s "$U" put a empty b empty >put 2>&1 3>&- &
		pid=$!
		wait_for grep -q '/fleet/b 503' requests
		printf '[default]\naws_access_key_id=NEW\naws_secret_access_key=s\n' \
			>.aws/new
		mv .aws/new .aws/credentials
		rules "PUT /fleet/b 1 status $code" "PUT * - answer $T/empty"
		wait $pid
		grep -q '^Authorization: .*Credential=NEW/' requests.head
	done
}

@test "no file of AWS's is one that is empty, and a pipe can be read" {
	s3_faulty 0
	export AWS_ACCESS_KEY_ID=AKIAENV1 AWS_SECRET_ACCESS_KEY=s
	AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null whoami
	assert_success
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
	AWS_CONFIG_FILE=<(printf '[profile p]\nregion = eu-west-9\n') \
		AWS_SHARED_CREDENTIALS_FILE=<(printf '[p]\naws_access_key_id=PIPE1\naws_secret_access_key=s\n') \
		AWS_PROFILE=p whoami
	assert_success
	assert_line 'region: eu-west-9'
	assert_line 'access key: ...IPE1'
}

@test "an instance: IMDSv2, with its token" {
	s3_faulty 0
	json keys IMD6
	echo imds-token >token
	echo my-role >roles
	rules "PUT /latest/api/token - answer $T/token" \
		"GET security-credentials/my-role - answer $T/keys" \
		"GET security-credentials/ - answer $T/roles"
	unset AWS_EC2_METADATA_DISABLED
	AWS_EC2_METADATA_SERVICE_ENDPOINT=$FAULTY/ whoami
	assert_success
	assert_line 'credentials: instance metadata, role my-role'
	grep -qi '^x-aws-ec2-metadata-token-ttl-seconds: ' requests.head
	assert_equal "$(grep -ci '^x-aws-ec2-metadata-token: imds-token' \
		requests.head)" 2
}

sts_answer() {
	cat >"$1" <<-END
	<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
	<$2Result><Credentials><AccessKeyId>AKIA$3</AccessKeyId>
	<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
	<Expiration>2099-01-02T03:04:05Z</Expiration></Credentials></$2Result>
	</AssumeRoleResponse>
	END
}

@test "a role that a profile assumes" {
	s3_faulty 0
	sts_answer answer AssumeRole ROL7
	rules "POST / - answer $T/answer"
	cat >.aws/config <<-'END'
	[profile base]
	aws_access_key_id = AKIABASE
	aws_secret_access_key = s
	[profile r]
	role_arn = arn:aws:iam::1:role/x
	source_profile = base
	[profile loop]
	role_arn = arn:aws:iam::1:role/x
	source_profile = loop2
	[profile loop2]
	role_arn = arn:aws:iam::1:role/x
	source_profile = loop
	[profile alone]
	role_arn = arn:aws:iam::1:role/x
	END
	export AWS_ENDPOINT_URL_STS=$FAULTY
	whoami --profile r
	assert_success
	assert_line 'credentials: profile r, role arn:aws:iam::1:role/x (STS)'
	assert_line 'access key: ...ROL7'
	grep -q 'Credential=AKIABASE/[0-9]*/us-east-1/sts/' requests.head
	whoami --profile loop
	assert_equal "$status" 78
	[[ $stderr == *'too many source profiles'* ]]
	whoami --profile alone
	assert_equal "$status" 78
	rules 'POST / - status 403 AccessDenied'
	whoami --profile r
	assert_equal "$status" 77
	[[ $stderr == *AccessDenied* ]]
}

@test "a role by a web identity, whose token is read anew" {
	s3_faulty 0
	sts_answer answer AssumeRoleWithWebIdentity WEB8
	rules "POST / - answer $T/answer"
	echo jwt >token
	export AWS_ENDPOINT_URL_STS=$FAULTY AWS_ROLE_ARN=arn:aws:iam::1:role/w
	export AWS_WEB_IDENTITY_TOKEN_FILE=$T/token
	whoami
	assert_success
	assert_line 'credentials: web identity, role arn:aws:iam::1:role/w (STS)'
	refute grep -qi '^authorization:' requests.head
	unset AWS_ROLE_ARN
	whoami
	assert_equal "$status" 78
}

@test "keys that run out are fetched again while the run goes on" {
	# They end before five minutes are over: due at each request.
	s3_faulty 0
	: >empty
	printf '%s\n' "date +x >>'$T/fetched'; cat '$T/keys'" >fetch
	json keys OLD9 SessionToken \
		"$(date -u -d '+100 seconds' +%Y-%m-%dT%H:%M:%SZ)"
	printf '[default]\ncredential_process = sh %s\n' "$T/fetch" >.aws/config
	rules "PUT * - answer $T/empty"
	run s3tool "$U" put a empty b empty c empty
	assert_success
	assert_equal "$(wc -l <fetched)" 3
	json keys NEW9 SessionToken
	: >fetched
	run s3tool "$U" put a empty b empty c empty
	assert_success
	assert_equal "$(wc -l <fetched)" 1
}

@test "keys a server calls expired are fetched anew, once" {
	s3_faulty 0
	: >empty
	printf '%s\n' "date +x >>'$T/fetched'; cat '$T/keys'" >fetch
	json keys OLD9 SessionToken
	printf '[default]\ncredential_process = sh %s\n' "$T/fetch" >.aws/config
	rules 'PUT * 1 status 400 ExpiredToken' "PUT * - answer $T/empty"
	run s3tool "$U" put a empty b empty
	assert_success
	assert_equal "$(wc -l <fetched)" 2
}

@test "secrets are on no command line, and core dumps are off" {
	s3_faulty 0
	json keys SEC1 SessionToken
	# The process that asks looks at the one that wants to know.
	cat >fetch <<-END
	tr '\\0' ' ' </proc/\$PPID/cmdline >'$T/cmdline'
	grep core /proc/\$PPID/limits >'$T/limits'
	cat '$T/keys'
	END
	printf '[default]\ncredential_process = exec sh %s\n' "$T/fetch" \
		>.aws/config
	whoami
	assert_success
	grep -q 's3tool' cmdline
	refute grep -q secret cmdline
	grep -qE 'core file size +0 ' limits
	[[ $output$stderr != *secret-* ]]
}

@test "no core is dumped by one that has secrets, whatever the limit" {
	printf '%s\n' 'prlimit --pid $PPID --core=unlimited:unlimited' \
		'kill -ABRT $PPID' >fetch
	printf '[default]\ncredential_process = exec sh %s\n' "$T/fetch" \
		>.aws/config
	ulimit -c unlimited || skip "core dumps are off here for good"
	# The shell says "(core dumped)" if one was.
	run -134 bash -c "s3tool '$U' whoami; exit \$?"
	[[ $output != *'core dumped'* ]]
	assert_equal "$(compgen -G 'core*' || :)" ''
	# It would: the same without secrets.
	run -134 bash -c 'sh -c "kill -ABRT \$\$"; exit $?'
	[[ $output == *'core dumped'* ]] || skip "nobody here dumps a core"
}

@test "what a URL should not hold is in no message" {
	local program out
	cat >.aws/config <<-'END'
	[profile role]
	role_arn = arn:aws:iam::1:role/x
	source_profile = role
	aws_access_key_id = AKIA1
	aws_secret_access_key = s
	END
	echo jwt >token
	: >a.db
	hushed() {
		for program in 's3tool URL whoami' 's3tool URL ls' \
			'lspp-ship -s state -v -r URL a.db' \
			'lspp-ship -n -s state -r URL a.db' \
			'lspp-restore -v -r URL -o out x.db' \
			'lspp-scan -v URL' 'lspp-hot -s state -r URL a.db' \
			'lspp-restore -r URL --whoami'; do
			# shellcheck disable=SC2086  # words
			run ${program//URL/$URL}
			[[ $output != *hush* ]] || {
				echo "$program: $output" >&2
				return 1
			}
		done
		# said it was, something
		run lspp-scan --retries 0 "$URL"
		[ "$status" -ne 0 ]
		[ -n "$output" ]
	}
	URL=s3://AKIA:hu/hush@bucket/x hushed
	URL=s3://AKIA:hush@bucket/x hushed
	URL='s3://bucket/x?secret=hush&region=eu' hushed
	URL='s3://bucket/x?endpoint=http://u:hush@127.0.0.1:1' hushed
	URL='s3://bucket/x?endpoint=http%3A%2F%2Fu:hush%40127.0.0.1:1' hushed
	URL=s3://bucket/x
	for out in http://u:hush@127.0.0.1:1 u:hush@127.0.0.1:1 \
		http://127.0.0.1:1/?k=hush '127.0.0.1:1?k=hush'; do
		AWS_ENDPOINT_URL=$out hushed
	done
	export AWS_CONTAINER_CREDENTIALS_FULL_URI
	for out in http://127.0.0.1:1/c?token=hush http://u:hush@127.0.0.1:1/c \
		http://u:hush@example.com/; do
		AWS_CONTAINER_CREDENTIALS_FULL_URI=$out hushed
	done
	unset AWS_CONTAINER_CREDENTIALS_FULL_URI
	AWS_PROFILE=role AWS_ENDPOINT_URL_STS=http://u:hush@127.0.0.1:1 hushed
	AWS_ROLE_ARN=arn:aws:iam::1:role/w AWS_WEB_IDENTITY_TOKEN_FILE=$T/token \
		AWS_ENDPOINT_URL_STS='http://127.0.0.1:1/?a=hush&k=hush' hushed
	export AWS_ACCESS_KEY_ID=AKIAENV1 AWS_SECRET_ACCESS_KEY=hushhush
	export AWS_ENDPOINT_URL=http://s3.example.invalid
	for out in http://u:hush@127.0.0.1:1 bogus://u:hush@h \
		http://u:hush@:x: u:hush@no-such-host.invalid:1; do
		http_proxy=$out hushed
		http_proxy='' HTTP_PROXY=$out hushed
	done
}
