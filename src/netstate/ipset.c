/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets of ipset(8): their types as fields, and what of their elements overlaps. See ipset.h. */
#include "netstate/ipset.h"

#include <string.h>

/* ---- types ---- */

bool ipset_type_parse(const char *text, struct ipset_type *out)
{
	static const struct {
		const char *name;
		enum ipset_dimension dimension;
	} dimensions[] = {{"ip", IPSET_IP}, {"net", IPSET_NET}, {"port", IPSET_PORT},
		{"mac", IPSET_MAC}, {"iface", IPSET_IFACE}, {"mark", IPSET_MARK}};
	const size_t n = sizeof(dimensions) / sizeof(*dimensions);
	bool bitmap = strncmp(text, "bitmap:", 7) == 0;
	const char *at = strchr(text, ':');

	memset(out, 0, sizeof(*out));
	if (!bitmap && strncmp(text, "hash:", 5) != 0)
		return false;
	while (at) {
		size_t len = strcspn(++at, ","), i = 0;

		while (i < n && (strlen(dimensions[i].name) != len ||
					memcmp(dimensions[i].name, at, len) != 0))
			i++;
		if (i == n || out->n == IPSET_MAX_DIMENSIONS) {
			out->n = 0;
			return false;
		}
		out->dimensions[out->n++] = dimensions[i].dimension;
		at = strchr(at, ',');
	}
	out->any_protocol = bitmap;
	return out->n;
}

static void add_field(struct nft_set *s, enum nft_type type)
{
	s->key[s->n_key++] = (struct nft_field){type, (uint16_t)nft_type_len(type)};
}

void ipset_layout(struct nft_set *s, const struct ipset_type *type, uint8_t family, bool networks)
{
	s->n_key = 0;
	for (unsigned int i = 0; i < type->n; i++) {
		switch (type->dimensions[i]) {
		case IPSET_NET:
			s->flags |= SET_INTERVAL;
			add_field(s, family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4);
			break;
		case IPSET_IP:
			add_field(s, family == IP_V6 ? NFT_T_IPV6 : NFT_T_IPV4);
			break;
		case IPSET_PORT:
			if (!type->any_protocol)
				add_field(s, NFT_T_PROTO);
			add_field(s, NFT_T_PORT);
			break;
		case IPSET_MAC:
			add_field(s, NFT_T_ETHER);
			break;
		case IPSET_IFACE:
			add_field(s, NFT_T_IFNAME);
			break;
		case IPSET_MARK:
			add_field(s, NFT_T_MARK);
			break;
		}
	}
	if (networks)
		s->flags |= SET_INTERVAL;
	nft_set_layout(s);
}

unsigned int ipset_dimension_of(const struct nft_set *s, unsigned int field)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < field; i++)
		n += s->key[i].type != NFT_T_PROTO;
	return n;
}

/* ---- what overlaps ---- */

/* An interval that is being passed: networks are nested in each other or apart. */
struct open_net {
	const uint8_t *last;
	bool nomatch;
};

struct sweep {
	struct nft_set *out;
	struct arena *arena;
	VEC(struct open_net) open; /* innermost last */
	uint8_t at[16];		   /* everything before was written */
	bool done;		   /* up to the highest key there is */
	unsigned int len;
};

/* The key behind @key becomes the sweep's place. */
static void go_behind(struct sweep *w, const uint8_t *key)
{
	memcpy(w->at, key, w->len);
	for (unsigned int i = w->len; i-- > 0;) {
		if (++w->at[i])
			return;
	}
	w->done = true;
}

/* What is from here up to @last, if it is in the set; joined to the interval before where that ends
 * here. */
static void write_to(struct sweep *w, const uint8_t *last)
{
	bool in = w->open.len && !w->open.items[w->open.len - 1].nomatch;
	uint8_t *bytes;

	if (w->done || memcmp(w->at, last, w->len) > 0)
		return;
	if (in) {
		bytes = nft_set_add(w->arena, w->out, NOWHERE);
		memcpy(bytes, w->at, w->len);
		memcpy(bytes + w->out->key_len, last, w->len);
	}
	go_behind(w, last);
}

static void close_before(struct sweep *w, const uint8_t *first)
{
	while (w->open.len) {
		const uint8_t *last = w->open.items[w->open.len - 1].last;

		if (first && memcmp(last, first, w->len) >= 0)
			return;
		write_to(w, last);
		w->open.len--;
	}
}

/* The key before @first. */
static void key_before(uint8_t out[16], const uint8_t *first, unsigned int len)
{
	memcpy(out, first, len);
	for (unsigned int i = len; i-- > 0;) {
		if (out[i]--)
			return;
	}
}

