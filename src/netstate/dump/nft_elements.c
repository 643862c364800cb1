/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets and maps of nft's language: their types, and their elements straight into the flat array. */
#include <string.h>

#include "netstate/dump/nft_reader.h"

struct element {
	struct nft_constant key[NFT_MAX_FIELDS], data[NFT_MAX_FIELDS];
	unsigned int n_data;
	enum nft_verdict verdict;
	const char *chain;
	bool has_timeout, any; /* any: the element `*` */
	uint32_t timeout_ms;
	const char *comment;
	uint32_t line;
};

/* ---- one element ---- */

static bool ends_element(const struct nft_token *t)
{
	return t->kind == TOKEN_END || nft_token_is_sign(t, ',') || nft_token_is_sign(t, '}');
}

/* What stands behind a key, and counters and limits that are the kernel's business. */
static void parse_options(struct nft_reader *r, struct element *e)
{
	const struct nft_token *t;
	const char *text;

	for (t = nft_peek(r); !ends_element(t) && !nft_token_is(t, ":"); t = nft_peek(r)) {
		if (nft_take(r, "timeout")) {
			t = nft_peek(r);
			e->has_timeout = nft_parse_time_ms(t->s, t->len, &e->timeout_ms);
		} else if (nft_take(r, "comment")) {
			text = nft_take_text(r);
			e->comment = text ? text : e->comment;
		} else {
			r->at++;
		}
	}
}

static bool parse_fields(
	struct nft_reader *r, const struct nft_want *want, unsigned int n, struct nft_constant *out)
{
	for (unsigned int i = 0; i < n; i++) {
		if (i && !nft_take(r, "."))
			return false;
		if (!nft_parse_constant(r, want[i], &out[i]))
			return false;
	}
	return true;
}

static bool parse_data(
	struct nft_reader *r, const struct nft_want *data, unsigned int n, struct element *e)
{
	if (n == 1 && data[0].type == NFT_T_VERDICT)
		return nft_parse_verdict(r, &e->verdict, &e->chain);
	e->n_data = n;
	return parse_fields(r, data, n, e->data);
}

/* The types of a set, as the parser of constants wants them. */
struct shape {
	struct nft_want key[NFT_MAX_FIELDS], data[NFT_MAX_FIELDS];
	unsigned int n_key, n_data;
};

static bool parse_parts(struct nft_reader *r, const struct shape *shape, struct element *e)
{
	memset(e, 0, sizeof(*e));
	e->line = nft_peek(r)->line;
	if (nft_take(r, "*"))
		e->any = true;
	else if (!shape->n_key || !parse_fields(r, shape->key, shape->n_key, e->key))
		return false;
	parse_options(r, e);
	if (!shape->n_data)
		return ends_element(nft_peek(r));
	if (!nft_take(r, ":") || !parse_data(r, shape->data, shape->n_data, e))
		return false;
	parse_options(r, e);
	return ends_element(nft_peek(r));
}

static void reverse(uint8_t *bytes, unsigned int len)
{
	for (unsigned int i = 0; i < len / 2; i++) {
		uint8_t b = bytes[i];

		bytes[i] = bytes[len - 1 - i];
		bytes[len - 1 - i] = b;
	}
}

static void put_key(struct nft_set *s, size_t i, const struct nft_constant *key)
{
	uint8_t *first = nft_set_elem(s, i), *last = nft_set_elem_last(s, i);

	for (unsigned int f = 0; f < s->n_key; f++) {
		unsigned int len = s->key[f].len;

		memcpy(first, key[f].first, len);
		if (s->flags & SET_INTERVAL) {
			memcpy(last, key[f].last, len);
			if (s->n_key == 1 && nft_type_is_host_order(s->key[f].type)) {
				reverse(first, len);
				reverse(last, len);
			}
			last += nft_padded(len);
		}
		first += nft_padded(len);
	}
}

/* Addresses that a map gives may be ranges: first and last one, as in the kernel's registers. */
static bool gives_ranges(const struct nft_set *s)
{
	return s->n_data == 1 && s->data[0].type == NFT_T_OTHER;
}

