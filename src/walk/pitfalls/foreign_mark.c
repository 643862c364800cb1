/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds other uses of portreeve's bits of the mark (pitfall 48). */
#include <string.h>

#include "walk/pitfalls/tool.h"
#include "walk/xt.h"

/* ---- our connections' marks are overwritten ---- */

static void add_overwritten(struct inquiry *q, const struct trouble *t)
{
	bool ct = t->kind == TROUBLE_CT_MARK;
	struct finding *f = finding_add(q, ct ? "connmark-overwritten" : "mark-overwritten", 48,
		t->certain ? DIAG_ERROR : DIAG_WARNING, t->certain);

	f->title = arena_printf(q->arena, "%s %s the %s of the maps' connections",
		tool_name(tool_of(t)), t->certain ? "overwrites" : "may overwrite",
		ct ? "connection mark" : "packet mark");
	f->evidence = inquiry_step_text(q, &t->by);
	f->consequence =
		ct ? "the uplink that a connection came in on is forgotten, and its replies "
		     "leave by the default route"
		   : "packets are routed by the wrong table: requests do not reach the backend, "
		     "or replies leave by another uplink";
	f->advice = arena_printf(q->arena,
		"give that rule a mask that leaves out 0x%08x (iptables: --set-xmark VALUE/MASK; "
		"nft: "
		"mark and ... or ...)",
		q->plan->model->mark_mask);
	VEC_EACH (&t->maps, const struct plan_map *, m)
		vec_push(q->arena, &f->maps, *m);
	f->uplink = trouble_uplink(q, t);
}

/* ---- others set our bits for purposes of their own ---- */

static uint32_t value32(const uint8_t *bytes)
{
	uint32_t v;

	memcpy(&v, bytes, 4);
	return v;
}

/* The bits that the expression sets to one, where that is known. */
static uint32_t bits_set_by(const struct nft_expr *e)
{
	uint32_t bits = 0;

	switch (e->kind) {
	case EXPR_VALUE:
		return e->value_len == 4 ? value32(e->value) : 0;
	case EXPR_MASKED:
		return value32(e->xor);
	case EXPR_MAP:
		for (size_t i = 0; e->set && e->set->data_len == 4 && i < e->set->len; i++)
			bits |= value32(nft_set_elem_data(e->set, i));
		return bits;
	case EXPR_SELECTOR:
	case EXPR_CONCAT:
	case EXPR_JHASH:
	case EXPR_SYMHASH:
	case EXPR_NUMGEN:
	case EXPR_UNKNOWN:
		break;
	}
	return 0;
}

static uint32_t rule_sets(const struct nft_rule *r)
{
	uint32_t sets = 0, bits, more;

	VEC_EACH (&r->stmts, struct nft_stmt, s) {
		if ((s->kind == STMT_SET_MARK || s->kind == STMT_SET_CT_MARK) && s->expr)
			sets |= bits_set_by(s->expr);
		else if (s->kind == STMT_XT &&
			 (walk_xt_writes_mark(&s->xt, false, &bits, &more) ||
				 walk_xt_writes_mark(&s->xt, true, &bits, &more)))
			sets |= more;
	}
	return sets;
}

struct use {
	uint32_t bits;	      /* of the mark that anybody else sets or asks for */
	const char *evidence; /* of the first that is one of ours */
	size_t more;
};

static void add_use(struct use *u, uint32_t bits, uint32_t mask, const char *evidence)
{
	if (!(bits & mask))
		return;
	if (u->evidence)
		u->more++;
	else
		u->evidence = evidence;
}

static void look_at_rules(struct inquiry *q, struct use *u)
{
	uint32_t mask = q->plan->model->mark_mask;

	VEC_EACH (&q->seen->ruleset.tables, struct nft_table *, t) {
		if (*t == q->walker.skip)
			continue;
		VEC_EACH (&(*t)->chains, struct nft_chain *, c) {
			VEC_EACH (&(*c)->rules, struct nft_rule, r) {
				struct walk_step at = {
					.kind = STEP_RULE, .table = *t, .chain = *c, .rule = r};
				uint32_t bits = rule_sets(r);

				u->bits |= bits;
				add_use(u, bits, mask,
					bits & mask ? inquiry_step_text(q, &at) : NULL);
			}
		}
	}
}

static void look_at_ip_rules(struct inquiry *q, struct use *u)
{
	VEC_EACH (&q->seen->rules, struct net_rule, r) {
		uint32_t bits = r->mark & r->mask;

		if (r->protocol == PORTREEVE_PROTOCOL || !bits)
			continue;
		u->bits |= bits;
		add_use(u, bits, q->plan->model->mark_mask,
			arena_printf(q->arena, "ip%s rule: %s", r->family == IP_V6 ? " -6" : "",
				inquiry_rule_text(q, r)));
	}
}

/* As many bits as ours, that nobody uses; 0: there are none. */
static uint32_t free_bits(uint32_t used, uint32_t mask)
{
	uint32_t width = mask / (mask & ~(mask << 1));

	for (unsigned int shift = 32; shift-- > 0;) {
		uint32_t candidate = width << shift;

		if (candidate >> shift == width && !(candidate & used))
			return candidate;
	}
	return 0;
}

static void find_use(struct inquiry *q)
{
	uint32_t mask = q->plan->model->mark_mask, other;
	struct use u = {0};
	struct finding *f;

	look_at_rules(q, &u);
	look_at_ip_rules(q, &u);
	if (!u.evidence)
		return;
	f = finding_add(q, "mark-bits-in-use", 48, DIAG_WARNING, false);
	f->title = arena_printf(
		q->arena, "something else uses bits 0x%08x of the mark, too", u.bits & mask);
	f->evidence = u.more ? arena_printf(q->arena, "%s (and %zu more)", u.evidence, u.more)
			     : u.evidence;
	f->consequence =
		"its packets follow portreeve's routing rules, or portreeve's follow its own";
	other = free_bits(u.bits, mask);
	if (other)
		f->advice = arena_printf(q->arena,
			"give portreeve other bits, in the file: gateway: {mark: 0x%08x}", other);
}

void pitfall_foreign_mark(struct inquiry *q)
{
	VEC_EACH (&q->troubles->items, struct trouble, t) {
		if (t->kind == TROUBLE_MARK || t->kind == TROUBLE_CT_MARK)
			add_overwritten(q, t);
	}
	find_use(q);
}
