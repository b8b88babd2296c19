# SPDX-License-Identifier: Apache-2.0
# For tests of --metrics: $F is the file.

# value SERIES [FILE] -- "name" or "name{labels but program and job_name}"
value() {
	sed -nE 's/program="[^"]*",?//; s/job_name="[^"]*",?//; s/\{\}//; p' \
		"${2:-$F}" |
		awk -v s="$1" 'substr($0, 1, length(s) + 1) == s " " { print $NF }'
}

# The names and labels of all series.
series() {
	grep -v '^#' "$1" | sed 's/ [^ ]*$//'
}

sound() { # FILE
	"$LSPP_ROOT/.tools/promtool" check metrics <"$1"
	assert_equal "$(stat -c %a "$1")" 644
	assert_equal "$(find . -name '.lspp-*' | wc -l)" 0
	assert_equal "$(tail -c 1 "$1" | od -An -c | tr -d ' ')" '\n'
	# name, labels, value, no time
	run ! grep -vE '^#|^lspp_[a-z_]+\{[^}]*\} [0-9.]+$' "$1"
}
