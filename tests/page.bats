# SPDX-License-Identifier: Apache-2.0
# lspp-stat --html: a page that needs nothing from elsewhere.  What a browser
# makes of it: tests/browser/page.bats.

load lib/lspp

setup() {
	set +T
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T/srv LSPP_STATE=$T/state
	mkdir -p srv/eu
	sqlite3 srv/eu/a.db 'CREATE TABLE t(x)'
	lspp-ship srv/eu/a.db
}

# A database that fails, of whatever name.
fail() {
	mkdir -p "$(dirname "srv/$1")"
	echo junk >"srv/$1"
	printf '%s\0' "srv/$1" | lspp-ship -0 2>/dev/null || true
}

@test "nothing in it is from elsewhere, and the only script is the one of its policy" {
	run -0 --separate-stderr lspp-stat --html fleet.html
	assert_output ''
	assert_equal "$stderr" ''
	run -0 head -n 3 fleet.html
	assert_output --partial '<!DOCTYPE html>'
	assert_output --partial "default-src 'none'"
	run -0 sed -n "s/.*script-src 'sha256-\([^']*\)'.*/\1/p" fleet.html
	assert_equal "$output" "$(grep '<script' fleet.html |
		sed 's|^<script>\(.*\)</script>$|\1|' | tr -d '\n' |
		openssl dgst -sha256 -binary | base64)"
	run -0 grep -c '<script' fleet.html
	assert_output 1
	run ! grep -iE 'src=|href=|url\(|@import|<link|<base|<meta http-equiv=refresh|https?:| on[a-z]+=' \
		fleet.html
	run -0 grep -c '<section>' fleet.html
	assert_equal "$(tail -n 1 fleet.html)" '</body></html>'
	# The mode is the caller's own affair.
	assert_equal "$(umask)" 0022
	assert_equal "$(stat -c %a fleet.html)" 644
	(umask 027 && lspp-stat --html other.html)
	assert_equal "$(stat -c %a other.html)" 640
}

@test "names are bytes, and none of them is markup" {
	fail 'g/<script>alert(1)</script>&"'\''.db'
	fail $'bad\xff\xc3(\xed\xa0\x80\xf5/x.db'
	fail $'ctl\x01\x1b[31m\n\x7f\xc2\x9b.db'
	fail $'\xef\xbf\xbe\xef\xbf\xbd.db'
	fail $'\xc3\xa9\xf0\x9f\x90\x98.db'
	lspp-stat --html fleet.html
	iconv -f UTF-8 -t UTF-8 fleet.html >/dev/null
	run ! grep -F '<script>a' fleet.html
	run -0 grep -cF '&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;.db' \
		fleet.html
	run -0 grep -cF '/bad<i>\xff</i><i>\xc3</i>(<i>\xed</i><i>\xa0</i><i>\x80</i><i>\xf5</i>/x.db' \
		fleet.html
	run -0 grep -cF 'ctl<i>\x01</i><i>\x1b</i>[31m<i>\x0a</i><i>\x7f</i><i>\xc2</i><i>\x9b</i>.db' \
		fleet.html
	run -0 grep -cF $'<i>\\xef</i><i>\\xbf</i><i>\\xbe</i>\xef\xbf\xbd.db' \
		fleet.html
	run -0 grep -cF $'/\xc3\xa9\xf0\x9f\x90\x98.db' fleet.html
	run ! grep -P '[\x00-\x08\x0b-\x1f\x7f]' fleet.html
}

@test "it says what --health says, by the same limits" {
	lspp-scan srv | lspp-ship
	lspp-stat --html fleet.html
	run -0 grep -c 'class="state ok">Healthy' fleet.html
	fail junk.db
	lspp-stat --html fleet.html
	run -0 grep -c 'class="state bad">Needs attention' fleet.html
	run -0 grep -c '<p class=why>1 failed</p>' fleet.html
	run -0 grep -c '<p class=msg>not a database</p>' fleet.html
	lspp-stat --html fleet.html --max-failed 1 --max-lag 1h
	run -0 grep -c 'class="state ok">Healthy' fleet.html
	lspp-stat --html fleet.html --expect-min 99
	run -0 grep -c '2 databases, expected 99' fleet.html
}

@test "replaced at once, or left as it was" {
	echo old >fleet.html
	ln fleet.html link.html
	lspp-stat --html fleet.html
	assert_equal "$(cat link.html)" old
	assert_equal "$(find . -name '.lspp-*')" ''
	run -66 --separate-stderr lspp-stat --html none/fleet.html
	assert_regex "$stderr" 'none/fleet.html: cannot write'
	mkdir dir.html
	run --separate-stderr lspp-stat --html dir.html
	assert_failure
	assert_regex "$stderr" 'dir.html: cannot replace'
	assert_equal "$(find . -name '.lspp-*')" ''
	# Not the state, by a slip of the hand.
	run -2 lspp-stat --html state/state.db
	run -66 lspp-stat -s none --html fleet.html
	run -0 tail -n 1 fleet.html
	assert_output '</body></html>'
}
