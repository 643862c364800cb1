/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kernel offers, by a tree that looks like its /proc, /sys and /lib, and on this machine. */
#include "fake_root.h"

#include <sys/utsname.h>

#include <bpf/btf.h>

#include "kernel/fastpath.h"
#include "kernel/features.h"
#include "kernel/nft.h"

static struct kernel_feature got[FEATURE_COUNT_];

static void expect(const char *release, enum feature_id id, enum feature_answer has)
{
	kernel_features(root, release, got);
	assert_int_equal(got[id].has, has);
	if (has != FEATURE_YES)
		assert_string_not_equal(got[id].why, "");
	else
		assert_string_equal(got[id].why, "");
}

static void test_release(void **state)
{
	expect("5.14.99-generic", FEATURE_LINUX, FEATURE_NO);
	expect("5.15", FEATURE_LINUX, FEATURE_YES);
	expect("6.1.0-28-amd64", FEATURE_LINUX, FEATURE_YES);
	expect("10.0", FEATURE_LINUX, FEATURE_YES);
	expect("", FEATURE_LINUX, FEATURE_NO);
}

static void test_nothing_to_see(void **state)
{
	expect("6.18.0", FEATURE_NFTABLES, FEATURE_UNKNOWN);
	expect("6.18.0", FEATURE_HELD_TABLE, FEATURE_UNKNOWN);
	expect("6.18.0", FEATURE_INTERFACE_FORWARDING, FEATURE_UNKNOWN);
	expect("6.18.0", FEATURE_FASTPATH, FEATURE_UNKNOWN);
	expect("6.18.0", FEATURE_USER_NAMESPACES, FEATURE_UNKNOWN);
	/* What came later than the release is not there, whatever else is unknown. */
	expect("6.8.0", FEATURE_HELD_TABLE, FEATURE_NO);
}

static void test_modules(void **state)
{
	put("/lib/modules/6.9.1/modules.builtin", "kernel/net/core/sock.ko\\n");
	put("/lib/modules/6.9.1/modules.dep", "kernel/net/netfilter/nft_ct.ko: \\n");
	expect("6.9.1", FEATURE_NFTABLES, FEATURE_NO);
	assert_non_null(strstr(got[FEATURE_NFTABLES].why, "CONFIG_NF_TABLES"));
	assert_int_equal(got[FEATURE_HELD_TABLE].has, FEATURE_NO);
	put("/lib/modules/6.9.1/modules.dep", "kernel/net/netfilter/nf_tables.ko.xz: a.ko.xz\\n");
	expect("6.9.1", FEATURE_NFTABLES, FEATURE_YES);
	assert_int_equal(got[FEATURE_HELD_TABLE].has, FEATURE_YES);
	/* The lists of another release tell nothing of this one; a loaded module does. */
	expect("6.9.2", FEATURE_NFTABLES, FEATURE_UNKNOWN);
	put("/sys/module/nf_tables/refcnt", "1");
	expect("6.9.2", FEATURE_NFTABLES, FEATURE_YES);
	expect("6.8.12", FEATURE_HELD_TABLE, FEATURE_NO);
}

/* A kernel's own description of its types, with nf_tables in it, as old or new ones have it. */
static void put_types(bool persist)
{
	struct btf *btf = btf__new_empty();
	const void *bytes;
	char path[128];
	uint32_t size;
	FILE *f;
	int i = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);

	btf__add_enum(btf, "nft_table_flags", 4);
	btf__add_enum_value(btf, "NFT_TABLE_F_DORMANT", 1);
	if (persist)
		btf__add_enum_value(btf, "NFT_TABLE_F_PERSIST", 4);
	btf__add_func(btf, "nf_tables_newtable", BTF_FUNC_STATIC, btf__add_func_proto(btf, i));
	bytes = btf__raw_data(btf, &size);
	sh("mkdir -p %s/sys/kernel/btf", root);
	snprintf(path, sizeof(path), "%s/sys/kernel/btf/vmlinux", root);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, size, f), size);
	fclose(f);
	btf__free(btf);
}

static void test_types(void **state)
{
	put_types(true);
	expect("6.6.0", FEATURE_NFTABLES, FEATURE_YES);
	expect("6.6.0", FEATURE_HELD_TABLE, FEATURE_YES); /* whatever the number says */
	put_types(false);
	expect("6.12.0", FEATURE_NFTABLES, FEATURE_YES);
	expect("6.12.0", FEATURE_HELD_TABLE, FEATURE_NO);
}

static void test_fastpath(void **state)
{
	struct kernel_error e = {0};

	put("/sys/kernel/uevent_seqnum", "1");
	expect("6.12.0", FEATURE_FASTPATH, FEATURE_NO);
	assert_non_null(strstr(got[FEATURE_FASTPATH].why, "CONFIG_DEBUG_INFO_BTF"));
	put_types(true);
	/* The rest is asked of the kernel that runs. */
	expect("6.12.0", FEATURE_FASTPATH,
		fastpath_supported(&e) == 0 ? FEATURE_YES : FEATURE_UNKNOWN);
	put("/sys/module/nf_conntrack/refcnt", "1");
	expect("6.12.0", FEATURE_FASTPATH, fastpath_supported(&e) == 0 ? FEATURE_YES : FEATURE_NO);
}

static void test_proc(void **state)
{
	put("/proc/sys/net/ipv4/ip_forward", "0");
	expect("6.18.0", FEATURE_INTERFACE_FORWARDING, FEATURE_NO);
	put("/proc/sys/net/ipv6/conf/all/forwarding", "0");
	expect("6.18.0", FEATURE_INTERFACE_FORWARDING, FEATURE_NO);
	assert_string_not_equal(got[FEATURE_INTERFACE_FORWARDING].why, "there is no IPv6");
	put("/proc/sys/net/ipv6/conf/all/force_forwarding", "0");
	expect("6.18.0", FEATURE_INTERFACE_FORWARDING, FEATURE_YES);

	put("/proc/sys/kernel/osrelease", "6.18.0");
	expect("6.18.0", FEATURE_USER_NAMESPACES, FEATURE_NO);
	put("/proc/sys/user/max_user_namespaces", "0\\n");
	expect("6.18.0", FEATURE_USER_NAMESPACES, FEATURE_NO);
	put("/proc/sys/user/max_user_namespaces", "15000\\n");
	expect("6.18.0", FEATURE_USER_NAMESPACES, FEATURE_YES);
	put("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\\n");
	expect("6.18.0", FEATURE_USER_NAMESPACES, FEATURE_UNKNOWN);
	put("/proc/sys/kernel/unprivileged_userns_clone", "0\\n");
	expect("6.18.0", FEATURE_USER_NAMESPACES, FEATURE_NO);
}

/* The one question that can be asked outright. */
static void test_this_machine(void **state)
{
	struct utsname name;
	struct kernel *k;

	NEEDS_NAMESPACE();
	assert_int_equal(uname(&name), 0);
	kernel_features("", name.release, got);
	assert_int_equal(got[FEATURE_LINUX].has, FEATURE_YES);
	k = open_kernel();
	if (got[FEATURE_HELD_TABLE].has != FEATURE_UNKNOWN)
		assert_int_equal(kernel_nft_hold(k), got[FEATURE_HELD_TABLE].has == FEATURE_YES);
	kernel_close(k);
	for (unsigned int i = 0; i < FEATURE_COUNT_; i++)
		assert_true(got[i].name && got[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(test_release),
		IN_ROOT(test_nothing_to_see),
		IN_ROOT(test_modules),
		IN_ROOT(test_types),
		IN_ROOT(test_fastpath),
		IN_ROOT(test_proc),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
