# SPDX-License-Identifier: Apache-2.0
# For tests of which all need the server: lib/s3, one for the whole file, and a
# setup for those that have none of their own.

load lib/s3

setup_file() {
	s3_start
}

teardown_file() {
	s3_stop
}

setup() {
	set +T
	s3_here lspp-hot || return
	mkdir src
}
