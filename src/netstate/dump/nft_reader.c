/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cursor on a statement's tokens, names to objects, and notes. */
#include "netstate/dump/nft_reader.h"

#include <string.h>

/* ---- the cursor ---- */

static const struct nft_token end_token = {.s = "", .kind = TOKEN_END};

const struct nft_token *nft_peek_after(const struct nft_reader *r, size_t n)
{
	return r->at + n < r->tokens.len ? &r->tokens.items[r->at + n] : &end_token;
}

const struct nft_token *nft_peek(const struct nft_reader *r)
{
	return nft_peek_after(r, 0);
}

bool nft_take(struct nft_reader *r, const char *word)
{
	bool is = nft_token_is(nft_peek(r), word);

	r->at += is;
	return is;
}

bool nft_take_sign(struct nft_reader *r, char sign)
{
	bool is = nft_token_is_sign(nft_peek(r), sign);

	r->at += is;
	return is;
}

const char *nft_take_text(struct nft_reader *r)
{
	const struct nft_token *t = nft_peek(r);

	if (!nft_token_is_text(t))
		return NULL;
	r->at++;
	return arena_strndup(r->a, t->s, t->len);
}

bool nft_take_number(struct nft_reader *r, uint64_t *out)
{
	const struct nft_token *t = nft_peek(r);

	if (t->kind != TOKEN_WORD || !nft_parse_number(t->s, t->len, out))
		return false;
	r->at++;
	return true;
}

bool nft_take_u32(struct nft_reader *r, uint32_t *out)
{
	uint64_t n;

	if (!nft_take_number(r, &n) || n > UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

const char *nft_words_from(const struct nft_reader *r, size_t from)
{
	struct strbuf text = STRBUF_INIT;
	const char *copy;

	for (size_t i = from; i < r->at && i < r->tokens.len; i++) {
		const struct nft_token *t = &r->tokens.items[i];

		if (i > from && !nft_token_is_sign(t, ','))
			strbuf_addch(&text, ' ');
		if (i > from && nft_token_is_sign(&r->tokens.items[i - 1], ',') && text.len > 1 &&
			t->kind == TOKEN_WORD)
			text.s[--text.len] = '\0';
		if (t->kind == TOKEN_STRING)
			strbuf_addch(&text, '"');
		strbuf_addn(&text, t->s, t->len);
		if (t->kind == TOKEN_STRING)
			strbuf_addch(&text, '"');
	}
	copy = arena_strdup(r->a, strbuf_str(&text));
	strbuf_fini(&text);
	return copy;
}

void nft_reader_note(struct nft_reader *r, uint32_t line, const char *text, const char *why)
{
	/* In JSON, handles do for lines. */
	if (r->made && r->rule && r->rule->handle)
		text = arena_printf(
			r->a, "handle %llu: %s", (unsigned long long)r->rule->handle, text);
	dump_note(r->d, r->f, r->made ? 0 : line, text, strlen(text), why);
}

/* ---- names ---- */

static size_t hash_of(const void *owner, char kind, const char *name)
{
	size_t h = 14695981039346656037u ^ (uintptr_t)owner; /* FNV-1a */

	h = (h ^ (uint8_t)kind) * 1099511628211u;
	while (*name)
		h = (h ^ (uint8_t)*name++) * 1099511628211u;
	return h ^ h >> 32;
}

static struct nft_index_slot *slot_of(
	const struct nft_index *x, const void *owner, char kind, const char *name)
{
	size_t i = hash_of(owner, kind, name) & (x->n_slots - 1);

	for (;; i = (i + 1) & (x->n_slots - 1)) {
		struct nft_index_slot *s = &x->slots[i];

		if (!s->name ||
			(s->owner == owner && s->kind == kind && strcmp(s->name, name) == 0))
			return s;
	}
}

void *nft_index_find(const struct nft_index *x, const void *owner, char kind, const char *name)
{
	return x->n_slots ? slot_of(x, owner, kind, name)->value : NULL;
}

static void grow(struct nft_reader *r)
{
	struct nft_index old = r->index;

	r->index.n_slots = old.n_slots ? 2 * old.n_slots : 64;
	r->index.slots = arena_alloc(r->a, r->index.n_slots * sizeof(*r->index.slots));
	for (size_t i = 0; i < old.n_slots; i++) {
		const struct nft_index_slot *s = &old.slots[i];

		if (s->name)
			*slot_of(&r->index, s->owner, s->kind, s->name) = *s;
	}
}

void nft_index_set(
	struct nft_reader *r, const void *owner, char kind, const char *name, void *value)
{
	struct nft_index_slot *s;

	if (2 * (r->index.n + 1) > r->index.n_slots)
		grow(r);
	s = slot_of(&r->index, owner, kind, name);
	r->index.n += !s->name;
	*s = (struct nft_index_slot){owner, arena_strdup(r->a, name), value, kind};
}
