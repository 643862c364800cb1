/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What print_nft.c needs of print_set.c; see netstate.h for the front door. */
#ifndef NETSTATE_PRINT_H
#define NETSTATE_PRINT_H

#include "netstate/netstate.h"

/* A number and its name; tables of them end with a NULL text. */
struct print_word {
	uint32_t value;
	const char *text;
};

/* The names of all bits, or the number where one has no name. */
void print_bits(
	struct strbuf *out, const struct print_word *words, uint32_t value, const char *sep);
/* Is it a number whose bits have names? */
bool print_is_bits(enum nft_type type);
/* The operand of & or ^, or what is compared with that: marks in hex, bits by name. */
void print_operand(struct strbuf *out, enum nft_type type, const uint8_t *bytes);
void print_time(struct strbuf *out, uint32_t ms);
/* @swap: four bytes of a type in host order are in network order, as intervals are. */
void print_value(
	struct strbuf *out, enum nft_type type, unsigned int len, const uint8_t *bytes, bool swap);
void print_verdict(struct strbuf *out, int32_t verdict, const char *chain);
void print_uint(struct strbuf *out, uint32_t n);
/* If first..last is a prefix, its length in bits, else -1. */
int print_prefix_len(const uint8_t *first, const uint8_t *last, unsigned int bytes);

void print_set(struct strbuf *out, const struct nft_set *s); /* the declaration and all elements */
/* A set where it is used: by name, or as it is. */
void print_set_use(struct strbuf *out, const struct nft_set *s);

#endif
