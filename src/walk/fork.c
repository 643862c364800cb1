/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the questions for a walk's oracle: the ways, their shares and their words. See fork.h. */
#include "walk/fork.h"

#include <stdio.h>
#include <string.h>

#define MAX_DRAW      65536 /* numbers that a random expression is tried with */
#define OUTCOME_BYTES 48    /* an address and a port, twice, of IPv6 */
#define TEXT	      200

uint64_t walk_hash(uint64_t h, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)bytes)[i]) * 1099511628211u; /* FNV-1a */
	return h;
}

/* Only compared, never followed. */
static const void *subject(uint64_t h)
{
	return (const void *)(uintptr_t)(h ? h : 1); // NOLINT(performance-no-int-to-ptr)
}

static size_t choose(const struct walk_asker *k, const struct walk_fork *f)
{
	struct walk_oracle *o = k->run->w->oracle;
	size_t way = o->choose(o, f);

	return way < f->n ? way : 0;
}

/* ---- words ---- */

static void bytes_text(
	char *out, size_t size, enum nft_type type, const uint8_t *b, unsigned int len)
{
	char text[IP_STRLEN];
	struct ip_addr addr;
	uint32_t n = 0;

	if ((type == NFT_T_IPV4 && len >= 4) || (type == NFT_T_IPV6 && len >= 16)) {
		addr = ip_from_bytes(type == NFT_T_IPV4 ? IP_V4 : IP_V6, b);
		snprintf(out, size, "%s", ip_format(&addr, text));
	} else if (len == 2) {
		snprintf(out, size, "%u", (unsigned int)b[0] << 8 | b[1]);
	} else if (type == NFT_T_IFNAME) {
		snprintf(out, size, "%.15s", (const char *)b);
	} else if (type == NFT_T_PROTO && len == 1) {
		const char *name = ip_proto_name(b[0]);

		snprintf(out, size, name ? "%s" : "protocol %s", name ? name : "not named");
	} else if (len == 4) {
		memcpy(&n, b, 4);
		snprintf(out, size, "0x%x", n);
	} else {
		snprintf(out, size, "%u", b[0]);
	}
}

/* The fields of a key or of a map's data, "1.2.3.4 . 80"; "?" for what is not known. */
static void fields_text(char *out, size_t size, const struct nft_field *fields, unsigned int n,
	const uint8_t *bytes, const uint8_t *known, unsigned int len)
{
	size_t used = 0;

	*out = '\0';
	for (unsigned int f = 0, at = 0; f < n && used + 1 < size; f++) {
		unsigned int flen = fields[f].len;
		bool all = at + flen <= len;
		char text[IP_STRLEN] = "?";

		for (unsigned int i = 0; known && all && i < flen; i++)
			all = known[at + i] == 0xff;
		if (all && flen)
			bytes_text(text, sizeof(text), fields[f].type, bytes + at, flen);
		snprintf(out + used, size - used, "%s%s", f ? " . " : "", text);
		used += strlen(out + used);
		at += nft_padded(flen);
	}
}

static void set_question(char *out, size_t size, const struct walk_doubt *d)
{
	char key[100] = "the packet";
	const char *name = d->set && d->set->name ? d->set->name : d->set_name;

	if (d->set)
		fields_text(key, sizeof(key), d->set->key, d->set->n_key, d->key.bytes,
			d->key.known, d->key.len);
	snprintf(out, size, "whether %s is in set '%s' is not known", key, name ? name : "?");
}

/* The selector in @e that is not known of the packet; SEL_NONE: it is something else. */
static enum nft_selector unknown_selector(const struct walk_asker *k, const struct nft_expr *e)
{
	enum nft_selector s = SEL_NONE;
	struct walk_value v;

