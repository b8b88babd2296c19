#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# examples/kubernetes: what they ask for is what Kubernetes has, and their commands
# run as they are written, in a sandbox like the one that they ask for.
#
# Not under sanitizers: what it looks at is YAML.

load lib/root
load lib/engines

setup_file() {
	s3_start
}

teardown_file() {
	s3_stop
}

setup() {
	set +T
	: "${KUBECONFORM:=$LSPP_ROOT/.tools/kubeconform}"
	: "${YQ:=$LSPP_ROOT/.tools/yq}" "${SCHEMAS:=$LSPP_ROOT/.tools/kubernetes}"
	: "${CONTROL_PLANE:=$LSPP_ROOT/.tools/control-plane}"
	need "$KUBECONFORM" "$YQ" jq
	YAML=$LSPP_ROOT/examples/kubernetes
	POD=
	cd "$T"
}

teardown() {
	[ -z "$POD" ] || dies "$POD"
	[ ! -e "$T/faulty.pid" ] || s3_faulty_stop
	for f in manager api etcd; do
		end_process "$T/$f.pid"
	done
}

conform() {
	"$KUBECONFORM" -strict -summary -schema-location \
		"$SCHEMAS/{{.ResourceKind}}{{.KindSuffix}}.json" "$@"
}

@test "they are as the schemas of Kubernetes have it" {
	[ -e "$SCHEMAS" ] ||
		skip 'no schemas of Kubernetes here: ./bootstrap --test fetches them'
	run -0 conform "$YAML"/*.yaml
	assert_output --partial 'Valid: 4, Invalid: 0, Errors: 0, Skipped: 0'
	# Which would see it.
	sed 's/backoffLimitPerIndex/backoffLimitByIndex/' "$YAML/restore.yaml" \
		>wrong.yaml
	run -1 conform wrong.yaml
	sed 's/cpu: 500m/cpu: [500m]/' "$YAML/restore.yaml" >wrong.yaml
	run -1 conform wrong.yaml
}

# pod FILE -- pod.json, what a pod of it is, and secret.json.
pod() {
	"$YQ" -o json -I0 . "$YAML/$1" >all.json
	jq -s '.[] | .spec.jobTemplate.spec.template.spec //
		.spec.template.spec | select(.)' all.json >pod.json
	jq -s '.[] | select(.kind == "Secret").stringData' all.json >secret.json
	[ -s pod.json ] && [ -s secret.json ]
}

@test "what a pod may is little, and what it may use is bounded" {
	local f
	for f in ship restore; do
		pod $f.yaml
		run -0 jq -c '[.restartPolicy, .automountServiceAccountToken,
			.securityContext.runAsNonRoot,
			.securityContext.seccompProfile.type,
			.containers[0].securityContext.readOnlyRootFilesystem,
			.containers[0].securityContext.allowPrivilegeEscalation,
			.containers[0].securityContext.capabilities]' pod.json
		assert_output '["Never",false,true,"RuntimeDefault",true,false,{"drop":["ALL"]}]'
		run -0 jq -c '.containers[0].resources | [.requests, .limits |
			keys]' pod.json
		assert_output '[["cpu","memory"],["cpu","memory"]]'
		# No key is in what all may read.
		run -0 jq -r '.containers[0].env[].name' pod.json
		refute_output --partial AWS_
	done
	run -0 jq -s '.[1].spec | .completions == (.template.spec.containers[0].env[] |
		select(.name == "PARTS").value | tonumber)' all.json
	assert_output true
}

# start_pod [NAME=VALUE...] -- the pod of pod.json: its command, user, mounts, and
# environment; of its secret, what the test has.
start_pod() {
	local name user
	ROOT=$T/root
	[ -d "$ROOT" ] || make_root
	{
		jq -r '.containers[0].env[] | "\(.name)=\(.value)" |
			"export " + @sh' pod.json
		for name in $(jq -r 'keys[]' secret.json); do
			echo "export $name='${!name:?}'"
		done
		printf "export '%s'\n" "AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL" \
			AWS_EC2_METADATA_DISABLED=true "$@"
		jq -r '.containers[0].command | "exec " + @sh' pod.json
	} >"$ROOT/command"
	jq -r '.containers[0].volumeMounts[] |
		"\(.name) \(.mountPath) \(.readOnly // false)"' pod.json >mounts
	user=$(jq -r '.securityContext |
		"--reuid=\(.runAsUser) --regid=\(.runAsGroup)"' pod.json)
	in_root "
		mount --rbind $ROOT $ROOT
		while read -r name path ro; do
			mount --bind $T/volumes/\$name $ROOT\$path
			[ \$ro = false ] || mount -o remount,bind,ro $ROOT\$path
		done <$T/mounts
		for d in '' usr dev; do
			mount -o remount,bind,ro $ROOT/\$d
		done
		exec chroot $ROOT setpriv $user --clear-groups --no-new-privs \
			--inh-caps=-all --bounding-set=-all \
			env -i PATH=/usr/local/bin:/usr/bin:/bin sh /command" \
		>"$T/out.txt" 2>"$T/err.txt" 3>&- &
	POD=$!
}
# run_pod -- to its end: status.
run_pod() {
	start_pod
	wait "$POD" && status=0 || status=$?
	POD=
}

# fleet_of N -- below the volume "tenants", of another user than root; paths.
fleet_of() {
	s3_here fleet
	export LSPP_REPLICA=$R AWS_REGION=us-east-1
	mkdir -p volumes/tenants volumes/tmp
	fleet make -n "$1" -b 8192 -p 4096 -m wal "$T/volumes/tenants" >paths
	sed "s|^$T/volumes/tenants/||" paths | LC_ALL=C sort >keys
	chown -R 2000:2000 volumes
	chmod 755 . volumes
}

@test "the CronJob ships what changed, and can write nothing but its state" {
	machine_or_skip
	fleet_of 30
	pod ship.yaml
	mkdir volumes/state
	chown 2000 volumes/state
	chmod 700 volumes/tenants/00
	sha_tree volumes/tenants >before
	run_pod
	assert_equal "$(cat err.txt)" ''
	assert_equal "$status" 0
	sha_tree volumes/tenants | diff before -
	lspp-scan -r "$R" | sed 's|^.*/fleet/||' | diff keys -
	head -n 3 paths | fleet touch
	run_pod
	assert_equal "$status" 0
	assert_equal "$(s3_objects | grep -c '\.wal\.lz4$')" 3
	lspp-restore -q -r "$R" -o out '**' >/dev/null
	fleet compare "$T/volumes/tenants" "$T/out" <paths
	# And a scan that fails is a job that failed.
	chmod 0 volumes/tenants
	run_pod
	[ "$status" -ne 0 ]
	jq '.containers[0].command |= (.[-1] = "touch /srv/tenants/x")' pod.json >x
	mv x pod.json
	chmod 755 volumes/tenants
	run_pod
	grep -q 'Read-only file system' err.txt
}

