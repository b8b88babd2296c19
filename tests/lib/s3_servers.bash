# SPDX-License-Identifier: Apache-2.0
# The servers that lib/s3 can start, one function for each: in the foreground,
# on 127.0.0.1:$S3_PORT, for the keys $S3_KEY and $S3_SECRET, with all that it
# keeps in $S3_DIR; and what each of them cannot.

: "${VERSITYGW:=$LSPP_ROOT/.tools/versitygw}"
: "${MINIO:=$LSPP_ROOT/.tools/minio}"
: "${LOCALSTACK:=$LSPP_ROOT/.tools/localstack/bin/python}"
: "${GARAGE:=$LSPP_ROOT/.tools/garage}"
: "${S3_KIND:=versitygw}"
export VERSITYGW MINIO LOCALSTACK GARAGE S3_KIND

# Where a server has a limit that is not lspp's: which, what, and why.
s3_limits() {
	cat <<-'END'
	ceph       checksums    stores what x-amz-checksum-* contradicts
	ceph       regions      takes any region
	ceph       localhost    takes the name localhost for a bucket's
	localstack signatures   checks no signature
	localstack regions      takes any region
	localstack plain-port   speaks TLS at the same port
	localstack durable      keeps objects in memory
	garage     conditions   ignores conditions on PUT
	garage     skew         takes dates of another hour
	garage     codes        says AccessDenied to all that is wrong with keys
	END
}

# s3_installed -- what the kind S3_KIND consists of is there.
s3_installed() {
	case $S3_KIND in
	versitygw) need "$VERSITYGW" ;;
	minio) need "$MINIO" ;;
	ceph) need ceph ceph-mon ceph-osd radosgw radosgw-admin monmaptool ;;
	localstack) need "$LOCALSTACK" ;;
	garage) need "$GARAGE" ;;
	*) echo "S3_KIND: $S3_KIND is not known" >&2; return 1 ;;
	esac
}

# s3_keys -- in the form that the kind demands.
s3_keys() {
	S3_KEY=AKIATESTKEY00000001
	S3_SECRET=testsecretkey0123456789abcdefABCDEF01
	[ "$S3_KIND" = garage ] || return 0
	S3_KEY=GK0123456789abcdef01234567
	S3_SECRET=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
}

# s3_prepare -- once, before the first s3_run: what stands behind the server.
s3_prepare() {
	mkdir -p "$S3_DIR/data" "$S3_DIR/iam"
	S3_CONSOLE=$(free_port)
	export S3_CONSOLE
	case $S3_KIND in
	ceph) ceph_prepare ;;
	garage) garage_prepare ;;
	esac
}

# s3_run [OPTION...] -- the server, in place of this shell.
s3_run() {
	case $S3_KIND in
	versitygw)
		exec "$VERSITYGW" --port "127.0.0.1:$S3_PORT" \
			--access "$S3_KEY" --secret "$S3_SECRET" \
			--region us-east-1 --iam-dir "$S3_DIR/iam" \
			--virtual-domain "s3.localhost:$S3_PORT" "$@" \
			posix "$S3_DIR/data"
		;;
	minio)
		export MINIO_ROOT_USER=$S3_KEY MINIO_ROOT_PASSWORD=$S3_SECRET
		export MINIO_DOMAIN=s3.localhost MINIO_REGION=us-east-1
		exec "$MINIO" server --quiet --address "127.0.0.1:$S3_PORT" \
			--console-address "127.0.0.1:$S3_CONSOLE" "$S3_DIR/data"
		;;
	ceph) exec radosgw -c "$S3_DIR/ceph.conf" -n client.rgw -f ;;
	localstack)
		export GATEWAY_LISTEN=127.0.0.1:$S3_PORT SERVICES=s3,sts
		export LOCALSTACK_HOST=s3.localhost:$S3_PORT DNS_ADDRESS=0
		export EAGER_SERVICE_LOADING=1 DISABLE_EVENTS=1
		export SKIP_SSL_CERT_DOWNLOAD=1 FILESYSTEM_ROOT=$S3_DIR/data
		export HOME=$S3_DIR
		exec "$LOCALSTACK" -m localstack.runtime.main
		;;
	garage) exec "$GARAGE" -c "$S3_DIR/garage.toml" server ;;
	esac
}

