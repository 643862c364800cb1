/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was applied last, as a file: a header, then per set a name, the layout and the sorted bytes,
 * in this machine's own byte order (the file does not outlive the boot).
 */
#include "kernel/applied.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "kernel/rundir.h"

#define APPLIED_MAGIC	 "portreeve applied 1"
#define APPLIED_LIMIT	 (256u << 20)
#define APPLIED_AT_LEAST 1024u /* smaller sets are read from the kernel at once */

struct header {
	char magic[24];
	uint32_t generation;
};

struct set_header {
	char name[128];
	uint32_t key_len, data_len, stride;
	uint64_t len;
};

/* Sets that are plain bytes: verdicts point into a list of names, comments are not kept. */
static bool is_kept(const struct nft_set *s)
{
	if (s->flags & (SET_ANONYMOUS | SET_TIMEOUT) || s->comments || strlen(s->name) >= 128)
		return false;
	return !(s->n_data && s->data[0].type == NFT_T_VERDICT);
}

int applied_save(const struct kernel *k, const struct nft_table *t, uint32_t generation)
{
	struct header h = {.magic = APPLIED_MAGIC, .generation = generation};
	struct strbuf out = STRBUF_INIT;
	char name[RUNDIR_NAME_BYTES];
	int err, dir;

	strbuf_addn(&out, (const char *)&h, sizeof(h));
	VEC_EACH (&t->sets, struct nft_set *, it) {
		const struct nft_set *s = *it;
		struct set_header sh = {.key_len = s->key_len,
			.data_len = s->data_len,
			.stride = s->stride,
			.len = s->len};

		if (s->len < APPLIED_AT_LEAST || !is_kept(s))
			continue;
		memcpy(sh.name, s->name, strlen(s->name));
		strbuf_addn(&out, (const char *)&sh, sizeof(sh));
		strbuf_addn(&out, (const char *)s->bytes, s->len * s->stride);
	}
	err = rundir_name(k, "applied", "", name);
	dir = err ? err : rundir_open(true);
	if (dir >= 0) {
		err = out.len > sizeof(h) ? rundir_replace(dir, name, out.s, out.len)
					  : unlinkat(dir, name, 0);
		close(dir);
	}
	strbuf_fini(&out);
	return dir < 0 ? dir : err;
}

void applied_load(const struct kernel *k, struct arena *a, struct nft_table *t, uint32_t generation)
{
	char name[RUNDIR_NAME_BYTES], *bytes = NULL;
	struct header h;
	size_t len = 0, at = sizeof(h);
	int dir, err;

	if (rundir_name(k, "applied", "", name) < 0)
		return;
	dir = rundir_open(false);
	if (dir < 0)
		return;
	err = rundir_read(dir, name, a, APPLIED_LIMIT, &bytes, &len);
	close(dir);
	if (err || len < sizeof(h))
		return;
	memcpy(&h, bytes, sizeof(h));
	if (memcmp(h.magic, APPLIED_MAGIC, sizeof(APPLIED_MAGIC)) != 0 ||
		h.generation != generation)
		return;
	while (len - at >= sizeof(struct set_header)) {
		struct set_header sh;
		struct nft_set *s;

		memcpy(&sh, bytes + at, sizeof(sh));
		at += sizeof(sh);
		if (sh.name[sizeof(sh.name) - 1] || !sh.stride || sh.len > (len - at) / sh.stride)
			return;
		s = nft_set_find_named(t, sh.name);
		if (s && s->flags & SET_INCOMPLETE && is_kept(s) && s->key_len == sh.key_len &&
			s->data_len == sh.data_len && s->stride == sh.stride) {
			s->bytes = (uint8_t *)bytes + at;
			s->len = s->cap = sh.len;
			s->flags &= ~(uint32_t)SET_INCOMPLETE;
		}
		at += sh.len * sh.stride;
	}
}

void applied_forget(const struct kernel *k)
{
	char name[RUNDIR_NAME_BYTES];
	int dir = rundir_open(false);

	if (dir < 0)
		return;
	if (rundir_name(k, "applied", "", name) == 0)
		unlinkat(dir, name, 0);
	close(dir);
}
