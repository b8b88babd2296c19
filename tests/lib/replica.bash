# SPDX-License-Identifier: Apache-2.0
# For the suites that hold wherever the replica is.  tests/NAME.bats has it in
# a directory; with the line "# Twice: on S3, too." the same tests run once more,
# against object storage, as NAME_s3.bats (tests/run).  What can be so in a
# directory alone (a full disk, say) is a test of a suite without that line.
#
# A suite with the line "# And as LTX." runs once more, as NAME_ltx.bats, with
# lspp-ship -- "${AS[@]}" is for that -- writing the layout of Litestream 0.5.
#
#	replica_new DIR		sets R, the root: DIR, or in a bucket of its own
#
# and then, without knowing where it is:

load lib/lspp

case ${BATS_TEST_FILENAME##*/} in
*_s3.bats) REPLICA=s3 ;;
*) REPLICA=dir ;;
esac
# shellcheck disable=SC2034  # the suites have AS
case ${BATS_TEST_FILENAME##*/} in
*_ltx.bats | *_ltx_s3.bats) LAYOUT=ltx AS=(--format ltx) ;;
*) LAYOUT=wal AS=() ;;
esac
[ $REPLICA = dir ] || load lib/s3

setup_file() {
	[ $REPLICA = dir ] || s3_start
}

teardown_file() {
	[ $REPLICA = dir ] || s3_stop
}

replica_new() {
	if [ $REPLICA = dir ]; then
		mkdir -p "$1"
		R=$1
	else
		s3_bucket
		R=s3://$BUCKET/fleet
	fi
}

# replica_list [PREFIX] -- the keys of its objects, sorted.  A directory has
# no other files: what a run leaves there is an object here.
replica_list() {
	if [ $REPLICA = dir ]; then
		[ ! -d "$R" ] || find "$R" -type f -printf '%P\n'
	else
		s3tool "$R" ls | cut -d ' ' -f 2-
	fi | P=${1:-} awk 'index($0, ENVIRON["P"]) == 1' | LC_ALL=C sort
}

# replica_get KEY -- to stdout.
replica_get() {
	if [ $REPLICA = dir ]; then
		cat "$R/$1"
	else
		s3tool "$R" get "$1"
	fi
}

# replica_rm KEY...
replica_rm() {
	local key
	[ $# -gt 0 ] || return 0
	if [ $REPLICA = s3 ]; then
		s3tool "$R" rm-many "$@" >/dev/null
		return
	fi
	rm -f "${@/#/"$R/"}"
	for key; do
		key=$R/$key
		[ ! -d "${key%/*}" ] ||
			rmdir -p --ignore-fail-on-non-empty "${key%/*}"
	done
	[ -d "$R" ] || mkdir -p "$R"
}

# replica_put KEY FILE -- whatever was there.
replica_put() {
	local file=$R/$1
	if [ $REPLICA = dir ]; then
		[ -d "${file%/*}" ] || mkdir -p "${file%/*}"
		cp --remove-destination "$2" "$file"
	else
		replica_rm "$1"
		s3tool "$R" put "$1" "$2" >/dev/null
	fi
}

# replica_clear -- an empty one, that nothing has ever been shipped to.
replica_clear() {
	[ $REPLICA = s3 ] || rm -rf "$R"
	replica_new "$R"
}

# replica_sums -- "sum key" of every object: equal output, equal replica.
replica_sums() {
	local key
	replica_list | while IFS= read -r key; do
		printf '%s %s\n' "$(replica_get "$key" | sha256sum)" "$key"
	done
}

# replica_save DIR, replica_back DIR -- all objects, to a directory and from
# it, where replica_back leaves nothing that was not in DIR.
replica_save() {
	local key
	rm -rf "$1"
	mkdir "$1"
	if [ $REPLICA = dir ]; then
		cp -a "$R/." "$1"
		return
	fi
	replica_list | while IFS= read -r key; do
		mkdir -p "$1/${key%/*}"
		replica_get "$key" >"$1/$key"
	done
}

replica_back() {
	local key args=()
	if [ $REPLICA = dir ]; then
		rm -rf "$R"
		cp -a "$1" "$R"
		return
	fi
	mapfile -t args < <(replica_list)
	replica_rm "${args[@]}"
	args=()
	while IFS= read -r key; do
		args+=("$key" "$1/$key")
	done < <(find "$1" -type f -printf '%P\n' | LC_ALL=C sort)
	s3tool "$R" put "${args[@]}" >/dev/null
}

# but_limits -- a filter: without what the server's limits make lspp say.
but_limits() {
	if [ $REPLICA = s3 ] && ! s3_can conditions; then
		grep -av ': the server ignores conditions on PUT: ' || :
	else
		cat
	fi
}

# replica_later -- what is written from now on has a later time than what is
# there: object storage counts in seconds.
replica_later() {
	[ $REPLICA = dir ] || sleep 1.1
}

# generations KEY -- how many the replica has; of LTX, how often a line began:
# that is byte 83 of a file of level 0 (lib/replica/ltx/ltx_mark.h).
generations() {
	local key n=0
	if [ $LAYOUT = ltx ]; then
		while IFS= read -r key; do
			[ "$(replica_get "$key" | od -An -j83 -N1 -tu1)" -ne 2 ] ||
				n=$((n + 1))
		done < <(replica_list "$1/" | grep '/0*0/[^/]*\.ltx$')
		echo $n
		return
	fi
	replica_list "$1/generations/" |
		sed -n 's,^.*/generations/\([0-9a-f]*\)/.*,\1,p' | sort -u | wc -l
}

# objects KEY -- how many the replica has.
objects() {
	if [ $LAYOUT = ltx ]; then
		replica_list "$1/" | grep -c '\.ltx$'
	else
		replica_list "$1/generations/" | wc -l
	fi
}

# litestream_config DB KEY -- for both of them: KEY is the replica of DB.
litestream_config() {
	printf 'dbs:\n  - path: %s\n    replicas:\n' "$1"
	if [ $REPLICA = dir ]; then
		printf '      - type: file\n        path: %s\n' "$R/$2"
	else
		s3_litestream "$2"
	fi
}

# litestream_restore 03|0314|05 KEY OUT -- what it says goes to $T/litestream.log.
litestream_restore() {
	litestream_config "$T/any.db" "$2" >"$T/litestream.yml"
	litestream "$1" restore -config "$T/litestream.yml" -o "$3" \
		"$T/any.db" >"$T/litestream.log" 2>&1 3>&- || {
		echo "litestream $1: restore of $2 failed"
		cat "$T/litestream.log"
		return 1
	}
}
