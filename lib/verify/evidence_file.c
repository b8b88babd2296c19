/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are whole or absent, their digests and signatures.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/sys/file.h"
#include "lib/verify/evidence_impl.h"

int
evidence_create(struct evidence_file *f, const char *path, const char *suffix,
    mode_t mode, struct err *e)
{
	*f = (struct evidence_file){ .fd = -1 };
	buf_addf(&f->path, "%s%s", path, suffix);
	path_dir(buf_str(&f->path), &f->tmp);
	buf_adds(&f->tmp, "/.lspp-XXXXXX");
	f->fd = mkostemp((char *)f->tmp.data, O_CLOEXEC);
	if (f->fd == -1) {
		buf_reset(&f->tmp);
		return err_sys(e, "%s: cannot write", buf_str(&f->path));
	}
	if (fchmod(f->fd, mode) == -1)
		return err_sys(e, "%s: cannot set the mode", buf_str(&f->path));
	return 0;
}

int
evidence_flush(struct evidence_file *f, struct err *e)
{
	int rc = file_write(f->fd, f->b.data, f->b.len, e);

	buf_reset(&f->b);
	return rc == 0 ? 0 : err_in(e, "%s", buf_str(&f->path));
}

int
evidence_publish(struct evidence_file *f, struct err *e)
{
	struct buf dir = { 0 };
	int rc;

	if (evidence_flush(f, e) == -1)
		return -1;
	if (fsync(f->fd) == -1 ||
	    rename(buf_str(&f->tmp), buf_str(&f->path)) == -1)
		return err_sys(e, "%s: cannot write", buf_str(&f->path));
	buf_reset(&f->tmp);
	path_dir(buf_str(&f->path), &dir);
	rc = file_sync_dir(buf_str(&dir), e);
	buf_release(&dir);
	return rc;
}

void
evidence_close(struct evidence_file *f)
{
	if (f->tmp.len > 0)
		(void)unlink(buf_str(&f->tmp));
	file_close(f->fd);
	buf_release(&f->path);
	buf_release(&f->tmp);
	buf_release(&f->b);
	*f = (struct evidence_file){ .fd = -1 };
}

int
evidence_remove(const char *path, struct err *e)
{
	if (unlink(path) == -1 && errno != ENOENT)
		return err_sys(e, "%s: cannot remove", path);
	return 0;
}

/* All of it, mapped; to be unmapped. */
static uint8_t *
map(const struct evidence_file *f, size_t *n, struct err *e)
{
	struct stat st;
	void *p = MAP_FAILED;

	*n = 0;
	if (fstat(f->fd, &st) == 0) {
		*n = (size_t)st.st_size;
		p = mmap(NULL, *n, PROT_READ, MAP_PRIVATE, f->fd, 0);
	}
	if (p != MAP_FAILED)
		return p;
	err_sys(e, "%s: cannot read", buf_str(&f->path));
	return NULL;
}

int
evidence_digest(
    struct evidence_file *f, char digest[EVIDENCE_DIGEST], struct err *e)
{
	uint8_t md[EVP_MAX_MD_SIZE], *p;
	size_t n;
	int ok;

	if ((p = map(f, &n, e)) == NULL)
		return -1;
	ok = EVP_Digest(p, n, md, NULL, EVP_sha256(), NULL);
	munmap(p, n);
	if (!ok)
		return err_set(e, ERR_OS, "SHA-256 failed");
	for (size_t i = 0; i < EVIDENCE_DIGEST / 2; i++)
		(void)snprintf(digest + 2 * i, 3, "%02x", md[i]);
	return 0;
}

/* -- signatures ------------------------------------------------------------ */

/* A key with a passphrase would have to be asked for. */
static int
no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

static EVP_PKEY *
read_key(const char *name, struct err *e)
{
	FILE *in = fopen(name, "re");
	EVP_PKEY *key;

	if (in == NULL) {
		err_sys(e, "%s: cannot open", name);
		return NULL;
	}
	key = PEM_read_PrivateKey(in, NULL, no_passphrase, NULL);
	(void)fclose(in);
	if (key != NULL)
		return key;
	err_set(e, ERR_CONFIG, "%s: holds no private key in PEM", name);
	err_hint(e,
	    "openssl genpkey -algorithm ed25519 -out FILE makes one; a key "
	    "with a passphrase cannot be used");
	return NULL;
}

int
evidence_check(const char *file, const char *key, struct err *e)
{
	struct evidence_file f;
	EVP_PKEY *k;
	int rc = evidence_create(&f, file, "", 0600, e);

	evidence_close(&f);
	if (rc == -1 || key == NULL)
		return rc;
	k = read_key(key, e);
	EVP_PKEY_free(k);
	return k == NULL ? -1 : 0;
}

/* Keys of Edwards curves hash by themselves. */
static const EVP_MD *
digest_for(EVP_PKEY *key)
{
	int id = EVP_PKEY_id(key);

	return id == EVP_PKEY_ED25519 || id == EVP_PKEY_ED448 ? NULL
							      : EVP_sha256();
}

static bool
sign(EVP_PKEY *key, const uint8_t *p, size_t n, struct buf *sig)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t len = 0;
	bool ok = false;

	if (c != NULL &&
	    EVP_DigestSignInit(c, NULL, digest_for(key), NULL, key) == 1 &&
	    EVP_DigestSign(c, NULL, &len, p, n) == 1 &&
	    EVP_DigestSign(c, buf_room(sig, len), &len, p, n) == 1) {
		sig->len += len;
		ok = true;
	}
	EVP_MD_CTX_free(c);
	return ok;
}

int
evidence_sign(
    struct evidence_file *f, const char *key, struct buf *sig, struct err *e)
{
	EVP_PKEY *k = read_key(key, e);
	uint8_t *p;
	size_t n;
	int rc = -1;

	if (k != NULL && (p = map(f, &n, e)) != NULL) {
		rc = sign(k, p, n, sig)
		    ? 0
		    : err_set(e, ERR_CONFIG, "%s: cannot sign with it", key);
		munmap(p, n);
	}
	EVP_PKEY_free(k);
	return rc;
}
