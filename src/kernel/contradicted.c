/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends the connections that a plan contradicts.
 *
 * Theory of operation. A backend that goes on sending makes of a deleted connection another one,
 * reversed. So what could come back like this is first only noted, its replies are blocked in the
 * table, and the next sweep deletes it; a connection that is met only then waits one more round. Last,
 * reversed ones that were quicker than the block are looked for.
 */
#include "kernel/contradicted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "kernel/conntrack.h"
#include "kernel/nft.h"

/* A backend's old replies are kept out this long: above nf_conntrack_udp_timeout_stream's default
 * (120 s), so that a client that speaks now and then gets to its new backend first. */
#define BLOCK_MS     180000u
#define BLOCK_ROUNDS 4u

struct old_reply {
	uint8_t proto;
	struct flow_tuple tuple;
};

struct sweep {
	struct kernel *k;
	struct arena *a;
	const struct gateway_state *state;
	uint32_t generation;
	size_t ended;
	enum { SWEEP_CONTRADICTED, SWEEP_INVERTED } pass;
	VEC(struct old_reply)
	replies;	  /* of contradicted connections that could come back by them */
	size_t blocked;	  /* so many of them are blocked, as far as there was room, and sorted */
	size_t unblocked; /* there was none for so many */
	struct kernel_error refusal; /* what else the kernel had against it */
	bool hurry;		     /* the last round: nothing waits for the next */
};

static bool contradicted(const struct sweep *s, const struct flow *f)
{
	const struct gateway_state *g = s->state;
	uint32_t old = g->memory.mark_mask;

	if (!g->plan) /* then only what we translated is shown, see sweep() */
		return true;
	/* With other bits of the mark, every number on a live connection has lost its meaning. */
	if (old && old != g->plan->model->mark_mask && f->mark & mark_ours_bit(old))
		return true;
	return plan_judge_flow(g->plan, f, NULL) == FLOW_CONTRADICTED;
}

static int compare_replies(const void *va, const void *vb)
{
	const struct flow_tuple *x = &((const struct old_reply *)va)->tuple;
	const struct flow_tuple *y = &((const struct old_reply *)vb)->tuple;
	int c = ((const struct old_reply *)va)->proto - ((const struct old_reply *)vb)->proto;

	if (!c)
		c = ip_cmp(&x->src, &y->src);
	if (!c)
		c = ip_cmp(&x->dst, &y->dst);
	if (!c)
		c = x->sport - y->sport;
	return c ? c : x->dport - y->dport;
}

/* Both old replies and connections may be many. */
static bool is_blocked(const struct sweep *s, uint8_t proto, const struct flow_tuple *tuple)
{
	struct old_reply key = {proto, *tuple};

	return s->blocked &&
	       bsearch(&key, s->replies.items, s->blocked, sizeof(key), compare_replies);
}

/* Would the backend's next packet make a connection of its own, reversed? What was hidden behind an
 * address of ours ends at it, but UDP can be answered by then; TCP that is over sends no more. */
static bool comes_back(const struct flow *f)
{
	if (f->proto == PROTO_UDP)
		return true;
	return f->proto == PROTO_TCP && ip_equal(&f->reply.dst, &f->original.src) &&
	       !(f->state &&
		       (strcmp(f->state, "TIME_WAIT") == 0 || strcmp(f->state, "CLOSE") == 0));
}

static bool judge(const struct flow *f, void *data)
{
	struct sweep *s = data;

	switch (s->pass) {
	case SWEEP_CONTRADICTED:
		if (!contradicted(s, f))
			return false;
		if (!comes_back(f) || !s->state->plan || is_blocked(s, f->proto, &f->reply) ||
			s->hurry)
			return true;
		if (s->replies.len == PLAN_BLOCKED_SIZE) {
			s->unblocked++;
			return true;
		}
		vec_push(s->a, &s->replies, ((struct old_reply){f->proto, f->reply}));
		return false;
	case SWEEP_INVERTED: /* a connection that a backend made of a reply */
		return is_blocked(s, f->proto, &f->original);
	}
	return false;
}

/* What keeps old replies of one family out, those that are not yet: see make_blocked() in plan/table.c. */
static struct nft_set *new_elements(const struct sweep *s, bool v6)
{
	const struct nft_set *declared = nft_set_find_named(
		s->state->plan->want.ruleset.tables.items[0], v6 ? PLAN_BLOCKED6 : PLAN_BLOCKED4);
	struct nft_set *set = arena_new_of(s->a, struct nft_set);
	unsigned int n = v6 ? 16 : 4;

