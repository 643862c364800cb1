/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Apply: make the kernel what the plan says, all of it or nothing.
 *
 * Theory of operation. Steps go in an order in which no packet is ever misrouted half-way:
 *
 *	1. memory	what must be put back one day is written down first, in both copies
 *	2. before	routes, then rules, then sysctls that are added: nothing carries a mark yet
 *	3. nft		one transaction, refused by the kernel if anyone changed the ruleset since
 *			we looked (then everything is looked at again)
 *	4. after	rules and routes that go, sysctls that are put back
 *	5. connections	exactly those that the plan contradicts are deleted; last, since they
 *			cannot come back
 *
 * Each step that was done is undone in reverse order when a later one fails. The inverse of the nft
 * transaction is the diff from the wanted table back to the seen one, again one transaction.
 */
#include "kernel/apply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/applied.h"
#include "kernel/contradicted.h"
#include "kernel/fastpath.h"
#include "kernel/fastpath_off.h"
#include "kernel/memory.h"
#include "kernel/nft.h"
#include "kernel/observe.h"
#include "kernel/route.h"

#define TRIES 5 /* at a transaction that others' commits overtake */

static struct nft_table *own_table(const struct netstate *s)
{
	return nft_table_find(&s->ruleset, FAMILY_INET, PORTREEVE_TABLE);
}

/* ---- looking ---- */

/* The elements of sets that were read without them, from a table with the same sets. Names and comments
 * would live with the config that the old table was made from: such sets are small, and left out. */
static void copy_elements(struct arena *a, struct nft_table *to, const struct nft_table *from)
{
	VEC_EACH (&to->sets, struct nft_set *, it) {
		struct nft_set *s = *it;
		const struct nft_set *old = nft_set_find_named(from, s->name);

		if (!old || !(s->flags & SET_INCOMPLETE) || s->flags & SET_TIMEOUT ||
			old->comments || old->chains.len || !nft_set_same_declaration(old, s))
			continue;
		s->bytes = arena_alloc(a, old->len * old->stride);
		if (old->len)
			memcpy(s->bytes, old->bytes, old->len * old->stride);
		s->len = s->cap = old->len;
		s->sorted = old->sorted;
		s->flags &= ~(uint32_t)SET_INCOMPLETE;
	}
}

static int read_own_elements(
	struct kernel *k, struct arena *a, struct gateway_state *g, struct kernel_error *e)
{
	struct nft_table *t = own_table(&g->seen);
	int err = 0;

	if (!t)
		return 0;
	if (g->held)
		copy_elements(a, t, g->held);
	applied_load(k, a, t, g->seen.ruleset.generation);
	VEC_EACH (&t->sets, struct nft_set *, s) {
		if (!((*s)->flags & SET_INCOMPLETE) || (*s)->flags & SET_TIMEOUT)
			continue;
		err = kernel_nft_elements(k, a, FAMILY_INET, PORTREEVE_TABLE, *s, e);
		if (err)
			break;
		nft_set_sort(a, *s);
		(*s)->flags &= ~(uint32_t)SET_INCOMPLETE;
	}
	return err;
}

static bool remembers_sysctl(const struct memory *m, const char *key)
{
	VEC_EACH (&m->sysctls, struct memory_sysctl, s)
		if (strcmp(s->key, key) == 0)
			return true;
	return false;
}

static bool remembers_uplink(const struct memory *m, const char *name)
{
	VEC_EACH (&m->numbers, struct memory_number, n)
		if (strcmp(n->uplink, name) == 0)
			return true;
	return false;
}

/* Both copies together: the table's own counts where they differ. */
static int read_memory(
	struct kernel *k, struct arena *a, const struct netstate *seen, struct memory *out)
{
	struct memory second = {0};
	int err;

