# SPDX-License-Identifier: Apache-2.0
# Manuals and programs say the same: options, and examples that run as they stand.
#
# Not under sanitizers: what it looks at are manuals.

load lib/root
load lib/manual

PROGRAMS='hot new prune restore scan ship stat verify'

setup() {
	set +T
	need lspp-ship mandoc
	cd "$T"
}

# Of a page as text, without marks and breaks of lines.
words() {
	mandoc -T utf8 "$LSPP_ROOT/man/$1.1" | col -bx | tr -s '\\\n ' ' '
}

@test "each program's --help ends in two examples of its manual" {
	local p line n
	for p in $PROGRAMS; do
		n=0
		words "lspp-$p" | sed 's/ | /|/g' >page
		while IFS= read -r line; do
			line=${line#  }
			grep -qF -- "${line// | /|}" page ||
				fail "lspp-$p: not in its manual: $line"
			n=$((n + 1))
		done < <("lspp-$p" --help | sed '1,/^$/d')
		assert_equal "$p $n" "$p 2"
	done
}

@test "what is to be typed survives in each rendered manual" {
	local page line n=0
	for page in "$LSPP_ROOT"/man/*; do
		mandoc -T utf8 "$page" | col -bx | tr -s '\n ' ' ' >rendered
		while IFS= read -r line; do
			line=$(tr -s '\t ' ' ' <<<"${line#"${line%%[![:space:]]*}"}")
			grep -qF -- "$line" rendered || fail "${page##*/}: $line"
			n=$((n + 1))
		done < <(examples "$page" any | grep -v '^%%$')
	done
	[ "$n" -gt 150 ]
}

@test "each option is in its program's manual" {
	local p h option
	for p in $PROGRAMS; do
		words "lspp-$p" >page
		for h in --help --help-more; do
			"lspp-$p" $h 2>/dev/null || :
		done | grep -oE '^ +(-., )?--[a-z0-9-]+' | grep -o -- '--.*' |
			grep -vE '^--(help|version)' >options
		[ -s options ]
		while read -r option; do
			grep -qF -- "$option" page ||
				fail "lspp-$p: $option is not in its manual"
		done <options
	done
}

@test "an option that is misspelt: which one was meant" {
	run -2 lspp-hot --wacth
	assert_line 'lspp-hot: unknown option --wacth: did you mean --watch?'
	run -2 lspp-hot -watch
	assert_line --partial 'did you mean --watch?'
	run -2 lspp-ship --nothing-like-it
	assert_line 'lspp-ship: unknown option --nothing-like-it'
}

@test "a URL with a slash too few is a typo, not a directory" {
	local p
	export LSPP_STATE=state
	for p in 'ship a.db' 'restore a.db' 'verify a.db' 'scan '; do
		run -78 lspp-${p/ / -r s3:/bucket/x }
		assert_output --partial 's3:/bucket/x is no URL'
		assert_output --partial 'did you mean s3://bucket/x?'
	done
	refute [ -e s3: ]
}

