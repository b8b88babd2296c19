#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Two hundred databases over a bad network, and to a server in trouble: all of
# them arrive, or a run ends with a code that says so and the next goes on; what
# was acknowledged can be restored, at any moment.
#
# Long: begins early.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3

setup_file() {
	s3_start
	local i
	for i in {1..200}; do
		mkdir -p "$BATS_FILE_TMPDIR/src/$((i % 7))"
		echo ".open '$BATS_FILE_TMPDIR/src/$((i % 7))/$i.db'"
		echo "PRAGMA synchronous=OFF; CREATE TABLE t(x);"
		echo "INSERT INTO t VALUES($i), (hex(randomblob(1000)));"
	done | sqlite3
}

teardown_file() {
	s3_stop
}

setup() {
	set +T
	s3_here
	cp -r "$BATS_FILE_TMPDIR/src" src
	lspp-scan src >all
	: >acked
}

teardown() {
	end_process "$T/toxiproxy.pid"
	s3_faulty_stop
	# A test that ends the server leaves one for the next.
	answers "$S3_PORT" || s3_serve --keep-alive
}

ship() {
	lspp-ship -C src -s state -r "$R" --stall-timeout 1s \
		--retry-max-wait 1s "$@"
}

# restores LIST -- each path in it, as it is now, past all faults.
restores() {
	local f
	[ -s "$1" ] || return 0
	rm -rf out
	(
		s3_credentials
		sed 's|^src/||' "$1" | lspp-restore -r "$R" -o out >/dev/null
	)
	xargs -d '\n' sha256sum <"$1" | sed 's|  src/|  out/|' >sums
	! sha256sum --quiet -c sums >differ 2>/dev/null || return 0
	# Not byte for byte, then row by row.
	while IFS= read -r f; do
		same_db "src/${f#out/}" "$f" || return
	done < <(sed -n 's/: FAILED.*//p' differ)
}

# arrives LIST -- all of it, in four runs at most.
arrives() {
	local status
	for _ in 1 2 3 4; do
		status=0
		ship <"$1" >acked 2>>err || status=$?
		sort -o acked acked
		restores acked
		[ "$status" -ne 0 ] || break
		case $status in 1 | 69 | 75) ;; *) cat err >&2; return 1 ;; esac
	done
	assert_equal "$status" 0
	assert_equal "$(sort "$1" | comm -23 - acked)" ''
}

# change LIST -- a row more in each.
change() {
	local f
	while IFS= read -r f; do
		echo ".open '$f'"
		echo "INSERT INTO t VALUES(hex(randomblob(500)));"
	done <"$1" | sqlite3
}

# all_arrive -- everything, and then what changes.
all_arrive() {
	arrives all
	head -n 40 all >some
	change some
	arrives some
}

# -- a proxy -------------------------------------------------------------------

# toxic_call METHOD PATH [JSON] -- over a connection of bash's own.
toxic_call() {
	local method=$1 path=$2 body=${3:-} line
	exec 4<>"/dev/tcp/127.0.0.1/$TOXIC_API"
	printf '%s %s HTTP/1.1\r\nHost: x\r\nUser-Agent: t\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' \
		"$method" "$path" "${#body}" "$body" >&4
	IFS= read -r line <&4
	cat <&4 >/dev/null
	exec 4>&-
	[[ $line == *' 20'* ]] || { echo "$method $path: $line" >&2; return 1; }
}

toxiproxy() {
	need "$TOXIPROXY"
	TOXIC_API=$(free_port)
	TOXIC_PORT=$(free_port)
	"$TOXIPROXY" -host 127.0.0.1 -port "$TOXIC_API" >toxiproxy.log 2>&1 3>&- &
	echo $! >"$T/toxiproxy.pid"
	wait_for answers "$TOXIC_API"
	toxic_call POST /proxies "{\"name\":\"s3\",\"enabled\":true,
		\"listen\":\"127.0.0.1:$TOXIC_PORT\",
		\"upstream\":\"127.0.0.1:$S3_PORT\"}"
	wait_for answers "$TOXIC_PORT"
	export AWS_ENDPOINT_URL=http://127.0.0.1:$TOXIC_PORT
}

