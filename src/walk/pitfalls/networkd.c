/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds a systemd-networkd that will remove rules and routes that it does not know (pitfall 59). */
#include "walk/pitfalls/inquiry.h"

/* The kernel's own rules are no loss, and networkd leaves them alone. */
static bool has_rules(const struct inquiry *q)
{
	VEC_EACH (&q->seen->rules, struct net_rule, r) {
		if (r->preference > 0 && r->action == RULE_LOOKUP && r->table != TABLE_MAIN &&
			r->table != TABLE_DEFAULT)
			return true;
	}
	return false;
}

void pitfall_networkd(struct inquiry *q)
{
	const struct foreign_facts *facts = q->facts;
	bool rules = facts->networkd_keeps_rules, routes = facts->networkd_keeps_routes;
	struct finding *f;

	if (!facts->networkd_running || (rules && routes) || (!q->plan && !has_rules(q)))
		return;
	f = finding_add(q, "networkd-removes", 59, DIAG_WARNING, false);
	f->title = q->plan ? "systemd-networkd will remove portreeve's rules and routes when it "
			     "starts again"
			   : "systemd-networkd will remove ip rules and routes that are not its "
			     "own when it starts again";
	f->evidence = arena_printf(q->arena,
		"systemd-networkd runs here, and neither networkd.conf nor a drop-in says%s%s",
		rules ? "" : " ManageForeignRoutingPolicyRules=no",
		routes ? "" : " ManageForeignRoutes=no");
	f->consequence = arena_printf(q->arena,
		"at a restart of networkd (an update, for one) replies leave by the default "
		"route, until %s",
		q->plan ? "portreeve is applied again" : "the rules are loaded again");
	finding_remedy(q, f, "mkdir -p /etc/systemd/networkd.conf.d");
	finding_remedy(q, f,
		"printf "
		"'[Network]\\nManageForeignRoutingPolicyRules=no\\nManageForeignRoutes=no\\n' > "
		"/etc/systemd/networkd.conf.d/portreeve.conf");
	finding_remedy(q, f, "systemctl restart systemd-networkd");
}
