#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# examples/parallel: GNU parallel runs it on three machines, which are sshds of
# this one.
#
# Not under sanitizers: what it looks at is a script.

load lib/lspp
load lib/engines

setup_file() {
	s3_start
}

teardown_file() {
	s3_stop
}

setup() {
	set +T
	engine_or_skip 'parallel and openssh-server' parallel ssh sshd ssh-keygen
	RESTORE=$LSPP_ROOT/examples/parallel/restore-fleet
	export LSPP_ENV=$T/lspp.env LSPP_SSH="ssh -F $T/ssh_config"
}

teardown() {
	local n
	for n in 1 2 3; do
		[ ! -s "sshd.$n" ] || dies "$(cat "sshd.$n")"
	done
	s3_faulty_stop
}

# machines N DATABASES -- n1, n2 and so on, with keys of their own: 127.0.0.2, .3
# and so on; and a fleet in a bucket.
machines() {
	local n
	fleet_in_bucket "$2"
	machine_env
	PORT=$(free_port)
	# For the one that is not let in, sshd has a room.
	[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f host_key
	ssh-keygen -q -t ed25519 -N '' -f user_key
	for ((n = 1; n <= $1; n++)); do
		machine $n
		echo "[127.0.0.$((n + 1))]:$PORT $(cat host_key.pub)" >>known_hosts
		printf '%s\n' "Host n$n" "  HostName 127.0.0.$((n + 1))" \
			"  Port $PORT" >>ssh_config
		echo "2/n$n" >>hosts
	done
	printf '%s\n' 'Host *' "  User $(id -un)" "  IdentityFile $T/user_key" \
		"  UserKnownHostsFile $T/known_hosts" >>ssh_config
	mkdir .parallel
	touch .parallel/will-cite
	for ((n = 1; n <= $1; n++)); do
		wait_for ssh -F ssh_config "n$n" true
	done
}

machine() {
	cat >"sshd_config.$1" <<-END
	ListenAddress 127.0.0.$(($1 + 1)):$PORT
	HostKey $T/host_key
	AuthorizedKeysFile $T/user_key.pub
	PidFile none
	UsePAM no
	StrictModes no
	PasswordAuthentication no
	SetEnv NODE=n$1
	END
	"$(command -v sshd)" -D -f "sshd_config.$1" -E "sshd.$1.log" 3>&- &
	echo $! >"sshd.$1"
}

@test "a machine dies while three restore: all are there, each once and whole" {
	local restorer
	machines 3 "$(count 20000 300)"
	"$RESTORE" hosts 7 log -o "$T/out" '**' >printed 2>said 3>&- &
	restorer=$!
	wait_for n2_hangs
	dies "$(cat sshd.2)"
	as_they_are before
	wait "$restorer" || fail "$(cat said log)"
	all_restored before
	# None was restored twice.
	assert_equal "$(sort printed | uniq -d)" ''
	assert_equal "$(sed 1d log | cut -f 7 | sort -u)" 0
	assert_equal "$(sed 1d log | wc -l)" 7
	assert_equal "$(sed 1d log | cut -f 2 | grep -c n2)" 0
	# And again it has nothing to do.
	run -0 --separate-stderr "$RESTORE" hosts 7 log -o "$T/out" '**'
	assert_output ''
}

@test "what fails everywhere is in the log, and the same line restores it" {
	local key
	machines 2 60
	rules
	key=$(sed -n 42p keys)
	object=$(s3tool "$R" ls "$key" | cut -d ' ' -f 2- | grep snapshot)
	s3tool "$R" get "$object" >good
	head -c 100 good >bad
	s3tool "$R" rm "$object"
	s3tool "$R" put "$object" bad >/dev/null
	run -1 --separate-stderr "$RESTORE" hosts 3 log -o "$T/out" '**'
	[[ $stderr = *"$key"* ]]
	assert_equal "$(sed 1d log | awk '$7 != 0' | wc -l)" 1
	find out -type f -printf '%P\n' | LC_ALL=C sort |
		diff <(grep -vxF "$key" keys) -
	as_they_are before
	s3tool "$R" rm "$object"
	s3tool "$R" put "$object" good >/dev/null
	run -0 --separate-stderr "$RESTORE" hosts 3 log -o "$T/out" '**'
	assert_output "$T/out/$key"
	all_restored before
}

@test "words with quotes and spaces arrive as they are" {
	machines 1 40
	mkdir "it's  here"
	run -0 --separate-stderr "$RESTORE" hosts 1 log -q \
		-o "$T/it's  here" "00/tenant-*[0]-wal.db" '**/*1-wal.db'
	find "it's  here" -type f -printf '%P\n' | LC_ALL=C sort |
		diff <(grep -E '^00/.*0-wal|1-wal' keys) -
}
