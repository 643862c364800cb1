/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at this machine and plans for it, with root's eyes or without. */
#include "cli/look.h"

#include <errno.h>

#include "kernel/nft.h"
#include "kernel/observe.h"
#include "report/report.h"

int cli_look(struct cli_context *c, const struct model *m, struct gateway_state *s,
	struct findings *findings)
{
	struct kernel *k = cli_kernel(c, false);
	struct kernel_error e = {0};
	uint32_t generation;
	int err;

	if (!k)
		return -EPERM;
	err = kernel_nft_generation(k, &generation, &e);
	if (err == 0) {
		err = gateway_look(k, c->arena, m, s, &c->diag);
	} else if (err == -EPERM) {
		err = kernel_observe(k, c->arena,
			OBSERVE_NETWORK | OBSERVE_SYSCTLS | OBSERVE_LISTENERS, &s->seen, &e);
		if (err) {
			cli_kernel_error(c, "look at the network", &e);
		} else {
			s->plan = plan_make(c->arena, m, &s->seen, &s->memory, &c->diag);
			diag_info(&c->diag, NOWHERE,
				"not run as root: the rules of other tools and the numbers in use "
				"were not looked at");
		}
	} else {
		cli_kernel_error(c, "talk to nftables", &e);
	}
	if (err == 0 && s->plan && findings)
		report_judge(k, c->arena, s, findings);
	kernel_close(k);
	return err;
}

bool cli_is_our_machine(struct cli_context *c, const struct model *m)
{
	struct netstate seen = {0};
	struct kernel_error e = {0};
	struct kernel *k = NULL;
	bool found = false;

	if (kernel_open(&k, &e) != 0)
		return false;
	if (kernel_observe_network(k, c->arena, &seen, &e) == 0)
		VEC_EACH (&m->uplinks, struct uplink, u)
			found = found || netstate_link(&seen, u->interface);
	kernel_close(k);
	return found;
}
