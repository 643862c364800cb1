/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ways that are commonly pasted, with the real iptables(8) and ip(8).
 *
 * The steps are those of the article that started this, each on top of the one before: DNAT; SNAT
 * towards the backend; `ip rule from` each public address; connection marks, exactly as printed
 * there. The last column repairs them by looking up the LAN first. Of several backends they lead to
 * the first, and a note says so.
 */
#include <errno.h>
#include <string.h>

#include "rehearse/bring.h"
#include "rehearse/stage.h"

#define FIRST_TABLE 1000u /* as in the article */

static unsigned int table_of(const struct rehearse_probe *p)
{
	return FIRST_TABLE + p->uplink;
}

static const char *interface_of(const struct stage *st, const struct rehearse_probe *p)
{
	return st->what->interfaces[p->uplink];
}

/* " -p tcp -m tcp --dport 80" or "--dport 27000:27099" */
static void add_ports(struct strbuf *b, uint8_t proto, unsigned int first, unsigned int last)
{
	const char *name = ip_proto_name(proto);

	strbuf_addf(b, " -p %s -m %s --dport %u", name, name, first);
	if (last != first)
		strbuf_addf(b, ":%u", last);
}

static void add_dnat(struct stage *st, struct strbuf *b, const struct rehearse_probe *p)
{
	const struct listen *l = p->listen;
	uint16_t port = p->map->backends.items[0].port;
	char addr[IP_STRLEN], backend[IP_STRLEN], client[IP_STRLEN];

	strbuf_addf(
		b, "-A PREROUTING -d %s -i %s", ip_format(&p->address, addr), interface_of(st, p));
	if (p->map->from.len)
		strbuf_addf(b, " -s %s", ip_format(&p->client, client));
	add_ports(b, p->proto, l->first, l->last);
	ip_format(&p->backend, backend);
	if (!port)
		strbuf_addf(b, " -j DNAT --to-destination %s\n", backend);
	else if (l->first == l->last)
		strbuf_addf(b, " -j DNAT --to-destination %s%s%s:%u\n",
			p->backend.family == IP_V6 ? "[" : "", backend,
			p->backend.family == IP_V6 ? "]" : "", port);
	else
		strbuf_addf(b, " -j DNAT --to-destination %s%s%s:%u-%u/%u\n",
			p->backend.family == IP_V6 ? "[" : "", backend,
			p->backend.family == IP_V6 ? "]" : "", port,
			(unsigned int)port + l->last - l->first, l->first);
}

static void add_snat(struct stage *st, struct strbuf *b, const struct rehearse_probe *p)
{
	const struct listen *l = p->listen;
	unsigned int first = backend_port_for(p->map->backends.items, l, l->first);
	char backend[IP_STRLEN], own[IP_STRLEN];

	VEC_EACH (&st->topology->backends, struct topo_backend, t)
		if (ip_equal(&t->addr, &p->backend) && t->inside != NO_INSIDE) {
			strbuf_addf(b, "-A POSTROUTING -d %s -o %s",
				ip_format(&p->backend, backend),
				st->topology->insides.items[t->inside].interface);
			add_ports(b, p->proto, first, first + l->last - l->first);
			strbuf_addf(b, " -j SNAT --to-source %s\n", ip_format(&t->gateway, own));
		}
}

/* Does an earlier probe stand for the same rule? Same map and listener, uplink and address. */
static bool is_repeated(const struct rehearse_result *r, const struct rehearse_probe *p)
{
	for (const struct rehearse_probe *q = r->probes.items; q < p; q++)
		if (q->map == p->map && q->uplink == p->uplink &&
			ip_equal(&q->address, &p->address) && !q->refused && q->listen == p->listen)
			return true;
	return false;
}

/* ... for the same public address, whatever the map, and with @proto for that protocol? */
static bool is_address_repeated(
	const struct rehearse_result *r, const struct rehearse_probe *p, bool proto)
{
	for (const struct rehearse_probe *q = r->probes.items; q < p; q++)
		if (q->uplink == p->uplink && ip_equal(&q->address, &p->address) &&
			(!proto || q->proto == p->proto))
			return true;
	return false;
}

static void add_marks(struct stage *st, struct strbuf *b, uint8_t family)
{
	char addr[IP_STRLEN];

	strbuf_add(b, "-A PREROUTING -j CONNMARK --restore-mark\n"
		      "-A PREROUTING -m mark ! --mark 0 -j ACCEPT\n");
	VEC_EACH (&st->what->probes, struct rehearse_probe, p)
		if (p->address.family == family && !is_address_repeated(st->what, p, true))
			strbuf_addf(b,
				"-A PREROUTING -d %s -i %s -p %s -m %s -j MARK --set-mark %u\n",
				ip_format(&p->address, addr), interface_of(st, p),
				ip_proto_name(p->proto), ip_proto_name(p->proto), p->uplink + 1);
	strbuf_add(b, "-A PREROUTING -j CONNMARK --save-mark\n");
}