	plan_read_memory(a, own_table(seen), out);
	err = kernel_memory_load(k, a, &second);
	if (err < 0)
		return err;
	if (!out->mark_mask)
		out->mark_mask = second.mark_mask;
	VEC_EACH (&second.sysctls, struct memory_sysctl, s)
		if (!remembers_sysctl(out, s->key))
			vec_push(a, &out->sysctls, *s);
	VEC_EACH (&second.numbers, struct memory_number, n)
		if (!remembers_uplink(out, n->uplink))
			vec_push(a, &out->numbers, *n);
	if (!own_table(seen))
		out->learned = second.learned;
	return 0;
}

static int refused(
	struct diag *d, struct span at, const char *what, int err, const struct kernel_error *e)
{
	const char *text = e && e->text[0] ? e->text : strerror(-err);

	diag_error(d, at, "the kernel refused %s: %s", what, text);
	if (e && e->text[0])
		diag_note(d, NOWHERE, "error code %d, %s", -err, strerror(-err));
	return err;
}

static bool is_replaced(const struct changes *c)
{
	VEC_EACH (&c->nft, struct nft_change, it)
		if (it->kind == NFT_DEL_TABLE)
			return true;
	return false;
}

/* A table that takes the place of another keeps the old replies out that the other did (make_blocked() in
 * plan/table.c), each for its full time again. */
static int keep_blocked(
	struct kernel *k, struct arena *a, struct gateway_state *g, struct kernel_error *e)
{
	const struct nft_table *want = own_table(&g->plan->want);

	VEC_EACH (&own_table(&g->seen)->sets, struct nft_set *, it) {
		struct nft_set *s = *it;
		const struct nft_set *next = nft_set_find_named(want, s->name);
		int err;

		if (!(s->flags & SET_TIMEOUT) || !next || !nft_set_same_declaration(s, next))
			continue;
		err = kernel_nft_elements(k, a, FAMILY_INET, PORTREEVE_TABLE, s, e);
		if (err)
			return err;
		if (s->len)
			*vec_add(a, &g->changes.nft) = (struct nft_change){.kind = NFT_ADD_ELEMENTS,
				.family = FAMILY_INET,
				.table = PORTREEVE_TABLE,
				.set = s};
	}
	return 0;
}

int gateway_look(struct kernel *k, struct arena *a, const struct model *m,
	struct gateway_state *out, struct diag *d)
{
	unsigned int parts = OBSERVE_NETWORK | OBSERVE_SYSCTLS |
			     (out->running ? 0 : OBSERVE_LISTENERS | OBSERVE_RULESET);
	struct kernel_error e = {0};
	int err;

	*out = (struct gateway_state){
		.model = m, .learned = out->learned, .running = out->running, .held = out->held};
	err = kernel_observe(k, a, parts, &out->seen, &e);
	if (!err && out->running)
		err = kernel_nft_observe_table(
			k, a, FAMILY_INET, PORTREEVE_TABLE, &out->seen.ruleset, &e);
	if (!err)
		err = read_own_elements(k, a, out, &e);
	if (err)
		return refused(d, NOWHERE, "to show this machine's network", err, &e);
	err = read_memory(k, a, &out->seen, &out->memory);
	if (err)
		return refused(d, NOWHERE, "access to what was remembered", err, NULL);
	if (out->learned)
		out->memory.learned = *out->learned;
	out->memory.running = out->running;
	if (m) {
		out->plan = plan_make(a, m, &out->seen, &out->memory, d);
		if (!out->plan)
			return 0;
		own_table(&out->plan->want)->flags = k->table_flags;
	}
	plan_diff(a, &out->seen, out->plan ? &out->plan->want : NULL, &out->memory, &out->changes);
	if (out->plan && is_replaced(&out->changes)) {
		err = keep_blocked(k, a, out, &e);
		if (err)
			return refused(d, NOWHERE, "to show what is kept out", err, &e);
	}
	return 0;
}

/* ---- one run ---- */

struct run {
	struct kernel *k;
	struct arena *a;
	struct gateway_state *s;
	struct apply_report *report;
	struct diag *d;
	size_t before_done, after_done;
	bool memory_done, remember_done, nft_done;
	struct changes remember, forget; /* nft: memory that is added first, and the way back */
	uint32_t generation; /* of the ruleset, as our own commits left it; 0: not known */
};

