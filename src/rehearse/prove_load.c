/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads a state into the sandbox's gateway: interfaces of the same names whose far ends are all in one
 * other namespace, addresses, routes, rules, sysctls, and the rule sets as their dumps have them.
 *
 * Interfaces do not ask for neighbours ("arp off"): what is sent is seen leaving, whoever would be
 * there. Bridges, VLANs, tunnels and the like are plain interfaces of that name here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "plan/plan.h"
#include "rehearse/bring.h"
#include "rehearse/prove_parts.h"

#define PROVE_MAX_LINKS 512u

/* ---- running tools ---- */

static void note_line(const char *line, size_t len, void *data)
{
	prove_note(data, "ip %.*s", (int)len, line);
}

static int ip_batch(struct proof *p, const char *family, const struct strbuf *lines)
{
	const char *const argv[] = {"ip", family, "-force", "-batch", "-", NULL};
	struct strbuf output = STRBUF_INIT;
	int status = sandbox_exec(p->sb, p->gateway, argv, strbuf_str(lines), &output);

	if (status < 0 || status == 127)
		status = prove_fail(p, status < 0 ? -status : ENOENT, "cannot run ip(8)");
	else
		bring_refused(strbuf_str(lines), strbuf_str(&output), note_line, p);
	strbuf_fini(&output);
	return status < 0 ? status : 0;
}

static void bring(struct proof *p, const char *const argv[], const char *input, const char *what)
{
	struct strbuf output = STRBUF_INIT;
	const char *said;

	if (sandbox_exec(p->sb, p->gateway, argv, input, &output) != 0) {
		said = strbuf_str(&output);
		prove_note(p, "%s (%s: %.*s)", what, argv[0], (int)strcspn(said, "\n"), said);
	}
	strbuf_fini(&output);
}

/* ---- interfaces, addresses, routes, rules, sysctls ---- */

static void node_sysctls(void)
{
	static const struct {
		const char *path, *value;
	} all[] = {
		{"/proc/sys/net/ipv4/conf/all/rp_filter", "0"},
		{"/proc/sys/net/ipv4/conf/default/rp_filter", "0"},
		{"/proc/sys/net/ipv4/icmp_ratelimit", "0"},
		{"/proc/sys/net/ipv6/icmp/ratelimit", "0"},
		{"/proc/sys/net/ipv6/conf/default/accept_ra", "0"},
		{"/proc/sys/net/ipv6/conf/default/accept_dad", "0"},
		{"/proc/sys/net/ipv6/conf/all/accept_dad", "0"},
		{"/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1"},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		bring_sysctl(all[i].path, all[i].value);
}

static void add_link(struct proof *p, struct strbuf *out, const struct net_link *l)
{
	char mac[sizeof(" address 00:00:00:00:00:00")] = "";

	if (l->has_mac)
		snprintf(mac, sizeof(mac), " address %02x:%02x:%02x:%02x:%02x:%02x", l->mac[0],
			l->mac[1], l->mac[2], l->mac[3], l->mac[4], l->mac[5]);
	strbuf_addf(out, "link add %s%s type veth peer name far%zu netns beyond\n", l->name, mac,
		p->n_links);
	if (l->mtu >= 68 && l->mtu <= 65535)
		strbuf_addf(out, "link set %s mtu %u\n", l->name, l->mtu);
	if (l->group)
		strbuf_addf(out, "link set %s group %u\n", l->name, l->group);
	if (l->up)
		strbuf_addf(out, "link set %s up arp off\n", l->name);
	if (l->vrf_table || l->master)
		prove_note(p, "%s is %s here: an interface by itself", l->name,
			l->vrf_table ? "no VRF" : "no port of another");
	p->links[p->n_links++] = l->name;
}

static int build_links(struct proof *p)
{
	static const char *const ip[] = {"ip", "-batch", "-", NULL};
	struct strbuf lines = STRBUF_INIT, output = STRBUF_INIT;
	int err;

	p->links = arena_alloc(p->arena, PROVE_MAX_LINKS * sizeof(*p->links));
	strbuf_add(&lines, "link set lo up\n");
	VEC_EACH (&p->net->links, struct net_link, l) {
		if (l->loopback || p->n_links == PROVE_MAX_LINKS)
			continue;
		add_link(p, &lines, l);
	}
	err = ip_batch(p, "-4", &lines);
	strbuf_reset(&lines);
	for (size_t i = 0; i < p->n_links; i++)
		strbuf_addf(&lines, "link set far%zu up\n", i);
	if (err == 0 && sandbox_exec(p->sb, p->beyond, ip, strbuf_str(&lines), &output) != 0)
		err = prove_fail(p, EIO, "the interfaces' far ends: %s", strbuf_str(&output));
	strbuf_fini(&lines);
	strbuf_fini(&output);
	return err;
}

/* The three rules that every namespace has, where this state has not. */
static void drop_usual_rules(struct strbuf *out, const struct netstate *net, uint8_t family)
{
	static const uint32_t usual[] = {0, 32766, 32767};

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		bool there = family == IP_V6 && usual[i] == 32767; /* v6 has none */

		VEC_EACH (&net->rules, struct net_rule, r)
			there |= r->family == family && r->preference == usual[i];
		if (!there)
			strbuf_addf(out, "rule del pref %u\n", usual[i]);
	}
}