static void put_data(struct nft_reader *r, struct nft_set *s, uint8_t *at, const struct element *e,
	const struct shape *shape)
{
	int32_t verdict = e->verdict;
	uint32_t chain;

	if (s->data[0].type == NFT_T_VERDICT) {
		chain = e->chain ? nft_set_chain(r->a, s, e->chain) : 0;
		memcpy(at, &verdict, sizeof(verdict));
		memcpy(at + sizeof(verdict), &chain, sizeof(chain));
		return;
	}
	for (unsigned int end = 0; end < (gives_ranges(s) ? 2 : 1); end++) {
		for (unsigned int f = 0; f < e->n_data; f++) {
			memcpy(at, end ? e->data[f].last : e->data[f].first, shape->data[f].len);
			at += nft_padded(shape->data[f].len);
		}
	}
}

static bool has_range(const struct nft_constant *c, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (c[i].kind != CONSTANT_ONE)
			return true;
	}
	return false;
}

static bool store(
	struct nft_reader *r, struct nft_set *s, const struct shape *shape, const struct element *e)
{
	struct span at = {.line = r->made ? 0 : e->line, .col = 0, .len = 0};

	if (e->any || (has_range(e->key, shape->n_key) && !(s->flags & SET_INTERVAL)) ||
		(has_range(e->data, e->n_data) && !gives_ranges(s)))
		return false;
	nft_set_add(r->a, s, at);
	put_key(s, s->len - 1, e->key);
	if (s->flags & SET_MAP)
		put_data(r, s, nft_set_elem_data(s, s->len - 1), e, shape);
	if (e->comment)
		nft_set_comment(r->a, s, e->comment);
	if (e->has_timeout) {
		if (!s->timeouts_ms)
			s->timeouts_ms = arena_alloc(r->a, s->cap * sizeof(*s->timeouts_ms));
		s->timeouts_ms[s->len - 1] = e->timeout_ms;
	}
	return true;
}

/* ---- named sets ---- */

/* Half of an interval's data each, where that is an address, with or without a port. */
static void shape_of(const struct nft_set *s, struct shape *out)
{
	memset(out, 0, sizeof(*out));
	out->n_key = s->n_key;
	out->n_data = s->flags & SET_MAP ? s->n_data : 0;
	for (unsigned int i = 0; i < s->n_key; i++)
		out->key[i] = (struct nft_want){s->key[i].type, s->key[i].len, SEL_NONE};
	for (unsigned int i = 0; i < out->n_data; i++)
		out->data[i] = (struct nft_want){s->data[i].type, s->data[i].len, SEL_NONE};
	if (!gives_ranges(s))
		return;
	if (s->data[0].len == 2 * 4 || s->data[0].len == 2 * (4 + 4))
		out->data[0] = nft_want_type(NFT_T_IPV4);
	else if (s->data[0].len == 2 * 16 || s->data[0].len == 2 * (16 + 4))
		out->data[0] = nft_want_type(NFT_T_IPV6);
	if (s->data[0].len == 2 * (4 + 4) || s->data[0].len == 2 * (16 + 4))
		out->data[out->n_data++] = nft_want_type(NFT_T_PORT);
}

bool nft_parse_element(struct nft_reader *r, struct nft_set *s)
{
	struct shape shape;
	struct element e;

	shape_of(s, &shape);
	if (parse_parts(r, &shape, &e) && store(r, s, &shape, &e))
		return true;
	s->flags |= SET_INCOMPLETE;
	return e.any;
}

struct nft_set *nft_named_set(struct nft_reader *r, const char *name)
{
	struct nft_set *s = nft_index_find(&r->index, r->table, 's', name);

	if (s)
		return s;
	/* It may be declared further down; until then nothing is known of it. */
	s = arena_new_of(r->a, struct nft_set);
	s->name = arena_strdup(r->a, name);
	s->flags = SET_INCOMPLETE;
	vec_push(r->a, &r->sets, s);
	nft_index_set(r, r->table, 's', s->name, s);
	return s;
}

