/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds filter rules of iptables-legacy, which live beside nftables and which netlink does not show
 * (pitfall 29). Of their text only the beginning of FORWARD is judged.
 */
#include <string.h>

#include "walk/pitfalls/inquiry.h"

struct legacy_forward {
	bool known; /* there is text */
	bool drops; /* policy */
	bool has_rules, lets_ours_through, docker;
};

static bool line_starts(const char *line, const char *with)
{
	return strncmp(line, with, strlen(with)) == 0;
}

/* Reads what iptables-legacy-save prints. @ours: the match of our connections. */
static struct legacy_forward read_forward(const char *text, const char *ours)
{
	struct legacy_forward f = {.known = text != NULL};
	bool first[2] = {true, true};

	for (const char *line = text; line && *line;
		line = strchr(line, '\n'), line += line != NULL) {
		const char *chains[] = {"-A FORWARD ", "-A DOCKER-USER "};

		if (line_starts(line, ":FORWARD DROP"))
			f.drops = true;
		if (line_starts(line, ":DOCKER-USER "))
			f.docker = true;
		for (unsigned int i = 0; i < 2; i++) {
			const char *rule = line + strlen(chains[i]);

			if (!line_starts(line, chains[i]))
				continue;
			f.has_rules = f.has_rules || i == 0;
			if (first[i] && line_starts(rule, ours) &&
				line_starts(rule + strlen(ours), " -j ACCEPT"))
				f.lets_ours_through = true;
			first[i] = false;
		}
	}
	return f;
}

static void add(struct inquiry *q, bool v6, const struct legacy_forward *l, const char *ours)
{
	const char *command = v6 ? "ip6tables-legacy" : "iptables-legacy";
	bool blocks = l->drops && !l->has_rules;
	struct finding *f =
		finding_add(q, "legacy-iptables", 29, blocks ? DIAG_ERROR : DIAG_WARNING, blocks);

	f->title = blocks     ? "iptables-legacy drops everything that is forwarded"
		   : l->drops ? "iptables-legacy drops what its rules do not let through"
			      : "there are filter rules of iptables-legacy, which were not looked "
				"through";
	f->evidence = arena_printf(q->arena, "%s -S FORWARD: %s", command,
		l->drops   ? "-P FORWARD DROP"
		: l->known ? "some rules"
			   : "not readable, but /proc/net says that there is a filter table");
	f->consequence =
		blocks ? "clients get no answer"
		       : "whether the maps' connections get through cannot be told from here";
	finding_remedy(q, f, "%s -I %s %s -j ACCEPT", command,
		l->docker ? "DOCKER-USER" : "FORWARD", ours);
	f->advice = "add it where these rules are loaded from, too; and consider moving to "
		    "iptables-nft: two live rule sets are hard to understand";
	VEC_EACH (&q->plan->maps, struct plan_map, m) {
		if ((map_family(m->map) == IP_V6) == v6)
			vec_push(q->arena, &f->maps, m);
	}
}

void pitfall_legacy(struct inquiry *q)
{
	uint32_t bit = mark_ours_bit(q->plan->model->mark_mask);
	const char *ours = arena_printf(q->arena, "-m connmark --mark 0x%x/0x%x", bit, bit);

	for (unsigned int i = 0; i < 2; i++) {
		struct legacy_forward l = read_forward(q->facts->legacy_filter_text[i], ours);
		bool maps = false;

		VEC_EACH (&q->plan->maps, struct plan_map, m)
			maps = maps || (map_family(m->map) == IP_V6) == i;
		if (!q->facts->legacy_filter[i] || !maps || l.lets_ours_through)
			continue;
		/* An empty table that lets everything through stands in nobody's way. */
		if (l.known && !l.drops && !l.has_rules)
			continue;
		add(q, i, &l, ours);
	}
}