	switch (e->kind) {
	case EXPR_SELECTOR:
	case EXPR_MASKED:
		walk_evaluate(k->run, k->p, e, &v);
		return walk_value_is_known(&v) ? SEL_NONE : e->selector;
	case EXPR_CONCAT:
		for (unsigned int i = 0; i < e->n_parts && s == SEL_NONE; i++)
			s = unknown_selector(k, e->parts[i]);
		return s;
	case EXPR_MAP:
	case EXPR_JHASH:
		return e->key ? unknown_selector(k, e->key) : SEL_NONE;
	case EXPR_VALUE:
	case EXPR_SYMHASH:
	case EXPR_NUMGEN:
	case EXPR_UNKNOWN:
		break;
	}
	return SEL_NONE;
}

static void match_question(
	char *out, size_t size, const struct walk_asker *k, const struct walk_doubt *d)
{
	const struct nft_stmt *s = k->stmt;
	enum nft_selector sel = SEL_NONE;

	if (s->kind == STMT_XT) {
		snprintf(out, size, "'-m %s': %s", s->xt.name, d->why);
		return;
	}
	if (s->expr)
		sel = unknown_selector(k, s->expr);
	if (sel != SEL_NONE)
		snprintf(out, size, "the packet's %s is not known", nft_selector_name(sel));
	else if (s->expr && s->expr->kind == EXPR_UNKNOWN && s->expr->text)
		snprintf(out, size, "%s: %s", d->why, s->expr->text);
	else if (s->kind == STMT_UNKNOWN && s->text)
		snprintf(out, size, "%s: %s", d->why, s->text);
	else
		snprintf(out, size, "%s", d->why);
}

/* ---- what is asked ---- */

static uint64_t hash_packet(uint64_t h, const struct packet *p)
{
	h = walk_hash(h, &p->known, sizeof(p->known));
	h = walk_hash(h, &p->proto, sizeof(p->proto));
	h = walk_hash(h, &p->saddr, sizeof(p->saddr));
	h = walk_hash(h, &p->daddr, sizeof(p->daddr));
	h = walk_hash(h, &p->sport, sizeof(p->sport));
	return walk_hash(h, &p->dport, sizeof(p->dport));
}

/* Two expressions that ask the same have the same. */
static uint64_t hash_expr(uint64_t h, const struct nft_expr *e)
{
	if (!e)
		return h;
	h = walk_hash(h, &e->kind, sizeof(e->kind));
	h = walk_hash(h, &e->selector, sizeof(e->selector));
	if (e->kind == EXPR_MASKED) {
		h = walk_hash(h, e->mask, sizeof(e->mask));
		h = walk_hash(h, e->xor, sizeof(e->xor));
	}
	for (unsigned int i = 0; i < e->n_parts; i++)
		h = hash_expr(h, e->parts[i]);
	h = walk_hash(h, &e->set, sizeof(e->set));
	if (e->text)
		h = walk_hash(h, e->text, strlen(e->text));
	return hash_expr(h, e->key);
}

/* Does it ask for the packet's length? That of the first packet is not that of later ones. */
static bool asks_length(const struct walk_asker *k)
{
	const struct nft_stmt *s = k->stmt;
	enum nft_selector sel;

	if (s->kind == STMT_XT)
		return strcmp(s->xt.name, "length") == 0;
	sel = s->expr ? unknown_selector(k, s->expr) : SEL_NONE;
	return sel == SEL_META_LENGTH || sel == SEL_IP_LENGTH || sel == SEL_IP6_LENGTH;
}

static uint64_t hash_stmt(const struct walk_asker *k)
{
	const struct nft_stmt *s = k->stmt;
	uint64_t h = hash_packet(WALK_HASH_START, k->p);

	if (asks_length(k))
		h = walk_hash(h, &k->p->tcp_flags, sizeof(k->p->tcp_flags));
	if (s->kind == STMT_XT) {
		h = walk_hash(h, s->xt.name, strlen(s->xt.name));
		h = walk_hash(h, &s->xt.info_len, sizeof(s->xt.info_len));
		if (s->xt.hollow || !s->xt.info) /* nothing tells it from others of that name */
			return walk_hash(h, &s, sizeof(s));
		return walk_hash(h, s->xt.info, s->xt.info_len);
	}
	if (s->kind != STMT_MATCH)
		return walk_hash(h, &s, sizeof(s));
	h = walk_hash(h, &s->op, sizeof(s->op));
	h = walk_hash(h, s->value, sizeof(s->value));
	h = walk_hash(h, s->last, sizeof(s->last));
	h = walk_hash(h, &s->set, sizeof(s->set));
	return hash_expr(h, s->expr);
}