# toxic NAME TYPE STREAM TOXICITY ATTRIBUTES
toxic() {
	toxic_call POST /proxies/s3/toxics "{\"name\":\"$1\",\"type\":\"$2\",
		\"stream\":\"$3\",\"toxicity\":$4,\"attributes\":{$5}}"
}

@test "latency" {
	toxiproxy
	toxic slow latency downstream 1 '"latency":30,"jitter":20'
	all_arrive
}

@test "little bandwidth" {
	toxiproxy
	toxic up bandwidth upstream 1 '"rate":100'
	toxic down bandwidth downstream 1 '"rate":20'
	all_arrive
}

@test "connections that are reset after a while" {
	toxiproxy
	toxic cut reset_peer downstream 0.3 '"timeout":15'
	all_arrive
}

@test "connections that end after some bytes, either way" {
	toxiproxy
	toxic up limit_data upstream 0.3 '"bytes":2000'
	toxic down limit_data downstream 0.2 '"bytes":60'
	all_arrive
}

@test "connections that stand still" {
	toxiproxy
	toxic still timeout upstream 0.1 '"timeout":0'
	all_arrive
}

# -- resets where it hurts -----------------------------------------------------

@test "connections that are reset at any byte, either way" {
	local i lines=()
	seed
	for i in {1..15}; do
		lines+=("PUT generations 2 reset-up $((RANDOM % 1500))")
		lines+=("* generations 2 reset-down $((RANDOM % 400))")
	done
	# The borders: nothing, within the first line, all of it.
	for i in 0 5 100000; do
		lines+=("PUT generations 1 reset-up $i")
		lines+=("* generations 1 reset-down $i")
	done
	s3_faulty
	rules "${lines[@]}"
	all_arrive
}

# -- a server in trouble -------------------------------------------------------

@test "a server that is killed and comes back" {
	s3_needs durable
	toxiproxy
	toxic slow latency downstream 1 '"latency":40'
	(exec 3>&-; ship -j4 --timeout 30s <all >acked 2>err) &
	pid=$!
	wait_for test -s acked
	kill -9 "$(cat "$S3_DIR/pid")"
	sleep 0.5
	s3_serve --keep-alive
	wait "$pid" || { cat err; return 1; }
	toxic_call POST /reset
	restores all
}

@test "a server that is killed, and is not waited for that long" {
	s3_needs durable
	toxiproxy
	toxic slow latency downstream 1 '"latency":40'
	(exec 3>&-; ship -v -j2 --timeout 2s <all >acked 2>err) &
	pid=$!
	wait_for test -s acked
	kill -9 "$(cat "$S3_DIR/pid")"
	status=0
	wait "$pid" || status=$?
	assert_equal "$status" 1
	# Not each of the rest waited for it: it was given up.
	tries=$(sed -n 's/.* retries=\([0-9]*\) .*/\1/p' err)
	[ "$tries" -le 60 ]
	s3_serve --keep-alive
	toxic_call POST /reset
	restores acked
	arrives all
}

@test "503 for a while: slower, and all arrives" {
	s3_faulty
	# Paced, so that it is not over before the server is too busy.
	(exec 3>&-; ship --timeout 3m --rate 100/s <all >acked 2>err) &
	pid=$!
	wait_for test -s acked
	rules '* * - status 503 SlowDown'
	sleep "$(count 30 2)"
	rules
	wait "$pid" || { cat err; return 1; }
	grep -q ' 503$' requests
	restores all
	# Longer than one is willing to wait: the rest is for the next run, and
	# not each of them is tried for so long.
	change all
	: >requests
	rules '* generations - status 503 SlowDown'
	run --separate-stderr ship --timeout 1s --failed failed <all
	assert_equal "$status" 69
	assert_equal "$(wc -l <failed)" 200
	[ "$(requests)" -le 100 ]
	rules
	ship <failed >acked
	assert_equal "$(sort acked | comm -3 - <(sort all))" ''
	restores all
}
