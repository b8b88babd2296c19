#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# examples/systemd: sound, hardened, and the command of the service run as it is
# written in a sandbox like the one that it asks for.
#
# Not under sanitizers: what it looks at are units.

load lib/root

setup() {
	set +T
	need systemd-analyze
	UNITS=$LSPP_ROOT/examples/systemd
}

teardown() {
	[ -z "${INIT:-}" ] || kill -KILL "$INIT" 2>/dev/null || :
}

@test "systemd takes the units" {
	run -0 systemd-analyze verify --man=no "$UNITS"/*.service "$UNITS"/*.timer
	assert_output ''
}

@test "and finds them hardened: an exposure below 2 of 10" {
	for unit in "$UNITS"/*.service; do
		run -0 systemd-analyze security --offline=true --threshold=20 \
			"$unit"
	done
}

# command_of UNIT -- the argument of its sh -c.
command_of() {
	sed -n "s/^ExecStart=\/bin\/sh -c '\(.*\)'$/\1/p" "$UNITS/$1" |
		sed 's/\$\$/$/g'
}

# sandbox COMMAND -- as the unit's user with its one capability, in a tree that
# may be written where the unit says so, and nowhere else.
sandbox() {
	local env
	mapfile -t env < <(grep -v '^#' "$UNITS/lspp.env")
	printf '%s\n' "$1" >"$ROOT/command"
	in_root "
		mount --rbind $ROOT $ROOT
		for d in var/lib/lspp backup/fleet tmp \
			var/lib/prometheus/node-exporter; do
			mount --bind $ROOT/\$d $ROOT/\$d
		done
		for d in '' usr dev; do
			mount -o remount,bind,ro $ROOT/\$d
		done
		exec chroot $ROOT setpriv --reuid=backup --regid=backup \
			--clear-groups --no-new-privs \
			--inh-caps=-all,+dac_read_search \
			--ambient-caps=+dac_read_search \
			--bounding-set=-all,+dac_read_search \
			env -i ${env[*]} sh -c \"\$(cat $ROOT/command)\""
}

# start COMMAND -- in the sandbox, in the background.
start() {
	sandbox "$1" >"$T/out.txt" 2>"$T/err.txt" 3>&- &
	INIT=$!
}

# Every process of it gets a SIGTERM, as from systemctl stop.
stop_all() {
	local pids
	pids=$(ps -o pid= --ppid "$INIT")
	# shellcheck disable=SC2046,SC2086 # lists
	kill $pids $(ps -o pid= --ppid $pids)
}

@test "the service, where nothing can be written but state, replica and metrics" {
	machine_or_skip
	ROOT=$T/root
	make_root
	tenants 20
	# Others' databases, closed to us, some of them in use.
	sqlite3 "$ROOT/srv/tenants/0003/app.db" 'PRAGMA journal_mode = DELETE' \
		>/dev/null
	chmod -R go= "$ROOT"/srv/tenants/*
	start 'touch /srv/tenants/x'
	wait "$INIT" && status=0 || status=$?
	assert_equal "$status" 1
	grep -q 'Read-only file system' "$T/err.txt"
	sed -n 1,10p "$T/list" | fleet commit 600 5 >"$T/commits" 3>&- &
	writer=$!
	start "$(command_of lspp.service)"
	wait_for shipped 20
	db=$(sed -n 15p "$T/list")
	sqlite3 "$db" 'INSERT INTO t VALUES (1)'
	wait_for restores "$db"
	kill "$writer"
	wait "$writer"
	# What is written at the last moment is shipped at the stop.
	sqlite3 "$db" 'INSERT INTO t VALUES (2)'
	stop_all
	wait "$INIT" && status=0 || status=$?
	INIT=
	assert_equal "$(sort -u "$T/err.txt")" Terminated # says the shell
	assert_equal "$status" 143
	grep -q '^SuccessExitStatus=.*143' "$UNITS/lspp.service"
	while read -r db; do
		restores "$db"
	done <"$T/list"
	assert [ -f \
		"$ROOT/var/lib/prometheus/node-exporter/lspp_ship.prom" ]
	# And the drill, from what is there now.
	start "$(command_of lspp-drill.service)"
	wait "$INIT"
	INIT=
	assert_equal "$(cat "$T/err.txt")" ''
	grep -q '^lspp_databases{.*state="restored".*} 20$' \
		"$ROOT/var/lib/prometheus/node-exporter/lspp_drill.prom"
	# And how the fleet is.
	start "$(command_of lspp-stat.service)"
	wait "$INIT"
	INIT=
	assert_equal "$(cat "$T/err.txt")" ''
	grep -q '^lspp_fleet_databases{.*} 20$' \
		"$ROOT/var/lib/prometheus/node-exporter/lspp_stat.prom"
	# And a second opinion.
	start "$(command_of lspp-compare.service)"
	wait "$INIT"
	INIT=
	assert_equal "$(cat "$T/err.txt")" ''
	grep -q '^lspp_databases{.*state="equal".*} 20$' \
		"$ROOT/var/lib/prometheus/node-exporter/lspp_compare.prom"
}

@test "the programs make no system call that the unit forbids" {
	need strace lspp-new
	calls() {
		systemd-analyze syscall-filter "$1" | sed 's/^ *//'
	}
	# Names of sets are in the lists, too.
	expand() {
		local name
		while read -r name; do
			case $name in
			'#'* | '') ;;
			@*) [ "$name" = "$1" ] || calls "$name" | expand "$name" ;;
			*) echo "$name" ;;
			esac
		done
	}
	grep -qx 'SystemCallFilter=@system-service' "$UNITS/lspp.service"
	grep -qx 'SystemCallFilter=~@privileged' "$UNITS/lspp.service"
	comm -23 <(calls @system-service | expand @system-service | sort -u) \
		<(calls @privileged | expand @privileged | sort -u) >"$T/allowed"
	mkdir "$T/f"
	sqlite3 "$T/f/a.db" 'PRAGMA journal_mode = WAL; CREATE TABLE t (x)' \
		>/dev/null
	cd "$T"
	export LSPP_REPLICA=$T/r LSPP_STATE=$T/s LSPP_BASE=$T/f
	traced -f -o log sh -c "lspp-scan f | lspp-hot --watch --for 2s |
		lspp-ship --drain 1s --metrics m.prom; lspp-scan file://$T/r |
		lspp-restore -o out --metrics n.prom;
		lspp-verify --against-source --sample 1" >printed
	assert_equal "$(wc -l <printed)" 4
	sed -nE 's/^[0-9]+ +([a-z_0-9]+)\(.*/\1/p' log | sort -u >used
	# To give a file to the source's group is tried, and may fail.
	run -0 comm -13 allowed used
	assert_output fchown
}