static bool overlaps(const struct nft_set *s)
{
	for (size_t i = 1; i < s->len; i++) {
		if (memcmp(nft_set_elem_last(s, i - 1), nft_set_elem(s, i), s->key_len) >= 0)
			return true;
	}
	return false;
}

/* Intervals are cut where one begins or ends: the innermost network decides. Elements are sorted by
 * their first key, then by the last. */
static void resolve(struct arena *a, struct nft_set *s, const uint8_t *nomatch)
{
	struct nft_set from = *s;
	struct sweep w = {.out = s, .arena = a, .len = s->key[0].len};

	s->bytes = NULL;
	s->origins = NULL;
	s->comments = NULL;
	s->timeouts_ms = NULL;
	s->len = s->cap = 0;
	for (size_t i = 0, end; i < from.len; i = end) {
		const uint8_t *first = nft_set_elem(&from, i);
		uint8_t before[16];

		for (end = i; end < from.len; end++) {
			if (memcmp(nft_set_elem(&from, end), first, w.len) != 0)
				break;
		}
		close_before(&w, first);
		if (w.open.len && !w.done && memcmp(w.at, first, w.len) < 0) {
			key_before(before, first, w.len);
			write_to(&w, before);
		}
		if (!w.open.len) {
			memcpy(w.at, first, w.len);
			w.done = false;
		}
		/* The widest of those that begin here is the outermost. */
		for (size_t k = end; k-- > i;)
			vec_push(a, &w.open,
				((struct open_net){nft_set_elem_last(&from, k), nomatch[k]}));
	}
	close_before(&w, NULL);
	nft_set_sort(a, s);
}

void ipset_merge(struct arena *a, struct nft_set *s)
{
	nft_set_sort(a, s);
	if (s->flags & SET_INTERVAL && s->n_key == 1 && s->key[0].len <= 16 && overlaps(s))
		resolve(a, s, arena_alloc(a, s->len));
}

void ipset_merge_except(struct arena *a, struct nft_set *s, const uint8_t *nomatch)
{
	uint8_t *sorted = arena_alloc(a, s->len);

	/* The mark goes along in the sort as the element's timeout does. */
	s->timeouts_ms = arena_alloc(a, s->cap * sizeof(*s->timeouts_ms));
	for (size_t i = 0; i < s->len; i++)
		s->timeouts_ms[i] = nomatch[i];
	nft_set_sort(a, s);
	for (size_t i = 0; i < s->len; i++)
		sorted[i] = (uint8_t)s->timeouts_ms[i];
	resolve(a, s, sorted);
}

/* ---- lists ---- */

static bool same_fields(const struct nft_set *a, const struct nft_set *b)
{
	bool same = a->n_key == b->n_key;

	for (unsigned int i = 0; same && i < a->n_key; i++)
		same = a->key[i].type == b->key[i].type && a->key[i].len == b->key[i].len;
	return same;
}

static const struct nft_set *find_member(
	const struct nft_ruleset *all, const char *name, const struct nft_set *like)
{
	VEC_EACH (&all->ipsets, struct nft_set *, s) {
		if (strcmp((*s)->name, name) != 0)
			continue;
		if ((*s)->flags & SET_INCOMPLETE || !(*s)->n_key)
			return NULL;
		if (like && !same_fields(like, *s))
			return NULL;
		return *s;
	}
	return NULL;
}

void ipset_unite(struct arena *a, struct nft_set *list, const struct nft_ruleset *all)
{
	const struct nft_set *first = NULL;

	list->flags |= SET_INCOMPLETE | SET_INTERVAL;
	VEC_EACH (&list->chains, const char *, name) {
		const struct nft_set *member = find_member(all, *name, first);

		if (!member)
			return;
		first = first ? first : member;
	}
	if (first) {
		memcpy(list->key, first->key, sizeof(list->key));
		list->n_key = first->n_key;
		nft_set_layout(list);
	}
	VEC_EACH (&list->chains, const char *, name) {
		const struct nft_set *member = find_member(all, *name, NULL);

		for (size_t i = 0; i < member->len; i++) {
			uint8_t *to = nft_set_add(a, list, NOWHERE);
			bool interval = member->flags & SET_INTERVAL;

			memcpy(to, nft_set_elem(member, i), member->key_len);
			memcpy(to + member->key_len,
				interval ? nft_set_elem_last(member, i) : nft_set_elem(member, i),
				member->key_len);
		}
	}
	list->flags &= ~(uint32_t)SET_INCOMPLETE;
	ipset_merge(a, list);
}
