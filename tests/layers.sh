#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# layers.sh -- the plan of lib/, which ARCHITECTURE.md tells, holds:
#
#  - a file includes only from its own room or from one before it, and once it
#    is built its object calls only into these (nm); so there is no circle;
#  - NAME_impl.h is included only within its own room, sub-rooms among it;
#  - a room has at most 25 files, as has each folder of bin/, and one header
#    says what it is for;
#  - nothing includes a .c file; our own headers are spelled from the root.
#
# bin/ and tests/ may include any.  $LAYERS lists the rooms, lowest first, a
# sub-room as ROOM/SUB; $B is where the objects are [build].
set -u
cd "$(dirname "$0")/.." || exit

: "${B:=build}"
: "${LAYERS:=$(sed -n '/^LAYERS = /,/[^\\]$/{s/^LAYERS = //;s/\\$//;p;}' Makefile |
	tr '\n' ' ')}"
bad=0
complain() {
	echo "layers: $*" >&2
	bad=1
}

allowed=' '
for layer in $LAYERS; do
	allowed="$allowed$layer "
	files=$(find lib/"$layer" -maxdepth 1 -type f 2>/dev/null)
	[ -n "$files" ] || complain "lib/$layer: no such room, or it is empty"
	n=$(echo "$files" | wc -l)
	[ "$n" -le 25 ] || complain "lib/$layer has $n files, 25 at most"
	n=$(grep -lE "^ \* Room $layer:" lib/"$layer"/*.h | wc -l)
	[ "$n" -eq 1 ] || complain \
		"lib/$layer: $n headers say \"Room $layer:\" and what it is for"
	for file in $files; do
		for dep in $(sed -n 's|^# *include "lib/\(.*\)/[^/]*".*|\1|p' \
			"$file" | sort -u); do
			case $allowed in
			*" $dep "*) ;;
			*) complain "$file ($layer) must not use $dep" ;;
			esac
		done
		for impl in $(sed -n 's|^# *include "lib/\(.*_impl\.h\)".*|\1|p' \
			"$file"); do
			[ "${impl%%/*}" = "${layer%%/*}" ] ||
				complain "$file: lib/$impl is of its room alone"
		done
	done
done

for dir in bin bin/*/; do
	n=$(find "$dir" -maxdepth 1 -type f | wc -l)
	[ "$n" -le 25 ] || complain "$dir has $n files, 25 at most"
done

for dir in $(find lib -type f | sed 's|^lib/||; s|/[^/]*$||' | sort -u); do
	case $allowed in
	*" $dir "*) ;;
	*) complain "lib/$dir is no room of the Makefile's LAYERS" ;;
	esac
done

for file in lib/*/*.[ch] lib/*/*/*.[ch] bin/*.c bin/*/*.[ch] tests/*/*.[ch]; do
	[ -e "$file" ] || continue
	while read -r _ header; do
		[ -n "$header" ] || continue
		case $header in
		*.c\") complain "$file includes $header" ;;
		\"lib/*.h\" | \"bin/*.h\" | \"tests/*.h\") ;;
		*) complain "$file: spell $header from the root" ;;
		esac
		header=${header#\"}
		[ -e "${header%\"}" ] ||
			complain "$file includes ${header%\"}: no such file"
	done <<-END
	$(sed -n 's/^# *include *\("[^"]*"\).*/include \1/p' "$file")
	END
done

# What the objects call, as far as they are built: "room file symbol type".
objects=
for layer in $LAYERS; do
	for file in lib/"$layer"/*.c; do
		[ -e "$B/${file%.c}.o" ] && objects="$objects $B/${file%.c}.o"
	done
done
if [ -n "$objects" ]; then
	calls=$(nm -A -P $objects | LAYERS=$LAYERS B=$B awk '
		BEGIN {
			n = split(ENVIRON["LAYERS"], l, " ")
			for (i = 1; i <= n; i++)
				at[l[i]] = i
		}
		{
			file = substr($1, 1, length($1) - 1)
			room = substr(file, length(ENVIRON["B"]) + 6)
			sub("/[^/]*$", "", room)
			if ($3 == "U")
				use[file " " $2] = room
			else if ($3 ~ /^[TDBRC]$/)
				has[$2] = room
		}
		END {
			for (u in use) {
				split(u, p, " ")
				r = has[p[2]]
				if (r != "" && at[r] > at[use[u]])
					print p[1] " (" use[u] ") must not call " \
					    p[2] " of " r
			}
		}')
	[ -z "$calls" ] || complain "$calls"
fi
exit $bad
