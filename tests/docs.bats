# SPDX-License-Identifier: Apache-2.0
# What the documents point at is there: files, folders, tests by their names.
#
# Not under sanitizers: what it looks at are documents.

load lib/lspp

# Of the text inside of [brackets] in SECURITY.md, one claim a line.
proofs() {
	tr '\n' ' ' <"$LSPP_ROOT/SECURITY.md" | grep -oP '\[\K[^]]*(?=\])' | tr -s ' '
}

@test "what holds a claim of SECURITY.md is there" {
	local claim rest file name n=0
	cd "$LSPP_ROOT"
	while IFS= read -r claim; do
		rest=$claim
		while [[ $rest =~ ^[,\ ]*([a-z][A-Za-z0-9_./]*)(\ \"([^\"]*)\")?(.*)$ ]]; do
			file=${BASH_REMATCH[1]} name=${BASH_REMATCH[3]}
			rest=${BASH_REMATCH[4]}
			[ -e "$file" ] || fail "$claim: no $file"
			[ -z "$name" ] || grep -qF "@test \"$name\" {" "$file" ||
				fail "$claim: no test \"$name\""
			n=$((n + 1))
		done
		[ -z "$rest" ] || fail "what is \"$rest\"?"
	done < <(proofs)
	[ "$n" -ge 30 ]
}

@test "files that the documents name are there" {
	local doc file n=0
	cd "$LSPP_ROOT"
	for doc in README.md CONTRIBUTING.md SECURITY.md; do
		while IFS= read -r file; do
			[ -e "$file" ] || fail "$doc: no $file"
			n=$((n + 1))
		done < <(grep -v '^ *load ' "$doc" | grep -oE \
			'(lib|bin|tests|man|examples|bench)/[A-Za-z0-9_./-]*[a-z0-9]' |
			grep -vE 'NAME|bin/lspp-$' | sort -u)
	done
	[ "$n" -ge 30 ]
}

@test "the recorded terminal of the README is what the programs say" {
	need lspp-scan lspp-hot lspp-ship lspp-stat lspp-restore lspp-verify sqlite3
	cd "$LSPP_ROOT"
	examples/tour/record >"$T/tour.svg"
	diff examples/tour/tour.svg "$T/tour.svg"
	# It fits a terminal.
	grep -o '>[^<]*</text>' "$T/tour.svg" | sed 's/^>//; s,</text>$,,' >"$T/text"
	[ "$(wc -l <"$T/text")" -gt 20 ]
	run ! grep -E '.{81}' "$T/text"
	grep -qF '](examples/tour/tour.svg)' README.md
}

@test "what the README compares lspp with is what the tests have" {
	local v
	cd "$LSPP_ROOT"
	for v in $(sed -n "s/^LITESTREAM='\(.*\)'/\1/p" bootstrap); do
		grep -q "itestream $v\|$v" README.md || fail "no litestream $v"
	done
	# Stores that are said to work are those that bootstrap brings.
	tr '\n' ' ' <README.md >"$T/readme"
	for v in versitygw LocalStack Garage; do
		grep -oiE "^($v)=.*" bootstrap | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1 >"$T/v"
		[ -s "$T/v" ]
		grep -qF "$v $(cat "$T/v")" "$T/readme" || fail "$v $(cat "$T/v")"
	done
}

@test "every recipe is in the README, and a test types it" {
	local page n=0
	cd "$LSPP_ROOT"
	for page in examples/recipes/*.md; do
		grep -qF "]($page)" README.md || fail "no $page"
		grep -q '^```sh$' "$page" || fail "$page: no commands"
		n=$((n + 1))
	done
	[ "$n" -ge 10 ]
}
