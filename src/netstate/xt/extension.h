/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of xt/ share: the table of iptables' extensions, and reading and writing words.
 * Nobody else includes this but dump/, which reads words too.
 *
 * An extension is a match ("-m tcp") or target ("-j DNAT") of iptables 1.8.9: its options, and how they
 * stand in the kernel's blob. Blobs are as the kernel gives them back, that is without its own fields,
 * which are zero.
 */
#ifndef NETSTATE_XT_EXTENSION_H
#define NETSTATE_XT_EXTENSION_H

#include "netstate/xt/xt.h"

/* ---- words ---- */

#define XT_MAX_LINE  8192 /* bytes of one rule; bpf programs are the longest */
#define XT_MAX_WORDS 512

struct xt_words {
	size_t n;
	const char *word[XT_MAX_WORDS];
	char text[XT_MAX_LINE + XT_MAX_WORDS];
};

/* Words of a line, without their quotes and escapes. False: there are too many. */
bool xt_split(struct xt_words *w, const char *line, size_t len);
/* Words @from to @to as a line that is split into them again. */
const char *xt_join(struct arena *a, const struct xt_words *w, size_t from, size_t to);
/* A text as iptables-save writes it: in quotes unless it is but letters and digits. */
void xt_add_word(struct strbuf *out, const char *word, size_t len);

/* ---- reading a rule ---- */

struct xt_reading {
	struct arena *a;
	uint8_t family;	  /* enum ip_family */
	uint8_t proto;	  /* of -p; 0: any, or all but that one */
	const char *why;  /* of the first thing that failed */
	struct nft_xt *x; /* being read: for its names */
};