/* ---- types ---- */

static bool type_named(const struct nft_token *t, struct nft_field *out)
{
	for (unsigned int type = NFT_T_NONE + 1; type < NFT_T_COUNT_; type++) {
		const char *name = nft_type_name(type);

		if (name && nft_token_is(t, name)) {
			*out = (struct nft_field){type, (uint16_t)nft_type_len(type)};
			return true;
		}
	}
	*out = (struct nft_field){NFT_T_UID, 4};
	return nft_token_is(t, "gid");
}

static bool parse_types(struct nft_reader *r, struct nft_field *fields, uint8_t *n)
{
	*n = 0;
	do {
		if (*n == NFT_MAX_FIELDS || !type_named(nft_peek(r), &fields[*n]))
			return false;
		r->at++;
		++*n;
	} while (nft_take(r, "."));
	return true;
}

static bool parse_types_of(struct nft_reader *r, struct nft_field *fields, uint8_t *n)
{
	struct nft_want want[NFT_MAX_WANTS];
	struct nft_expr *e;

	*n = 0;
	if (nft_take(r, "verdict")) {
		fields[(*n)++] = (struct nft_field){NFT_T_VERDICT, 0};
		return true;
	}
	e = nft_parse_packet_expr(r);
	if (!e)
		return false;
	*n = (uint8_t)nft_expr_wants(e, want);
	for (unsigned int i = 0; i < *n; i++)
		fields[i] = (struct nft_field){want[i].type, want[i].len};
	return *n > 0;
}

/* Of which only the kernel knows what it is. */
static uint8_t opaque(struct nft_field *fields, unsigned int len)
{
	fields[0] = (struct nft_field){NFT_T_OTHER, (uint16_t)len};
	return 1;
}

static unsigned int padded_len(const struct nft_field *fields, unsigned int n)
{
	unsigned int len = 0;

	for (unsigned int i = 0; i < n; i++)
		len += nft_padded(fields[i].len);
	return len;
}

/* Behind the colon of a map: the kind of objects that it leads to, or NULL. */
static const char *take_object_kind(struct nft_reader *r)
{
	static const char *const kinds[] = {
		"counter", "quota", "limit", "synproxy", "secmark", "tunnel"};
	const char *kind;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (nft_take(r, kinds[i]))
			return kinds[i];
	}
	/* Else it may be an expression, as `ct mark` is. */
	if (nft_token_is(nft_peek(r), "ct") &&
		(nft_token_is(nft_peek_after(r, 1), "helper") ||
			nft_token_is(nft_peek_after(r, 1), "timeout") ||
			nft_token_is(nft_peek_after(r, 1), "expectation"))) {
		r->at++;
		kind = nft_take_text(r);
		return arena_printf(r->a, "ct %s", kind);
	}
	return NULL;
}

bool nft_parse_set_type(struct nft_reader *r, struct nft_set *s, bool by_expression)
{
	bool (*parse)(struct nft_reader *, struct nft_field *, uint8_t *) =
		by_expression ? parse_types_of : parse_types;
	bool interval;

	if (!parse(r, s->key, &s->n_key)) {
		s->n_key = opaque(s->key, 0);
		return false;
	}
	if (!nft_take(r, ":"))
		return nft_peek(r)->kind == TOKEN_END;
	interval = nft_take(r, "interval");
	s->objects = take_object_kind(r);
	if (s->objects) {
		s->flags |= SET_OBJECTS;
		return true;
	}
	s->flags |= SET_MAP;
	if (!parse(r, s->data, &s->n_data)) {
		s->n_data = opaque(s->data, 0);
		return false;
	}
	if (interval)
		s->n_data = opaque(s->data, 2 * padded_len(s->data, s->n_data));
	return true;
}

/* ---- sets where they are used ---- */

