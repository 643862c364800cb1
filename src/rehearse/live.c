/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This machine's own state in the rehearsal's gateway: what would break here is to break there.
 *
 * Interfaces of the same names, addresses, routes of all tables, rules, sysctls and the rule sets
 * of other tools. What is portreeve's own is left out, since the plan puts it there; what cannot be
 * brought in is said in a note and never left out in silence.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plan/plan.h"
#include "rehearse/bring.h"
#include "rehearse/stage.h"

#define MAX_NOTED_LINES 5u

/* Text that the tools of this machine gave; NULL: not read. */
struct live_rules {
	const char *nft;
	const char *ipset;
	const char *iptables[2], *legacy[2]; /* v4, v6 */
	const char *unread;		     /* why not, if so */
};

static const char *read_program(struct arena *a, const char *const argv[], int *status)
{
	struct strbuf b = STRBUF_INIT;
	const char *text;

	*status = program_run(argv, NULL, &b);
	text = arena_strdup(a, strbuf_str(&b));
	strbuf_fini(&b);
	return *status == 0 ? text : NULL;
}

struct live_rules *live_rules_read(struct arena *a)
{
	static const char *const nft[] = {"nft", "-s", "list", "ruleset", NULL};
	static const char *const ipset[] = {"ipset", "save", NULL};
	static const char *const iptables[2][2] = {
		{"iptables-nft-save", NULL}, {"ip6tables-nft-save", NULL}};
	static const char *const legacy[2][2] = {
		{"iptables-legacy-save", NULL}, {"ip6tables-legacy-save", NULL}};
	struct live_rules *r = arena_new_of(a, struct live_rules);
	int status;

	if (geteuid() != 0) {
		r->unread = "rules of other tools are not brought in: reading them needs root";
		return r;
	}
	r->nft = read_program(a, nft, &status);
	if (!r->nft)
		r->unread = "rules of other tools are not brought in: nft(8) cannot list them";
	r->ipset = read_program(a, ipset, &status);
	for (unsigned int f = 0; f < 2; f++) {
		r->iptables[f] = read_program(a, iptables[f], &status);
		r->legacy[f] = read_program(a, legacy[f], &status);
	}
	return r;
}

/* ---- addresses, routes, rules ---- */

struct refusals {
	struct stage *st;
	unsigned int n;
};

static void note_refused_line(const char *line, size_t len, void *data)
{
	struct refusals *r = data;

	if (r->n++ < MAX_NOTED_LINES)
		stage_note(r->st, "not brought in: ip %.*s", (int)len, line);
}

static void note_refused_lines(struct stage *st, const char *lines, const char *output)
{
	struct refusals r = {st, 0};

	bring_refused(lines, output, note_refused_line, &r);
	if (r.n > MAX_NOTED_LINES)
		stage_note(st, "not brought in: %u more such lines", r.n - MAX_NOTED_LINES);
}

static int batch(struct stage *st, const char *family, const struct strbuf *lines)
{
	const char *const argv[] = {"ip", family, "-force", "-batch", "-", NULL};
	struct strbuf output = STRBUF_INIT;
	int status = sandbox_exec(st->sb, TOPO_GATEWAY, argv, strbuf_str(lines), &output);

	if (status < 0 || status == 127)
		status = stage_fail(st, status == 127 ? ENOENT : -status, "cannot run ip(8): %s",
			strerror(status == 127 ? ENOENT : -status));
	else
		note_refused_lines(st, strbuf_str(lines), strbuf_str(&output));
	strbuf_fini(&output);
	return status < 0 ? status : 0;
}

static void add_links(struct strbuf *out, const struct stage *st)
{
	strbuf_add(out, "link set lo up\n");
	VEC_EACH (&st->topology->cables, struct topo_cable, c) {
		const struct net_link *l = netstate_link(st->topology->live, c->name[0]);

		if (c->node[0] != TOPO_GATEWAY)
			continue;
		if (!l || l->up)
			strbuf_addf(
				out, "link set %s up%s\n", c->name[0], c->no_arp ? " arp off" : "");
		if (l && l->mtu >= 68 && l->mtu <= 65535)
			strbuf_addf(out, "link set %s mtu %u\n", c->name[0], l->mtu);
	}
}

static int bring_network(struct stage *st)
{
	const struct netstate *live = st->topology->live;
	struct strbuf lines = STRBUF_INIT;
	int err = 0;

	for (uint8_t family = IP_V4; err == 0 && family <= IP_V6; family += IP_V6 - IP_V4) {
		strbuf_reset(&lines);
		if (family == IP_V4)
			add_links(&lines, st);
		bring_addresses(&lines, live, family, false);
		bring_routes(&lines, live, family, false);
		bring_policy(&lines, live, family, false);
		err = batch(st, family == IP_V6 ? "-6" : "-4", &lines);
	}
	strbuf_fini(&lines);
	return err;
}

