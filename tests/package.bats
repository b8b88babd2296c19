# SPDX-License-Identifier: Apache-2.0
# What leaves the house: an installed tree, completion, a release, a list of parts.
#
# Not under sanitizers: what it looks at is what make makes.

load lib/lspp

PROGRAMS='hot new prune restore scan ship stat verify'

setup() {
	set +T
	need make jq
	cd "$LSPP_ROOT"
}

# Quiet make, in the build folder of the tests.
make() {
	command make --no-print-directory -s "$@"
}

@test "what make install brings, make uninstall takes" {
	local p
	make install DESTDIR="$T/root" PREFIX=/usr
	for p in $PROGRAMS; do
		[ -x "$T/root/usr/bin/lspp-$p" ]
		[ -s "$T/root/usr/share/man/man1/lspp-$p.1" ]
		[ -s "$T/root/usr/share/bash-completion/completions/lspp-$p" ]
		[ -s "$T/root/usr/share/zsh/site-functions/_lspp-$p" ]
		[ -s "$T/root/usr/share/fish/vendor_completions.d/lspp-$p.fish" ]
	done
	for p in check_lspp parallel/restore-fleet; do
		[ -x "$T/root/usr/share/doc/lspp/examples/$p" ]
	done
	for p in slurm/part.sbatch kubernetes/ship.yaml kubernetes/restore.yaml; do
		[ -s "$T/root/usr/share/doc/lspp/examples/$p" ]
	done
	make uninstall DESTDIR="$T/root" PREFIX=/usr
	assert_equal "$(find "$T/root" ! -type d)" ''
}

# complete PROGRAM WORD... -- what bash offers for the last of them.
complete_words() {
	COMP_WORDS=("lspp-$1" "${@:2}")
	COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	"_lspp_$1"
	printf '%s\n' "${COMPREPLY[@]}"
}

@test "bash completes each option, and directories and files where these go" {
	local p h
	make install DESTDIR="$T/root" PREFIX=/usr
	mkdir -p "$T/work/dir"
	cd "$T/work"
	touch file
	for p in $PROGRAMS; do
		# shellcheck disable=SC1090
		source "$T/root/usr/share/bash-completion/completions/lspp-$p"
		complete -p "lspp-$p"
		complete_words "$p" -- >offered
		for h in --help --help-more --help-s3; do
			"lspp-$p" $h 2>/dev/null || :
		done | grep -oE '^ +(-., )?--[a-z0-9-]+' | grep -o -- '--.*' |
			sort -u >options
		assert_equal "$(sort -u offered | comm -13 - options)" ''
		# And none that the program does not have.
		assert_equal "$(grep -- '^--' offered | sort -u |
			comm -23 - options | grep -v '^--help-')" ''
	done
	assert_equal "$(complete_words ship --bas)" --base
	assert_equal "$(complete_words ship --base '')" dir
	assert_equal "$(complete_words ship --base = d)" dir
	assert_equal "$(complete_words ship -e f)" file
	assert_equal "$(complete_words ship f)" file
	assert_equal "$(complete_words ship -j '')" ''
}

@test "zsh and fish read theirs" {
	local p
	need zsh fish
	make install DESTDIR="$T/root" PREFIX=/usr
	for p in $PROGRAMS; do
		zsh -n "$T/root/usr/share/zsh/site-functions/_lspp-$p"
		fish -n "$T/root/usr/share/fish/vendor_completions.d/lspp-$p.fish"
	done
}

@test "a release is the same bytes wherever and whenever it is made" {
	local name
	git rev-parse -q HEAD >/dev/null 2>&1 || skip "not in a repository of git"
	git clone -q "$LSPP_ROOT" "$T/one"
	mkdir -p "$T/other/and deep"
	git clone -q "$LSPP_ROOT" "$T/other/and deep/two"
	git -C "$T/one" config tar.umask 0077
	(cd "$T/one" && make dist)
	(
		cd "$T/other/and deep/two"
		umask 077
		TZ=Asia/Tokyo "$LSPP_ROOT/tests/lib/faketime" -f '+400d' make dist
	)
	name=$(lspp-ship --version | sed 's/.* /lspp-/')
	cmp "$T/one/$name.tar.gz" "$T/other/and deep/two/$name.tar.gz"
	tar -C "$T" -xzf "$T/one/$name.tar.gz"
	[ -s "$T/$name/LICENSE" ]
	[ -s "$T/$name/SECURITY.md" ]
	assert_equal "$(find "$T/$name" -name .git)" ''
	# From there it builds without git.
	(cd "$T/$name" && make -n all >/dev/null 2>&1)
}

@test "the list of parts: each library that is loaded, the same twice" {
	local file
	make sbom
	file=$(echo lspp-*.spdx.json)
	mv "$file" "$T/one"
	make sbom
	cmp "$file" "$T/one"
	rm -f "$file"
	[ "$(jq -r '.spdxVersion' "$T/one")" = SPDX-2.3 ]
	# Nothing refers to what is not there.
	assert_equal "$(jq -r '([.packages[].SPDXID, .files[].SPDXID, .SPDXID] as $ids |
		.relationships[] | .spdxElementId, .relatedSpdxElement |
		select(IN($ids[]) | not))' "$T/one")" ''
	sed -n 's/^\(LATE_\)\{0,1\}LIBS = \([^#]*\).*/\2/p' Makefile | tr ' ' '\n' |
		sort >"$T/called"
	jq -r '.packages[].name | select(. != "lspp")' "$T/one" | sort >"$T/listed"
	assert_equal "$(cat "$T/listed")" "$(cat "$T/called")"
}
