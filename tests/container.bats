# SPDX-License-Identifier: Apache-2.0
# What packaging/container puts into an image, run as it would be there: in a root
# of its own, by busybox.  Without `make static`, busybox or root it is skipped.
#
# Not under sanitizers: its programs are others.

load lib/lspp

TARBALL=("$B"/static/lspp-*-static-*.tar.gz)

setup() {
	set +T
	[ -e "${TARBALL[0]}" ] || skip "no static programs: make static"
	command -v busybox >/dev/null || skip "no busybox: apt-get install busybox-static"
	[ "$(id -u)" -eq 0 ] || skip "needs root for chroot"
	cd "$T" || return
	"$LSPP_ROOT/packaging/container/context" image
	# /dev is of the container's runner.
	mkdir -p image/data image/dev
	mknod -m 666 image/dev/null c 1 3
}

teardown() {
	[ ! -e pid ] || kill -KILL "$(cat pid)" 2>/dev/null || :
}

# In place of this shell; its environment is the image's, as Containerfile says.
contained() {
	exec env -i PATH=/bin LSPP_BASE=/data LSPP_STATE=/state \
		LSPP_REPLICA="${REPLICA:-/replica}" LSPP_INTERVAL="${INTERVAL:-3600}" \
		LSPP_MACHINE=container "$(command -v chroot)" image /bin/entrypoint "$@"
}

start() {
	contained >out 2>&1 3>&- &
	echo $! >pid
}

# ended STATUS -- the one that start began ends so.
ended() {
	local status=0
	wait "$(cat pid)" || status=$?
	rm pid
	assert_equal "$status" "$1"
}

row() {
	sqlite3 image/data/a.db "$1"
}

shipped() {
	[ -e image/state/state.db ] && [ "$(sqlite3 -readonly image/state/state.db \
		'SELECT count(*) FROM db')" = "$1" ]
}

@test "container: ships, ends with a last pass, and brings it back" {
	row "CREATE TABLE t (x); INSERT INTO t VALUES ('first')"
	start
	wait_for shipped 1
	# The next pass is an hour away: what comes now is of the last one.
	row "INSERT INTO t VALUES ('last')"
	kill -TERM "$(cat pid)"
	ended 0
	rm -rf image/data image/state
	(contained restore)
	assert_equal "$(row 'SELECT x FROM t')" $'first\nlast'
	# What is there stays as it is.
	row "INSERT INTO t VALUES ('newer')"
	(contained restore)
	assert_equal "$(row 'SELECT count(*) FROM t')" 3
}

@test "container: nothing is shipped where not all came back" {
	row 'CREATE TABLE t (x)'
	start
	wait_for shipped 1
	kill -TERM "$(cat pid)"
	ended 0
	local object
	object=$(find image/replica -name '*.snapshot.lz4')
	truncate -s -9 "$object"
	find image/replica -type f -exec cksum {} + | sort >before
	rm -rf image/data image/state
	start
	ended 65
	assert_equal "$(grep -c 'nothing is shipped' out)" 1
	[ ! -e image/state/state.db ]
	find image/replica -type f -exec cksum {} + | sort | cmp - before
}

@test "container: what fails in a pass is told, and tried again" {
	row "CREATE TABLE t (x)"
	INTERVAL=1 start
	wait_for shipped 1
	# No replica of b.db can be there.
	: >image/replica/b.db
	sqlite3 image/data/b.db "CREATE TABLE t (x); INSERT INTO t VALUES ('later')"
	wait_for grep -q b.db out
	[ -d "/proc/$(cat pid)" ]
	rm image/replica/b.db
	wait_for later_is_there
	kill -TERM "$(cat pid)"
	ended 0
}

later_is_there() {
	rm -rf there
	lspp-restore -q -r image/replica -o there b.db >/dev/null &&
		[ "$(sqlite3 there/b.db 'SELECT x FROM t')" = later ]
}

@test "container: a setting that is wrong ends it" {
	row 'CREATE TABLE t (x)'
	REPLICA=s4://nowhere start
	ended 78
	grep -q 'nothing is shipped' out
}
