#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What S3 servers were seen to do that a backup has to survive.  Each test is
# against a real server, and with versitygw against two: one that keeps
# connections and one that closes them; what no server here does, the program
# "faulty" between does.
#
#  trap						test, here if no file is named
#  1 an upload cut short is stored as it came	"an upload that is cut short
#						is no object"
#  2 If-None-Match is ignored, or lets several	"of several that put one key at
#    win; on CompleteMultipartUpload, too	once, one wins"; s3.bats: "a server
#						that ignores conditions is found
#						out once, and looked at"
#  3 checksums are ignored, bad bytes stored	"bytes that change on the way up
#						are not stored"; s3_store.bats:
#						"an answer about other bytes
#						than ours is looked into"
#  4 an error is answered, the object kept	"an error after which the object
#						is there"; "bad bytes that were
#						kept are named, not restored,
#						and got past"
#  5 a clock that differs			"a clock that is an hour off"
#  6 an ETag that is no MD5			"an ETag that is no MD5"
#  7 names that a server cannot have		"names that a server refuses",
#						"no object is another's folder"
#  8 no such storage class; no lifecycle rules	"a storage class that a server
#    to clean up					does not have"; s3_store.bats:
#						"an upload in parts that fails
#						leaves none behind"
#  9 a signer that sorts headers wrong		"headers whose names begin
#						alike"; sigv4_test;
#						s3_sse.bats
# 10 status lines that are unusual		"status lines without a reason,
#						and in capitals"
# 11 an access key that is not known has	"an access key that is not
#    another status and code on each server	known, whatever it is called"
# 12 small writes that wait for each other	"connections are kept, and
#						nothing waits for a full packet"
# 13 503 just after the start			"a server that is there and not
#						ready yet"

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3

setup_file() {
	s3_start
	S3_SERVERS=$S3_DIR=$S3_PORT
	if [ "$S3_KIND" = versitygw ]; then
		local dir=$S3_DIR.closing port
		port=$(free_port)
		mkdir -p "$dir/data" "$dir/iam"
		S3_DIR=$dir S3_PORT=$port s3_serve
		S3_SERVERS="$S3_SERVERS $dir=$port"
	fi
	export S3_SERVERS
}

teardown_file() {
	local server
	for server in $S3_SERVERS; do
		S3_DIR=${server%=*} s3_stop
	done
}

setup() {
	set +T
	need s3tool faulty lspp-ship lspp-restore lspp-scan sqlite3 strace
	cd "$T" || return
	head -c 100000 /dev/urandom >f1
	head -c 100000 /dev/urandom >f2
	: >empty
}

teardown() {
	s3_faulty_stop
}

