# SPDX-License-Identifier: Apache-2.0
# lspp-prune where there is nothing but object storage: permissions, requests,
# multipart uploads, errors of single keys.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load lib/lspp
load lib/s3_up
load lib/later

setup() {
	set +T
	need lspp-prune lspp-ship faketime s3tool faulty
	s3_bucket
	R=s3://$BUCKET/fleet
	export LATER_ERR=$T/later.err
	cd "$T" || return
	mkdir src
	sqlite3 src/a.db "CREATE TABLE t(x)"
}

teardown() {
	s3_faulty_stop
}

change() {
	sqlite3 src/a.db "INSERT INTO t VALUES(hex(randomblob(50)))"
}

ship() {
	lspp-ship -r "$R" -C src -s state "$@" src/a.db
}

# Two runs, the first of which can go.
two_runs() {
	ship
	change
	ship
	change
	sleep 1.1
	ship --snapshot-interval 0s
	change
	ship
} >/dev/null

# requests CLASS -- of the last that was later.  The first request of all is
# refused for its time.
requests() {
	local n
	n=$(sed -n "s/.*requests:.* $1=\([0-9]*\).*/\1/p" later.err)
	[ "${2:-}" != first ] || n=$((n - 1))
	echo "$n"
}

@test "a record of today is relied on; an older one costs four small reads" {
	change
	ship >/dev/null
	change
	run -0 --separate-stderr ship -v
	assert_regex "$stderr" 'put=1 get=0 head=0 list=0'
	change
	later 3 lspp-ship -v -r "$R" -C src -s state src/a.db 2>/dev/null
	assert_equal "$(requests get first)" 4
	assert_equal "$(requests list)" 0
	# Its time is that of the capture, three days from now: relied on then.
	change
	later 3 lspp-ship -v -r "$R" -C src -s state src/a.db 2>/dev/null
	assert_equal "$(requests get)" 0
	lspp-restore -r "$R" -o out a.db
	cmp out/a.db src/a.db
}

@test "of a day its snapshot stays alone" {
	local objects=$S3_DIR/data/$BUCKET/fleet/a.db/generations run hours
	local day=$(($(date +%s) / 86400 * 86400 - 30 * 86400))
	[ "$S3_KIND" = versitygw ] ||
		skip "the times of objects can be set in versitygw's files"
	for run in 1 2 3 4; do
		for hours in 1 2; do
			change
			ship --snapshot-interval $((hours * 10 - 10))h >/dev/null
			find "$objects" -name '*.lz4' -mmin -120 -exec touch -d \
				"@$((day + run * 86400 + hours * 3600))" {} +
		done
	done
	later 0 lspp-prune -v -r "$R" --yes --keep-for 1d --keep-daily 30 \
		'**' >gone
	# Of three days the segment; the newest is whole.
	assert_equal "$(wc -l <gone)" 6
	assert_equal "$(requests put)" 3
	s3tool "$R" ls >objects
	assert_equal "$(grep -c '\.alone\.lz4$' objects)" 3
	assert_equal "$(grep -c '\.snapshot\.lz4$' objects)" 4
	run -0 --separate-stderr lspp-verify --deep -r "$R" -s state a.db
	assert_equal "$stderr" ""
	lspp-restore -r "$R" -o out a.db
	cmp out/a.db src/a.db
	later 0 lspp-prune -r "$R" --yes --keep-last 1 '**' >gone
	assert_equal "$(grep -c '\.alone\.lz4$' gone)" 3
}

@test "where looking is not allowed, an older one begins a generation" {
	s3_putter pruned "$R"
	export AWS_ACCESS_KEY_ID=pruned$BATS_TEST_NUMBER
	export AWS_SECRET_ACCESS_KEY=prunedsecret
	ship
	cp -r state old
	change
	ship
	(s3_credentials; two_runs)
	(s3_credentials; later 3 lspp-prune -r "$R" --yes --keep-last 1 a.db) \
		>/dev/null
	rm -r state
	mv old state
	change
	sleep 1.1
	run -0 --separate-stderr later 3 lspp-ship -r "$R" -C src -s state src/a.db
	assert_output src/a.db
	assert_regex "$stderr" 'a new generation begins: nothing was shipped for a day'
	s3_credentials
	lspp-restore -r "$R" -o out a.db
	cmp out/a.db src/a.db
}

@test "one listing for a whole root, a thousand keys a request" {
	local i
	two_runs
	for i in 1 2 3 4 5 6 7 8; do cp src/a.db src/$i.db; done
	lspp-ship -r "$R" -C src -s state src/[1-8].db >/dev/null
	for i in 1 2 3 4 5 6 7 8; do
		sqlite3 src/$i.db "INSERT INTO t VALUES(1)"
	done
	sleep 1.1
	lspp-ship -r "$R" -C src -s state --snapshot-interval 0s \
		src/[1-8].db >/dev/null
	later 3 lspp-prune -v -r "$R" -n --keep-last 1 '**' >/dev/null 2>&1
	# Is "**" a name; the listing; the uploads.
	assert_equal "$(requests list first)" 3
	assert_equal "$(requests get)" 0
	later 3 lspp-prune -v -r "$R" --yes --keep-last 1 '**' >did 2>/dev/null
	assert_equal "$(requests list first)" 3
	# One by one it would be 27.
	assert [ "$(requests delete)" -le 10 ]
	assert [ "$(wc -l <did)" -ge 18 ]
}

@test "a key that the server keeps is named; the rest of its run stays" {
	local snap
	two_runs
	snap=fleet/$(s3tool "$R" ls | grep -o 'a.db/.*snapshots/00000000.*')
	cat >refused <<-END
	<?xml version="1.0" encoding="UTF-8"?>
	<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Error><Key>$snap</Key><Code>AccessDenied</Code><Message>locked</Message></Error></DeleteResult>
	END
	s3_faulty
	echo "POST delete - answer refused" >rules
	s3_objects >before
	run -77 --separate-stderr later 3 lspp-prune -r "$R" --yes \
		--keep-last 1 a.db
	assert_output ""
	assert_regex "$stderr" "${snap#fleet/}: DELETE $snap: AccessDenied: locked"
	diff before <(s3_objects)
}

@test "multipart uploads that nobody finishes are aborted when they are old" {
	local key=a.db/generations/0123456789abcdef/snapshots/00000000.snapshot.lz4
	two_runs
	head -c 6M /dev/zero >big
	s3_faulty
	printf '%s\n' 'PUT partNumber - status 403 AccessDenied' \
		'DELETE uploadId - status 403 AccessDenied' >rules
	run ! s3tool --part-size 5M "$R" put "$key" big of-others big
	s3_faulty_stop
	s3_credentials
	run -0 later 3 lspp-prune -r "$R" -n --keep-last 9 '**'
	assert_output ""
	run -0 later 9 lspp-prune -r "$R" -n --keep-last 9 '**'
	assert_line --regexp "^unfinished +0 $R/$key$"
	assert_equal "${#lines[@]}" 2
	run -0 later 9 lspp-prune -r "$R" --yes --keep-last 9 '**'
	assert_output "$R/$key"
	s3_faulty
	run -0 later 9 lspp-prune -r "$R" -n --keep-last 9 '**'
	assert_output ""
	assert_equal "$(grep -c '^GET .*uploads' requests)" 1
}
