/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Iptables' blobs from hand: what the tool itself does not write on this kind of system (old
 * revisions, TCP flags), and blobs that are too short. See test_iptables.c for the rest.
 */
#include "walked.h"

#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>

#include "walk/xt.h"

static enum tri match(struct walked *x, const struct packet *p, const char *name, uint32_t rev,
	const void *info, uint32_t len)
{
	struct nft_rule r = {0};
	struct nft_stmt *s = add_xt(x, &r, false, name, rev, info, len);
	struct walk_doubt doubt;

	return walk_xt_match(&x->net, p, &s->xt, &doubt);
}

static void test_tcp_flags(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct xt_tcp i = {
		.spts = {0, 0xffff}, .dpts = {0, 0xffff}, .flg_mask = 0x17, .flg_cmp = 0x02};

	assert_int_equal(match(x, &p, "tcp", 0, &i, sizeof(i)), TRI_YES);
	p.tcp_flags = 0x12;
	assert_int_equal(match(x, &p, "tcp", 0, &i, sizeof(i)), TRI_NO);
	i.invflags = XT_TCP_INV_FLAGS;
	assert_int_equal(match(x, &p, "tcp", 0, &i, sizeof(i)), TRI_YES);
	p.known &= ~(uint32_t)PKT_TCP_FLAGS;
	assert_int_equal(match(x, &p, "tcp", 0, &i, sizeof(i)), TRI_UNKNOWN);
	i.dpts[0] = i.dpts[1] = 81; /* no is no, whatever the flags */
	assert_int_equal(match(x, &p, "tcp", 0, &i, sizeof(i)), TRI_NO);
}

static void test_ports_inverted(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct xt_udp i = {.spts = {0, 0xffff}, .dpts = {70, 79}};

	assert_int_equal(match(x, &p, "udp", 0, &i, sizeof(i)), TRI_NO);
	i.invflags = XT_UDP_INV_DSTPT;
	assert_int_equal(match(x, &p, "udp", 0, &i, sizeof(i)), TRI_YES);
	i.invflags = XT_UDP_INV_SRCPT; /* "not any port" is never true */
	i.dpts[1] = 80;
	assert_int_equal(match(x, &p, "udp", 0, &i, sizeof(i)), TRI_NO);
}

static void test_conntrack_old_revisions(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct xt_conntrack_mtinfo1 one = {.match_flags = XT_CONNTRACK_STATE, .state_mask = CT_NEW};
	struct xt_conntrack_mtinfo2 two = {
		.match_flags = XT_CONNTRACK_STATE, .state_mask = XT_CONNTRACK_STATE_DNAT};

	assert_int_equal(match(x, &p, "conntrack", 1, &one, sizeof(one)), TRI_YES);
	one.invert_flags = XT_CONNTRACK_STATE;
	assert_int_equal(match(x, &p, "conntrack", 1, &one, sizeof(one)), TRI_NO);
	one = (struct xt_conntrack_mtinfo1){
		.match_flags = XT_CONNTRACK_STATUS, .status_mask = CT_DST_NAT};
	assert_int_equal(match(x, &p, "conntrack", 1, &one, sizeof(one)), TRI_YES);
	one.status_mask = CT_SEEN_REPLY;
	assert_int_equal(match(x, &p, "conntrack", 1, &one, sizeof(one)), TRI_NO);
	p.ct_status_known = CT_DST_NAT;
	assert_int_equal(match(x, &p, "conntrack", 1, &one, sizeof(one)), TRI_UNKNOWN);

	assert_int_equal(match(x, &p, "conntrack", 2, &two, sizeof(two)), TRI_YES);
	two = (struct xt_conntrack_mtinfo2){.match_flags = XT_CONNTRACK_ORIGDST_PORT,
		.origdst_port = __builtin_bswap16(80)}; /* network order, before revision 3 */
	assert_int_equal(match(x, &p, "conntrack", 2, &two, sizeof(two)), TRI_YES);
	two.origdst_port = 80;
	assert_int_equal(match(x, &p, "conntrack", 2, &two, sizeof(two)), TRI_NO);
	p.known &= ~(uint32_t)PKT_CT_ORIGINAL;
	assert_int_equal(match(x, &p, "conntrack", 2, &two, sizeof(two)), TRI_UNKNOWN);
}

static void test_addrtype_revision_0(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct xt_addrtype_info i = {.dest = XT_ADDRTYPE_LOCAL};
	struct net_addr *mine = vec_add(x->a, &x->net.addrs);

	mine->addr = p.daddr;
	assert_int_equal(match(x, &p, "addrtype", 0, &i, sizeof(i)), TRI_YES);
	i.invert_dest = 1;
	assert_int_equal(match(x, &p, "addrtype", 0, &i, sizeof(i)), TRI_NO);
	p.daddr = addr("9.9.9.9"); /* no route known: no type known */
	assert_int_equal(match(x, &p, "addrtype", 0, &i, sizeof(i)), TRI_UNKNOWN);
}