/*
 * PORTREEVE_FAIL_AT=STEP:N makes step N (from 1) of a kind fail, so that tests can look at what is
 * left: memory, route:N, rule:N, sysctl:N, nft, conntrack.
 */
static int injected(const char *step, size_t n)
{
	const char *want = secure_getenv("PORTREEVE_FAIL_AT");
	size_t len = strlen(step);

	if (!want || strncmp(want, step, len) != 0 || (want[len] && want[len] != ':'))
		return 0;
	return want[len] && strtoul(want + len + 1, NULL, 10) != n ? 0 : -EIO;
}

static const char *change_name(const struct change *c)
{
	switch (c->kind) {
	case CHANGE_ROUTE:
		return "route";
	case CHANGE_RULE:
		return "rule";
	case CHANGE_SYSCTL:
		return "sysctl";
	}
	return "";
}

static int do_change(struct run *r, const struct change *c, bool forward, struct kernel_error *e)
{
	bool add = c->add == forward;
	int err = 0;

	switch (c->kind) {
	case CHANGE_ROUTE:
		if (c->replaced)
			err = kernel_route_replace(r->k, forward ? c->route : c->replaced, e);
		else
			err = add ? kernel_route_add(r->k, c->route, e)
				  : kernel_route_delete(r->k, c->route, e);
		break;
	case CHANGE_RULE:
		err = add ? kernel_rule_add(r->k, c->rule, e)
			  : kernel_rule_delete(r->k, c->rule, e);
		break;
	case CHANGE_SYSCTL:
		if (forward)
			err = kernel_sysctl_set(r->k, c->sysctl.key, c->sysctl.value, e);
		else if (c->previous)
			err = kernel_sysctl_set(r->k, c->sysctl.key, c->previous, e);
		break;
	}
	/* What is to go and has gone is as it should be. */
	if (c->kind != CHANGE_SYSCTL && !add && (err == -ENOENT || err == -ESRCH || err == -ENODEV))
		err = 0;
	return err;
}

static void describe(struct strbuf *out, const struct change *c)
{
	switch (c->kind) {
	case CHANGE_ROUTE:
		strbuf_addf(out, "to %s the route ", c->add ? "add" : "delete");
		net_route_print(out, c->route);
		break;
	case CHANGE_RULE:
		strbuf_addf(out, "to %s the rule ", c->add ? "add" : "delete");
		net_rule_print(out, c->rule);
		break;
	case CHANGE_SYSCTL:
		strbuf_add(out, "to set ");
		net_sysctl_print(out, &c->sysctl);
		break;
	}
}

static struct span change_at(const struct change *c)
{
	switch (c->kind) {
	case CHANGE_ROUTE:
		return c->route->at;
	case CHANGE_RULE:
		return c->rule->at;
	case CHANGE_SYSCTL:
		return c->sysctl.at;
	}
	return NOWHERE;
}

static int do_changes(struct run *r, const struct change *items, size_t n, size_t *done)
{
	for (*done = 0; *done < n; (*done)++) {
		const struct change *c = &items[*done];
		struct kernel_error e = {0};
		size_t *count = c->kind == CHANGE_ROUTE	 ? &r->report->routes
				: c->kind == CHANGE_RULE ? &r->report->rules
							 : &r->report->sysctls;
		int err = injected(change_name(c), *count + 1);

		if (!err)
			err = do_change(r, c, true, &e);
		if (err == -EEXIST && c->kind == CHANGE_ROUTE)
			kernel_error_set(&e, EEXIST,
				"somebody else's route stands there; it has to go, or 'tables' of "
				"'gateway' has to name numbers that nobody else uses");
		if (err) {
			struct strbuf what = STRBUF_INIT;

			describe(&what, c);
			refused(r->d, change_at(c), strbuf_str(&what), err, &e);
			strbuf_fini(&what);
			return err;
		}
		(*count)++;
	}
	return 0;
}

