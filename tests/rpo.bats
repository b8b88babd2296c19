#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How old may a commit be that is not in the replica yet?
#
# Long: begins early.
# Not under sanitizers: what it looks at is a time.

load lib/hard

setup() {
	set +T
	need lspp-hot lspp-scan lspp-new fleet
	hard_setup
}

# fleet_of N -- the databases of $T/list, below here, shipped.
fleet_of() {
	seq -f 'w%04.0f.db' "$1" >"$T/list"
	sqlite3 "$T/t.db" 'PRAGMA journal_mode = WAL;
		CREATE TABLE commits (n INTEGER)' >/dev/null
	lspp-new -t "$T/t.db" <"$T/list" >/dev/null
	ship <"$T/list" >/dev/null
}

# minutes N SECONDS -- as cron would: N runs, one begins every so many seconds,
# and watches for two less.
minutes() {
	local k pids=()
	for ((k = 0; k < $1; k++)); do
		lspp-scan . |
			lspp-hot -r "$R" -s "$S" --watch --for $(($2 - 2))s |
			ship --drain 10s >>"$T/acknowledged" &
		pids+=($!)
		sleep "$2"
	done
	wait "${pids[@]}"
}

# look -- restore all; which commits are there?  "TIME PATH N" to $T/seen: so
# far the database was in the replica at that time, in ns, at the latest.
look() {
	local now
	rm -rf "$T/now"
	lspp-restore -r "$R" -o "$T/now" <"$T/list" >/dev/null
	now=$(date +%s%N)
	sed "s,.*,.open '$T/now/&'\nSELECT '$now & ' || max(n) FROM commits;," \
		<"$T/list" | sqlite3 -batch >>"$T/seen"
}

# lags -- for each line of $T/commits, how long it was, in seconds, until a
# look that had begun later than it ended with it; sorted.  "never" if none did.
lags() {
	awk 'NR == FNR {
			at[$2, ++looks[$2]] = $1; upto[$2, looks[$2]] = $3
			next
		}
		{
			p = $3
			if (i[p] == 0) i[p] = 1
			while (i[p] <= looks[p] && upto[p, i[p]] < $2) i[p]++
			if (i[p] > looks[p]) print "never"
			else printf "%.3f\n", (at[p, i[p]] - $1) / 1e9
		}' "$T/seen" "$T/commits" | sort -n
}

# percentile P -- of the sorted numbers of stdin.
percentile() {
	awk -v p="$1" '{ v[NR] = $1 } END { n = NR * p / 100
		print v[n == int(n) ? n : int(n) + 1] }'
}

@test "watched from cron, each commit is in the replica within moments, across the seams, too" {
	seconds=$(count 300 10) minute=$(count 60 6)
	fleet_of 100
	# The last of them watches for longer than anybody writes.
	minutes $(((seconds + minute - 1) / minute + 1)) "$minute" 2>"$T/pipe.err" 3>&- &
	pipe=$!
	LIVE+=("$pipe")
	fleet commit "$seconds" 20 <"$T/list" >"$T/commits" 3>&- &
	writer=$!
	LIVE+=("$writer")
	while kill -0 "$writer" 2>/dev/null; do
		look
		sleep 0.2
	done
	wait "$writer"
	for _ in 1 2 3 4 5; do
		sleep 0.5
		look
	done
	wait "$pipe"
	look
	LIVE=()
	assert_equal "$(cat "$T/pipe.err")" ''
	lags >"$T/lags"
	p99=$(percentile 99 <"$T/lags")
	say "$(wc -l <"$T/commits") commits to 100 databases in $seconds s," \
		"$((seconds / minute)) seams," \
		"$(awk '{ print $1 }' "$T/seen" | sort -u | wc -l) looks:" \
		"in the replica after p50 $(percentile 50 <"$T/lags") s," \
		"p99 $p99 s, max $(tail -n 1 "$T/lags") s"
	refute grep -q never "$T/lags"
	assert [ "$(wc -l <"$T/lags")" -ge $((seconds * 10)) ]
	[ -z "${LSPP_SOAK:-}" ] || awk -v p="$p99" 'BEGIN { exit p > 3 }'
	# All of it is there.
	while read -r p; do
		image "$p" "$T/image"
		cmp "$T/image" "$T/now/$p"
	done <"$T/list"
}

@test "two that watch the same at once: nobody complains, and all of it is there" {
	fleet_of 20
	for k in 1 2; do
		lspp-scan . | lspp-hot -r "$R" -s "$S" --watch --for 6s |
			ship >>"$T/acknowledged" 2>>"$T/pipe.err" 3>&- &
		pids[k]=$!
	done
	fleet commit 4 5 <"$T/list" >"$T/commits"
	wait "${pids[1]}"
	wait "${pids[2]}"
	assert_equal "$(cat "$T/pipe.err")" ''
	look
	assert [ "$(wc -l <"$T/commits")" -gt 20 ]
	refute grep -q never <(lags)
}

# oldest -- of what the last run of lspp-hot saw, for how long it has waited.
oldest() {
	sed -n 's/^lspp_oldest_unshipped_seconds{.*} //p' "$T/hot.prom"
}

@test "--max-hot 10, and all are written all the time: nobody waits for ever" {
	n=$(count 1000 100) max=10
	fleet_of "$n"
	fleet commit 7200 1 <"$T/list" >"$T/commits" 3>&- &
	writer=$!
	LIVE+=("$writer")
	# All of them are served in so many passes, if those that have waited
	# longest go first; half as many again for what is printed twice,
	# because it was too fresh.
	window=$((n / max * 3 / 2 + 2))
	worst=0
	for ((pass = 1; pass <= 3 * window; pass++)); do
		began[pass]=$(date +%s%N)
		lspp-hot -r "$R" -s "$S" --max-hot $max \
			--metrics "$T/hot.prom" <"$T/list" >"$T/chosen"
		now=$(date +%s%N)
		assert [ "$(wc -l <"$T/chosen")" -le $max ]
		ship <"$T/chosen" >/dev/null
		[ $pass -gt $window ] || continue
		# Not older than the pass that is a window ago.
		awk -v age="$(oldest)" -v most=$((now - began[pass - window])) \
			'BEGIN { exit age > most / 1e9 }' || {
			echo "pass $pass: $(oldest) s"
			return 1
		}
		worst=$(awk -v a="$(oldest)" -v b="$worst" \
			'BEGIN { print (a > b ? a : b) }')
	done
	kill "$writer"
	wait "$writer"
	LIVE=()
	say "$n written all the time, $max a pass, $((pass - 1)) passes in" \
		"$(((now - began[1]) / 1000000000)) s: the oldest write that" \
		"waited had done so for $worst s"
	assert [ "$(wc -l <"$T/commits")" -ge "$n" ]
}

@test "what was read a moment ago is not asked for again before what waits" {
	seq -f 'w%g.db' 4 >"$T/list"
	while read -r p; do
		sqlite3 "$p" 'CREATE TABLE commits (n INTEGER)'
	done <"$T/list"
	# So soon that a write in the same tick would not show: all have to be
	# read again, and are racy still.
	ship <"$T/list" >/dev/null
	for _ in 1 2 3 4; do
		lspp-hot -r "$R" -s "$S" --max-hot 1 <"$T/list" |
			tee -a "$T/chosen" | ship >/dev/null
	done
	assert_equal "$(sort "$T/chosen" | uniq -d)" ''
}