static uint64_t hash_set_question(const struct walk_doubt *d)
{
	uint64_t h = WALK_HASH_START;

	if (!d->set)
		return walk_hash(h, d->set_name, strlen(d->set_name));
	h = walk_hash(h, &d->set, sizeof(d->set));
	h = walk_hash(h, d->key.bytes, d->key.len);
	return walk_hash(h, d->key.known, d->key.len);
}

bool walk_ask(const struct walk_asker *k, const char *why, uint64_t about)
{
	struct walk_fork f = {
		.kind = FORK_UNKNOWN, .at = k->at, .why = why, .n = 2, .subject = subject(about)};

	return choose(k, &f) == 1;
}

/* ---- chance ---- */

static bool is_random(const struct nft_expr *e)
{
	return e->kind == EXPR_JHASH || e->kind == EXPR_SYMHASH || e->kind == EXPR_NUMGEN;
}

static bool is_drawn(const struct walk_run *run, const struct nft_expr *e)
{
	for (size_t i = 0; i < run->n_draws; i++) {
		if (run->draws[i].expr == e)
			return true;
	}
	return false;
}

/* The first random expression in @e that nothing was drawn for. */
static const struct nft_expr *next_random(const struct walk_run *run, const struct nft_expr *e)
{
	const struct nft_expr *found = NULL;

	if (!e)
		return NULL;
	if (is_random(e))
		return is_drawn(run, e) || e->mod == 0 || e->mod > MAX_DRAW ? NULL : e;
	if (e->kind == EXPR_MAP)
		return next_random(run, e->key);
	for (unsigned int i = 0; e->kind == EXPR_CONCAT && i < e->n_parts && !found; i++)
		found = next_random(run, e->parts[i]);
	return found;
}

/* What a drawn number, or an element of a map, leads to. */
struct outcome {
	bool none; /* the rule goes no further */
	uint8_t len;
	uint8_t bytes[OUTCOME_BYTES];
};

struct ways {
	size_t n;
	struct outcome outcome[WALK_FORK_WAYS];
	double weight[WALK_FORK_WAYS];
	uint32_t example[WALK_FORK_WAYS]; /* a number or an element that leads there */
	char label[WALK_FORK_WAYS][100];
};

static void add_way(struct ways *w, const struct outcome *o, double weight, uint32_t example)
{
	size_t i = 0;

	while (i < w->n && (w->outcome[i].none != o->none || w->outcome[i].len != o->len ||
				   memcmp(w->outcome[i].bytes, o->bytes, o->len) != 0))
		i++;
	if (i == WALK_FORK_WAYS) { /* one of many more: not told apart */
		w->weight[i - 1] += weight;
		return;
	}
	if (i == w->n) {
		w->outcome[i] = *o;
		w->example[i] = example;
		w->n++;
	}
	w->weight[i] += weight;
}

static size_t choose_way(const struct walk_asker *k, struct ways *w, enum walk_fork_kind kind,
	const char *why, const void *about)
{
	struct walk_fork f = {.kind = kind, .at = k->at, .why = why, .n = w->n, .subject = about};

	if (w->n < 2)
		return 0;
	for (size_t i = 0; i < w->n; i++) {
		f.weight[i] = kind == FORK_CHANCE ? w->weight[i] : 0;
		f.label[i] = w->label[i][0] ? w->label[i] : NULL;
	}
	return choose(k, &f);
}

