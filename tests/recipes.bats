# SPDX-License-Identifier: Apache-2.0
# The pages of examples/recipes, and the literal examples of lspp(7): what they tell
# to type is typed, as it stands, in a root of its own; then what they promise is looked at.
#
# Not under sanitizers: what it looks at are pages.

load lib/root
load lib/manual

setup() {
	set +T
	machine_or_skip
	need faketime setpriv "$LITESTREAM_03"
	ROOT=$T/root
	make_root
	mkdir "$ROOT"/{typed,said,pds,etc/lspp}
	cd "$T" || return
}

# typed PAGE -- what it tells to type in blocks called sh, and what happens in between,
# which a reader does not see: <!-- sh: COMMAND -->.  No bucket is there, so a
# directory has its place, except for who asks what keys a bucket has.
typed() {
	awk '
	/^```sh$/ { on = 1; next }
	/^```$/ { on = 0 }
	on
	sub(/^<!-- sh: /, "") && sub(/ -->$/, "")' "$1" |
		if [ "${1##*/}" = keys.md ]; then
			cat
		else
			sed 's,s3://bucket/,file:///backup/,; s,--for 58s,--for 1s,'
		fi
}

# What is there before, for each page, and what has to be so behind it: bash for the root.
scenes() {
	cat <<-'END'
	set -e
	export LC_ALL=C
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0:detect_leaks=0
	export ASAN_OPTIONS # as tests/lib/faketime says
	db() {
		local path
		for path; do
			mkdir -p "${path%/*}"
			sqlite3 "$path" "PRAGMA journal_mode = WAL; CREATE TABLE t (x);
				INSERT INTO t VALUES ('first')" >/dev/null
		done
	}
	rows() { sqlite3 -readonly "$1" 'SELECT group_concat(x) FROM t'; }
	is() { [ "$1" = "$2" ] || { echo "not $2, but $1"; exit 1; }; }
	two_days_ago() { faketime -f -2d "$@" >/dev/null; }

	before_bluesky_pds() {
		local did
		for did in ab/did:plc:one cd/did:plc:two; do
			db "/pds/actors/$did/store.sqlite"
			echo "key of $did" >"/pds/actors/$did/key"
		done
		chmod 600 /pds/actors/*/*/key
		mkdir /pds/actors/reserved_keys
		echo reserved >/pds/actors/reserved_keys/did:key:three
		db /pds/account.sqlite /pds/sequencer.sqlite /pds/did_cache.sqlite
	}
	behind_bluesky_pds() {
		is "$(cat /pds/actors/cd/did:plc:two/key)" 'key of cd/did:plc:two'
		is "$(cat /pds/actors/reserved_keys/did:key:three)" reserved
		is "$(stat -c %a /pds/actors/ab/did:plc:one/key /pds/keys.sqlar | xargs)" \
			'600 600'
		is "$(rows /pds/actors/cd/did:plc:two/store.sqlite)" first
		is "$(rows /pds/sequencer.sqlite)" first
		[ ! -e /pds/did_cache.sqlite ]
	}

	before_rails_django() {
		db /srv/shop/storage/production_cache.sqlite3 \
			/srv/shop/storage/tenants/production/{acme,blue}/main.sqlite3 \
			/srv/shop/template.sqlite3
	}
	behind_rails_django() {
		is "$(rows /srv/shop/storage/tenants/production/acme/main.sqlite3)" first
		is "$(rows /srv/shop/storage/tenants/production/new/main.sqlite3)" first
	}

	before_pocketbase() {
		db /srv/pb/{blog,shop}/pb_data/{data,auxiliary}.db
		LSPP_BASE=/srv/pb two_days_ago lspp-ship -r /backup/pb -s /var/lib/lspp \
			/srv/pb/*/pb_data/*.db
		sqlite3 /srv/pb/blog/pb_data/data.db "INSERT INTO t VALUES ('second')"
	}
	behind_pocketbase() {
		is "$(rows /srv/pb.lost/blog/pb_data/data.db)" first
		is "$(rows /srv/pb/blog/pb_data/data.db)" first,second
		is "$(rows /srv/pb/shop/pb_data/auxiliary.db)" first
	}

	before_agents() {
		db /srv/template.db /srv/agents/4b1d.db
		LSPP_BASE=/srv/agents two_days_ago lspp-ship -r /backup/agents \
			-s /var/lib/lspp /srv/agents/4b1d.db
		sqlite3 /srv/agents/4b1d.db "INSERT INTO t VALUES ('second')"
	}
	behind_agents() {
		is "$(rows /srv/agents/9c20.db)" first
		is "$(lspp-hot -r /backup/agents -s /var/lib/lspp --gone)" \
			/srv/agents/7f3a.db
		lspp-restore -r /backup/agents -o /tmp/all '**' >/dev/null
		is "$(rows /tmp/all/4b1d.db)" first,second
		is "$(rows /tmp/all/7f3a.db)" first
	}

	before_another_user() {
		db /srv/tenants/acme/app.db
		chown -R games:games /srv/tenants/acme
		chmod 700 /srv/tenants/acme
		chmod 600 /srv/tenants/acme/app.db
		rm -rf /backup/fleet
	}
	behind_another_user() {
		is "$(stat -c '%U %a' /srv/back/acme/app.db)" 'games 600'
		is "$(find /backup/fleet -type f ! -user backup)" ''
	}

	before_tenants() { db /srv/tenants/{acme,blue,cafe}/app.db; }
	behind_tenants() {
		is "$(rows /tmp/look/acme/app.db)" first
		is "$(lspp-scan -r /backup/fleet | sed 's,.*/fleet/,,' | sort | xargs)" \
			'acme/app.db apex/app.db blue/app.db'
		# The old machine comes back to it.
		mv /srv/moved-blue /srv/old-blue
		sqlite3 /srv/old-blue/app.db "INSERT INTO t VALUES ('late')"
		mv /srv/tenants /srv/new && mkdir /srv/tenants
		mv /srv/old-blue /srv/tenants/blue
		lspp-ship -r /backup/fleet -C /srv/tenants -s /var/lib/lspp \
			/srv/tenants/blue/app.db 2>/dev/null && exit 1
		is $? 75
	}

	before_keys() { rm -f /etc/lspp/*; }
	behind_keys() {
		grep -q '^credentials: ' /said/keys
		is "$(stat -c %a /etc/lspp/keys)" 600
	}

	before_upgrade() {
		db /srv/tenants/{acme,blue}/app.db
		LSPP_BASE=/srv/tenants lspp-ship -q -r /backup/fleet -s /var/lib/lspp \
			/srv/tenants/*/app.db >/dev/null
		sqlite3 /srv/tenants/blue/app.db "INSERT INTO t VALUES ('second')"
	}
	# With the earlier state and a later replica, as the page says.
	behind_upgrade() {
		sqlite3 /srv/tenants/blue/app.db "INSERT INTO t VALUES ('third')"
		LSPP_BASE=/srv/tenants lspp-ship -r /backup/fleet -s /var/lib/lspp \
			/srv/tenants/*/app.db >/dev/null
		lspp-restore -r /backup/fleet -o /tmp/all '**' >/dev/null
		is "$(rows /tmp/all/blue/app.db)" first,second,third
	}

	before_from_litestream() {
		local pid
		db /srv/app/users.db
		cat >/etc/litestream.yml <<-'YML'
		dbs:
		  - path: /srv/app/users.db
		    replicas:
		      - path: /backup/users
		        sync-interval: 10ms
		YML
		/litestream replicate -config /etc/litestream.yml >/tmp/log 2>&1 &
		pid=$!
		until find /backup -name '*.wal.lz4' 2>/dev/null | grep -q .; do
			sleep 0.05
		done
		kill -INT $pid
		wait $pid || :
		find /backup -exec touch -d '2 days ago' {} +
		sqlite3 /srv/app/users.db "INSERT INTO t VALUES ('second')"
	}
	behind_from_litestream() {
		is "$(rows /tmp/now/srv/app/users.db)" first,second
		is "$(rows /tmp/then/srv/app/users.db)" first
		is "$(sqlite3 /srv/app/users.db .tables | xargs)" t
	}

	before_container() { db /var/lib/docker/volumes/app/_data/{a,b}/app.db; }
	behind_container() {
		is "$(lspp-scan -r /backup/app | wc -l)" 2
	}

	END
}

# Each page in turn, in the root, where nothing of another is left.
play() {
	cat <<-'END'
	for page in /typed/*; do
		name=${page##*/} status=0
		act=${name//-/_}
		rm -rf /srv/* /backup/* /var/lib/lspp* /tmp/* /pds/* /var/lib/docker
		mkdir -p /srv/tenants /backup/fleet
		# Each in a shell of its own: "set -e" counts for nothing before "&&".
		{ bash -ec ". /scenes; before_$act" && bash -eu "$page" </dev/null &&
			bash -ec ". /scenes; behind_$act"; } \
			>"/said/$name" 2>&1 || status=$?
		printf '%s %s\n' $status "$name"
	done
	END
}

@test "recipes run as they stand, and do what they promise" {
	local page status n=0 bad=0
	cp "$LITESTREAM_03" "$ROOT/litestream"
	for page in "$LSPP_ROOT"/examples/recipes/*.md; do
		page=${page##*/}
		typed "$LSPP_ROOT/examples/recipes/$page" >"$ROOT/typed/${page%.md}"
		[ -s "$ROOT/typed/${page%.md}" ]
	done
	scenes >"$ROOT/scenes"
	play >"$ROOT/begin"
	run -0 in_root "exec chroot $ROOT /bin/bash /begin"
	while read -r status page; do
		n=$((n + 1))
		[ "$status" -eq 0 ] || {
			say "$page: status $status"
			cat "$ROOT/said/$page"
			bad=1
		}
	done <<<"$output"
	assert_equal "$n" "$(find "$ROOT/typed" -type f | wc -l)"
	[ "$bad" -eq 0 ]
}
