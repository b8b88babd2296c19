/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evidence -- what a drill proved, for one who was not there.
 *
 * Of each database that was looked at a row is kept, in a temporary database of
 * SQLite's, so that memory does not follow the fleet.  At the end three files
 * come of them:
 *
 *	FILE		JSON: what was asked for, what it came to, each database
 *	FILE.txt	one page for a person, with the SHA-256 of FILE
 *	FILE.sig	with a key: a signature of FILE
 *
 * The databases are in the order of their replicas and names, so the same
 * drill with the same measures makes the same bytes, whatever finished first.
 *
 * The signature is a raw one, which openssl-pkeyutl(1) verifies:
 *
 *	openssl pkeyutl -verify -pubin -inkey PUBLIC.pem -rawin -in FILE \
 *	    -sigfile FILE.sig
 *
 * with an Ed25519 or Ed448 key (RFC 8032); and with -digest sha256 with an RSA
 * key (PKCS #1 v1.5) or an EC key (ECDSA).
 *
 * Each file is written whole beside its name, synced and then renamed.
 * One thread at a time.
 */
#ifndef LSPP_VERIFY_EVIDENCE_H
#define LSPP_VERIFY_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/verify/verify.h"

struct err;
struct evidence;

/* By what a state was proved, from the least to the most. */
enum evidence_proof {
	EVIDENCE_NONE,     /* it failed */
	EVIDENCE_NAMES,    /* names, lengths and order of the objects */
	EVIDENCE_FRAMES,   /* every byte decoded; the checksums of its frames */
	EVIDENCE_CHECKSUM, /* likewise; and the checksum of the database */
	EVIDENCE_SQLITE,   /* restored, and read by SQLite */
	EVIDENCE_PROOFS,
};

/* A database.  Texts are borrowed. */
struct evidence_row {
	const char *replica, *name, *generation;
	enum evidence_proof proof;
	enum verify_source source;
	bool earlier;     /* sound, but older states may be lost */
	const char *why;  /* it failed; or NULL */
	int64_t as_of_ns; /* the newest state's; 0: not known */
	int64_t at_ns;    /* when the look at it began, */
	int64_t took_ns;  /* and how long it took */
	uint64_t bytes;   /* of objects, as they are stored */
};

/* The drill.  Texts are borrowed. */
struct evidence_drill {
	const char *version; /* of lspp */
	const char *host;
	const char *chosen; /* how: "all", "sample 4%", "paths" */
	uint64_t of;        /* it was a sample of so many; 0: of none */
	struct verify_want want;
	unsigned jobs;
	int64_t began_ns, ended_ns;
	bool complete; /* no signal ended it */
	mode_t mode;   /* of the files */
};

struct evidence *evidence_new(struct err *e);
void evidence_free(struct evidence *v); /* takes NULL */

int evidence_add(
    struct evidence *v, const struct evidence_row *row, struct err *e);

/*
 * key is the name of a PEM file with a private key, or NULL.  ERR_CONFIG: it
 * holds none.
 */
int evidence_write(struct evidence *v, const struct evidence_drill *d,
    const char *file, const char *key, struct err *e);

/* Before the drill: can files of that name be written, and signed with that key?
 * As evidence_write(). */
int evidence_check(const char *file, const char *key, struct err *e);

#endif