static void undo_changes(struct run *r, const struct change *items, size_t done)
{
	while (done-- > 0) {
		struct kernel_error e = {0};
		int err = do_change(r, &items[done], false, &e);

		if (err) {
			struct strbuf what = STRBUF_INIT;

			describe(&what, &items[done]);
			diag_error(r->d, change_at(&items[done]), "and refused to undo it: %s: %s",
				strbuf_str(&what), e.text[0] ? e.text : strerror(-err));
			strbuf_fini(&what);
		}
	}
}

/* ---- the nft transaction ---- */

static const char *nft_change_name(enum nft_change_kind kind)
{
	static const char *const names[NFT_CHANGE_COUNT_] = {
		[NFT_ADD_TABLE] = "to add table",
		[NFT_DEL_TABLE] = "to delete table",
		[NFT_HOLD_TABLE] = "to hand over table",
		[NFT_ADD_COUNTER] = "to add a counter to table",
		[NFT_DEL_COUNTER] = "to delete a counter of table",
		[NFT_ADD_SET] = "to add a set to table",
		[NFT_DEL_SET] = "to delete a set of table",
		[NFT_ADD_CHAIN] = "to add a chain to table",
		[NFT_DEL_CHAIN] = "to delete a chain of table",
		[NFT_FLUSH_CHAIN] = "to empty a chain of table",
		[NFT_ADD_RULE] = "to add a rule to table",
		[NFT_ADD_ELEMENTS] = "to add elements to table",
		[NFT_DEL_ELEMENTS] = "to delete elements of table",
	};

	return names[kind];
}

static int commit(struct run *r, const struct changes *c, uint32_t generation)
{
	struct nft_failure f = {0};
	int err = kernel_nft_commit(r->k, c->nft.items, c->nft.len, generation, &r->generation, &f);
	const struct nft_change *at = err && f.change >= 0 ? &c->nft.items[f.change] : NULL;
	struct strbuf what = STRBUF_INIT;
	struct span span;

	/* With the generation checked, ours is the next one, whatever others commit after it. */
	if (!err && generation)
		r->generation = generation + 1 ? generation + 1 : 1;
	if (!err || err == -ERESTART)
		return err;
	if (!at)
		return refused(r->d, NOWHERE, "the nftables transaction", err, &f.error);
	span = at->at;
	strbuf_addf(&what, "%s inet %s", nft_change_name(at->kind), at->table);
	if (at->set)
		strbuf_addf(&what, ", %s", at->set->name);
	if (at->chain)
		strbuf_addf(&what, ", chain %s", at->chain->name);
	if (at->rule) {
		strbuf_add(&what, ": ");
		nft_print_rule(&what, at->rule);
	}
	if (at->set && f.element >= 0 && (size_t)f.element < at->set->len) {
		strbuf_add(&what, ": ");
		nft_print_element(&what, at->set, (size_t)f.element);
		if (at->set->origins)
			span = at->set->origins[f.element];
	}
	refused(r->d, span, strbuf_str(&what), err, &f.error);
	strbuf_fini(&what);
	return err;
}

static void count_elements(struct run *r)
{
	r->report->nft_changes = r->s->changes.nft.len;
	VEC_EACH (&r->s->changes.nft, struct nft_change, c)
		if (c->kind == NFT_ADD_ELEMENTS || c->kind == NFT_DEL_ELEMENTS)
			r->report->elements += c->set->len;
}

/* The transaction from the table that is wanted back to the one that was there. */
static void undo_nft(struct run *r)
{
	struct netstate now = {0}, before = {0};
	struct memory none = {0};
	struct changes back;
	struct nft_table *t = r->s->plan ? own_table(&r->s->plan->want) : NULL;

	if (t)
		vec_push(r->a, &now.ruleset.tables, t);
	t = own_table(&r->s->seen);
	if (t)
		vec_push(r->a, &before.ruleset.tables, t);
	plan_diff(r->a, &now, t ? &before : NULL, &none, &back);
	if (back.nft.len)
		commit(r, &back, 0);
}