static const char *why_random(const struct nft_expr *e)
{
	if (e->kind == EXPR_JHASH)
		return "it depends on a hash (jhash)";
	if (e->kind == EXPR_SYMHASH)
		return "it depends on a hash of the connection (symhash)";
	return e->incremental ? "it depends on whose turn it is (numgen inc)"
			      : "it depends on a random number (numgen random)";
}

/* A hash of the same has the same result; a random number has not. */
static const void *random_subject(const struct walk_asker *k, const struct nft_expr *e)
{
	uint64_t h = walk_hash(WALK_HASH_START, &e, sizeof(e));
	struct walk_value key;

	if (e->kind == EXPR_NUMGEN)
		return NULL;
	if (e->kind == EXPR_SYMHASH || !e->key)
		return subject(hash_packet(h, k->p));
	walk_evaluate(k->run, k->p, e->key, &key);
	h = walk_hash(h, key.bytes, key.len);
	return subject(walk_hash(h, key.known, key.len));
}

typedef void (*outcome_fn)(const struct walk_asker *k, const struct nft_expr *e, struct outcome *o);

/* Try each number that @random may give, and choose among what they come to. */
static void draw(const struct walk_asker *k, const struct nft_expr *e,
	const struct nft_expr *random, outcome_fn outcome,
	void (*describe)(const struct walk_asker *k, const struct nft_expr *e, struct ways *w))
{
	struct walk_run *run = k->run;
	struct walk_draw *d = &run->draws[run->n_draws++];
	struct ways w = {0};
	size_t way;

	*d = (struct walk_draw){random, random->offset};
	for (uint32_t i = 0; i < random->mod; i++) {
		struct outcome o = {0};

		d->number = random->offset + i;
		outcome(k, e, &o);
		add_way(&w, &o, 1.0 / random->mod, d->number);
	}
	describe(k, e, &w);
	way = choose_way(k, &w, FORK_CHANCE, why_random(random), random_subject(k, random));
	d->number = w.example[way];
}

static void draw_all(const struct walk_asker *k, const struct nft_expr *e, outcome_fn outcome,
	void (*describe)(const struct walk_asker *k, const struct nft_expr *e, struct ways *w))
{
	const struct nft_expr *random;

	while (k->run->n_draws < WALK_MAX_DRAWS && (random = next_random(k->run, e)))
		draw(k, e, random, outcome, describe);
}

/* ---- matches ---- */

static void match_outcome(const struct walk_asker *k, const struct nft_expr *e, struct outcome *o)
{
	struct walk_doubt d;

	o->len = 1;
	o->bytes[0] = (uint8_t)walk_match(k->run, k->p, k->stmt, &d);
}

/* In the order that is promised: 0 does not match, 1 matches. */
static void describe_matches(const struct walk_asker *k, const struct nft_expr *e, struct ways *w)
{
	struct ways in = *w;

	if (w->n == 2 && in.outcome[0].bytes[0] == TRI_YES && in.outcome[1].bytes[0] == TRI_NO) {
		for (size_t i = 0; i < 2; i++) {
			w->outcome[i] = in.outcome[1 - i];
			w->weight[i] = in.weight[1 - i];
			w->example[i] = in.example[1 - i];
		}
	}
	for (size_t i = 0; i < w->n; i++)
		snprintf(w->label[i], sizeof(w->label[i]), "%s",
			w->outcome[i].bytes[0] == TRI_YES  ? "matches"
			: w->outcome[i].bytes[0] == TRI_NO ? "does not match"
							   : "depends on more");
}

static bool ask_set(const struct walk_asker *k, const struct walk_doubt *d)
{
	char why[TEXT];
	struct walk_fork f = {.kind = FORK_UNKNOWN,
		.at = k->at,
		.why = why,
		.n = 2,
		.label = {"is not in it", "is in it"},
		.subject = subject(hash_set_question(d))};

	set_question(why, sizeof(why), d);
	return (choose(k, &f) == 1) != d->inverted;
}

