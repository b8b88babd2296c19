#!/bin/sh
# layers.sh -- a file of lib/ includes only from its own layer or one before
# it; bin/ and tests/ may include any; nothing includes a .c file, and our own
# headers are spelled from the root.  $LAYERS lists the layers, lowest first.
set -u
cd "$(dirname "$0")/.." || exit

: "${LAYERS:=$(sed -n 's/^LAYERS = //p' Makefile)}"
bad=0
complain() {
	echo "layers: $*" >&2
	bad=1
}

allowed=' '
for layer in $LAYERS; do
	allowed="$allowed$layer "
	for file in lib/"$layer"/*.[ch]; do
		[ -e "$file" ] || continue
		for dep in $(sed -n 's|^# *include "lib/\([^/]*\)/.*|\1|p' \
			"$file" | sort -u); do
			case $allowed in
			*" $dep "*) ;;
			*) complain "$file ($layer) must not use $dep" ;;
			esac
		done
	done
done

for dir in lib/*/; do
	dir=${dir%/}
	case $allowed in
	*" ${dir#lib/} "*) ;;
	*) complain "$dir is no layer of the Makefile's LAYERS" ;;
	esac
done

for file in lib/*/*.[ch] bin/*.[ch] tests/*/*.[ch]; do
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

# cli is what main is made of: it prints and exits.
for file in $(grep -lE '"lib/base/cli(_impl)?\.h"' lib/*/*.[ch]); do
	case $file in
	lib/base/cli.[ch] | lib/base/cli_*.[ch]) ;;
	*) complain "$file: only bin/ uses lib/base/cli.h" ;;
	esac
done
exit $bad