static int bring_network(struct proof *p, uint8_t family)
{
	const uint32_t rules = family == IP_V6 ? HAVE_RULES6 : HAVE_RULES4;
	struct strbuf lines = STRBUF_INIT;
	int err;

	bring_addresses(&lines, p->net, family, true);
	bring_routes(&lines, p->net, family, true);
	bring_policy(&lines, p->net, family, true);
	if (p->net->have & rules)
		drop_usual_rules(&lines, p->net, family);
	err = ip_batch(p, family == IP_V6 ? "-6" : "-4", &lines);
	strbuf_fini(&lines);
	return err;
}

static void note_sysctl(const struct net_sysctl *s, void *data)
{
	prove_note(data, "%s = %s", s->key, s->value);
}

/* ---- rule sets ---- */

/* Its own dump, or its origin, is loaded instead: iptables' tables and portreeve's. */
static bool is_elsewhere(const struct nft_table *t)
{
	return t->origin == ORIGIN_XT_NFT ||
	       (t->family == FAMILY_INET && strcmp(t->name, PORTREEVE_TABLE) == 0);
}

static const struct nft_table *table_named(
	const struct proof *p, const char *family, const char *name)
{
	const char *words = arena_printf(p->arena, "%s %s", family, name);

	VEC_EACH (&p->net->ruleset.tables, struct nft_table *, t)
		if (strcmp(nft_table_words(p->arena, *t), words) == 0)
			return *t;
	return NULL;
}

static void bring_as_read(struct proof *p, const struct nft_table *t)
{
	static const char *const nft[] = {"nft", "-f", "-", NULL};
	struct strbuf text = STRBUF_INIT;

	nft_print_table(&text, t);
	bring(p, nft, strbuf_str(&text), nft_table_words(p->arena, t));
	strbuf_fini(&text);
}

/* Table by table, so that one with something that does not load here takes no other with it. */
static void bring_nft_text(struct proof *p, const char *text)
{
	static const char *const nft[] = {"nft", "-f", "-", NULL};

	while (*text) {
		char family[16], name[128];
		bool table = sscanf(text, "table %15s %127[^ {\n]", family, name) == 2;
		const char *end = table ? strstr(text, "\n}\n") : NULL;
		size_t len = end ? (size_t)(end + 3 - text) : strcspn(text, "\n") + 1;

		const struct nft_table *read = table ? table_named(p, family, name) : NULL;

		if (table && !(read && is_elsewhere(read)))
			bring(p, nft, arena_strndup(p->arena, text, len),
				arena_printf(p->arena, "table %s %s", family, name));
		text += strnlen(text, len);
	}
}

static bool is_of_table(const json_t *object, const char *family, const char *table)
{
	const char *kind = json_object_iter_key(json_object_iter((json_t *)object));
	json_t *body = kind ? json_object_get(object, kind) : NULL;
	const char *its_family = json_string_value(json_object_get(body, "family"));
	const char *its_table = json_string_value(
		json_object_get(body, kind && strcmp(kind, "table") == 0 ? "name" : "table"));

	return its_family && its_table && strcmp(its_family, family) == 0 &&
	       strcmp(its_table, table) == 0;
}

/* nft does not take all of its own JSON back, such as maps to an address and a port: then the table is
 * loaded as it was read, which the walk of what was loaded is compared with all the same. */
static void bring_json_table(
	struct proof *p, const json_t *list, const char *family, const char *name)
{
	static const char *const nft[] = {"nft", "-j", "-f", "-", NULL};
	const struct nft_table *read = table_named(p, family, name);
	json_t *part = json_array();
	struct strbuf output = STRBUF_INIT;
	char *text;

