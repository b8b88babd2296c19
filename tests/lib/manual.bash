# SPDX-License-Identifier: Apache-2.0
# The examples of a manual, as a reader of it would type them.

# examples PAGE [SECTION] -- of its section EXAMPLES, or that one: each .Dl, and each
# literal block, ends in a line of "%%"; "any" is all of the page.  Where a block has prompts, what is between
# them is an answer.
examples() {
	awk -v section=".Sh ${2:-EXAMPLES}" '
	function say(text) {
		gsub(/\\\(aq/, "\047", text)
		gsub(/\\&/, "", text)
		gsub(/\\-/, "-", text)
		gsub(/\\e/, "\\", text)
		print text
	}
	/^\.Sh / { on = $0 == section || section == ".Sh any" }
	!on { next }
	/^\.Dl / { say(substr($0, 5)); print "%%" }
	/^\.Ed/ && inside { inside = 0; print "%%" }
	inside && sub(/^\$ /, "") { prompts = 1; say($0); next }
	inside && !prompts && !/^\./ { say($0) }
	/^\.Bd .*-literal/ { inside = 1; prompts = 0 }' "$1"
}

# write_examples PAGE DIR [SECTION] -- each of them as DIR/PAGE.N.  No bucket is there,
# so a directory has its place, and nobody waits a minute, or until they are stopped.
write_examples() {
	local line n=1
	while IFS= read -r line; do
		if [ "$line" = %% ]; then
			n=$((n + 1))
		else
			printf '%s\n' "$line" >>"$2/$1.$n"
		fi
	done < <(examples "$LSPP_ROOT/man/$1" ${3+"$3"} |
		sed 's,s3://b/,file:///b/,; s,s3://bucket/,file:///backup/,
			s,--for 58s,--for 1s,; s,10000,100,
			/^inotifywait/,/ lspp-ship$/d')
}
