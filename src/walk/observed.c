/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares a walked leg with what the kernel told of the same packet. */
#include "walk/observed.h"

#include <stdarg.h>
#include <string.h>

static void differ(struct arena *a, struct observed_differences *out,
	const struct journey_step *walked, const struct observed_step *seen, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void differ(struct arena *a, struct observed_differences *out,
	const struct journey_step *walked, const struct observed_step *seen, const char *fmt, ...)
{
	struct strbuf b = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	vec_push(a, &out->items,
		((struct observed_difference){walked, seen, arena_strdup(a, strbuf_str(&b))}));
	strbuf_fini(&b);
}

/* ---- rules ---- */

/* Does the kernel tell of this step: a rule of nft or iptables-nft that decided something? Those that
 * translate are run for a connection's first packet alone. */
static bool is_traced(const struct journey_step *s)
{
	if (s->stage == STAGE_NAT && packet_knows(&s->after, PKT_CT_STATE) &&
		s->after.ct_state != CT_NEW)
		return false;
	return s->rule.kind == STEP_RULE && s->rule.rule && s->rule.rule->handle &&
	       s->rule.table->origin != ORIGIN_XT_LEGACY;
}

static bool is_same_rule(const struct journey_step *s, const struct observed_step *o)
{
	return s->rule.table->family == o->family && name_equal(s->rule.table->name, o->table) &&
	       name_equal(s->rule.chain->name, o->chain) && s->rule.rule->handle == o->handle;
}

/* Is a rule that the kernel told of one that the walk must have? What only leads to another chain or
 * back it leaves out. */
static bool decides(const struct observed_step *o)
{
	return o->kind == OBSERVED_RULE && o->verdict >= VERDICT_DROP;
}

/* The next step of the walk at or after @i that the kernel would tell of too. */
static size_t next_traced(const struct journey_leg *leg, size_t i)
{
	while (i < leg->steps.len && !is_traced(&leg->steps.items[i]))
		i++;
	return i;
}

static void compare_rules(struct arena *a, const struct journey_leg *walked,
	const struct observed_leg *seen, struct observed_differences *out)
{
	size_t at = next_traced(walked, 0);

	VEC_EACH (&seen->steps, const struct observed_step, o) {
		size_t found = at;

		if (o->kind != OBSERVED_RULE)
			continue;
		while (found < walked->steps.len && !is_same_rule(&walked->steps.items[found], o))
			found = next_traced(walked, found + 1);
		if (found == walked->steps.len) {
			if (decides(o))
				differ(a, out, NULL, o,
					"the kernel matched a rule of table %s, chain %s (handle "
					"%llu); the walk did not",
					o->table, o->chain, (unsigned long long)o->handle);
			continue;
		}
		for (; at < found; at = next_traced(walked, at + 1)) {
			const struct journey_step *s = &walked->steps.items[at];

			differ(a, out, s, NULL,
				"the walk matched a rule of table %s, chain %s (handle %llu); the "
				"kernel did not",
				s->rule.table->name, s->rule.chain->name,
				(unsigned long long)s->rule.rule->handle);
		}
		out->agreed++;
		at = next_traced(walked, found + 1);
	}
}

/* ---- where it came out ---- */

static bool same_addresses(const struct packet *a, const struct packet *b)
{
	uint32_t addresses = PKT_SADDR | PKT_DADDR, ports = PKT_SPORT | PKT_DPORT;

	if (packet_knows(a, addresses) && packet_knows(b, addresses) &&
		(!ip_equal(&a->saddr, &b->saddr) || !ip_equal(&a->daddr, &b->daddr)))
		return false;
	return !packet_knows(a, ports) || !packet_knows(b, ports) ||
	       (a->sport == b->sport && a->dport == b->dport);
}

static const char *seen_end(const struct observed_leg *seen)
{
	if (seen->out)
		return "forwarded";
	if (seen->delivered)
		return "local";
	return seen->answered_refusal ? "rejected" : "dropped";
}

static bool same_end(const struct journey_leg *walked, const struct observed_leg *seen)
{
	switch (walked->end) {
	case JOURNEY_FORWARDED:
		return seen->out != NULL;
	case JOURNEY_LOCAL:
		return !seen->out && seen->delivered;
	case JOURNEY_DROPPED:
		return !seen->out && !seen->delivered && !seen->answered_refusal;
	case JOURNEY_REJECTED: /* what says so may itself meet a rule, no route, or a rate limit */
	case JOURNEY_UNROUTABLE:
		return !seen->out && !seen->delivered;
	case JOURNEY_LOST:
		return false;
	}
	return false;
}

static void compare_ends(struct arena *a, const struct journey_leg *walked,
	const struct observed_leg *seen, struct observed_differences *out)
{
	static const char *const ends[] = {[JOURNEY_FORWARDED] = "forwarded",
		[JOURNEY_LOCAL] = "local",
		[JOURNEY_DROPPED] = "dropped",
		[JOURNEY_REJECTED] = "rejected",
		[JOURNEY_UNROUTABLE] = "unroutable",
		[JOURNEY_LOST] = "unknown"};

	if (!same_end(walked, seen)) {
		differ(a, out, NULL, NULL, "the walk: %s; the kernel: %s", ends[walked->end],
			seen_end(seen));
		return;
	}
	if (seen->out && !name_equal(walked->out, seen->out))
		differ(a, out, NULL, NULL, "the walk: leaves by %s; the kernel: by %s",
			walked->out ? walked->out : "nothing", seen->out);
	else if (seen->out && !same_addresses(&walked->last, &seen->last))
		differ(a, out, NULL, NULL,
			"it leaves with other addresses or ports than the walk has");
	else
		out->agreed++;
}

void observed_compare(struct arena *a, const struct journey_leg *walked,
	const struct observed_leg *seen, struct observed_differences *out)
{
	if (walked->walked != seen->seen) {
		differ(a, out, NULL, NULL, "%s",
			seen->seen ? "the kernel saw it; the walk does not come to it"
				   : "the walk comes to it; the kernel never saw it");
		return;
	}
	if (!seen->seen)
		return;
	compare_rules(a, walked, seen, out);
	compare_ends(a, walked, seen, out);
}
