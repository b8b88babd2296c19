#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# examples/slurm: Slurm itself, with two nodes that are this machine.
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
	engine_or_skip 'slurmctld, slurmd, slurm-client and munge' \
		munged slurmctld slurmd sbatch scontrol sinfo squeue
	PART=$LSPP_ROOT/examples/slurm/part.sbatch
}

teardown() {
	local p
	[ ! -e slurm.conf ] || scancel -s KILL -u "$(id -un)" 2>/dev/null || :
	for p in n1 n2 ctld; do
		[ ! -s "$p.pid" ] || dies "$(cat "$p.pid")"
	done
	[ ! -s slurm.conf ] || node_processes | xargs -r kill -KILL || :
	end_process "$T/munge.pid"
	s3_faulty_stop
}

# node_processes [NODE] -- what runs of a job on it, and what watches over that.
node_processes() {
	local p
	for p in $(grep -lza "^SLURMD_NODENAME=${1:-n[12]}\$" /proc/[0-9]*/environ \
		2>/dev/null | cut -d / -f 3); do
		! tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null |
			grep -qxF "SLURM_CONF=$T/slurm.conf" || echo "$p"
	done >mine
	for p in $(cat mine); do
		ps -o ppid=,pid= -p "$p"
	done | tr -s ' ' '\n' | grep -vx '1\|' | sort -un
}

# cluster DATABASES -- one that decides and two that work, each a processor; and a
# fleet in a bucket.
cluster() {
	local port host n
	fleet_in_bucket "$1"
	machine_env
	export LSPP_ENV=$T/lspp.env
	host=$(hostname -s) port=$(free_port)
	while answers $((port + 1)) || answers $((port + 2)); do
		port=$(free_port)
	done
	mkdir -p control spool/n1 spool/n2
	head -c 128 /dev/urandom >munge.key
	chmod 400 munge.key
	munged --force --key-file="$T/munge.key" --socket="$T/munge" \
		--pid-file="$T/munge.pid" --log-file="$T/munge.log" \
		--seed-file="$T/munge.seed" --num-threads=2 2>munge.said 3>&-
	cat >slurm.conf <<-END
	ClusterName=test
	SlurmctldHost=$host(127.0.0.1)
	SlurmctldPort=$port
	AuthInfo=socket=$T/munge
	SlurmUser=$(id -un)
	SlurmdUser=$(id -un)
	StateSaveLocation=$T/control
	SlurmdSpoolDir=$T/spool/%n
	SlurmctldPidFile=$T/ctld.file
	SlurmdPidFile=$T/%n.file
	ProctrackType=proctrack/linuxproc
	TaskPlugin=task/none
	MpiDefault=none
	SwitchType=switch/none
	SelectType=select/cons_res
	SelectTypeParameters=CR_CPU
	SlurmdParameters=config_overrides
	SchedulerParameters=sched_interval=1,sched_min_interval=0
	AccountingStorageType=accounting_storage/none
	JobCompType=jobcomp/none
	NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) RealMemory=2000
	NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) RealMemory=2000
	PartitionName=all Nodes=n1,n2 Default=YES State=UP
	END
	if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
		printf '%s\n' CgroupPlugin=cgroup/v2 IgnoreSystemd=yes
	else
		printf '%s\n' CgroupPlugin=cgroup/v1 CgroupAutomount=no
	fi >cgroup.conf
	export SLURM_CONF=$T/slurm.conf
	slurmctld -D >ctld.log 2>&1 3>&- &
	echo $! >ctld.pid
	for n in n1 n2; do
		slurmd -D -N $n >$n.log 2>&1 3>&- &
		echo $! >$n.pid
	done
	wait_for both_idle
}
both_idle() {
	[ "$(sinfo -hN -t idle -o %N 2>/dev/null | wc -l)" -eq 2 ]
}
none_left() {
	[ -z "$(squeue -h)" ]
}
# The task that the node had is to run again, in two minutes.
again_later() {
	squeue -h -t PD -o '%i %r' | sed -n 's/ BeginTime$//p' >again
	[ -s again ]
}
# none_failed JOB -- of its tasks, as far as Slurm knows.
none_failed() {
	scontrol -o show job "$1" >tasks
	assert_equal "$(grep -o 'JobState=[A-Z]*' tasks | sort -u)" \
		JobState=COMPLETED
}

@test "a node dies while two restore: all are there, each once and whole" {
	local job p
	cluster "$(count 20000 300)"
	job=$(sbatch --parsable --array=1-5 "$PART" \
		lspp-restore --resume -o "$T/out" '**')
	wait_for n2_hangs
	kill -KILL "$(cat n2.pid)"
	for p in $(node_processes n2); do
		kill -KILL "$p"
		wait_for gone "$p"
	done
	as_they_are before
	# After SlurmdTimeout, and two minutes more, it does this by itself.
	scontrol update nodename=n2 state=down reason=test
	wait_for again_later
	scontrol update jobid="$(cat again)" StartTime=now
	wait_for none_left
	none_failed "$job"
	all_restored before
	# None was restored twice.
	assert_equal "$(cat lspp.*.log | grep "^$T/out" | sort | uniq -d)" ''
	assert_equal "$(cat failed.* 2>/dev/null)" ''
}

@test "what verifying finds and restoring fails on is the input of a second job" {
	local job key
	cluster 60
	rules
	key=$(sed -n 42p keys)
	object=$(s3tool "$R" ls "$key" | cut -d ' ' -f 2- | grep snapshot)
	s3tool "$R" get "$object" >good
	head -c 100 good >bad
	s3tool "$R" rm "$object"
	s3tool "$R" put "$object" bad >/dev/null
	job=$(sbatch --parsable --array=1-2 "$PART" lspp-verify --deep '**')
	wait_for none_left
	assert_equal "$(cat "failed.$job."*)" "$key"
	grep -h wal.db "lspp.$job."*.log | grep -v '^lspp-' | LC_ALL=C sort |
		diff <(grep -vxF "$key" keys) -
	job=$(sbatch --parsable --array=1-3 "$PART" \
		lspp-restore --resume -o "$T/out" '**')
	wait_for none_left
	assert_equal "$(scontrol -o show job "$job" | grep -c JobState=FAILED)" 1
	cat "failed.$job."* | sort -u >failed
	assert_equal "$(cat failed)" "$key"
	as_they_are before
	s3tool "$R" rm "$object"
	s3tool "$R" put "$object" good >/dev/null
	job=$(sbatch --parsable --array=1-2 --input=failed "$PART" \
		lspp-restore --resume -o "$T/out")
	wait_for none_left
	none_failed "$job"
	all_restored before
}

@test "an array that is not all of its parts is refused" {
	cd "$T"
	run -2 env SLURM_ARRAY_TASK_ID=2 SLURM_ARRAY_TASK_MIN=2 \
		SLURM_ARRAY_TASK_MAX=4 SLURM_ARRAY_TASK_COUNT=2 \
		sh "$PART" lspp-restore -o "$T/out" '**'
	assert_output \
		'part.sbatch: an array is from 1 to N, all of it: --array=1-N'
	run -2 sh "$PART" lspp-restore -o "$T/out" '**'
	assert_output --partial 'usage: sbatch --array=1-N'
	[ ! -e out ]
}