# each FUNCTION -- once for each server, with a bucket of its own.
each() {
	local server
	for server in $S3_SERVERS; do
		S3_DIR=${server%=*} S3_PORT=${server#*=}
		s3_bucket
		U=s3://$BUCKET/fleet
		"$@"
		s3_faulty_stop
	done
}

tool() {
	run --separate-stderr s3tool --stats "$@"
}

# raw FILE STATUS-LINE HEADER... -- an answer without a body, for "raw".
raw() {
	local file=$1
	shift
	printf '%s\r\n' "$@" 'Content-Length: 0' '' >"$file"
}

md5_of() {
	md5sum <"$1" | cut -c1-32
}

# What is put in three parts is there, whole.
big_arrives() {
	head -c 11000000 /dev/urandom >big
	tool --part-size 5M "$U" put big big
	assert_success
	s3tool "$U" get big | cmp - big
}

@test "an upload that is cut short is no object" {
	cut_short() {
		s3_faulty
		rules 'PUT fleet/a 2 short 50000'
		tool "$U" put a f1
		assert_success
		[[ $stderr == *'retries=2 '* ]]
		s3tool "$U" get a | cmp - f1
		# nor is what was there lost
		rules 'PUT fleet/ - short 50000'
		tool --retries 1 "$U" put a f2 b f1
		assert_equal "$status" 69
		rules
		s3tool "$U" get a | cmp - f1
		tool "$U" ls
		assert_output '100000 a'
		refute grep -qi 'UNSIGNED-PAYLOAD' requests.head
		rules 'PUT partNumber=2 1 short 100000' \
			'PUT partNumber=3 1 short 1'
		big_arrives
	}
	each cut_short
}

@test "of several that put one key at once, one wins" {
	s3_needs conditions
	local i
	race() {
		s3_race "$U"
		s3tool "$U" get race >won
		cat r? | grep -q . # and it is one of them, whole
		for i in {1..8}; do
			! cmp -s won "r$i" || return 0
		done
		return 1
	}
	each race
}

@test "bytes that change on the way up are not stored" {
	changed() {
		s3_faulty
		rules 'PUT fleet/a 2 flip-body 777'
		tool "$U" put a f1
		assert_success
		[[ $stderr == *'retries=2 '* ]]
		rules 'PUT fleet/b - flip-body 777'
		tool --retries 1 "$U" put b f1
		[ "$status" -ne 0 ]
		rules
		s3tool "$U" get a | cmp - f1
		tool "$U" ls
		assert_output '100000 a'
	}
	each changed
}

@test "an error after which the object is there" {
	s3_needs conditions
	local answer
	lies() {
		for answer in '400 BadDigest' '500 InternalError' \
			'503 SlowDown' '400 RequestTimeout'; do
			s3_faulty
			rules "PUT fleet/ 1 lie $answer"
			tool "$U" put "a${answer##* }" f1
			assert_success
			[[ $stderr == 'put=2 get=0 head=1 '* ]]
			s3_faulty_stop
			s3_credentials
			s3tool "$U" get "a${answer##* }" | cmp - f1
		done
		s3_faulty
		rules 'POST uploadId 1 lie 500 InternalError' \
			'PUT partNumber=1 1 lie 400 BadDigest'
		big_arrives
	}
	each lies
}

@test "bad bytes that were kept are named, not restored, and got past" {
	kept() {
		rm -rf src state out
		mkdir src
		sqlite3 src/a.db 'CREATE TABLE t(x); INSERT INTO t VALUES(1)'
		s3_faulty
		ship() {
			run --separate-stderr lspp-ship -C src -s state -r "$U" \
				--retry-max-wait 1s "$@" src/a.db
		}
		ship
		assert_output src/a.db
		sqlite3 src/a.db 'INSERT INTO t VALUES(2)'
		rules 'PUT /wal/ - status 400 BadDigest'
		ship --retries 1
		assert_equal "$status" 69
		assert_output ''
		rules
		# What the server has kept all the same:
		key=$(sed -n 's|^PUT .*/fleet/\([^ ]*/wal/[^ ]*\) .*|\1|p' \
			requests | head -n 1)
		s3tool "$U" put "$key" f2
		run lspp-restore -r "$U" -o out a.db
		assert_equal "$status" 65
		[[ $output == *"$key"* ]]
		refute [ -e out/a.db ]
		# Nothing of lspp's is at its end, and no owner's object names
		# another machine: it was damaged, and nobody wrote it.
		ship
		assert_success
		assert_output src/a.db
		assert_regex "$stderr" 'a new generation begins'
		run -0 lspp-restore -r "$U" -o out a.db
		same_db src/a.db out/a.db
	}
	each kept
}

@test "a clock that is an hour off" {
	cat >skew.c <<-'END'
	#define _GNU_SOURCE
	#include <stdlib.h>
	#include <time.h>
	time_t time(time_t *t);
	time_t time(time_t *t)
	{
		struct timespec ts;

		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_sec += atol(getenv("SKEW"));
		if (t != NULL)
			*t = ts.tv_sec;
		return ts.tv_sec;
	}
	END
	# shellcheck disable=SC2086  # a compiler may be two words
	${CC:-cc} -shared -fPIC -o skew.so skew.c
	s3_needs signatures skew
	skewed() {
		for SKEW in 3600 -3600; do
			export SKEW
			ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0 \
				LD_PRELOAD=$T/skew.so tool "$U" put "a$SKEW" f1 b"$SKEW" f1
			assert_success
			assert_equal "$(grep -c "the server's: requests are dated" \
				<<<"$stderr")" 1
			[[ $stderr == *'retries=1 '* ]]
		done
	}
	each skewed
}

@test "an ETag that is no MD5" {
	local line hex='"0123456789abcdef0123456789abcdef"'
	local sse=x-amz-server-side-encryption
	# answered TEXT... -- each of them one of the answer's headers.
	answered() {
		raw answer 'HTTP/1.1 200 OK' "$@"
		rules "PUT fleet/a - raw $T/answer"
		tool "$U" put a f1
		assert_success
	}
	opaque() {
		s3_faulty
		for line in "${hex%\"}-1\"" '"opaque"' 'W/"weak"' "$(md5_of f1)"; do
			answered "ETag: $line"
			[[ $stderr == 'put=1 get=0 head=0 '* ]]
		done
		for line in "$sse: aws:kms" "$sse-customer-algorithm: AES256"; do
			answered "ETag: $hex" "$line"
			[[ $stderr == 'put=1 get=0 head=0 '* ]]
		done
		# One that looks like an MD5, and is none: the object is read.
		rules
		s3tool "$U" put a f1
		answered "ETag: $hex"
		[[ $stderr == 'put=1 get=1 head=1 '* ]]
	}
	each opaque
}

@test "names that a server refuses" {
	long=$(printf 'd%.0s' {1..300})
	refused() {
		for key in a//b ./a a/../b a/; do
			tool "$U" put "$key" f1
			assert_equal "$status" 2
			[[ $stderr == *'put=0 '* ]]
		done
		# Of a server, and not of S3: it is that key's alone.
		tool "$U" put "$long/x" f1 b f1
		assert_equal "${lines[-1]}" b
		if [ "$status" -ne 0 ]; then
			assert_equal "$status" 78
			[[ $stderr == *KeyTooLong* || $stderr == *ObjectName* ]]
		fi
		tool "$U" put c f1 c/d f1 e f1
		assert_equal "${lines[0]}/${lines[-1]}" c/e
		if [ "$status" -ne 0 ]; then
			assert_equal "$status" 78
			[[ $stderr == *ParentIsFile*'also be a folder'* ]]
		fi
		# The longest name of a database that can have a journal.
		rm -rf src state out
		mkdir src
		sqlite3 a.db 'CREATE TABLE IF NOT EXISTS t(x)'
		cp a.db "src/${long:0:247}"
		run -0 lspp-ship -C src -s state -r "$U" "src/${long:0:247}"
		run -0 lspp-restore -r "$U" -o out "${long:0:247}"
	}
	each refused
}

@test "no object is another's folder" {
	folders() {
		rm -rf src state
		mkdir -p src/a.db.d
		for f in a.db a.db.d/a.db a; do
			sqlite3 "src/$f" 'CREATE TABLE t(x)'
		done
		lspp-scan src | lspp-ship -C src -s state -r "$U" >shipped
		assert_equal "$(wc -l <shipped)" 3
		s3_objects | LC_ALL=C sort >all
		while IFS= read -r key; do
			refute grep -qF "$key/" all
		done <all
	}
	each folders
}

@test "a storage class that a server does not have" {
	classes() {
		s3_faulty
		rules 'PUT * - status 400 InvalidStorageClass'
		tool --storage-class GLACIER "$U" put a f1 b f1 c f1
		assert_equal "$status" 78
		[[ $stderr == *'--storage-class'*'put=1 '* ]]
		s3_credentials
		tool --storage-class GLACIER "$U" put a f1
		case $S3_KIND in
		versitygw) assert_success ;; # ignores it
		minio)
			assert_equal "$status" 78
			[[ $stderr == *'--storage-class'* ]]
			;;
		esac
	}
	each classes
}