/* Does the first element at the cursor map to several fields? */
static bool maps_to_several(const struct nft_reader *r)
{
	bool data = false;

	for (size_t i = 0; i < r->tokens.len; i++) {
		const struct nft_token *t = nft_peek_after(r, i);

		if (ends_element(t))
			return false;
		if (nft_token_is(t, ":"))
			data = true;
		else if (data && nft_token_is(t, "."))
			return true;
	}
	return false;
}

static void skip_element(struct nft_reader *r)
{
	unsigned int depth = 0;

	for (;; r->at++) {
		const struct nft_token *t = nft_peek(r);

		if (t->kind == TOKEN_END || (!depth && ends_element(t)))
			return;
		depth += nft_token_is_sign(t, '{');
		depth -= nft_token_is_sign(t, '}');
	}
}

/* All elements up to the closing brace: looked through for ranges with @out NULL, else stored. */
static bool parse_elements(struct nft_reader *r, const struct shape *shape, struct nft_set *out,
	bool *ranges, bool *data_ranges)
{
	struct element e;
	size_t start;

	while (!nft_take_sign(r, '}')) {
		start = r->at;
		if (nft_take_sign(r, ','))
			continue;
		if (nft_peek(r)->kind == TOKEN_END)
			return false;
		if (!parse_parts(r, shape, &e)) {
			skip_element(r);
			if (out) {
				out->flags |= SET_INCOMPLETE;
				nft_reader_note(r, e.line, nft_words_from(r, start),
					"an element that is not understood");
			}
		} else if (out) {
			/* The element `*`, which stands for all others. */
			if (!store(r, out, shape, &e))
				out->flags |= SET_INCOMPLETE;
		} else {
			*ranges |= has_range(e.key, shape->n_key);
			*data_ranges |= has_range(e.data, e.n_data);
		}
	}
	return true;
}

static uint8_t take_fields(struct nft_field *fields, const struct nft_want *want, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		fields[i] = (struct nft_field){want[i].type, want[i].len};
	return (uint8_t)n;
}

static struct nft_set *parse_anonymous(struct nft_reader *r, struct shape *shape)
{
	struct nft_set *s = arena_new_of(r->a, struct nft_set);
	bool ranges = false, data_ranges = false;
	size_t start = r->at;
	struct arena *scratch;

	if (!parse_elements(r, shape, NULL, &ranges, &data_ranges))
		return NULL;
	r->at = start;
	s->name = shape->n_data ? "__map%d" : "__set%d";
	s->flags = SET_ANONYMOUS | SET_CONSTANT | (ranges ? SET_INTERVAL : 0);
	s->n_key = take_fields(s->key, shape->key, shape->n_key);
	if (shape->n_data) {
		s->flags |= SET_MAP;
		s->n_data = take_fields(s->data, shape->data, shape->n_data);
		if (data_ranges)
			s->n_data = opaque(s->data, 2 * padded_len(s->data, s->n_data));
	}
	nft_set_layout(s);
	if (!parse_elements(r, shape, s, &ranges, &data_ranges))
		return NULL;
	scratch = arena_new();
	nft_set_sort(scratch, s);
	arena_free(scratch);
	return s;
}

struct nft_set *nft_parse_set_use(struct nft_reader *r, const struct nft_expr *key,
	const struct nft_want *data, unsigned int n_data)
{
	const struct nft_token *t = nft_peek(r);
	struct shape shape = {.n_data = 0};

	if (t->kind == TOKEN_WORD && t->len > 1 && *t->s == '@') {
		r->at++;
		return nft_named_set(r, arena_strndup(r->a, t->s + 1, t->len - 1));
	}
	if (!key || !nft_take_sign(r, '{'))
		return NULL;
	shape.n_key = nft_expr_wants(key, shape.key);
	if (!shape.n_key)
		return NULL;
	/* A map for NAT gives addresses, or addresses and ports: the elements tell. */
	if (n_data == 2 && !maps_to_several(r))
		n_data = 1;
	for (unsigned int i = 0; i < n_data && i < NFT_MAX_FIELDS; i++)
		shape.data[i] = data[i];
	shape.n_data = n_data;
	return parse_anonymous(r, &shape);
}
