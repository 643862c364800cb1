/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Confine: capabilities by libcap-ng, system calls by libseccomp. */
#include "daemon/confine.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/syscalls.h"

#define MAX_GROUPS 65536 /* NGROUPS_MAX of Linux */
#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))

static const unsigned int kept_capabilities[] = {CAP_NET_ADMIN, CAP_NET_RAW};
/* Of the fast path; see confine_programs(). */
static const unsigned int program_capabilities[] = {CAP_BPF, CAP_PERFMON};

/* Calls that did not show when syscalls.h was made, but that may be made for the same functions. */
static const char *const also[] = {
	/* The clock where there is no vDSO. */
	"clock_gettime", "clock_getres", "gettimeofday", "time",
	/* What arm64, or another libc, has instead of one that was seen. */
	"stat", "fstat", "lstat", "statx", "open", "faccessat", "faccessat2", "readlink", "mkdirat",
	"renameat2", "link", "fchmodat", "fchmodat2", "fchownat", "pipe", "ppoll", "epoll_create",
	"epoll_pwait", "epoll_pwait2", "eventfd2", "accept", "pread64", "getrlimit", "waitid",
	/* Names, as the system's library looks them up: files, servers, waiting. */
	"lseek", "sendmmsg", "recvmmsg", "getdents", "nanosleep", "clock_nanosleep",
	/* The fast path's programs, and giving up the right to load them. */
	"bpf", "dup3", "capset", "capget", "seccomp", "uname",
	/* Threads, which curl makes to resolve names, and memory, as it comes. */
	"set_robust_list", "rseq", "gettid", "sched_yield", "sched_getaffinity", "rt_sigprocmask",
	"mremap", "exit", "restart_syscall"};

/* A call that may be made while what holds for one of its arguments: (argument & mask) == value. */
struct rule {
	const char *name;
	unsigned int argument;
	uint64_t mask, value;
};

#define ALL_32_BITS UINT32_MAX /* the kernel looks at no more of an int */

static const struct rule rules[] = {
	{"socket", 0, ALL_32_BITS, AF_UNIX},
	{"socket", 0, ALL_32_BITS, AF_INET},
	{"socket", 0, ALL_32_BITS, AF_INET6},
	{"socket", 0, ALL_32_BITS, AF_NETLINK},
	{"socketpair", 0, ALL_32_BITS, AF_UNIX},
	/* Threads, not processes. */
	{"clone", 0, CLONE_THREAD, CLONE_THREAD},
	/* Code comes from files (a module of the resolver), and stays as it is. */
	{"mmap", 2, PROT_EXEC, 0},
	{"mmap", 2, PROT_EXEC | PROT_WRITE, PROT_EXEC},
	{"mprotect", 2, PROT_EXEC, 0},
	{"ioctl", 1, ALL_32_BITS, FIONREAD},
	{"ioctl", 1, ALL_32_BITS, FIONBIO},
	{"ioctl", 1, ALL_32_BITS, TCGETS},
	{"prctl", 0, ALL_32_BITS, PR_SET_NAME},
	{"prctl", 0, ALL_32_BITS, PR_SET_VMA}, /* glibc names its memory */
	/* Limits are looked up, not set. */
	{"prlimit64", 2, UINT64_MAX, 0},
};

/* ---- capabilities ---- */

/* What there is of them: without CAP_NET_ADMIN it is told later what it would be needed for. */
static int give_up_capabilities(void)
{
	bool held[COUNT(kept_capabilities)], loads[COUNT(program_capabilities)], bounds;

	if (capng_get_caps_process() < 0)
		return EIO;
	bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	for (size_t i = 0; i < COUNT(kept_capabilities); i++)
		held[i] = capng_have_capability(CAPNG_PERMITTED, kept_capabilities[i]);
	for (size_t i = 0; i < COUNT(program_capabilities); i++)
		loads[i] = capng_have_capability(CAPNG_PERMITTED, program_capabilities[i]);
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < COUNT(kept_capabilities); i++)
		if (held[i] && capng_update(CAPNG_ADD,
				       CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
				       kept_capabilities[i]) < 0)
			return EIO;
	/* Those are not in the bounding set, which could not be changed any more later. */
	for (size_t i = 0; i < COUNT(program_capabilities); i++)
		if (loads[i] && capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
					program_capabilities[i]) < 0)
			return EIO;
	/* Nothing is executed, so the bounding set is for the eye; it takes a right to change. */
	if (bounds && capng_apply(CAPNG_SELECT_BOUNDS) < 0)
		return errno ? errno : EPERM;
	if (capng_apply(CAPNG_SELECT_CAPS) < 0 || capng_apply(CAPNG_SELECT_AMBIENT) < 0)
		return errno ? errno : EPERM;
	return 0;
}

