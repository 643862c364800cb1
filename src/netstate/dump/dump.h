/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dump: texts that people save and paste, read into a netstate.
 *
 * Readers are tolerant: what they do not understand becomes unknown in the netstate (a STMT_UNKNOWN, a
 * rule with more_selectors) and a note with its line; nothing is dropped silently and nothing makes a
 * file unreadable. Every object says in `file` and `at.line` where it stood.
 */
#ifndef NETSTATE_DUMP_DUMP_H
#define NETSTATE_DUMP_DUMP_H

#include "netstate/netstate.h"

/* Text in memory; it must outlive the netstate, which points into it. Need not end with a NUL. */
struct dump_file {
	const char *name; /* "iptables-save.txt"; for messages, and to tell what it is */
	const char *text;
	size_t len;
};

enum dump_kind {
	DUMP_NOT_KNOWN,
	DUMP_IPTABLES_SAVE, /* also ip6tables-save, and -legacy- and -nft- of both */
	DUMP_NFT_JSON,
	DUMP_NFT_TEXT,
	DUMP_IP_LINK, /* text or JSON, as of these `ip` prints: with -d, -s, -4, -6 or not */
	DUMP_IP_ADDR,
	DUMP_IP_RULE,
	DUMP_IP_ROUTE,
	DUMP_IP_NEIGHBOUR,
	DUMP_IP_NEXTHOP,
	DUMP_SYSCTL,	/* "key = value", "key=value" */
	DUMP_CONNTRACK, /* conntrack -L, with or without -o extended; /proc/net/nf_conntrack */
	DUMP_IPSET,	/* ipset save, or ipset list */
	DUMP_META,	/* meta.json of a snapshot */
};

/* What a file is, by its name and, failing that, by what is in it. *@family (enum ip_family): what the
 * name or the content says, IP_NONE where nothing does. */
enum dump_kind dump_guess(const struct dump_file *f, uint8_t *family);

struct dump_note {
	const char *file;
	uint32_t line;	  /* 0: the file as a whole */
	const char *text; /* what stands there, shortened */
	const char *why;
};

/* An object of `ip nexthop`, which routes name by its id. */
struct dump_nexthop_member {
	uint32_t id, weight;
};
struct dump_nexthop {
	uint32_t id;
	bool blackhole;
	struct net_nexthop hop;
	VEC(struct dump_nexthop_member) members; /* of a group */
};

/* A reading in progress: what the readers of one kind are given. */
struct dump {
	struct arena *arena;
	struct netstate *out;
	VEC(struct dump_note) notes;
	size_t more_notes; /* that came after so many that no more are kept */
	/* Routing tables that are known by a name only: see net_route.table_name. */
	VEC(const char *) tables;
	VEC(struct dump_nexthop) nexthops;
};
void dump_note(struct dump *d, const struct dump_file *f, uint32_t line, const char *text,
	size_t len, const char *why);

/*
 * Read all @files into @out (zeroed by the caller) and set out->have. Where iptables-nft's tables are
 * in nft's dump with their matches hollow and in an iptables-save too, the latter are taken.
 */
void netstate_read(struct arena *a, const struct dump_file *files, size_t n, struct netstate *out,
	struct dump *notes);

/* The readers, one file each. @family: IP_NONE where it is not known. Each may be called several times
 * with different files; each sets the bits of have that it fills. */
void dump_read_iptables(
	struct dump *d, const struct dump_file *f, uint8_t family, enum nft_origin origin);
void dump_read_nft_json(struct dump *d, const struct dump_file *f);
void dump_read_nft_text(struct dump *d, const struct dump_file *f);
void dump_read_link(struct dump *d, const struct dump_file *f); /* links; of `ip addr` too */
void dump_read_addr(struct dump *d, const struct dump_file *f);
void dump_read_rule(struct dump *d, const struct dump_file *f, uint8_t family);
/* @table: of routes that name none, from the file's name; 0: main. */
void dump_read_route(struct dump *d, const struct dump_file *f, uint8_t family, const char *table);
void dump_read_neighbour(struct dump *d, const struct dump_file *f);
void dump_read_sysctl(struct dump *d, const struct dump_file *f);
void dump_read_conntrack(struct dump *d, const struct dump_file *f);
void dump_read_ipset(struct dump *d, const struct dump_file *f);

#endif