/* ---- memory ---- */

/* What is remembered now and what the plan adds: written before anything is changed. */
static void unite(
	struct arena *a, const struct memory *old, const struct memory *more, struct memory *out)
{
	*out = (struct memory){.mark_mask = more->mark_mask ? more->mark_mask : old->mark_mask};
	VEC_EACH (&more->sysctls, struct memory_sysctl, s)
		vec_push(a, &out->sysctls, *s);
	VEC_EACH (&old->sysctls, struct memory_sysctl, s)
		if (!remembers_sysctl(out, s->key))
			vec_push(a, &out->sysctls, *s);
	VEC_EACH (&more->numbers, struct memory_number, n)
		vec_push(a, &out->numbers, *n);
	VEC_EACH (&old->numbers, struct memory_number, n)
		if (!remembers_uplink(out, n->uplink))
			vec_push(a, &out->numbers, *n);
	out->learned = more->learned;
}

static const struct nft_set *memory_change(const struct run *r, enum nft_change_kind kind)
{
	VEC_EACH (&r->s->changes.nft, struct nft_change, c)
		if (c->kind == kind && strcmp(c->set->name, PLAN_MEMORY) == 0)
			return c->set;
	return NULL;
}

/* Those elements of @from whose key @other has too. */
static struct nft_set *common_keys(
	struct arena *a, const struct nft_set *from, const struct nft_set *other)
{
	struct nft_set *out = arena_new_of(a, struct nft_set);

	*out = *from;
	out->bytes = NULL;
	out->len = out->cap = 0;
	out->origins = NULL;
	out->comments = NULL;
	for (size_t i = 0; i < from->len; i++) {
		if (nft_set_find(other, nft_set_elem(from, i)) < 0)
			continue;
		memcpy(nft_set_add(a, out, NOWHERE), nft_set_elem(from, i), from->stride);
		nft_set_comment(a, out, from->comments[i]);
	}
	return out;
}

static void add_elements(
	struct run *r, struct changes *c, enum nft_change_kind kind, const struct nft_set *set)
{
	if (set && set->len)
		*vec_add(r->a, &c->nft) = (struct nft_change){
			.kind = kind, .family = FAMILY_INET, .table = PORTREEVE_TABLE, .set = set};
}

/*
 * The part of the transaction that adds to the memory in a table that exists, and its inverse. (A
 * new table brings its memory along; the other copy is written by then.) An element whose comment
 * changes is deleted and added, since the kernel ignores a new comment for an old element. The
 * transaction itself does all of it again, which changes nothing, and drops what can be forgotten.
 */
static void memory_changes(struct run *r)
{
	const struct nft_set *added = memory_change(r, NFT_ADD_ELEMENTS);
	const struct nft_set *gone = memory_change(r, NFT_DEL_ELEMENTS);
	const struct nft_set *changed = added && gone ? common_keys(r->a, gone, added) : NULL;

	if (!own_table(&r->s->seen) || !added)
		return;
	add_elements(r, &r->remember, NFT_DEL_ELEMENTS, changed);
	add_elements(r, &r->remember, NFT_ADD_ELEMENTS, added);
	add_elements(r, &r->forget, NFT_DEL_ELEMENTS, added);
	add_elements(r, &r->forget, NFT_ADD_ELEMENTS, changed);
}

static int do_memory(struct run *r)
{
	const struct memory *more = r->s->plan ? &r->s->plan->memory : &r->s->memory;
	struct memory both;
	int err = injected("memory", 1);

	unite(r->a, &r->s->memory, more, &both);
	if (!err)
		err = kernel_memory_save(r->k, &both);
	if (err)
		return refused(r->d, NOWHERE, "to write down what must be put back", err, NULL);
	r->memory_done = true;
	return 0;
}

static void undo_memory(struct run *r)
{
	if (r->s->memory.mark_mask)
		kernel_memory_save(r->k, &r->s->memory);
	else
		kernel_memory_remove(r->k);
}

