/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds a systemd-networkd that will remove portreeve's rules and routes (pitfall 59). */
#include "walk/pitfalls/inquiry.h"

void pitfall_networkd(struct inquiry *q)
{
	const struct foreign_facts *facts = q->facts;
	bool rules = facts->networkd_keeps_rules, routes = facts->networkd_keeps_routes;
	struct finding *f;

	if (!facts->networkd_running || (rules && routes))
		return;
	f = finding_add(q, "networkd-removes", 59, DIAG_WARNING, false);
	f->title = "systemd-networkd will remove portreeve's rules and routes when it starts again";
	f->evidence = arena_printf(q->arena,
		"systemd-networkd runs here, and neither networkd.conf nor a drop-in says%s%s",
		rules ? "" : " ManageForeignRoutingPolicyRules=no",
		routes ? "" : " ManageForeignRoutes=no");
	f->consequence =
		"at a restart of networkd (an update, for one) replies leave by the default "
		"route, until portreeve is applied again";
	finding_remedy(q, f, "mkdir -p /etc/systemd/networkd.conf.d");
	finding_remedy(q, f,
		"printf "
		"'[Network]\\nManageForeignRoutingPolicyRules=no\\nManageForeignRoutes=no\\n' > "
		"/etc/systemd/networkd.conf.d/portreeve.conf");
	finding_remedy(q, f, "systemctl restart systemd-networkd");
}
