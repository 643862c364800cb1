/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a reader of iptables' texts is, and the tables that it fills. */
#ifndef NETSTATE_DUMP_IPTABLES_H
#define NETSTATE_DUMP_IPTABLES_H

#include "netstate/dump/dump.h"

/* A table being filled: dumps of clusters have 10,000 chains, so they are found by hash. */
struct iptables_table {
	struct nft_table *t;
	struct nft_chain **slots; /* open addressing, n_slots a power of two */
	size_t n, n_slots;
	uint32_t line;
	bool implied;	/* by a command, not by "*table" */
	bool has_rules; /* that commands added */
	bool has_policies;
	uint32_t inserted;
	struct iptables_table *next;
};

struct iptables_text {
	struct dump *d;
	const struct dump_file *f;
	uint8_t family; /* enum ip_family */
	bool family_known;
	enum nft_origin origin;
	struct iptables_table *tables, *table; /* of this file; the present one or NULL */
	const char *t_option;		       /* of the last command: the table of its output */
	bool skipping;			       /* the present table was there already */
	bool reopened;			       /* it was, in this file: perhaps it goes on */
	bool committed;
	unsigned int n_tables;
	size_t at;	      /* what is behind the present line */
	uint32_t line, lines; /* number of the present line, and how many are joined in it */
	const char *text;
	size_t len;
	bool listing; /* of `iptables -L` */
};

/* The table of that name, of the present family and origin, becomes x->table; made where this file has
 * none yet. False: it is there already from another file, or is one too many. */
bool iptables_use_table(struct iptables_text *x, const char *name);
/* The chain of the present table, made where it is new: as a base chain where the kernel has it. */
struct nft_chain *iptables_chain(struct iptables_text *x, const char *name);
struct nft_chain *iptables_find_chain(
	const struct iptables_table *x, const char *name); /* or NULL */
/* Once all is read: jumps to chains that never came are not understood. */
void iptables_settle_jumps(struct iptables_text *x, struct iptables_table *i);

#endif
