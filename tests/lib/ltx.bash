# SPDX-License-Identifier: Apache-2.0
# For tests of LTX: load lib/ltx after lib/replica.  Litestream 0.5 writes below
# $R, with levels and snapshots that come within seconds.
#
#	ltx_config DB...	c.yml: each replicated to $R/<its name>
#	ltx_start		the daemon; ltx_stop: it syncs, and ends
#	ltx_files NAME		"level min max key" of each file of a database
#	ltx_theirs OUT NAME [OPTION...]	litestream restore
#	ltx_ours OUT NAME [OPTION...]	lspp-restore

: "${LTX_L0:=1h}" # how long files of level 0 are kept

ltx_url() {
	if [ $REPLICA = dir ]; then
		echo "file://$R/$1"
	else
		echo "$R/$1?endpoint=http://127.0.0.1:$S3_PORT&forcePathStyle=true"
	fi
}

ltx_config() {
	local db
	{
		cat <<-END
			snapshot: {interval: ${LTX_EVERY:-4s}, retention: ${LTX_SNAPSHOTS:-1h}}
			levels: [{interval: 1s}, {interval: 3s}]
			l0-retention: $LTX_L0
			l0-retention-check-interval: 1s
			dbs:
		END
		for db; do
			cat <<-END
				- path: $T/$db
				  monitor-interval: 50ms
				  replica: {url: '$(ltx_url "$db")', sync-interval: 100ms}
			END
		done
	} >c.yml
}

ltx_start() {
	need "$LITESTREAM_05" || return
	"$LITESTREAM_05" replicate -config c.yml >>daemon.log 2>&1 3>&- &
	LTX_PID=$!
}

ltx_stop() {
	kill "$LTX_PID"
	wait "$LTX_PID" || :
	LTX_PID=
}

ltx_files() {
	replica_list "$1/" | sed -nE "s|^($1/(ltx/)?(000)?([0-9])/([0-9a-f]{16})-([0-9a-f]{16})\\.ltx)\$|\\4 \\5 \\6 \\1|p"
}

# The highest TXID of them.
ltx_newest() {
	ltx_files "$1" | cut -d ' ' -f 3 | sort | tail -n 1
}

ltx_theirs() {
	local out=$1 name=$2
	shift 2
	rm -f "$out" "$out"-*
	litestream 05 restore -o "$out" "$@" "$(ltx_url "$name")" >theirs.log 2>&1
}

ltx_ours() {
	local out=$1 name=$2
	shift 2
	lspp-restore -r "$R" -o - "$@" "$name" >"$out"
}

# ltx_step DB -- some random change; every other draws from RANDOM.
ltx_step() {
	local n=$((RANDOM % 40 + 1)) sql
	case $((RANDOM % 8)) in
	0 | 1 | 2) sql="INSERT INTO t(b) WITH RECURSIVE c(x) AS (VALUES(1) UNION
		ALL SELECT x+1 FROM c WHERE x<$n) SELECT
		printf('%0*d', 1 + (x * $RANDOM) % 3000, x * $RANDOM) FROM c" ;;
	3) sql="UPDATE t SET b = printf('%d', a * $RANDOM) WHERE a % 7 = $((n % 7))" ;;
	4) sql="DELETE FROM t WHERE a % 3 = $((n % 3))" ;;
	5) sql="VACUUM" ;;
	6) sql="CREATE TABLE IF NOT EXISTS u$((n % 3)) AS SELECT * FROM t" ;;
	7) sql="DROP TABLE IF EXISTS u$((n % 3)); INSERT INTO t(b) VALUES (zeroblob($n * 1000))" ;;
	esac
	sqlite3 -cmd '.timeout 10000' "$1" "$sql"
}

# ltx_make DB... -- of page sizes in turn, in WAL mode.
ltx_make() {
	local db size=512
	for db; do
		sqlite3 "$db" "PRAGMA page_size=$size; PRAGMA journal_mode=wal;
			CREATE TABLE t (a INTEGER PRIMARY KEY, b);
			INSERT INTO t(b) VALUES ('first')" >/dev/null
		size=$((size == 65536 ? 512 : size * 2))
	done
}
