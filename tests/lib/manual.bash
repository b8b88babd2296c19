# SPDX-License-Identifier: Apache-2.0
# The examples of a manual, as a reader of it would type them.

# examples PAGE -- of its section EXAMPLES: each .Dl, and each literal block, ends
# in a line of "%%".
examples() {
	awk '
	function say(text) {
		gsub(/\\\(aq/, "\047", text)
		gsub(/\\&/, "", text)
		gsub(/\\-/, "-", text)
		gsub(/\\e/, "\\", text)
		print text
	}
	/^\.Sh / { on = $0 == ".Sh EXAMPLES" }
	!on { next }
	/^\.Dl / { say(substr($0, 5)); print "%%" }
	/^\.Ed/ && inside { inside = 0; print "%%" }
	inside && !/^\./ { say($0) }
	/^\.Bd .*-literal/ { inside = 1 }' "$1"
}

# write_examples PAGE DIR -- each of them as DIR/PAGE.N.  No bucket is there, so a
# directory has its place, and nobody waits a minute.
write_examples() {
	local line n=1
	while IFS= read -r line; do
		if [ "$line" = %% ]; then
			n=$((n + 1))
		else
			printf '%s\n' "$line" >>"$2/$1.$n"
		fi
	done < <(examples "$LSPP_ROOT/man/$1" |
		sed 's,s3://b/,file:///b/,; s,--for 58s,--for 1s,; s,10000,100,')
}