@test "the Job restores its indexes, also what one was at when it was killed" {
	local k part
	machine_or_skip
	fleet_of 60
	lspp-ship -q -C volumes/tenants -s state -r "$R" <paths >/dev/null
	mv volumes/tenants src
	sed -i "s|^$T/volumes/tenants/|$T/src/|" paths
	mkdir out
	chown 2000 out
	ln -s ../out volumes/tenants
	pod restore.yaml
	s3_faulty
	rules 'GET 9-wal.db/ - hang'
	for k in 0 1 2; do
		part=(PARTS=3 "JOB_COMPLETION_INDEX=$k")
		start_pod "${part[@]}"
		if [ ! -s before ] && hangs; then
			as_they_are before
			dies "$POD"
			rules
			start_pod "${part[@]}"
		fi
		wait "$POD" || fail "$(cat err.txt)"
		POD=
	done
	[ -s before ]
	all_restored before
	assert_equal "$(stat -c %u out/00/*.db | sort -u)" 2000
}
# The pod waits for what will not come, or is over.
hangs() {
	wait_for over_or_hangs
	n2_hangs
}
over_or_hangs() {
	n2_hangs || gone "$POD"
}

# control_plane -- Kubernetes without a node: what decides, and kubectl for it.
control_plane() {
	local db peer api
	db=$(free_port) peer=$(free_port) api=$(free_port)
	openssl genrsa -out account.key 2048 2>/dev/null
	echo 'token,admin,1,system:masters' >tokens
	"$CONTROL_PLANE/etcd" --data-dir etcd --unsafe-no-fsync \
		--listen-client-urls "http://127.0.0.1:$db" \
		--advertise-client-urls "http://127.0.0.1:$db" \
		--listen-peer-urls "http://127.0.0.1:$peer" \
		--initial-advertise-peer-urls "http://127.0.0.1:$peer" \
		--initial-cluster "default=http://127.0.0.1:$peer" \
		>etcd.log 2>&1 3>&- &
	echo $! >etcd.pid
	"$CONTROL_PLANE/kube-apiserver" --etcd-servers "http://127.0.0.1:$db" \
		--secure-port "$api" --bind-address 127.0.0.1 --cert-dir certs \
		--service-account-issuer https://localhost \
		--service-account-key-file account.key \
		--service-account-signing-key-file account.key \
		--token-auth-file tokens --authorization-mode RBAC \
		--service-cluster-ip-range 10.0.0.0/24 \
		--disable-admission-plugins ServiceAccount >api.log 2>&1 3>&- &
	echo $! >api.pid
	jq -n --arg at "https://127.0.0.1:$api" '{apiVersion: "v1", kind: "Config",
		clusters: [{name: "c", cluster: {server: $at,
			"insecure-skip-tls-verify": true}}],
		users: [{name: "u", user: {token: "token"}}],
		contexts: [{name: "x", context: {cluster: "c", user: "u"}}],
		"current-context": "x"}' >config
	export KUBECONFIG=$T/config
	PATH=$CONTROL_PLANE:$PATH
	wait_for ready
	"$CONTROL_PLANE/kube-controller-manager" --kubeconfig config \
		--controllers=job-controller,cronjob-controller \
		--service-account-private-key-file account.key \
		--leader-elect=false --secure-port "$(free_port)" \
		--bind-address 127.0.0.1 --cert-dir certs >manager.log 2>&1 3>&- &
	echo $! >manager.pid
}
ready() {
	kubectl get --raw /readyz >/dev/null 2>&1
}
# A pod waits for a node: its name and index, in waiting.  Or the Job is over.
pod_waits() {
	kubectl get pods -o json | jq -r '.items[] |
		select(.status.phase == "Pending") | .metadata | [.name,
		.labels["batch.kubernetes.io/job-completion-index"]] | @tsv' |
		head -n 1 >waiting
	[ -s waiting ] || over
}
over() {
	kubectl get job lspp-restore -o json | jq -e '.status.conditions[]? |
		select(.type == "Complete" or .type == "Failed")' >/dev/null
}
# pod_is NAME PHASE [CONDITION] -- what a node would say of it.
pod_is() {
	kubectl patch pod "$1" --subresource=status --type=merge -p "{\"status\":
		{\"phase\": \"$2\", \"conditions\": [${3:-}]}}" >/dev/null
}

@test "Kubernetes takes both, and gives an index that a node died with to another" {
	local name index died=''
	machine_or_skip
	[ -x "$CONTROL_PLANE/kube-apiserver" ] ||
		skip 'no Kubernetes here: ./bootstrap --test-kubernetes builds it'
	fleet_of 60
	lspp-ship -q -C volumes/tenants -s state -r "$R" <paths >/dev/null
	mv volumes/tenants src
	sed -i "s|^$T/volumes/tenants/|$T/src/|" paths
	mkdir out
	chown 2000 out
	ln -s ../out volumes/tenants
	pod restore.yaml
	s3_faulty
	rules 'GET 9-wal.db/ - hang'
	control_plane
	kubectl apply --validate=strict --dry-run=server -f "$YAML/ship.yaml"
	sed 's/completions: 16/completions: 3/; s/parallelism: 4/parallelism: 1/' \
		"$YAML/restore.yaml" >small.yaml
	kubectl apply --validate=strict -f small.yaml
	while wait_for pod_waits && read -r name index <waiting; do
		pod_is "$name" Running
		echo "$index" >>indexes
		start_pod PARTS=3 "JOB_COMPLETION_INDEX=$index"
		if [ -z "$died" ] && hangs; then
			died=$index
			as_they_are before
			dies "$POD"
			rules
			pod_is "$name" Failed '{"type": "DisruptionTarget",
				"status": "True", "reason": "DeletionByPodGC"}'
			continue
		fi
		wait "$POD" || fail "$(cat err.txt)"
		POD=
		pod_is "$name" Succeeded
	done
	assert_equal "$(kubectl get job lspp-restore -o json |
		jq -r .status.completedIndexes)" 0-2
	assert_equal "$(sort indexes | tr '\n' ' ')" \
		"$(printf '%s\n' 0 1 2 "$died" | sort | tr '\n' ' ')"
	all_restored before
}
