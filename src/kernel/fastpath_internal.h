/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of the fast path's user side share. */
#ifndef KERNEL_FASTPATH_INTERNAL_H
#define KERNEL_FASTPATH_INTERNAL_H

#include "kernel/fastpath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/flow.h"
#include "bpf/fastpath_programs.skel.h"

/* Programs attached to one interface; they are loaded for it alone. */
struct fastpath_attached {
	struct fastpath_interface is;
	uint8_t mac[6];
	uint32_t mark_mask;
	struct fastpath_programs *programs; /* NULL: none */
	uint32_t id;			    /* of the program that is attached */
};

struct fastpath {
	struct kernel *kernel;
	struct fastpath_programs *base; /* holds the maps that all share; attached nowhere */
	unsigned int n_cpus;
	uint32_t seed, second; /* second: in jiffies */
	bool has_fib_mark;
	const struct fp_bucket4 *flows4; /* of all CPUs, as the programs see them */
	const struct fp_bucket6 *flows6;
	uint32_t n_buckets4, n_buckets6;
	uint32_t room_per_cpu;
	struct fastpath_totals told; /* last */
	struct fastpath_attached *attached;
	size_t n_attached;
	uint32_t refused; /* the interface that took no XDP program when `auto` tried; 0: none */
	char why_refused[FASTPATH_WHY_BYTES];
};

/* Each flow in the cache that is bypassed: fastpath_read.c. */
void fastpath_each_flow(const struct fastpath *f,
	void (*each)(const struct fastpath_cell *c, void *data), void *data);

/* ---- attaching: fastpath_attach.c ---- */

/*
 * The program of ours that is attached, by its id in *@id; 0: none. -EEXIST: one that is not ours, so
 * that ours cannot be (XDP takes only one); *@id is its.
 */
int fastpath_xdp_query(struct kernel *k, uint32_t ifindex, uint32_t *id, struct kernel_error *e);
int fastpath_tc_query(struct kernel *k, uint32_t ifindex, uint32_t *id, struct kernel_error *e);

/* Attach @fd, in the place of ours that may be there. */
int fastpath_xdp_attach(
	struct kernel *k, uint32_t ifindex, int fd, uint32_t id, struct kernel_error *e);
int fastpath_tc_attach(struct kernel *k, uint32_t ifindex, int fd, struct kernel_error *e);

/* Take ours off; 1: there was one, 0: none, or -errno. */
int fastpath_xdp_detach(struct kernel *k, uint32_t ifindex, struct kernel_error *e);
int fastpath_tc_detach(struct kernel *k, uint32_t ifindex, struct kernel_error *e);

/* Can frames be redirected to this interface by XDP? -1: the kernel does not tell. */
int fastpath_takes_frames(struct kernel *k, uint32_t ifindex);

#endif
