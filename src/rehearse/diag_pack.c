/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages through shared memory: a diag as one text, and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rehearse/stage.h"

/* Control characters that no message holds. A line is: kind, place, text, [hint]. */
#define FIELD "\x1f"
#define LINE  "\x1e"

static void pack_line(
	struct strbuf *b, char kind, struct span at, const char *text, const char *hint)
{
	strbuf_addf(b, "%c" FIELD "%u" FIELD "%u" FIELD "%u" FIELD "%s" FIELD "%s" LINE, kind,
		at.line, at.col, at.len, text, hint ? hint : "");
}

void diag_pack(const struct diag *d, char *out, size_t size)
{
	static const char kinds[] = {[DIAG_ERROR] = 'e', [DIAG_WARNING] = 'w', [DIAG_INFO] = 'i'};
	size_t used = 0;

	out[0] = '\0';
	VEC_EACH (&d->entries, struct diag_entry, e) {
		struct strbuf b = STRBUF_INIT;

		pack_line(&b, kinds[e->severity], e->at, e->text, e->hint);
		VEC_EACH (&e->notes, struct diag_note, n)
			pack_line(&b, 'n', n->at, n->text, NULL);
		if (used + b.len < size) {
			memcpy(out + used, b.s, b.len + 1);
			used += b.len;
		}
		strbuf_fini(&b);
	}
}

static void unpack_line(struct diag *d, const char *line, size_t len)
{
	char *copy = strndup(line, len), *rest = copy, *fields[6];
	struct span at;

	if (!copy)
		abort();
	for (unsigned int i = 0; i < 6; i++) {
		fields[i] = strsep(&rest, FIELD);
		if (!fields[i]) { /* not ours; a stage that was killed half-way */
			free(copy);
			return;
		}
	}
	at = (struct span){(uint32_t)strtoul(fields[1], NULL, 10),
		(uint16_t)strtoul(fields[2], NULL, 10), (uint16_t)strtoul(fields[3], NULL, 10)};
	switch (fields[0][0]) {
	case 'e':
		diag_error(d, at, "%s", fields[4]);
		break;
	case 'w':
		diag_warning(d, at, "%s", fields[4]);
		break;
	case 'i':
		diag_info(d, at, "%s", fields[4]);
		break;
	case 'n':
		diag_note(d, at, "%s", fields[4]);
		break;
	}
	if (fields[5][0])
		diag_hint(d, "%s", fields[5]);
	free(copy);
}

void diag_unpack(const char *packed, struct diag *d)
{
	while (*packed) {
		size_t len = strcspn(packed, LINE);

		unpack_line(d, packed, len);
		packed += len;
		packed += strspn(packed, LINE);
	}
}