bool walk_ask_match(const struct walk_asker *k, const struct walk_doubt *doubt)
{
	char why[TEXT];
	struct walk_fork f = {.kind = FORK_UNKNOWN,
		.at = k->at,
		.why = why,
		.n = 2,
		.label = {"does not match", "matches"}};
	struct walk_doubt d;
	enum tri t;

	if (doubt->share > 0) {
		f.kind = FORK_CHANCE;
		f.why = doubt->why;
		f.weight[0] = 1 - doubt->share;
		f.weight[1] = doubt->share;
		return choose(k, &f) == 1;
	}
	if (k->stmt->kind == STMT_MATCH && next_random(k->run, k->stmt->expr)) {
		draw_all(k, k->stmt->expr, match_outcome, describe_matches);
		t = walk_match(k->run, k->p, k->stmt, &d);
		if (t != TRI_UNKNOWN)
			return t == TRI_YES;
		doubt = &d;
	}
	if (doubt->set || doubt->set_name)
		return ask_set(k, doubt);
	match_question(why, sizeof(why), k, doubt);
	f.subject = subject(hash_stmt(k));
	return choose(k, &f) == 1;
}

/* ---- verdict maps ---- */

static void outcome_of_element(const struct nft_set *set, size_t at, struct outcome *o)
{
	o->none = at >= set->len;
	if (o->none)
		return;
	o->len = set->data_len < OUTCOME_BYTES ? set->data_len : OUTCOME_BYTES;
	memcpy(o->bytes, nft_set_elem_data(set, at), o->len);
}

static void vmap_outcome(const struct walk_asker *k, const struct nft_expr *e, struct outcome *o)
{
	const struct nft_set *set = k->stmt->set;
	struct walk_value key;
	size_t at = set->len;

	walk_evaluate_key(k->run, k->p, e, set, &key);
	if (!key.absent && walk_find(k->run, set, &key, &at) == TRI_UNKNOWN) {
		o->len = 1; /* depends on more */
		return;
	}
	outcome_of_element(set, at, o);
}

static void describe_verdict(
	const struct nft_set *set, const struct outcome *o, char *out, size_t size)
{
	int32_t verdict;
	uint32_t chain;

	if (o->none || o->len < 8) {
		snprintf(out, size, "%s", o->none ? "no element" : "depends on more");
		return;
	}
	memcpy(&verdict, o->bytes, 4);
	memcpy(&chain, o->bytes + 4, 4);
	switch (verdict) {
	case VERDICT_JUMP:
	case VERDICT_GOTO:
		snprintf(out, size, "%s %s", verdict == VERDICT_JUMP ? "jump" : "goto",
			chain < set->chains.len ? set->chains.items[chain] : "?");
		return;
	case VERDICT_ACCEPT:
		snprintf(out, size, "accept");
		return;
	case VERDICT_DROP:
		snprintf(out, size, "drop");
		return;
	default: /* a number from outside */
		snprintf(out, size, "%s", verdict == VERDICT_RETURN ? "return" : "continue");
	}
}

static void describe_verdicts(const struct walk_asker *k, const struct nft_expr *e, struct ways *w)
{
	for (size_t i = 0; i < w->n; i++)
		describe_verdict(k->stmt->set, &w->outcome[i], w->label[i], sizeof(w->label[i]));
}

/* What is not known of the key decides: choose among the elements that it may fall on. */
static size_t choose_element(const struct walk_asker *k, const struct nft_expr *key_of,
	const struct nft_set *set, const struct walk_value *key,
	void (*describe)(const struct walk_asker *k, const struct nft_expr *e, struct ways *w))
{
	enum nft_selector sel = unknown_selector(k, key_of);
	struct outcome none = {.none = true};
	struct ways w = {0};
	char why[TEXT];
	uint64_t h = hash_expr(hash_packet(WALK_HASH_START, k->p), key_of);

	for (size_t i = 0; i < set->len; i++) {
		struct outcome o = {0};

		if (walk_element(set, i, key) == TRI_NO)
			continue;
		outcome_of_element(set, i, &o);
		add_way(&w, &o, 0, (uint32_t)i);
	}
	add_way(&w, &none, 0, (uint32_t)set->len);
	describe(k, key_of, &w);
	if (sel != SEL_NONE)
		snprintf(why, sizeof(why), "the packet's %s is not known", nft_selector_name(sel));
	else
		snprintf(why, sizeof(why), "it depends on what is not known of the packet");
	return w.example[choose_way(
		k, &w, FORK_UNKNOWN, why, subject(walk_hash(h, &set, sizeof(set))))];
}

