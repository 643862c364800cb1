/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sysctls: read, write, and look at all those that decide about forwarding and connections. */
#include "kernel/observe.h"
#include "kernel/route.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define VALUE_BYTES 256

/* Per interface, and for `all` and `default`. */
static const char *const conf4[] = {"rp_filter", "forwarding", "src_valid_mark", "accept_local",
	"route_localnet", "arp_ignore", "arp_announce", "send_redirects", "accept_redirects",
	"secure_redirects", "shared_media", "log_martians", "ignore_routes_with_linkdown",
	"proxy_arp"};
/* force_forwarding came with Linux 6.17. */
static const char *const conf6[] = {"forwarding", "accept_ra", "force_forwarding", "disable_ipv6",
	"ignore_routes_with_linkdown"};
static const char *const singles[] = {"net.ipv4.ip_forward", "net.ipv4.fwmark_reflect",
	"net.ipv4.tcp_fwmark_accept", "net.ipv4.fib_multipath_hash_policy",
	"net.ipv4.fib_multipath_use_neigh", "net.ipv6.fwmark_reflect",
	"net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_count",
	"net.netfilter.nf_conntrack_udp_timeout", "net.netfilter.nf_conntrack_udp_timeout_stream",
	"net.netfilter.nf_conntrack_tcp_loose", "net.netfilter.nf_conntrack_tcp_be_liberal",
	"net.netfilter.nf_conntrack_tcp_ignore_invalid_rst", "net.netfilter.nf_conntrack_acct",
	"net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*
 * The path below /proc/sys: dots and slashes change places. -EINVAL where the key is not below net,
 * or would lead out of it ("//" turns into ".."). -EXDEV where the caller is in another namespace,
 * whose sysctl the same path would be.
 */
static int path_of(const struct kernel *k, const char *key, char path[PATH_MAX])
{
	size_t len = strlen(key);

	if (len >= PATH_MAX || strncmp(key, "net.", 4) != 0 || strstr(key, "//"))
		return -EINVAL;
	for (size_t i = 0; i <= len; i++)
		path[i] = key[i] == '.' ? '/' : key[i] == '/' ? '.' : key[i];
	return kernel_at_home(k) ? 0 : -EXDEV;
}

static int open_key(struct kernel *k, const char *key, int flags)
{
	char path[PATH_MAX];
	int err = path_of(k, key, path), fd;

	if (err)
		return err;
	fd = openat(k->proc_sys, path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int kernel_sysctl_get(struct kernel *k, const char *key, char *buf, size_t size)
{
	int fd = open_key(k, key, O_RDONLY), err = 0;
	ssize_t len;

	if (fd < 0)
		return fd;
	len = read(fd, buf, size);
	if (len < 0)
		err = -errno;
	close(fd);
	if (err)
		return err;
	if ((size_t)len == size)
		return -ENOSPC;
	if (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return 0;
}

int kernel_sysctl_set(struct kernel *k, const char *key, const char *value, struct kernel_error *e)
{
	int fd = open_key(k, key, O_WRONLY), err = 0;

	if (fd == -ENOENT)
		return kernel_error_set(e, ENOENT, "this kernel has no %s", key);
	if (fd == -EXDEV)
		return kernel_error_set(
			e, EXDEV, "%s: not in the network namespace it is meant for", key);
	if (fd < 0)
		return kernel_error_set(e, -fd, "cannot open %s", key);
	if (write(fd, value, strlen(value)) < 0)
		err = kernel_error_set(e, errno, "%s does not take \"%s\"", key, value);
	close(fd);
	return err;
}

static int observe_one(struct kernel *k, struct arena *a, struct netstate *out, const char *key,
	struct kernel_error *e)
{
	char value[VALUE_BYTES];
	int err = kernel_sysctl_get(k, key, value, sizeof(value));

	/* Not in this kernel, or its interface has gone. */
	if (err == -ENOENT)
		return 0;
	if (err)
		return kernel_error_set(e, -err, "cannot read %s", key);
	vec_push(a, &out->sysctls,
		((struct net_sysctl){arena_strdup(a, key), arena_strdup(a, value), NOWHERE}));
	return 0;
}

static int observe_conf(struct kernel *k, struct arena *a, struct netstate *out, uint8_t family,
	const char *const *names, size_t n, struct kernel_error *e)
{
	const char *path = family == IP_V4 ? "net/ipv4/conf" : "net/ipv6/conf";
	int fd = openat(k->proc_sys, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0) /* booted without this family */
		return errno == ENOENT ? 0 : kernel_error_set(e, errno, "cannot open %s", path);
	dir = fdopendir(fd);
	if (!dir) {
		err = kernel_error_set(e, errno, "cannot open %s", path);
		close(fd);
		return err;
	}
	while (!err && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		for (size_t i = 0; i < n && !err; i++)
			err = observe_one(k, a, out,
				netstate_conf_key(a, family, entry->d_name, names[i]), e);
	}
	closedir(dir);
	return err;
}

static bool is_among(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

bool kernel_observes_sysctl(const char *key)
{
	const char *last = strrchr(key, '.');

	if (last && strncmp(key, "net.ipv4.conf.", 14) == 0)
		return is_among(last + 1, conf4, COUNT(conf4));
	if (last && strncmp(key, "net.ipv6.conf.", 14) == 0)
		return is_among(last + 1, conf6, COUNT(conf6));
	return is_among(key, singles, COUNT(singles));
}

int kernel_observe_sysctls(
	struct kernel *k, struct arena *a, struct netstate *out, struct kernel_error *e)
{
	int err = 0;

	if (!kernel_at_home(k))
		return kernel_error_set(
			e, EXDEV, "sysctls can only be read from within their network namespace");
	memset(&out->sysctls, 0, sizeof(out->sysctls));
	for (size_t i = 0; i < COUNT(singles) && !err; i++)
		err = observe_one(k, a, out, singles[i], e);
	if (!err)
		err = observe_conf(k, a, out, IP_V4, conf4, COUNT(conf4), e);
	if (!err)
		err = observe_conf(k, a, out, IP_V6, conf6, COUNT(conf6), e);
	return err;
}
