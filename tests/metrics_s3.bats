# SPDX-License-Identifier: Apache-2.0
# --metrics and the counts of requests.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3
load lib/metrics

setup_file() {
	need "$LSPP_ROOT/.tools/promtool"
	s3_start
}

teardown_file() {
	s3_stop
}

setup() {
	set +T
	cd "$T"
	s3_bucket
	export LSPP_BASE=$T LSPP_STATE=$T/state
	sqlite3 a.db "CREATE TABLE t AS SELECT 1 a"
	F=$T/m.prom
}

@test "requests to object storage, by class, as -v and --json count them" {
	local put
	run -0 --separate-stderr lspp-ship -v --json --metrics "$F" \
		-r "s3://$BUCKET/x" a.db
	[[ $stderr =~ requests:\ (\{.*\}) ]]
	put=$(sqlite3 :memory: \
		"SELECT json_extract('${BASH_REMATCH[1]}', '\$.put')")
	[ "$put" -gt 0 ]
	assert_equal "$(value 'lspp_requests_total{op="put",class="a"}')" "$put"
	run -0 --separate-stderr lspp-restore -v --metrics r.prom \
		-r "s3://$BUCKET/x" -o out a.db
	assert_regex "$stderr" 'get=([0-9]+)'
	[[ $stderr =~ get=([0-9]+) ]]
	assert_equal "$(value 'lspp_requests_total{op="get",class="b"}' r.prom)" \
		"${BASH_REMATCH[1]}"
	assert_equal "$(value 'lspp_requests_total{op="list",class="a"}' r.prom)" 1
	run -0 lspp-scan --metrics s.prom s3://$BUCKET/x
	assert_equal "$(value 'lspp_requests_total{op="list",class="a"}' s.prom)" 1
	# The bucket is not there: no success, and counters go on.
	run lspp-ship --metrics "$F" -r s3://nobucket/x a.db
	assert_failure
	assert_equal "$(value lspp_last_run_exit_code)" "$status"
	[ "$(value 'lspp_requests_total{op="put",class="a"}')" -ge "$put" ]
	# The budget is used up.
	run -75 lspp-ship --metrics "$F" --max-requests 1 -r "s3://$BUCKET/y" a.db
	assert_equal "$(value lspp_last_run_exit_code)" 75
	sound "$F"
}