bool walk_ask_element(const struct walk_asker *k, size_t *at)
{
	const struct nft_stmt *s = k->stmt;
	struct walk_value key;
	enum tri t;

	draw_all(k, s->expr, vmap_outcome, describe_verdicts);
	walk_evaluate_key(k->run, k->p, s->expr, s->set, &key);
	*at = s->set->len;
	if (key.absent)
		return true;
	t = walk_find(k->run, s->set, &key, at);
	if (t != TRI_UNKNOWN)
		return true;
	if (s->set->flags & SET_INCOMPLETE || !k->run->left)
		return false;
	*at = choose_element(k, s->expr, s->set, &key, describe_verdicts);
	return true;
}

/* ---- values ---- */

static void value_outcome(const struct walk_asker *k, const struct nft_expr *e, struct outcome *o)
{
	struct walk_value v;

	walk_evaluate(k->run, k->p, e, &v);
	o->none = v.absent;
	o->len = v.len < OUTCOME_BYTES / 2 ? v.len : OUTCOME_BYTES / 2;
	memcpy(o->bytes, v.bytes, o->len);
	memcpy(o->bytes + o->len, v.known, o->len); /* told apart by that, too */
	o->len *= 2;
}

static void describe_values(const struct walk_asker *k, const struct nft_expr *e, struct ways *w)
{
	const struct nft_field number = {NFT_T_INTEGER, 4};
	const struct nft_set *map = e->kind == EXPR_MAP ? e->set : NULL;

	for (size_t i = 0; i < w->n; i++) {
		const struct outcome *o = &w->outcome[i];

		if (o->none)
			snprintf(w->label[i], sizeof(w->label[i]), "no element");
		else
			fields_text(w->label[i], sizeof(w->label[i]), map ? map->data : &number,
				map ? map->n_data : 1, o->bytes, o->bytes + o->len / 2, o->len / 2);
	}
}

/* As describe_values(), of elements' data as it is. */
static void describe_data(const struct walk_asker *k, const struct nft_expr *e, struct ways *w)
{
	const struct nft_set *map = e->set;

	for (size_t i = 0; i < w->n; i++) {
		if (w->outcome[i].none)
			snprintf(w->label[i], sizeof(w->label[i]), "no element");
		else
			fields_text(w->label[i], sizeof(w->label[i]), map->data, map->n_data,
				w->outcome[i].bytes, NULL, w->outcome[i].len);
	}
}

void walk_ask_value(const struct walk_asker *k, const struct nft_expr *e, struct walk_value *out)
{
	const struct nft_set *map = e->kind == EXPR_MAP ? e->set : NULL;
	struct walk_value key;
	size_t at;

	draw_all(k, e, value_outcome, describe_values);
	walk_evaluate(k->run, k->p, e, out);
	if (!map || !e->key || walk_value_is_known(out) || map->flags & SET_INCOMPLETE)
		return;
	walk_evaluate_key(k->run, k->p, e->key, map, &key);
	if (walk_find(k->run, map, &key, &at) != TRI_UNKNOWN || !k->run->left)
		return;
	at = choose_element(k, e, map, &key, describe_data);
	if (at < map->len)
		walk_value_known(out, map->n_data == 1 ? map->data[0].type : NFT_T_OTHER,
			nft_set_elem_data(map, at), map->data_len);
	else
		walk_value_absent(out);
}