/* Says why in words, once; false always. */
bool xt_fail(struct xt_reading *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct xt_given {
	uint8_t id;
	bool inverted;
	const char *arg[2]; /* "" where there is none */
};

/* How many arguments an option has. */
enum xt_args { ARGS_0, ARGS_1, ARGS_2 };

struct xt_option {
	const char *name;
	uint8_t id;
	uint8_t args; /* how many arguments: enum xt_args */
	bool invertible;
};

struct xt_extension {
	const char *name;
	const char *kernel_name; /* NULL: the same */
	bool target;
	uint8_t family; /* enum ip_family; IP_NONE: both */
	uint8_t rev;
	uint16_t size;			 /* of the blob, a multiple of 8 */
	bool old;			 /* an earlier revision: printed, never made */
	const struct xt_option *options; /* ended by one without a name */
	void (*init)(struct xt_reading *r, void *info);
	bool (*parse)(struct xt_reading *r, const struct xt_given *o, void *info);
	/* After the last option; @given: bits of the ids that were there. */
	bool (*finish)(struct xt_reading *r, uint64_t given, void *info);
	/* The name to show, where it depends on the blob; else NULL. */
	const char *(*shown)(const void *info);
	/* The options only. @info has at least `size` bytes. False: not understood. */
	bool (*print)(struct strbuf *out, uint8_t family, const struct nft_xt *x, const void *info);
};

#define XT_SIZE(type) ((sizeof(type) + 7u) & ~7u)
#define GIVEN(id)     (UINT64_C(1) << (id))

/* Of the files; each ended by one without a name. */
extern const struct xt_extension xt_port_matches[], xt_state_matches[], xt_address_matches[],
	xt_limit_matches[], xt_count_matches[], xt_header_matches[], xt_header6_matches[],
	xt_misc_matches[], xt_program_matches[], xt_mark_targets[], xt_nat_targets[],
	xt_log_targets[], xt_header_targets[], xt_misc_targets[];

/* The one to make, or NULL. @family IP_NONE: of any. */
const struct xt_extension *xt_extension_find(bool target, const char *name, uint8_t family);
/* The one that a blob is of, or NULL. */
const struct xt_extension *xt_extension_of(const struct nft_xt *x, uint8_t family);
/* The option that @name (up to @len) is, or is the beginning of; NULL: none. */
const struct xt_option *xt_option_find(
	const struct xt_option *options, const char *name, size_t len);

/* ---- arguments: false where they are not that (and r->why says so) ---- */

bool xt_read_uint(struct xt_reading *r, const char *s, uint64_t max, uint64_t *out);
bool xt_read_u8(struct xt_reading *r, const char *s, uint8_t *out);
bool xt_read_u16(struct xt_reading *r, const char *s, uint16_t *out);
bool xt_read_u32(struct xt_reading *r, const char *s, uint32_t *out);
/* "5", "5:9", ":9", "5:" */
bool xt_read_range(
	struct xt_reading *r, const char *s, uint64_t max, uint64_t *first, uint64_t *last);
bool xt_read_u32_range(struct xt_reading *r, const char *s, uint32_t range[2]);
/* Likewise of ports, numbers or names; @sep between them. In host order. */
bool xt_read_ports(struct xt_reading *r, const char *s, char sep, uint16_t range[2]);
/* "value" or "value/mask" */
bool xt_read_masked(struct xt_reading *r, const char *s, uint32_t *value, uint32_t *mask);
/* An address of the rule's family, 4 or 16 bytes. */
bool xt_read_addr(struct xt_reading *r, const char *s, void *out);
/* "address", "address/len", "address/mask"; the address masked. */
bool xt_read_network(struct xt_reading *r, const char *s, void *addr, void *mask);
/* "24" or "255.255.255.0", into a field that is the same for both families. */
union nf_inet_addr;
bool xt_read_mask(struct xt_reading *r, const char *s, union nf_inet_addr *out);
/* As xt_read_network(), into such fields. */
bool xt_read_masked_addr(
	struct xt_reading *r, const char *s, union nf_inet_addr *addr, union nf_inet_addr *mask);
bool xt_read_addr_range(struct xt_reading *r, const char *s, void *first, void *last);
bool xt_read_mac(struct xt_reading *r, const char *s, uint8_t out[6]);
/* A text of less than @size bytes, with its NUL. */
bool xt_read_string(struct xt_reading *r, const char *s, char *out, size_t size);
/* An interface name, `+` at its end for any rest; @mask as the kernel wants it. */
bool xt_read_interface(struct xt_reading *r, const char *s, char name[16], char mask[16]);

struct xt_name {
	const char *name;
	uint32_t value;
};
/* Lists of names end with one that has none. */
bool xt_find_name(const struct xt_name *list, const char *s, size_t len, uint32_t *value);
const char *xt_name_of(const struct xt_name *list, uint32_t value); /* NULL: none */
bool xt_read_name(struct xt_reading *r, const char *s, const struct xt_name *list, uint32_t *value);
/* "a,b,c": all their bits */
bool xt_read_bits(struct xt_reading *r, const char *s, const struct xt_name *list, uint32_t *bits);
/* Cuts @*s at the next @sep: the part, or NULL after the last. @part has room for 64 bytes. */
bool xt_next_part(const char **s, char sep, char part[64]);

/* Protocol by name or number; 0 for "all". */
bool xt_read_proto(struct xt_reading *r, const char *s, uint8_t *out);

struct xt_set_info;
/* "--match-set NAME src,dst", as name number @which of the match or target. */
bool xt_read_set(struct xt_reading *r, const struct xt_given *o, unsigned int which,
	struct xt_set_info *set);
bool xt_print_set(struct strbuf *out, const struct nft_xt *x, unsigned int which,
	const struct xt_set_info *set);

/* A DSCP by number or by the name of its class; a TOS with its mask. */
bool xt_read_dscp(struct xt_reading *r, const char *s, bool by_class, uint8_t *out);
bool xt_read_tos(struct xt_reading *r, const char *s, uint8_t *value, uint8_t *mask);

/* ---- whole rules ---- */

/*
 * The words of a rule from @from on (behind "-A CHAIN") as rules at the end of @c: one, or several
 * where addresses are listed with commas. Their number; *@why as of xt_parse_rule().
 */
size_t xt_read_rules(struct arena *a, uint8_t family, const struct xt_words *w, size_t from,
	uint64_t packets, uint64_t bytes, struct nft_chain *c, const char **why);
/* "[5:300]" */
bool xt_read_counters(const char *s, uint64_t *packets, uint64_t *bytes);

/* ---- writing; each with a blank before it ---- */

void xt_print_option(struct strbuf *out, const char *option, bool inverted); /* " ! --option" */
void xt_print_ports(struct strbuf *out, uint16_t first, uint16_t last, char sep);
void xt_print_range(struct strbuf *out, uint64_t first, uint64_t last);
void xt_print_masked(struct strbuf *out, uint32_t value, uint32_t mask); /* "0x1/0xff", "0x1" */
void xt_add_addr(struct strbuf *out, uint8_t family, const void *addr);
/* "10.0.0.0/8"; "10.0.0.1/255.0.0.255"; @whole: the length also where it is all */
void xt_add_network(
	struct strbuf *out, uint8_t family, const void *addr, const void *mask, bool whole);
void xt_print_bits(struct strbuf *out, const struct xt_name *list, uint32_t bits);
/* A field of @size bytes that need not end with a NUL. */
void xt_print_string(struct strbuf *out, const char *s, size_t size);
void xt_print_interface(struct strbuf *out, const char name[16], const char mask[16]);

#endif
