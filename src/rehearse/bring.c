/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bring: what makes a network namespace what a netstate says, as lines for ip(8) and as sysctls. */
#include "rehearse/bring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/observe.h"
#include "plan/plan.h"

/* The @n-th line of @text (from 1), with its length. */
static const char *nth_line(const char *text, unsigned long n, size_t *len)
{
	while (--n && *text) {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	*len = strcspn(text, "\n");
	return text;
}

void bring_refused(const char *lines, const char *output,
	void (*each)(const char *line, size_t len, void *data), void *data)
{
	for (const char *p = output; (p = strstr(p, "Command failed -:")) != NULL; p++) {
		unsigned long line = 0;
		const char *text;
		size_t len;

		if (sscanf(p, "Command failed -:%lu", &line) != 1 || line == 0)
			continue;
		text = nth_line(lines, line, &len);
		each(text, len, data);
	}
}

void bring_addresses(
	struct strbuf *out, const struct netstate *net, uint8_t family, bool link_local)
{
	/* IPv6 lists the newest first, and among several picks a source by that order. */
	for (size_t i = 0; i < net->addrs.len; i++) {
		const struct net_addr *x =
			&net->addrs.items[family == IP_V6 ? net->addrs.len - 1 - i : i];
		const struct net_link *l = netstate_link(net, x->interface);
		char addr[IP_STRLEN], peer[IP_STRLEN];

		if (x->addr.family != family || x->unusable || ip_is_loopback(&x->addr))
			continue;
		if (family == IP_V6 && !link_local && ip_is_link_local(&x->addr))
			continue; /* each interface makes its own */
		strbuf_addf(out, "address replace %s", ip_format(&x->addr, addr));
		if (x->peer.family != IP_NONE && !ip_equal(&x->peer, &x->addr))
			strbuf_addf(out, " peer %s", ip_format(&x->peer, peer));
		strbuf_addf(out, "/%u dev %s%s\n", x->prefix_len, x->interface,
			family == IP_V6 && l && !l->loopback ? " nodad" : "");
	}
}

/* Does the kernel make the route by itself, from an address? (RTPROT_KERNEL is 2) */
static bool is_automatic(const struct net_route *r)
{
	return r->table == TABLE_LOCAL || r->protocol == 2 || r->type == ROUTE_LOCAL ||
	       r->type == ROUTE_BROADCAST || r->type == ROUTE_ANYCAST || r->type == ROUTE_MULTICAST;
}

static bool has_gateway(const struct net_route *r)
{
	VEC_EACH (&r->nexthops, struct net_nexthop, n)
		if (n->gateway.family != IP_NONE)
			return true;
	return false;
}

void bring_routes(struct strbuf *out, const struct netstate *net, uint8_t family, bool ours)
{
	/* Those on the link first: a next hop is taken only where it is reachable by then. */
	for (unsigned int pass = 0; pass < 2; pass++)
		VEC_EACH (&net->routes, struct net_route, r) {
			if (r->family != family || is_automatic(r) ||
				(!ours && r->protocol == PORTREEVE_PROTOCOL) ||
				has_gateway(r) != (pass == 1))
				continue;
			struct net_route numbered = *r;

			numbered.table_name = NULL; /* which `ip` does not know here */
			strbuf_add(out, "route add ");
			net_route_print(out, &numbered);
			strbuf_add(out, "\n");
		}
}

void bring_policy(struct strbuf *out, const struct netstate *net, uint8_t family, bool ours)
{
	VEC_EACH (&net->rules, struct net_rule, r) {
		/* These three are in every namespace. */
		if (r->family != family || (!ours && r->protocol == PORTREEVE_PROTOCOL) ||
			r->preference == 0 || r->preference == 32766 || r->preference == 32767)
			continue;
		struct net_rule numbered = *r;

		numbered.table_name = NULL;
		strbuf_add(out, "rule add ");
		net_rule_print(out, &numbered);
		strbuf_add(out, "\n");
	}
}

/* ---- sysctls ---- */

/* Writing one may change others: ip_forward sets every forwarding, `all` each interface. */
static unsigned int sysctl_rank(const char *key)
{
	if (strcmp(key, "net.ipv4.ip_forward") == 0)
		return 0;
	return strstr(key, ".conf.all.") || strstr(key, ".conf.default.") ? 1 : 2;
}

int bring_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}

void bring_sysctls(struct arena *a, const struct netstate *net,
	void (*refused)(const struct net_sysctl *s, void *data), void *data)
{
	for (unsigned int rank = 0; rank < 3; rank++)
		VEC_EACH (&net->sysctls, struct net_sysctl, s) {
			char *path = arena_printf(a, "/proc/sys/%s", s->key);

			if (!kernel_observes_sysctl(s->key) || sysctl_rank(s->key) != rank)
				continue;
			for (char *p = path + strlen("/proc/sys/"); *p; p++)
				*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
			/* Those of conntrack and of bridges' filtering belong to the machine's first
			 * namespace. */
			if (bring_sysctl(path, s->value) != 0 &&
				strncmp(s->key, "net.netfilter.", 14) != 0 &&
				strncmp(s->key, "net.bridge.", 11) != 0)
				refused(s, data);
		}
}