# Ceph: a monitor and a storage daemon that keeps all in memory, by hand, with
# no authentication among them, and radosgw in front.
ceph_prepare() {
	local monitor fsid osd
	fsid=$(cat /proc/sys/kernel/random/uuid)
	osd=$(cat /proc/sys/kernel/random/uuid)
	monitor=[v1:127.0.0.1:$(free_port)]
	mkdir -p "$S3_DIR/mon" "$S3_DIR/osd"
	cat >"$S3_DIR/ceph.conf" <<-END
	[global]
	fsid = $fsid
	mon host = $monitor
	auth cluster required = none
	auth service required = none
	auth client required = none
	public addr = 127.0.0.1
	cluster addr = 127.0.0.1
	admin socket =
	run dir = $S3_DIR
	crash dir = $S3_DIR
	log file = $S3_DIR/\$name.log
	mon cluster log file = $S3_DIR/cluster.log
	mon data = $S3_DIR/mon
	mon allow pool size one = true
	mon max pg per osd = 1000
	osd data = $S3_DIR/osd
	osd objectstore = memstore
	memstore device bytes = 4294967296
	osd crush chooseleaf type = 0
	osd pool default size = 1
	osd pool default min size = 1
	osd pool default pg num = 1
	osd pool default pg autoscale mode = off
	[client]
	rgw frontends = beast endpoint=127.0.0.1:$S3_PORT
	rgw dns name = s3.localhost
	rgw run sync thread = false
	rgw enable gc threads = false
	rgw enable lc threads = false
	END
	(
		export CEPH_CONF=$S3_DIR/ceph.conf
		cd "$S3_DIR" || exit
		monmaptool --create --fsid $fsid --addv a "$monitor" monmap &&
			ceph-mon --mkfs -i a --monmap monmap || exit
		ceph-mon -i a -f 3>&- &
		echo $! >mon.pid
		ceph_told ceph osd new $osd &&
			ceph-osd -i 0 --mkfs --osd-uuid $osd &&
			ceph_osd || exit
		timeout 120 radosgw-admin user create --uid tester --display-name tester \
			--access-key "$S3_KEY" --secret-key "$S3_SECRET"
	) >>"$S3_DIR/log" 2>&1
}

# ceph_told COMMAND... -- until it succeeds.  On a busy machine a client asks the
# monitor before it knows which cluster that is, and is refused ("wrong fsid").
ceph_told() {
	for _ in 1 2 3 4 5; do
		! timeout 60 "$@" || return 0
		sleep 0.2
	done
	return 1
}

# ceph_osd -- the storage daemon, in $PWD; so it may give up, too.
ceph_osd() {
	for _ in 1 2 3 4 5; do
		ceph-osd -i 0 -f 3>&- &
		echo $! >osd.pid
		wait_for ceph_osd_known
		! grep -q 'booting -> active' osd.0.log || return 0
	done
	return 1
}

# Active, or gone.
ceph_osd_known() {
	grep -q 'booting -> active' osd.0.log ||
		! kill -0 "$(cat osd.pid)" 2>/dev/null
}

# Garage: one node, which has to be told that it is one.
garage_prepare() {
	local node rpc
	rpc=$(free_port)
	cat >"$S3_DIR/garage.toml" <<-END
	metadata_dir = "$S3_DIR/meta"
	data_dir = "$S3_DIR/data"
	db_engine = "sqlite"
	replication_factor = 1
	rpc_bind_addr = "127.0.0.1:$rpc"
	rpc_public_addr = "127.0.0.1:$rpc"
	rpc_secret = "$S3_SECRET"
	[s3_api]
	s3_region = "us-east-1"
	api_bind_addr = "127.0.0.1:$S3_PORT"
	root_domain = ".s3.localhost"
	END
	(
		export GARAGE_CONFIG_FILE=$S3_DIR/garage.toml
		"$GARAGE" server 3>&- &
		echo $! >"$S3_DIR/pid"
		wait_for answers "$rpc"
		node=$("$GARAGE" node id -q) &&
			"$GARAGE" layout assign -z here -c 1G "${node%%@*}" &&
			"$GARAGE" layout apply --version 1 &&
			"$GARAGE" key import --yes -n tester "$S3_KEY" \
				"$S3_SECRET" &&
			"$GARAGE" key allow --create-bucket "$S3_KEY"
	) >>"$S3_DIR/log" 2>&1 && s3_down
}

# s3_needs WHAT... -- or the test is not one for this kind, by s3_limits.
s3_needs() {
	local kind what why
	while read -r kind what why; do
		[ "$kind" = "$S3_KIND" ] || continue
		case " $* " in *" $what "*) skip "$S3_KIND $why" ;; esac
	done < <(s3_limits)
}

# s3_can WHAT -- it is not one of the kind's limits.
s3_can() {
	! s3_limits | grep -q "^$S3_KIND *$1 "
}
