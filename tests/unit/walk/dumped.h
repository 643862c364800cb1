/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machines as dumps: what the tests of gateway, diagnose and doctor start from. */
#ifndef TEST_DUMPED_H
#define TEST_DUMPED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netstate/dump/dump.h"
#include "walk/findings.h"
#include "walk/gateway.h"

/* A machine with two uplinks and one network inside. Each part may be NULL: not dumped. */
struct dumped {
	const char *iptables, *legacy, *nft, *addr, *rule, *route, *sysctl, *conntrack;
	/* Further lines at the end of ADDR, ROUTE, SYSCTL, and between the usual ones of RULE. */
	const char *more_addr, *more_rule, *more_route, *more_sysctl;
};

#define TWO_UPLINKS_ADDR                                                                           \
	"1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN\n"                    \
	"    inet 127.0.0.1/8 scope host lo\n"                                                     \
	"2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP\n"            \
	"    inet 1.1.1.1/24 brd 1.1.1.255 scope global eth0\n"                                    \
	"3: eth1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP\n"            \
	"    inet 2.2.2.2/24 brd 2.2.2.255 scope global eth1\n"                                    \
	"4: eth2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP\n"            \
	"    inet 192.168.0.1/24 brd 192.168.0.255 scope global eth2\n"
#define TWO_UPLINKS_ROUTE                                                                          \
	"default via 1.1.1.254 dev eth0\n"                                                         \
	"1.1.1.0/24 dev eth0 proto kernel scope link src 1.1.1.1\n"                                \
	"2.2.2.0/24 dev eth1 proto kernel scope link src 2.2.2.2\n"                                \
	"192.168.0.0/24 dev eth2 proto kernel scope link src 192.168.0.1\n"                        \
	"default via 2.2.2.254 dev eth1 table 102\n"                                               \
	"default via 1.1.1.254 dev eth0 table 101\n"                                               \
	"local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1\n"             \
	"local 1.1.1.1 dev eth0 table local proto kernel scope host src 1.1.1.1\n"                 \
	"local 2.2.2.2 dev eth1 table local proto kernel scope host src 2.2.2.2\n"                 \
	"local 192.168.0.1 dev eth2 table local proto kernel scope host src 192.168.0.1\n"
#define ONE_UPLINK_ADDR                                                                            \
	"1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN\n"                    \
	"    inet 127.0.0.1/8 scope host lo\n"                                                     \
	"2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP\n"            \
	"    inet 1.1.1.1/24 brd 1.1.1.255 scope global eth0\n"                                    \
	"4: eth2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP\n"            \
	"    inet 192.168.0.1/24 brd 192.168.0.255 scope global eth2\n"
#define ONE_UPLINK_ROUTE                                                                           \
	"default via 1.1.1.254 dev eth0\n"                                                         \
	"1.1.1.0/24 dev eth0 proto kernel scope link src 1.1.1.1\n"                                \
	"192.168.0.0/24 dev eth2 proto kernel scope link src 192.168.0.1\n"                        \
	"local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1\n"             \
	"local 1.1.1.1 dev eth0 table local proto kernel scope host src 1.1.1.1\n"                 \
	"local 192.168.0.1 dev eth2 table local proto kernel scope host src 192.168.0.1\n"
#define CALM_SYSCTL                                                                                \
	"net.ipv4.ip_forward = 1\n"                                                                \
	"net.ipv4.conf.all.forwarding = 1\nnet.ipv4.conf.eth0.forwarding = 1\n"                    \
	"net.ipv4.conf.eth1.forwarding = 1\nnet.ipv4.conf.eth2.forwarding = 1\n"                   \
	"net.ipv4.conf.all.rp_filter = 0\nnet.ipv4.conf.eth0.rp_filter = 0\n"                      \
	"net.ipv4.conf.eth1.rp_filter = 0\nnet.ipv4.conf.eth2.rp_filter = 0\n"                     \
	"net.ipv4.conf.all.src_valid_mark = 0\nnet.ipv4.conf.eth0.src_valid_mark = 0\n"            \
	"net.ipv4.conf.eth1.src_valid_mark = 0\nnet.ipv4.conf.eth2.src_valid_mark = 0\n"           \
	"net.ipv4.conf.all.route_localnet = 0\nnet.ipv4.conf.eth0.route_localnet = 0\n"            \
	"net.ipv4.conf.eth1.route_localnet = 0\nnet.ipv4.conf.eth2.route_localnet = 0\n"           \
	"net.ipv4.conf.all.accept_local = 0\nnet.ipv4.conf.all.send_redirects = 0\n"               \
	"net.ipv4.conf.eth2.send_redirects = 0\nnet.ipv4.fwmark_reflect = 0\n"                     \
	"net.ipv4.conf.all.arp_ignore = 1\n"

struct machine {
	struct arena *a;
	struct netstate net;
	struct dump notes;
	struct foreign_facts facts;
	struct findings found;
};

static inline const char *joined(struct arena *a, const char *text, const char *more)
{
	return more ? arena_printf(a, "%s%s", text, more) : text;
}

static inline const char *rules(struct arena *a, const struct dumped *d)
{
	return d->rule ? d->rule
		       : arena_printf(a,
				 "0:\tfrom all lookup local\n%s32766:\tfrom all lookup main\n"
				 "32767:\tfrom all lookup default\n",
				 d->more_rule ? d->more_rule : "");
}

static inline void machine_read(struct machine *m, const struct dumped *d)
{
	struct dump_file files[8];
	size_t n = 0;

	memset(m, 0, sizeof(*m));
	m->a = arena_new();
	m->notes.arena = m->a;
	const struct {
		const char *name, *text, *more;
	} parts[] = {
		{"ip-addr.txt", d->addr, d->more_addr},
		{"ip-rule.txt", rules(m->a, d), NULL},
		{"ip-route.txt", d->route, d->more_route},
		{"sysctl.txt", d->sysctl ? d->sysctl : CALM_SYSCTL, d->more_sysctl},
		{"iptables-save.txt", d->iptables, NULL},
		{"iptables-legacy-save.txt", d->legacy, NULL},
		{"nft.txt", d->nft, NULL},
		{"conntrack.txt", d->conntrack, NULL},
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (!parts[i].text)
			continue;
		files[n].name = parts[i].name;
		files[n].text = joined(m->a, parts[i].text, parts[i].more);
		files[n].len = strlen(files[n].text);
		n++;
	}
	netstate_read(m->a, files, n, &m->net, &m->notes);
	VEC_EACH (&m->notes.notes, struct dump_note, note)
		print_message("%s:%u: %s: %s\n", note->file, note->line, note->text, note->why);
	assert_int_equal(m->notes.notes.len, 0);
}

static inline void machine_end(struct machine *m)
{
	arena_free(m->a);
}

static inline void machine_print(const struct machine *m)
{
	struct strbuf b = STRBUF_INIT;

	findings_print(&b, &m->found, DIAG_INFO, false);
	print_error("%s", strbuf_str(&b));
	strbuf_fini(&b);
}

static inline const struct finding *machine_found(const struct machine *m, uint8_t pitfall)
{
	VEC_EACH (&m->found.items, struct finding, f)
		if (f->pitfall == pitfall)
			return f;
	return NULL;
}

static inline size_t machine_count(const struct machine *m, enum diag_severity least)
{
	size_t n = 0;

	VEC_EACH (&m->found.items, struct finding, f)
		n += f->severity <= least;
	return n;
}

static inline bool has_remedy(const struct finding *f, const char *part)
{
	VEC_EACH (&f->remedy, const char *, c)
		if (strstr(*c, part))
			return true;
	return false;
}

#endif
