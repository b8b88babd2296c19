# SPDX-License-Identifier: Apache-2.0
# For tests of which all need the server: lib/s3, and one for the whole file.

load lib/s3

setup_file() {
	s3_start
}

teardown_file() {
	s3_stop
}