static void add_rules(struct stage *st, struct strbuf *out, uint8_t family)
{
	struct strbuf nat = STRBUF_INIT, mangle = STRBUF_INIT;

	VEC_EACH (&st->what->probes, struct rehearse_probe, p) {
		if (p->address.family != family || p->refused || is_repeated(st->what, p))
			continue;
		if (st->column >= COLUMN_SNAT)
			add_snat(st, &nat, p);
		add_dnat(st, &nat, p);
	}
	if (st->column >= COLUMN_CONNMARK)
		add_marks(st, &mangle, family);
	strbuf_addf(
		out, "*nat\n%sCOMMIT\n*mangle\n%sCOMMIT\n", strbuf_str(&nat), strbuf_str(&mangle));
	strbuf_fini(&nat);
	strbuf_fini(&mangle);
}

/* ---- policy routing ---- */

static void add_uplink_table(struct stage *st, struct strbuf *out, const struct rehearse_probe *p)
{
	const struct topo_uplink *u = &st->topology->uplinks.items[p->uplink];
	const struct ip_addr *gateway = &u->gateway[topo_family(p->address.family)];
	char text[IP_STRLEN];

	strbuf_addf(out, "route replace %s", p->address.family == IP_V6 ? "::/0" : "0.0.0.0/0");
	if (gateway->family != IP_NONE)
		strbuf_addf(out, " via %s", ip_format(gateway, text));
	strbuf_addf(out, " dev %s table %u\n", interface_of(st, p), table_of(p));
}

static void add_policy_routing(struct stage *st, struct strbuf *out, uint8_t family)
{
	char text[IP_STRLEN];

	/* Preferences as the kernel gives them by itself, but for the last column. */
	if (st->column == COLUMN_CONNMARK_LAN)
		strbuf_add(out, "rule add pref 100 lookup main suppress_prefixlength 0\n");
	VEC_EACH (&st->what->probes, struct rehearse_probe, p) {
		bool marked = false;

		if (p->address.family != family || is_address_repeated(st->what, p, false))
			continue;
		add_uplink_table(st, out, p);
		strbuf_addf(out, "rule add from %s lookup %u%s\n", ip_format(&p->address, text),
			table_of(p), st->column == COLUMN_CONNMARK_LAN ? " pref 200" : "");
		for (const struct rehearse_probe *q = st->what->probes.items; q < p; q++)
			marked = marked || (q->uplink == p->uplink && q->address.family == family);
		if (st->column >= COLUMN_CONNMARK && !marked)
			strbuf_addf(out, "rule add fwmark %u lookup %u%s\n", p->uplink + 1,
				table_of(p), st->column == COLUMN_CONNMARK_LAN ? " pref 300" : "");
	}
}

/* ---- */

static int forward(struct stage *st)
{
	int err = sandbox_enter(st->sb, TOPO_GATEWAY);

	if (err == 0)
		err = bring_sysctl("/proc/sys/net/ipv4/ip_forward", "1");
	if (err)
		return stage_fail(st, -err, "cannot turn forwarding on: %s", strerror(-err));
	bring_sysctl("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	return 0;
}

static int naive_family(struct stage *st, uint8_t family)
{
	const char *const restore[] = {
		family == IP_V6 ? "ip6tables-restore" : "iptables-restore", NULL};
	struct strbuf text = STRBUF_INIT;
	bool any = false;
	int err;

	VEC_EACH (&st->what->probes, struct rehearse_probe, p)
		any = any || p->address.family == family;
	if (!any)
		return 0;
	add_rules(st, &text, family);
	err = stage_run(st, TOPO_GATEWAY, restore, strbuf_str(&text));
	if (err == 0 && st->column >= COLUMN_FROM) {
		strbuf_reset(&text);
		add_policy_routing(st, &text, family);
		err = stage_ip(st, TOPO_GATEWAY, family, strbuf_str(&text));
	}
	strbuf_fini(&text);
	return err;
}

int stage_naive(struct stage *st)
{
	int err = forward(st);

	VEC_EACH (&st->what->probes, struct rehearse_probe, p)
		if (st->column == COLUMN_DNAT && p->map->backends.len > 1) {
			stage_note(st, "the usual steps lead to the first of several backends");
			break;
		}
	if (err == 0)
		err = naive_family(st, IP_V4);
	if (err == 0)
		err = naive_family(st, IP_V6);
	return err;
}