# What the manuals speak of, two days ago and now; anew for each example.
fleet() {
	local t
	mkdir -p "$ROOT"/srv/{acme,eu/x,old,t,www} "$ROOT/var/lib/node_exporter"
	sqlite3 "$ROOT/srv/acme/app.db" 'CREATE TABLE needle (x)'
	cp "$ROOT/srv/acme/app.db" "$ROOT/srv/eu/x/a.db"
	cp "$ROOT/srv/acme/app.db" "$ROOT/srv/old/gone.db"
	cp "$ROOT/srv/acme/app.db" "$ROOT/srv/template.db"
	mkdir "$ROOT"/srv/tenants/{t1,acme,blue}
	for t in t1 acme blue; do
		cp "$ROOT/srv/acme/app.db" "$ROOT/srv/tenants/$t"
	done
	sqlite3 "$ROOT/srv/fleet.db" "CREATE TABLE tenant (path, plan);
		INSERT INTO tenant VALUES ('/srv/acme/app.db', 'free')"
	echo /srv/acme/app.db >"$ROOT/srv/failed"
	echo /srv/old/gone.db >"$ROOT/srv/paths"
	echo old/gone.db >"$ROOT/srv/left"
	cat >"$ROOT/begin" <<-'END'
	set -e
	cd /srv
	export LSPP_STATE=/var/lib/lspp LSPP_REPLICA=/backup/fleet LSPP_BASE=/srv
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0:detect_leaks=0
	export ASAN_OPTIONS # as tests/lib/faketime says
	lspp-scan /srv | faketime -f -2d lspp-ship -q >/dev/null
	sqlite3 /srv/acme/app.db 'CREATE TABLE more (x)'
	lspp-scan /srv | lspp-ship -q >/dev/null
	lspp-verify -q '**' >/dev/null
	cp -r /backup /b
	cp -r /backup/fleet /b/backups
	mkdir /was
	cp -a /srv /backup /var/lib/lspp /b /was
	for f in /examples/*; do
		rm -rf /srv/* /backup/* /var/lib/lspp/* /b /tmp/*
		cp -a /was/srv /was/backup /was/b /
		cp -a /was/lspp /var/lib
		if grep -qE 'gone|paths|old|< left' "$f"; then
			rm /srv/old/gone.db
			lspp-scan /srv | lspp-hot >/dev/null 2>&1 || :
		fi
		if grep -qF -- '--forget /srv/acme/app.db' "$f"; then
			rm /srv/acme/app.db
		fi
		# Where it is restored to, there is nothing yet.
		if d=$(grep -oP -- '-o \K/srv[^ ]*' "$f") && ! grep -q if-not-exists "$f"; then
			rm -rf "${d:?}"/*.db "${d:?}"/*/
		fi
		if [[ $f = */lspp-format.5.* ]]; then
			cp -a /backup/fleet/acme/app.db /backup/fleet/acme/a.db
		fi
		status=0
		bash -o pipefail "$f" >"/said/${f##*/}" 2>&1 </dev/null || status=$?
		printf '%s %s\n' "$status" "${f##*/}"
	done
	END
}

# The only ones that do not end with 0, and why.
declare -gA ENDS=(
	[lspp-stat.1.5]=6    # curl: there is no such host
	[lspp-verify.1.5]=1  # grep: no database lacks anything
)

@test "examples run as they stand" {
	local p status example n=0 bad=0
	machine_or_skip
	need jq openssl faketime
	ROOT=$T/root
	make_root
	mkdir "$ROOT/examples" "$ROOT/said"
	for p in $PROGRAMS; do
		write_examples "lspp-$p.1" "$ROOT/examples"
	done
	write_examples lspp.7 "$ROOT/examples" DESCRIPTION
	# A bucket that keeps versions is nothing that a directory can stand for.
	rm "$(grep -l '^aws ' "$ROOT"/examples/lspp.7.*)"
	# The second begins where the first one is; what is no shell's stays out.
	write_examples lspp-format.5 "$ROOT/examples"
	cat "$ROOT/examples/lspp-format.5.2" >>"$ROOT/examples/lspp-format.5.1"
	write_examples lspp-output.7 "$ROOT/examples"
	rm "$ROOT/examples/lspp-format.5.2" \
		"$(grep -l '^time() -' "$ROOT"/examples/lspp-output.7.*)"
	fleet
	run -0 in_root "exec chroot $ROOT /bin/bash /begin"
	while read -r status example; do
		n=$((n + 1))
		[ "$status" -eq "${ENDS[$example]:-0}" ] || {
			say "$example: status $status"
			cat "$ROOT/examples/$example" "$ROOT/said/$example"
			bad=1
		}
	done <<<"$output"
	[ "$n" -gt 55 ]
	[ "$bad" -eq 0 ]
}