	for (size_t i = 0; i < json_array_size(list); i++)
		if (is_of_table(json_array_get(list, i), family, name))
			json_array_append(part, json_array_get(list, i));
	part = json_pack("{s:o}", "nftables", part);
	text = json_dumps(part, JSON_COMPACT);
	if (!text)
		prove_note(p, "table %s %s", family, name);
	else if (!(read && is_elsewhere(read)) &&
		 sandbox_exec(p->sb, p->gateway, nft, text, &output) != 0) {
		if (read)
			bring_as_read(p, read);
		else
			prove_note(p, "table %s %s (nft: %.*s)", family, name,
				(int)strcspn(strbuf_str(&output), "\n"), strbuf_str(&output));
	}
	free(text);
	json_decref(part);
	strbuf_fini(&output);
}

static void bring_nft_json(struct proof *p, const struct dump_file *f)
{
	json_t *all = json_loadb(f->text, f->len, 0, NULL);
	const json_t *list = json_object_get(all, "nftables");

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *table = json_object_get(json_array_get(list, i), "table");
		const char *family = json_string_value(json_object_get(table, "family"));
		const char *name = json_string_value(json_object_get(table, "name"));

		if (family && name)
			bring_json_table(p, list, family, name);
	}
	json_decref(all);
}

static bool is_legacy(const struct dump_file *f)
{
	return strstr(f->name, "legacy") != NULL;
}

static void bring_iptables(
	struct proof *p, const struct dump_file *f, uint8_t family, const char *text)
{
	bool legacy = is_legacy(f);
	const char *const argv[] = {
		family == IP_V6 ? (legacy ? "ip6tables-legacy-restore" : "ip6tables-nft-restore")
				: (legacy ? "iptables-legacy-restore" : "iptables-nft-restore"),
		NULL};

	if (text[0] == '*' || strstr(text, "\n*"))
		bring(p, argv, text, f->name);
}

static void bring_own_table(struct proof *p)
{
	const struct nft_table *t = nft_table_find(&p->net->ruleset, FAMILY_INET, PORTREEVE_TABLE);

	if (t)
		bring_as_read(p, t);
}

static void bring_file(struct proof *p, const struct dump_file *f, enum dump_kind wanted)
{
	static const char *const ipset[] = {"ipset", "restore", NULL};
	uint8_t family = IP_NONE;
	enum dump_kind kind = dump_guess(f, &family);
	const char *text = kind == wanted ? arena_strndup(p->arena, f->text, f->len) : NULL;

	if (!text || !text[0])
		return;
	if (kind == DUMP_IPSET)
		bring(p, ipset, text, f->name);
	else if (kind == DUMP_IPTABLES_SAVE)
		bring_iptables(p, f, family, text);
	else if (kind == DUMP_NFT_TEXT)
		bring_nft_text(p, text);
	else if (kind == DUMP_NFT_JSON)
		bring_nft_json(p, f);
}

static void bring_rules(struct proof *p)
{
	static const enum dump_kind order[] = {
		DUMP_IPSET, DUMP_IPTABLES_SAVE, DUMP_NFT_TEXT, DUMP_NFT_JSON};

	/* Of chains with one priority the last one registered comes first. Which was there first is not in
	 * dumps: as the walk has it, legacy's were. */
	for (size_t k = 0; k < sizeof(order) / sizeof(order[0]); k++)
		for (unsigned int newer = 0; newer < 2; newer++)
			for (size_t i = 0; i < p->n_files; i++)
				if (is_legacy(&p->files[i]) != newer)
					bring_file(p, &p->files[i], order[k]);
	bring_own_table(p);
}

int prove_load(struct proof *p)
{
	int node = sandbox_add(p->sb, "beyond"), err;

	if (node < 0)
		return prove_fail(p, -node, "cannot make a network namespace: %s", strerror(-node));
	p->beyond = (unsigned int)node;
	bring_sysctl("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	bring_sysctl("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	node = sandbox_add(p->sb, "gateway");
	if (node < 0)
		return prove_fail(p, -node, "cannot make a network namespace: %s", strerror(-node));
	p->gateway = (unsigned int)node;
	node_sysctls();
	err = build_links(p);
	if (err == 0)
		err = sandbox_enter(p->sb, p->gateway);
	if (err == 0)
		bring_sysctls(p->arena, p->net, note_sysctl, p);
	if (err == 0)
		err = bring_network(p, IP_V4);
	if (err == 0)
		err = bring_network(p, IP_V6);
	if (err == 0)
		bring_rules(p);
	return err;
}