static void test_multiport_from_outside(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();
	struct xt_multiport_v1 i = {.flags = XT_MULTIPORT_DESTINATION, .count = 255};

	/* More than there is room for, and a range that starts in the last place. */
	i.pflags[XT_MULTI_PORTS - 1] = 1;
	i.ports[XT_MULTI_PORTS - 1] = 80;
	assert_int_equal(match(x, &p, "multiport", 1, &i, sizeof(i)), TRI_YES);
}

static void test_short_blobs_are_not_read(void **state)
{
	static const struct {
		const char *name;
		uint32_t rev;
	} all[] = {{"tcp", 0}, {"udp", 0}, {"sctp", 0}, {"icmp", 0}, {"icmp6", 0}, {"multiport", 0},
		{"multiport", 1}, {"mark", 1}, {"connmark", 1}, {"state", 0}, {"conntrack", 1},
		{"conntrack", 2}, {"conntrack", 3}, {"addrtype", 0}, {"addrtype", 1},
		{"iprange", 1}, {"hashlimit", 1}, {"hashlimit", 2}, {"hashlimit", 3},
		{"connlimit", 1}, {"recent", 0}, {"recent", 1}, {"physdev", 0}, {"pkttype", 0},
		{"policy", 0}};
	static const char *const targets[] = {
		"MARK", "CONNMARK", "CT", "REJECT", "LOG", "DNAT", "SNAT"};
	struct walked *x = *state;
	struct packet p = a_request();
	uint8_t zeros[600] = {0};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		assert_int_equal(match(x, &p, all[i].name, all[i].rev, zeros, 0), TRI_UNKNOWN);
		assert_int_equal(match(x, &p, all[i].name, all[i].rev, zeros, 3), TRI_UNKNOWN);
		/* A revision that is not known is not guessed at. */
		assert_int_equal(match(x, &p, all[i].name, 9, zeros, sizeof(zeros)), TRI_UNKNOWN);
		match(x, &p, all[i].name, all[i].rev, zeros, sizeof(zeros));
	}
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		struct nft_rule r = {0};
		struct packet q = a_request();
		uint32_t bits, sets;
		struct walk_xt_effect did;

		for (uint32_t rev = 0; rev < 4; rev++) {
			struct nft_stmt *s = add_xt(x, &r, true, targets[i], rev, zeros, 2);

			walk_xt_target(&x->net, HOOK_FORWARD, &q, &s->xt, &did);
			walk_xt_writes_mark(&s->xt, false, &bits, &sets);
			walk_xt_writes_mark(&s->xt, true, &bits, &sets);
		}
	}
}

static enum xt_effect target(struct walked *x, struct packet *p, const char *name, uint32_t rev,
	const void *info, uint32_t len)
{
	struct nft_rule r = {0};
	struct walk_xt_effect did;

	walk_xt_target(
		&x->net, HOOK_FORWARD, p, &add_xt(x, &r, true, name, rev, info, len)->xt, &did);
	return did.effect;
}

static void test_unreadable_mark_is_unknown(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();

	target(x, &p, "MARK", 2, "", 1);
	assert_int_equal(p.mark_known, 0);
	p = a_request();
	assert_int_equal(target(x, &p, "CONNMARK", 2, "", 1), EFFECT_CONTINUE);
	assert_int_equal(p.mark_known, 0);
	assert_int_equal(p.ct_mark_known, 0);
}

static void test_writes_mark(void **state)
{
	struct walked *x = *state;
	struct xt_mark_tginfo2 mark = {0x5, 0xff};
	struct xt_connmark_tginfo1 save = {
		.ctmask = 0xf0, .nfmask = 0x0f, .mode = XT_CONNMARK_SAVE};
	struct nft_rule r = {0};
	uint32_t bits, sets;

	assert_true(walk_xt_writes_mark(
		&add_xt(x, &r, true, "MARK", 2, &mark, sizeof(mark))->xt, false, &bits, &sets));
	assert_int_equal(bits, 0xff);
	assert_int_equal(sets, 5);
	assert_false(walk_xt_writes_mark(&r.stmts.items[0].xt, true, &bits, &sets));
	assert_true(walk_xt_writes_mark(
		&add_xt(x, &r, true, "CONNMARK", 1, &save, sizeof(save))->xt, true, &bits, &sets));
	assert_int_equal(bits, 0xff);
	assert_false(walk_xt_writes_mark(&r.stmts.items[1].xt, false, &bits, &sets));
}

static void test_unknown_target_is_lost(void **state)
{
	struct walked *x = *state;
	struct packet p = a_request();

	assert_int_equal(target(x, &p, "NFQUEUE", 1, "", 1), EFFECT_LOST);
}

#define T(f) cmocka_unit_test_setup_teardown(f, walked_setup, walked_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_tcp_flags),
		T(test_ports_inverted),
		T(test_conntrack_old_revisions),
		T(test_addrtype_revision_0),
		T(test_multiport_from_outside),
		T(test_short_blobs_are_not_read),
		T(test_unreadable_mark_is_unknown),
		T(test_writes_mark),
		T(test_unknown_target_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