/* ---- sysctls ---- */

static void note_refused_sysctl(const struct net_sysctl *s, void *data)
{
	struct refusals *r = data;

	if (r->n++ < MAX_NOTED_LINES)
		stage_note(r->st, "not brought in: %s = %s", s->key, s->value);
}

/* ---- rule sets ---- */

/* Did iptables-save print this table? Then nft's text of it may not load. */
static bool is_iptables(const struct live_rules *r, const char *header)
{
	char family[8], name[64], line[80];

	if (sscanf(header, "table %7s %63s", family, name) != 2)
		return false;
	snprintf(line, sizeof(line), "*%s\n", name);
	for (unsigned int f = 0; f < 2; f++)
		if (strcmp(family, f ? "ip6" : "ip") == 0 && r->iptables[f] &&
			strstr(r->iptables[f], line))
			return true;
	return false;
}

static bool is_our_table(const char *header)
{
	return strncmp(header, "table inet " PORTREEVE_TABLE " ",
		       strlen("table inet " PORTREEVE_TABLE " ")) == 0;
}

static void bring(struct stage *st, const char *const argv[], const char *input, const char *what)
{
	struct strbuf output = STRBUF_INIT;

	if (sandbox_exec(st->sb, TOPO_GATEWAY, argv, input, &output) != 0)
		stage_note(st, "not brought in: %s (%s: %.*s)", what, argv[0],
			(int)strcspn(strbuf_str(&output), "\n"), strbuf_str(&output));
	strbuf_fini(&output);
}

/* Table by table, so that one with something that does not load here takes no other with it. */
static void bring_nft(struct stage *st, const struct live_rules *r)
{
	static const char *const nft[] = {"nft", "-f", "-", NULL};
	const char *p = r->nft ? r->nft : "";

	while (*p) {
		bool table = strncmp(p, "table ", 6) == 0;
		const char *end = table ? strstr(p, "\n}\n") : NULL;
		size_t len = end ? (size_t)(end + 3 - p) : strcspn(p, "\n") + 1;

		if (table && !is_our_table(p) && !is_iptables(r, p))
			bring(st, nft, arena_strndup(st->arena, p, len),
				arena_strndup(st->arena, p, strcspn(p, "{\n")));
		p += strnlen(p, len);
	}
}

static void bring_rules(struct stage *st)
{
	static const char *const ipset[] = {"ipset", "restore", NULL};
	static const char *const restore[2][2] = {
		{"iptables-nft-restore", NULL}, {"ip6tables-nft-restore", NULL}};
	static const char *const legacy[2][2] = {
		{"iptables-legacy-restore", NULL}, {"ip6tables-legacy-restore", NULL}};
	const struct live_rules *r = st->live_rules;

	if (r->unread)
		stage_note(st, "%s", r->unread);
	if (r->ipset && r->ipset[0])
		bring(st, ipset, r->ipset, "ipset's sets");
	for (unsigned int f = 0; f < 2; f++) {
		if (r->iptables[f] && strstr(r->iptables[f], "\n*"))
			bring(st, restore[f], r->iptables[f],
				f ? "rules of ip6tables" : "rules of iptables");
		if (r->legacy[f] && strstr(r->legacy[f], "\n*"))
			bring(st, legacy[f], r->legacy[f],
				f ? "rules of ip6tables-legacy" : "rules of iptables-legacy");
	}
	bring_nft(st, r);
}

/* ---- */

static void note_stand_ins(struct stage *st)
{
	struct strbuf names = STRBUF_INIT;

	VEC_EACH (&st->topology->cables, struct topo_cable, c)
		if (c->node[0] == TOPO_GATEWAY &&
			st->topology->nodes.items[c->node[1]].role == NODE_VOID)
			strbuf_addf(&names, "%s%s", names.len ? ", " : "", c->name[0]);
	if (names.len)
		stage_note(st, "stand-ins with nobody behind them: %s", strbuf_str(&names));
	strbuf_fini(&names);
	VEC_EACH (&st->topology->uplinks, struct topo_uplink, u)
		if (!u->live)
			stage_note(st, "%s is not on this machine: invented", u->uplink->interface);
}

int stage_live(struct stage *st)
{
	struct refusals refused = {st, 0};
	int err = bring_network(st);

	if (err == 0)
		err = sandbox_enter(st->sb, TOPO_GATEWAY);
	if (err)
		return err;
	bring_sysctls(st->arena, st->topology->live, note_refused_sysctl, &refused);
	bring_rules(st);
	note_stand_ins(st);
	return 0;
}
