# SPDX-License-Identifier: Apache-2.0
# What the documents point at is there: files, folders, tests by their names.

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