	*set = *declared;
	for (size_t i = s->blocked; i < s->replies.len; i++) {
		const struct old_reply *old = &s->replies.items[i];
		const struct flow_tuple *t = &old->tuple;
		uint8_t *e;

		if (t->src.family != (v6 ? IP_V6 : IP_V4))
			continue;
		e = nft_set_add(s->a, set, NOWHERE);
		*e = old->proto;
		memcpy(e + 4, t->src.bytes, n);
		be16_put(e + 4 + n, t->sport);
		memcpy(e + 8 + n, t->dst.bytes, n);
		be16_put(e + 8 + 2 * n, t->dport);
	}
	set->timeouts_ms = arena_alloc(s->a, set->len * sizeof(uint32_t));
	for (size_t i = 0; i < set->len; i++)
		set->timeouts_ms[i] = BLOCK_MS;
	return set;
}

static int commit_elements(struct sweep *s, struct nft_set *const sets[2], struct nft_set **full,
	struct nft_failure *f)
{
	struct changes c = {0};
	uint32_t generation;
	int err;

	for (unsigned int i = 0; i < 2; i++)
		if (sets[i]->len)
			*vec_add(s->a, &c.nft) = (struct nft_change){.kind = NFT_ADD_ELEMENTS,
				.family = FAMILY_INET,
				.table = PORTREEVE_TABLE,
				.set = sets[i]};
	err = kernel_nft_commit(s->k, c.nft.items, c.nft.len, 0, &generation, f);
	if (!err) /* whether others committed in between cannot be told */
		s->generation = generation == s->generation + 1 ? generation : 0;
	*full = NULL;
	VEC_EACH (&c.nft, struct nft_change, change)
		if (err == -ENFILE && change - c.nft.items == f->change)
			*full = sets[change->set == sets[0] ? 0 : 1];
	return err;
}

/* Keep old replies out for a while. A help, not a condition: what there is no room for beside those of
 * an earlier apply is still deleted, and counted. */
static void block(struct sweep *s)
{
	struct nft_set *const sets[] = {new_elements(s, false), new_elements(s, true)};
	size_t wanted = s->replies.len - s->blocked;
	struct nft_set *full;
	struct nft_failure f;
	int err;

	/* The kernel takes all or nothing; it names the first that does not fit, or before Linux 6.0 the
	 * set alone. */
	while ((err = commit_elements(s, sets, &full, &f)) && full)
		full->len = f.element >= 0 ? (size_t)f.element : full->len / 2;
	if (err) {
		s->refusal = f.error;
		s->refusal.err = -err;
	}
	s->unblocked += wanted - (err ? 0 : sets[0]->len + sets[1]->len);
	qsort(s->replies.items, s->replies.len, sizeof(struct old_reply), compare_replies);
	s->blocked = s->replies.len;
}

/* Without a plan it is about what we translated, and only that is asked for. */
static int sweep(struct sweep *s, struct kernel_error *e)
{
	uint32_t ours = mark_ours_bit(s->state->memory.mark_mask);
	size_t deleted = 0;
	int err = 0;

	if (s->state->plan)
		err = kernel_conntrack_sweep(s->k, judge, s, &deleted, e);
	else if (ours)
		err = kernel_conntrack_sweep_marked(s->k, ours, ours, judge, s, &deleted, e);
	s->ended += deleted;
	return err;
}

static void tell_unblocked(const struct sweep *s, struct diag *d)
{
	diag_warning(d, NOWHERE,
		"%zu of %zu connections that were ended may come back, if their backends go on "
		"sending: %s",
		s->unblocked, s->ended,
		!s->refusal.err	     ? "there is no room to block more old replies"
		: s->refusal.text[0] ? s->refusal.text
				     : strerror(s->refusal.err));
	diag_hint(d, "%u are blocked at a time, each for %u minutes", PLAN_BLOCKED_SIZE,
		BLOCK_MS / 60000);
}

int kernel_end_contradicted(struct kernel *k, struct arena *a, const struct gateway_state *state,
	uint32_t *generation, size_t *ended, struct diag *d, struct kernel_error *e)
{
	struct sweep s = {.k = k, .a = a, .state = state, .generation = *generation};
	int err = sweep(&s, e);

	if (err)
		return err;
	for (unsigned int i = 1; !err && s.replies.len > s.blocked; i++) {
		block(&s);
		s.hurry = i == BLOCK_ROUNDS;
		err = sweep(&s, e);
	}
	s.pass = SWEEP_INVERTED;
	if (!err && s.blocked)
		err = sweep(&s, e);
	if (err)
		diag_warning(d, NOWHERE, "not all connections were looked at: %s", e->text);
	if (s.unblocked)
		tell_unblocked(&s, d);
	*generation = s.generation;
	*ended = s.ended;
	return 0;
}
