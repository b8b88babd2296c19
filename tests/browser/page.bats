# SPDX-License-Identifier: Apache-2.0
# The page of lspp-stat in headless Chromium; `make check-page` is the way here.

load ../lib/lspp

setup_file() {
	need chromium
}

# page [FACTOR] -- a fleet in trouble, with names of all kinds, as fleet.html.
setup() {
	set +T
	local f
	cd "$T"
	export LSPP_REPLICA=$T/rep LSPP_BASE=$T/srv LSPP_STATE=$T/state
	export HOME=$T/home
	mkdir srv home
	fleet make -n 300 -b 8192 -p 4096 -m delete "$T/srv" >paths
	lspp-ship <paths >/dev/null
	fleet touch <paths
	lspp-hot <paths >/dev/null
	mkdir -p srv/"$(printf 'long%.0s' {1..50})"/
	for f in '<img src=x onerror=alert(1)>' $'\xff\xfe' \
		"$(printf 'verylongname%.0s' {1..15})" \
		"$(printf 'long%.0s' {1..50})/$(printf 'x%.0s' {1..200})"; do
		echo junk >"srv/$f"
		echo "srv/$f" | lspp-ship 2>/dev/null || true
	done
	sqlite3 state/state.db "
		INSERT INTO verdict(root, key, at_ns, deep, class, msg)
			SELECT root, key, CASE id WHEN 7 THEN snapshot_ns + 1
				ELSE 1764000000000000000 END, 1,
			CASE id WHEN 7 THEN 65 ELSE 0 END, 'a segment is missing'
			FROM db WHERE id < 200;
		UPDATE pending SET since_ns = since_ns -
			abs(random() % 7000) * 1000000000;
		UPDATE db SET captured_ns = captured_ns - 10000000000000"
	lspp-stat --html fleet.html
}

browse() { # WIDTH ARGUMENT...
	local width=$1
	shift
	timeout 120 chromium --headless --no-sandbox --disable-gpu \
		--disable-dev-shm-usage --no-first-run --disable-sync \
		--disable-background-networking --disable-component-update \
		--user-data-dir="$T/profile" --enable-logging=stderr \
		--hide-scrollbars --window-size="$width,844" "$@" 2>err
}

# The page, in a frame of that width (a window of this browser has 500 at
# least), with a script that measures it and tells the title of the window.
measured() { # WIDTH
	grep -v Content-Security-Policy fleet.html >measured.html
	cat >>measured.html <<-'END'
	<script>
	onload = () => {
		var d = document;
		var wide = [...d.querySelectorAll('body *')].filter(e =>
			e.getBoundingClientRect().right > innerWidth + 0.5);
		parent.postMessage([innerWidth, d.documentElement.scrollWidth,
			wide.length, performance.getEntriesByType('resource').length,
			d.querySelectorAll('img, link, iframe, object').length,
			d.querySelectorAll('section').length].join(' '), '*');
	};
	</script>
	END
	cat >frame.html <<-END
	<title></title><script>onmessage = e => document.title = e.data</script>
	<iframe style="width:$1px;height:844px;border:0" src=measured.html></iframe>
	END
	browse 1400 --virtual-time-budget=10000 --dump-dom \
		"file://$T/frame.html" | sed -n 's|.*<title>\(.*\)</title>.*|\1|p'
}

@test "no horizontal overflow at any width, nothing loaded, all of it there" {
	local w
	for w in 320 390 768 1280; do
		assert_equal "$(measured $w)" "$w $w 0 0 0 5"
	done
}

@test "the browser finds nothing to complain about" {
	browse 390 --dump-dom "file://$T/fleet.html" >dom
	run ! grep -iE 'refused|violat|CONSOLE' err
	# Each tag that was written is an element: it was parsed as it was meant.
	tags() { grep -oE '<[a-z][a-z0-9]*' "$1" | sort | uniq -c; }
	diff <(tags fleet.html) <(tags dom)
}

# What the page says of itself, once its script has run.
@test "it says how old it is, and that it is too old" {
	browse 390 --dump-dom "file://$T/fleet.html" >dom
	run -0 grep -cE '<span class="?age"?> \([0-9]+s ago\)</span>' dom
	run ! grep -E '<body class="?old' dom
	sed 's/datetime="....-/datetime="2025-/' fleet.html >old.html
	browse 390 --dump-dom "file://$T/old.html" >dom
	run -0 grep -cE '<span class="?age"?> \([0-9]+d ago\)</span>' dom
	run -0 grep -cE '<body class="?old' dom
}

@test "a picture, light and dark" {
	local dir=${LSPP_SHOTS:-$T}
	browse 390 --screenshot="$dir/phone.png" "file://$T/fleet.html"
	browse 1280 --screenshot="$dir/desk.png" "file://$T/fleet.html"
	browse 390 --force-dark-mode --blink-settings=preferredColorScheme=0 \
		--screenshot="$dir/dark.png" "file://$T/fleet.html"
	for f in phone desk dark; do
		[ "$(stat -c %s "$dir/$f.png")" -gt 10000 ]
	done
	run ! cmp "$dir/phone.png" "$dir/dark.png"
}