@test "headers whose names begin alike" {
	alike() {
		tool --header 'x-amz-meta-key-md5: 2' --header 'x-amz-meta-key: 1' \
			--header 'x-amz-meta-ke:  3' --header 'X-Amz-Meta-Key0: 4' \
			"$U" put a f1
		assert_success
	}
	each alike
}

@test "status lines without a reason, and in capitals" {
	local line
	lines_of_status() {
		s3_faulty
		for line in 'HTTP/1.1 200 ' 'HTTP/1.1 200' 'HTTP/1.0 200 ok' \
			'HTTP/1.1 200  Very Well Done'; do
			raw answer "$line" "ETag: \"$(md5_of f1)\""
			rules "PUT fleet/a - raw $T/answer"
			tool "$U" put a f1
			assert_success
			[[ $stderr == 'put=1 get=0 head=0 '*'retries=0 '* ]]
		done
		# Larger ones wait for "100 CONTINUE", which is written so here.
		head -c 3000000 /dev/urandom >large
		rules
		: >requests.head
		tool "$U" put large large
		assert_success
		[[ $stderr == 'put=1 '*'retries=0 '* ]]
		grep -q '^XXpect: 100-continue' requests.head
		s3tool "$U" get large | cmp - large
	}
	each lines_of_status
}

