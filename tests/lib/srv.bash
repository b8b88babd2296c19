# SPDX-License-Identifier: Apache-2.0
# Databases below srv, here.

# db FILE... -- a database of one row below srv.
db() {
	local f dir
	for f; do
		dir=srv/$f dir=${dir%/*}
		[ -d "$dir" ] || mkdir -p "$dir"
		[ -e template ] || sqlite3 template 'CREATE TABLE t AS SELECT 1 x'
		cp template "srv/$f"
	done
}
change() { # FILE...
	local f
	for f; do
		sqlite3 "srv/$f" 'INSERT INTO t VALUES (random())'
	done
}
