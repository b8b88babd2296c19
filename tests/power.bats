#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The power goes at a random call of lspp-ship or lspp-restore: of the disk that
# holds the replica, the state, what is restored, or the databases themselves.
# What was acknowledged by then is there when the machine is up again, and the
# next run goes on by itself.
#
# A disk is a file with ext4 or XFS, mounted through a loop device and shut down
# without its log (tests/tools/powercut.c): root's affair.
#
# And as LTX.

load lib/replica

setup() {
	set +T
	need fleet atcall powercut
	root_or_skip 'to mount a disk'
	M=$T/disk D=$T/src S=$T/state
	cd "$T" || return
	mkdir disk src
	seed
}

teardown() {
	[ -n "${LOOP:-}" ] || return 0
	umount "$M" 2>/dev/null || umount -l "$M" 2>/dev/null || :
	losetup -d "$LOOP"
	rm disk.img
}

# disk FS -- a new one, mounted on M, and all of it on the disk.  The loop device
# is ours for as long: one that mount makes goes away behind the next mount.
disk() {
	command -v "mkfs.$1" >/dev/null || skip "no mkfs.$1"
	truncate -s 400M disk.img
	"mkfs.$1" -q disk.img
	LOOP=$(losetup --find --show disk.img 2>/dev/null) ||
		skip 'no loop devices'
	mount "$LOOP" "$M" 2>/dev/null || skip "no $1"
}

# reboot -- the disk as it was when its power went.  While a program that has ended
# lets go of it, or another test has a copy of all mounts (unshare -m), it stays
# what it is.
reboot() {
	local i
	for ((i = 0; i < 2400; i++)); do
		if umount "$M" 2>busy && mount "$LOOP" "$M" 2>busy &&
			ls "$M" >/dev/null 2>busy; then
			return
		fi
		sleep 0.05
	done
	fail "$(cat busy)"
}

# fleet_on DIR -- twelve databases; their paths are in the file all.
fleet_on() {
	mkdir -p "$1"
	fleet make -n 12 -b 24576 -p 4096 -m mix "$1" >all
}

# change -- some of them, in one page each.
change() {
	shuf -n $((RANDOM % 8 + 1)) --random-source=<(yes $RANDOM) all >some
	fleet touch <some
}

# ship -- what comes on standard input.
ship() {
	lspp-ship "${AS[@]}" -r "$R" -C "$D" -s "$S"
}

# cut PROGRAM... -- the power goes at a random one of its calls that change files,
# of as many as it made the last time.  Its stdout is in the file out.
cut() {
	rm -f went
	atcall -k write -n $((RANDOM % CALLS + 1)) -o calls \
		-x "powercut '$M' && touch '$T/went'" "$@" >out 2>err || :
	if [ -e went ]; then
		CUTS=$((CUTS + 1))
	else
		CALLS=$(($(cat calls) + 5))
	fi
	reboot
}

ship_cut() {
	local paths
	mapfile -t paths <all
	cut lspp-ship "${AS[@]}" -r "$R" -C "$D" -s "$S" "${paths[@]}"
}

# same DIR -- what DIR has of all is what the databases hold.
same() {
	fleet compare "$D" "$1" <"${2:-all}"
}

# restored [FILE] -- the paths in FILE, or all, restore to what they hold now.
restored() {
	local names=${1:-all}
	[ -s "$names" ] || return 0
	rm -rf back
	sed "s|^$D/||" "$names" | lspp-restore -q -r "$R" -o back >/dev/null
	same back "$names"
}

# on FS -- rounds of the test, by its function "moment".
on() {
	local i n
	n=$(count 100 2)
	CUTS=0 CALLS=250
	for ((i = 0; i < n; i++)); do
		moment || { echo "moment $i"; cat err; return 1; }
	done
	say "$1: $n moments, the power went in $CUTS"
}

# The replica: of a path that was printed the objects are there.

replica_moment() {
	change
	ship_cut
	restored out || return
	ship <all >/dev/null 2>err || return
	restored && lspp-verify -q -r "$R" '**' >/dev/null
}

replica_on() {
	disk "$1"
	R=$M/replica
	mkdir "$R"
	sync -f "$M"
	fleet_on "$D"
	moment() { replica_moment; }
	on "$1"
}

@test "the disk of the replica, ext4" {
	replica_on ext4
}

@test "the disk of the replica, XFS" {
	replica_on xfs
}

# The state: it may be older than the replica then, and knows that it is its own.

state_moment() {
	change
	ship_cut
	restored out || return
	ship <all >/dev/null 2>err || return
	! grep -E 'clone|somebody else|older copy' err || return
	restored
}

state_on() {
	disk "$1"
	R=$T/replica S=$M/state
	mkdir "$R"
	fleet_on "$D"
	moment() { state_moment; }
	on "$1"
}

@test "the disk of the state, ext4" {
	state_on ext4
}

@test "the disk of the state, XFS" {
	state_on xfs
}

# What is restored: a file that has its name is whole, and one that was printed
# has it.

target_moment() {
	rm -rf "${M:?}"/to
	sync -f "$M"
	cut lspp-restore -r "$R" -o "$M/to" '**'
	same "$M/to" <(sed "s|^$M/to|$D|" out) || return
	find "$M/to" -name '*.db' 2>/dev/null | sed "s|^$M/to|$D|" >there
	same "$M/to" there || return
	lspp-restore -q --force -r "$R" -o "$M/to" '**' >/dev/null 2>err || return
	same "$M/to" && [ -z "$(find "$M/to" -name '.lspp-*')" ]
}

target_on() {
	disk "$1"
	R=$T/replica
	mkdir "$R"
	fleet_on "$D"
	ship <all >/dev/null
	moment() { target_moment; }
	on "$1"
}

@test "the disk of what is restored, ext4" {
	target_on ext4
}

@test "the disk of what is restored, XFS" {
	target_on xfs
}

# The databases: what they lost of what they had not synced, the replica may
# have.  With their next change it is what they are, whatever their times say.

source_moment() {
	change
	ship_cut
	fleet touch <all
	lspp-hot -r "$R" -C "$D" -s "$S" <all | ship >/dev/null 2>err || return
	restored
}

source_on() {
	disk "$1"
	R=$T/replica D=$M/src
	mkdir "$R"
	fleet_on "$D"
	sync -f "$M"
	moment() { source_moment; }
	on "$1"
}

@test "the disk of the databases, ext4" {
	source_on ext4
}

@test "the disk of the databases, XFS" {
	source_on xfs
}
