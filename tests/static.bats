# SPDX-License-Identifier: Apache-2.0
# What `make static` made, alone in an empty folder: no library, no /etc, no /dev.
# Without that, or without root, each test is skipped and says so.
#
# Not under sanitizers: its programs are others.

load lib/lspp
load lib/s3

TARBALL=("$B"/static/lspp-*-static-*.tar.gz)

setup_file() {
	[ -e "${TARBALL[0]}" ] && [ "$(id -u)" -eq 0 ] || return 0
	need openssl
	s3_start
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$S3_DIR/key.pem" \
		-out "$S3_DIR/cert.pem" -days 2 -subj /CN=store.test \
		-addext 'subjectAltName=DNS:store.test,IP:127.0.0.1' 2>/dev/null
	TLS_PORT=$(free_port)
	export TLS_PORT
	"$VERSITYGW" --port "127.0.0.1:$TLS_PORT" --access "$S3_KEY" \
		--secret "$S3_SECRET" --region us-east-1 \
		--cert "$S3_DIR/cert.pem" --key "$S3_DIR/key.pem" \
		posix "$S3_DIR/data" >"$S3_DIR/tls.log" 2>&1 3>&- &
	echo $! >"$S3_DIR/tls.pid"
	disown
	wait_for answers "$TLS_PORT"
}

teardown_file() {
	[ -n "${S3_DIR:-}" ] || return 0
	end_process "$S3_DIR/tls.pid"
	s3_stop
}

setup() {
	set +T
	[ -e "${TARBALL[0]}" ] || skip "no static programs: make static"
	[ "$(id -u)" -eq 0 ] || skip "needs root for chroot"
	cd "$T"
	tar -xzf "${TARBALL[0]}" --strip-components=1 --one-top-level=root --wildcards '*/bin'
	mkdir -p root/srv
	export LSPP_MACHINE=alone
	local f
	for f in a b; do
		sqlite3 root/srv/$f.db "PRAGMA journal_mode = WAL;
			CREATE TABLE t (x); INSERT INTO t VALUES ('$f')" >/dev/null
	done
}

# alone PROGRAM ARGUMENT... -- it, where nothing else is.
alone() {
	chroot root "/bin/lspp-$1" "${@:2}"
}

# round ROOT -- there and back, and a part of it later.
round() {
	alone ship --base /srv -s /state -r "$1" /srv/a.db /srv/b.db >shipped
	assert_equal "$(sort shipped)" $'/srv/a.db\n/srv/b.db'
	sqlite3 root/srv/b.db "INSERT INTO t VALUES ('later')"
	alone scan /srv | alone hot --base /srv -s /state -r "$1" |
		alone ship --base /srv -s /state -r "$1" >shipped
	# The other one may be too young to be known as cold.
	grep -qx /srv/b.db shipped
	alone restore -r "$1" -o /out '**' >restored
	assert_equal "$(sqlite3 root/out/a.db 'SELECT x FROM t')" a
	assert_equal "$(sqlite3 root/out/b.db 'SELECT x FROM t')" $'b\nlater'
	alone verify --deep --base /srv -s /state -r "$1" '**' >verified
}

@test "no program of make static asks for a library" {
	local p
	for p in root/bin/*; do
		run -0 file -L "$p" 2>/dev/null || run -0 readelf -d "$p"
		refute_output --partial NEEDED
		refute_output --partial 'interpreter'
		alone "${p##*/lspp-}" --version >said
		[ -s said ]
	done
}

@test "static: there and back in an empty folder" {
	round file:///replica
}

@test "static: there and back over TLS, whose CA AWS_CA_BUNDLE names" {
	s3_bucket
	cp "$S3_DIR/cert.pem" root/ca.pem
	export AWS_ENDPOINT_URL=https://127.0.0.1:$TLS_PORT
	# Nothing is trusted where nothing is there, and the cure is told.
	run alone restore -r "s3://$BUCKET/r" -o /out '**'
	assert_failure
	assert_output --partial AWS_CA_BUNDLE
	export AWS_CA_BUNDLE=/ca.pem
	round "s3://$BUCKET/r"
	unset AWS_CA_BUNDLE
	SSL_CERT_FILE=/ca.pem alone restore -r "s3://$BUCKET/r" -o /out2 '**' >restored
	assert_equal "$(wc -l <restored)" 2
}

@test "static: a store by a name, which /etc/hosts has and no nsswitch.conf" {
	s3_bucket
	cp "$S3_DIR/cert.pem" root/ca.pem
	mkdir root/etc
	echo '127.0.0.1 store.test' >root/etc/hosts
	export AWS_ENDPOINT_URL=https://store.test:$TLS_PORT AWS_CA_BUNDLE=/ca.pem
	round "s3://$BUCKET/r"
}
