/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the readers of dumps share: lines, words, names, and JSON turned into words.
 *
 * ip(8) says the same in two forms, and its JSON has nearly the words of its text. So a reader is
 * written once, over words: the text split at blanks, or an object's keys and values in a row.
 */
#ifndef NETSTATE_DUMP_READER_H
#define NETSTATE_DUMP_READER_H

#include <jansson.h>

#include "netstate/dump/dump.h"

/* ---- lines ---- */

struct dump_lines {
	const char *at, *end;
	uint32_t number; /* of the line given last */
};

struct dump_line {
	const char *s; /* not ended by a NUL */
	size_t len;
	uint32_t number;
	bool indented;
};

void dump_lines_begin(struct dump_lines *l, const struct dump_file *f);
/* The next line that is not blank, without blanks around it. False: there is none. */
bool dump_lines_next(struct dump_lines *l, struct dump_line *out);

/* The line's first word; false: there is none that fits. */
bool dump_first_word(const struct dump_line *l, char *word, size_t size);

bool dump_starts_with(const char *s, size_t len, const char *prefix);
/* The first place of @needle in @len bytes at @s, or NULL. */
const char *dump_find(const char *s, size_t len, const char *needle);

/* ---- records: one object of a dump, as words ---- */

#define DUMP_MAX_WORDS 8192u /* of one record; what is beyond is cut off, and noted */

struct dump_record {
	struct dump *d;
	const struct dump_file *f;
	uint32_t line; /* where it begins */
	const char *text;
	size_t text_len; /* of its first line, for notes */
	VEC(const char *) words;
	size_t next;
	bool complained; /* one note per record is enough */
	bool cut;
};

void dump_record_init(struct dump_record *r, struct dump *d, const struct dump_file *f);
/* Begin anew, with what stands at @s for notes. */
void dump_record_begin(struct dump_record *r, uint32_t line, const char *s, size_t len);
void dump_record_push(struct dump_record *r, const char *word);
/* Split at blanks and at the backslashes that `ip -o` has for line ends. */
void dump_record_split(struct dump_record *r, const char *s, size_t len);
/* The next line as a record of its own. False: there is none. */
bool dump_record_next(struct dump_record *r, struct dump_lines *lines);
const char *dump_record_peek(const struct dump_record *r);	/* NULL: no more words */
const char *dump_record_word(struct dump_record *r);		/* takes it */
bool dump_record_take(struct dump_record *r, const char *word); /* if that comes next */
/* Records of several lines: which begins one, and which goes on with it; what is
 * neither is noted so. */
struct dump_layout {
	bool (*begins)(const struct dump_line *l);
	bool (*goes_on)(const struct dump_line *l);
	const char *neither;
};
void dump_text_each(struct dump *d, const struct dump_file *f, const struct dump_layout *layout,
	void (*each)(struct dump_record *r, void *data), void *data);
/* A note about the record, unless it has one. */
void dump_record_note(struct dump_record *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* How a key of JSON is called in text. */
struct dump_key {
	const char *key;
	const char *word; /* "": its values stand for themselves; NULL: it means nothing here */
};

bool dump_is_json(const struct dump_file *f);
/*
 * Each object of the file's topmost arrays, or outside of any, with its line; @text is the object as it
 * stands there. What is cut off at the file's end, or is not JSON, is noted; the rest is read.
 */
void dump_json_each(struct dump *d, const struct dump_file *f,
	void (*each)(struct dump_record *r, const json_t *object, void *data), void *data);
/* Append the object's members as words, called as @keys (ended by a key NULL) say, or by their key. */
void dump_record_push_json(
	struct dump_record *r, const json_t *object, const struct dump_key *keys);
/* A member that is a string or a number, as text in the arena; NULL: it is neither. */
const char *dump_json_text(struct arena *a, const json_t *object, const char *key);

/* A word of ip(8) and what it is to its reader, a number of its own. */
struct dump_word {
	const char *word;
	unsigned int is;
};
/* False: none of the @n words. */
bool dump_find_word(const struct dump_word *words, size_t n, const char *word, unsigned int *is);

/* ---- values ---- */

/* Decimal, or hexadecimal after 0x; nothing before or behind it. */
bool dump_u32(const char *s, uint32_t *out);
bool dump_u8(const char *s, uint8_t *out);
/* "default" and "all" (of *@family, or v4 where that is IP_NONE), an address or a prefix; host bits are
 * cleared. An address tells *@family. */
bool dump_prefix(const char *s, uint8_t *family, struct ip_prefix *out);
bool dump_addr(const char *s, struct ip_addr *out); /* without the zone behind a '%' */

/* ---- names of ip(8) ---- */

/* A table's number. One that only a name is known of gets a number of its own, the same wherever it is
 * named in this reading, and *@name; NULL else. */
uint32_t dump_table(struct dump *d, const char *word, const char **name);
bool dump_protocol(const char *word, uint8_t *out);
bool dump_scope(const char *word, uint8_t *out);
bool dump_tos(const char *word, uint8_t *out);
/* RTN_*; false: no type of route. */
bool dump_route_type(const char *word, uint8_t *out);

/* ---- parts of netstate_read() ---- */

/* A file, and what its name and content say of it. */
struct dump_guessed {
	enum dump_kind kind;
	uint8_t family;
	bool legacy;	    /* iptables: says that it is of iptables-legacy */
	bool nft;	    /* iptables: says that it is of iptables-nft */
	const char *table;  /* of routes that name none; NULL: main */
	const char *advice; /* where the kind is not known: what to give in its place; or NULL */
};
void dump_guess_all(struct arena *a, const struct dump_file *f, struct dump_guessed *out);
/* The file without the byte order mark that editors of Windows put before a text. */
struct dump_file dump_without_mark(const struct dump_file *f);

void dump_read_nexthop(struct dump *d, const struct dump_file *f);
/* Table local as the kernel makes it of addresses, for the families whose routes came without it. */
void dump_derive_local(struct dump *d);

#endif