/* ---- system calls ---- */

/* Names that this architecture, or libseccomp, does not know are passed over. */
static int allow(scmp_filter_ctx ctx, const char *name, unsigned int n, struct scmp_arg_cmp cmp)
{
	int number = seccomp_syscall_resolve_name(name), err;

	if (number == __NR_SCMP_ERROR)
		return 0;
	err = n ? seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 1, cmp)
		: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
	return err == -EDOM ? 0 : err; /* not of this architecture */
}

static int allow_names(scmp_filter_ctx ctx, const char *const *names, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++)
		err = allow(ctx, names[i], 0, (struct scmp_arg_cmp){0});
	return err;
}

static int allow_rules(scmp_filter_ctx ctx)
{
	/* abort() */
	int err = allow(
		ctx, "tgkill", 1, (struct scmp_arg_cmp){0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0});

	for (size_t i = 0; i < COUNT(rules) && !err; i++)
		err = allow(ctx, rules[i].name, 1,
			(struct scmp_arg_cmp){rules[i].argument, SCMP_CMP_MASKED_EQ, rules[i].mask,
				rules[i].value});
	return err;
}

/* 0 or an errno. */
static int install_filter(bool kill)
{
	scmp_filter_ctx ctx = seccomp_init(kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS));
	int err;

	if (!ctx)
		return ENOMEM;
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0); /* is set already */
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, no list */
	if (!err)
		err = allow_names(ctx, syscalls_seen, COUNT(syscalls_seen));
	if (!err)
		err = allow_names(ctx, also, COUNT(also));
	if (!err)
		err = allow_rules(ctx);
	/* Its flags are in memory, out of the filter's sight: libc then takes clone(). */
	if (!err && kill)
		err = seccomp_rule_add(
			ctx, SCMP_ACT_ERRNO(ENOSYS), seccomp_syscall_resolve_name("clone3"), 0);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return -err;
}

/* NULL: this build has a filter. */
static const char *unfiltered(void)
{
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
	return "AddressSanitizer makes calls of its own";
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
	return "AddressSanitizer makes calls of its own";
#elif defined(__x86_64__) || defined(__aarch64__)
	return NULL;
#else
	return "there is no list for this architecture";
#endif
}

/* ---- the whole ---- */

int confine_join(gid_t group)
{
	gid_t *all;
	int n, err = 0;

	if (group == getegid())
		return 0;
	all = calloc(MAX_GROUPS + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	n = getgroups(MAX_GROUPS, all);
	for (int i = 0; i < n; i++)
		if (all[i] == group)
			goto out;
	if (n >= 0)
		all[n] = group;
	if (n < 0 || setgroups((size_t)n + 1, all) < 0)
		err = -errno;
out:
	free(all);
	return err;
}

struct confinement confine_self(void)
{
	const char *asked = secure_getenv("PORTREEVE_SECCOMP"), *why = unfiltered();
	int err = give_up_capabilities();

	if (err)
		return (struct confinement){"capabilities", strerror(err)};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return (struct confinement){"new privileges", strerror(errno)};
	if (asked && strcmp(asked, "off") == 0)
		why = "PORTREEVE_SECCOMP=off";
	if (!why) {
		err = install_filter(asked && strcmp(asked, "kill") == 0);
		why = err ? strerror(err) : NULL;
	}
	return why ? (struct confinement){"system calls", why} : (struct confinement){NULL, NULL};
}

/* A second filter, on top of the first. 0 or an errno. */
static int forbid_bpf(bool kill)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int err;

	if (!ctx)
		return ENOMEM;
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (!err)
		err = seccomp_rule_add(ctx, kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(ENOSYS),
			seccomp_syscall_resolve_name("bpf"), 0);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return -err;
}

struct confinement confine_programs(void)
{
	const char *asked = secure_getenv("PORTREEVE_SECCOMP");
	int err = 0;

	for (size_t i = 0; i < COUNT(program_capabilities); i++)
		capng_update(
			CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, program_capabilities[i]);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return (struct confinement){"capabilities", strerror(errno)};
	if (!unfiltered() && !(asked && strcmp(asked, "off") == 0))
		err = forbid_bpf(asked && strcmp(asked, "kill") == 0);
	return err ? (struct confinement){"system calls", strerror(err)}
		   : (struct confinement){NULL, NULL};
}
