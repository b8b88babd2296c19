# SPDX-License-Identifier: Apache-2.0
# For tests that change what a state says.

# signature_of FILE -- as in the state, of one that has no -wal: ten numbers.
signature_of() {
	stat -c '%d %i %s %.9Y %.9Z' "$1" | tr -d . |
		awk '{ for (i = 1; i <= 5; i++) print $i }' |
		while read -r n; do
			printf '%016x' "$n" | fold -w 2 | tac | tr -d '\n'
		done
	printf '%080d' 0
}