/* Where a connection belongs is all in the table. To look at each can take seconds, and a daemon that
 * puts a rule back is wanted for the next one. */
static int do_connections(struct run *r)
{
	struct kernel_error e = {0};
	int err;

	if (!r->s->changes.nft.len)
		return 0;
	err = injected("conntrack", 1);
	if (!err)
		err = kernel_end_contradicted(
			r->k, r->a, r->s, &r->generation, &r->report->connections, r->d, &e);
	return err ? refused(r->d, NOWHERE, "to show the connections", err, &e) : 0;
}

/* ---- all of it ---- */

static void undo(struct run *r)
{
	undo_changes(r, r->s->changes.after.items, r->after_done);
	if (r->nft_done)
		undo_nft(r);
	undo_changes(r, r->s->changes.before.items, r->before_done);
	if (r->remember_done && !r->nft_done)
		commit(r, &r->forget, 0);
	if (r->memory_done)
		undo_memory(r);
}

static int apply_once(struct run *r)
{
	struct changes *c = &r->s->changes;
	int err = do_memory(r);

	r->generation = r->s->seen.ruleset.generation;
	memory_changes(r);
	if (!err && r->remember.nft.len) {
		err = commit(r, &r->remember, r->generation);
		r->remember_done = !err;
	}
	if (!err)
		err = do_changes(r, c->before.items, c->before.len, &r->before_done);
	if (!err && c->nft.len) {
		err = injected("nft", 1);
		if (err)
			refused(r->d, NOWHERE, "the nftables transaction", err, NULL);
		else
			err = commit(r, c, r->generation);
		r->nft_done = !err;
	}
	if (!err)
		err = do_changes(r, c->after.items, c->after.len, &r->after_done);
	if (!err)
		err = do_connections(r);
	if (err) {
		undo(r);
		return err;
	}
	count_elements(r);
	r->report->changed = true;
	return 0;
}

/* The second copy and the kept elements follow what is in force now. */
static void keep(struct run *r)
{
	if (!r->s->plan) {
		kernel_memory_remove(r->k);
		applied_forget(r->k);
		return;
	}
	kernel_memory_save(r->k, &r->s->plan->memory);
	if (!r->generation)
		applied_forget(r->k);
	else if (r->s->changes.nft.len)
		applied_save(r->k, own_table(&r->s->plan->want), r->generation);
}

int gateway_apply(struct kernel *k, struct arena *a, struct gateway_state *s,
	struct apply_report *report, struct diag *d)
{
	int err = -ERESTART;

	for (int i = 0; i < TRIES && err == -ERESTART; i++) {
		struct run r = {.k = k, .a = a, .s = s, .report = report, .d = d};

		*report = (struct apply_report){0};
		if (i) {
			err = gateway_look(k, a, s->model, s, d);
			if (err)
				return err;
			if (s->model && !s->plan)
				return -EINVAL;
		}
		if (changes_empty(&s->changes))
			return 0;
		err = apply_once(&r);
		if (!err)
			keep(&r);
	}
	if (err == -ERESTART)
		diag_error(d, NOWHERE,
			"something else changes the nftables rules all the time; tried %d times",
			TRIES);
	return err;
}

/* The fast path's, with that it was switched off by hand. */
static int take_off_programs(struct kernel *k, struct diag *d)
{
	struct kernel_error e = {0};
	size_t n;
	int err = fastpath_remove(k, &n, &e);

	if (err)
		diag_error(d, NOWHERE, "the fast path's programs cannot be taken off: %s",
			e.text[0] ? e.text : strerror(-err));
	fastpath_keep_off(k, false);
	return err;
}

int gateway_remove(struct kernel *k, struct arena *a, struct apply_report *report, struct diag *d)
{
	struct gateway_state s = {0};
	int off = take_off_programs(k, d), err = gateway_look(k, a, NULL, &s, d);

	if (!err)
		err = gateway_apply(k, a, &s, report, d);
	return err ? err : off;
}
