/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as an event of rtnetlink or nftables: the first says which kind, the rest is its payload. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

#include "kernel/events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size)
{
	if (strnlen(text, size) == size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = {RTM_NEWLINK, RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR,
		RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWRULE, RTM_DELRULE, RTM_NEWNEIGH, RTM_DELNEIGH,
		RTM_NEWNETCONF, RTM_DELNETCONF, RTM_NEWNEXTHOP,
		NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN};
	const size_t n = sizeof(types) / sizeof(types[0]);
	struct kernel_event event;
	struct nlmsghdr *message;

	if (!size || size > UINT16_MAX)
		return 0;
	/* Of just its size, so that ASan sees; the length in it is right, as the kernel's. */
	message = malloc(MNL_NLMSG_HDRLEN + size - 1);
	memcpy((uint8_t *)message + MNL_NLMSG_HDRLEN, data + 1, size - 1);
	*message = (struct nlmsghdr){.nlmsg_len = (uint32_t)(MNL_NLMSG_HDRLEN + size - 1),
		.nlmsg_type = types[data[0] % n],
		.nlmsg_pid = data[0]};
	if (kernel_event_decode(message, data[0] % n == n - 1, &event)) {
		check_text(event.text, sizeof(event.text));
		check_text(event.process, sizeof(event.process));
		if (!event.what || event.what & (event.what - 1))
			abort();
	}
	free(message);
	return 0;
}