@test "an access key that is not known, whatever it is called" {
	local answer
	unknown() {
		for what in 'put a f1' 'get a' ls 'rm a' 'rm-many a'; do
			# shellcheck disable=SC2086  # words
			AWS_ACCESS_KEY_ID=AKIAUNKNOWN tool "$U" $what
			assert_equal "$status" 77
			[[ $stderr == *'hint: '* ]]
		done
	}
	called() {
		s3_faulty
		for answer in '404 XAdminUserNotFound' '403 NotSignedUp' \
			'403 AccessDenied' '403 InvalidAccessKeyId' \
			'401 Unauthorized' '403'; do
			rules "* * - status $answer"
			for what in 'put a f1' 'get a' ls 'rm a' 'rm-many a'; do
				# shellcheck disable=SC2086  # words
				tool "$U" $what
				assert_equal "$status" 77
				[[ $stderr == *'retries=0 '* ]]
			done
		done
	}
	each called
	s3_needs signatures
	each unknown
}

@test "connections are kept, and nothing waits for a full packet" {
	reuse() {
		s3tool "$U" put a f1
		traced -f -qq -o trace -e trace=connect,setsockopt \
			s3tool -x20 "$U" get a >got
		assert_equal "$(stat -c %s got)" 2000000
		local connects nodelay
		connects=$(grep -c "connect(.*htons($S3_PORT)" trace)
		nodelay=$(grep -c 'TCP_NODELAY, \[1\]' trace)
		assert_equal "$nodelay" "$connects"
		case $S3_DIR in
		*.closing) assert_equal "$connects" 20 ;;
		*) assert_equal "$connects" 1 ;;
		esac
	}
	each reuse
}

@test "a kept connection that is dead when it is needed again" {
	dead() {
		export FAULTY_KEEP=1
		s3_faulty
		# It breaks with the second request on it; libcurl sends that
		# anew by itself: what it put is found there.
		rules 'PUT fleet/b 1 drop' 'PUT fleet/d 1 refuse'
		tool "$U" put a f1 b f2 c f1 d f2
		assert_success
		rules
		for key in a b c d; do
			s3tool "$U" get $key >>got
		done
		cat f1 f2 f1 f2 | cmp - got
		rm got
		unset FAULTY_KEEP
	}
	each dead
}

@test "a server that is there and not ready yet" {
	ready() {
		rm -rf src state out
		mkdir src
		sqlite3 src/a.db 'CREATE TABLE t(x)'
		s3_faulty
		rules '* * 4 status 503 XMinioServerNotInitialized' \
			'* * 2 status 503 ServiceUnavailable'
		run -0 --separate-stderr lspp-ship -C src -s state -r "$U" \
			--retry-max-wait 1s src/a.db
		assert_output src/a.db
		rules '* * 3 status 503 XMinioServerNotInitialized'
		run -0 lspp-restore -r "$U" -o out --retry-max-wait 1s a.db
		same_db src/a.db out/a.db
		rules '* * 3 status 503 XMinioServerNotInitialized'
		run -0 lspp-scan --retry-max-wait 1s "$U"
		assert_output "$U/a.db"
	}
	each ready
}
