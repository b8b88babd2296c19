# SPDX-License-Identifier: Apache-2.0
# For the suites of engines, which run one thing on several machines: a fleet in
# a bucket, and machines, of which n2 dies in the middle.
#
# The machines are this one; each has a name, in NODE or SLURMD_NODENAME, and by
# that $T/lspp.env gives it what it needs.  n2 talks to the bucket by way of
# faulty, which lets it wait for ever for some databases.  So it is in the middle
# of something when it dies, without a clock.

load lib/s3

# engine_or_skip PACKAGE PROGRAM... -- what ./bootstrap --test brings where there
# are packages of it: by name.
engine_or_skip() {
	local p package=$1
	shift
	PATH=$PATH:/usr/sbin:/sbin
	for p; do
		command -v "$p" >/dev/null || skip "no $p here: install $package"
	done
}

# fleet_in_bucket N -- at R, of the databases below src, the names in keys.
fleet_in_bucket() {
	need fleet
	s3_here
	mkdir src
	fleet make -n "$1" -b 8192 -p 4096 -m wal "$T/src" >paths
	sed "s|^$T/src/||" paths | LC_ALL=C sort >keys
	lspp-ship -q -C src -s state -r "$R" <paths >/dev/null
}

# machine_env -- $T/lspp.env, and the faulty one that n2 has.
machine_env() {
	local direct=$AWS_ENDPOINT_URL
	s3_faulty
	rules 'GET 9-wal.db/ - hang'
	cat >lspp.env <<-END
	PATH=$PATH
	LSPP_REPLICA=$R
	AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID
	AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY
	AWS_EC2_METADATA_DISABLED=true
	AWS_ENDPOINT_URL=$direct
	if [ "\${SLURMD_NODENAME:-\${NODE:-}}" = n2 ]; then
	AWS_ENDPOINT_URL=$FAULTY; fi
	END
	export AWS_ENDPOINT_URL=$direct
}

# n2 waits for what will not come, and has restored others.
n2_hangs() {
	grep -q '9-wal\.db/.* 000$' requests && [ -n "$(find out -name '*.db' -print -quit)" ]
}

# family PID -- it, and all that came of it.
family() {
	local child
	echo "$1"
	for child in $(ps -o pid= --ppid "$1"); do
		family "$child"
	done
}

# dies PID -- as a machine does: with all that came of it.
dies() {
	local all
	all=$(family "$1")
	# shellcheck disable=SC2086  # a list
	kill -KILL $all 2>/dev/null || :
	for pid in $all; do
		wait_for gone "$pid"
	done
}
gone() {
	! kill -0 "$1" 2>/dev/null ||
		grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

# as_they_are FILE -- of what is restored by now: which file it is.
as_they_are() {
	find out -name '*.db' -printf '%P %i %T@\n' | LC_ALL=C sort >"$1"
}

# all_restored FILE -- each is there once and whole; those of FILE
# (as_they_are) are the same files.
all_restored() {
	find out -type f -printf '%P\n' | LC_ALL=C sort | diff keys -
	fleet compare "$T/src" "$T/out" <paths
	as_they_are now
	run comm -23 "$1" now
	assert_output ''
}
