/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statements that a ruleset keeps as text: limits, logs, rejects, queues and stateful objects, between
 * nft's words and the kernel's attributes.
 *
 * The words are those that nft 1.0.6 lists; what it leaves out since it is the default is left out.
 */
#include "kernel/nft_wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter/nf_log.h>

#include "base/strbuf.h"

struct word {
	const char *text;
	uint64_t value;
};

static const struct word times[] = {
	{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}, {"week", 604800}, {NULL, 0}};
static const struct word units[] = {
	{"bytes", 1}, {"kbytes", 1024}, {"mbytes", 1024 * 1024}, {NULL, 0}};
static const struct word log_levels[] = {{"emerg", NFT_LOGLEVEL_EMERG},
	{"alert", NFT_LOGLEVEL_ALERT}, {"crit", NFT_LOGLEVEL_CRIT}, {"err", NFT_LOGLEVEL_ERR},
	{"warn", NFT_LOGLEVEL_WARNING}, {"notice", NFT_LOGLEVEL_NOTICE},
	{"info", NFT_LOGLEVEL_INFO}, {"debug", NFT_LOGLEVEL_DEBUG}, {"audit", NFT_LOGLEVEL_AUDIT},
	{NULL, 0}};
static const struct word icmp_codes[] = {{"net-unreachable", 0}, {"host-unreachable", 1},
	{"prot-unreachable", 2}, {"port-unreachable", 3}, {"frag-needed", 4}, {"net-prohibited", 9},
	{"host-prohibited", 10}, {"admin-prohibited", 13}, {NULL, 0}};
static const struct word icmpv6_codes[] = {{"no-route", 0}, {"admin-prohibited", 1},
	{"addr-unreachable", 3}, {"port-unreachable", 4}, {"policy-fail", 5}, {"reject-route", 6},
	{NULL, 0}};
static const struct word icmpx_codes[] = {{"no-route", NFT_REJECT_ICMPX_NO_ROUTE},
	{"port-unreachable", NFT_REJECT_ICMPX_PORT_UNREACH},
	{"host-unreachable", NFT_REJECT_ICMPX_HOST_UNREACH},
	{"admin-prohibited", NFT_REJECT_ICMPX_ADMIN_PROHIBITED}, {NULL, 0}};

static const char *word_of(const struct word *words, uint64_t value)
{
	for (; words->text; words++) {
		if (words->value == value)
			return words->text;
	}
	return NULL;
}

static bool value_of(const struct word *words, const char *text, uint64_t *value)
{
	for (; words->text; words++) {
		if (strcmp(words->text, text) == 0) {
			*value = words->value;
			return true;
		}
	}
	return false;
}

static uint16_t get_be16(const struct nlattr *attr)
{
	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(uint16_t))
		return 0;
	return __builtin_bswap16(mnl_attr_get_u16(attr));
}

/* ---- the kernel's attributes as text ---- */

/* An amount of bytes in the largest unit that it is a multiple of. */
static const char *amount(struct arena *a, uint64_t bytes)
{
	const char *unit = "bytes";

	if (bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		unit = "kbytes";
	}
	if (unit[0] == 'k' && bytes % 1024 == 0) {
		bytes /= 1024;
		unit = "mbytes";
	}
	return arena_printf(a, "%" PRIu64 " %s", bytes, unit);
}

const char *nft_text_of_limit(struct arena *a, const struct nlattr **attrs)
{
	bool bytes = get_be32(attrs[NFTA_LIMIT_TYPE]) == NFT_LIMIT_PKT_BYTES;
	const char *unit = word_of(times, get_be64(attrs[NFTA_LIMIT_UNIT]));
	const char *over = get_be32(attrs[NFTA_LIMIT_FLAGS]) & NFT_LIMIT_F_INV ? "over " : "";
	uint64_t rate = get_be64(attrs[NFTA_LIMIT_RATE]);
	uint32_t burst = get_be32(attrs[NFTA_LIMIT_BURST]);

	if (!unit)
		return NULL;
	if (bytes && burst)
		return arena_printf(a, "limit rate %s%s/%s burst %s", over, amount(a, rate), unit,
			amount(a, burst));
	if (bytes)
		return arena_printf(a, "limit rate %s%s/%s", over, amount(a, rate), unit);
	if (burst != 5)
		return arena_printf(
			a, "limit rate %s%" PRIu64 "/%s burst %u packets", over, rate, unit, burst);
	return arena_printf(a, "limit rate %s%" PRIu64 "/%s", over, rate, unit);
}

const char *nft_text_of_quota(struct arena *a, const struct nlattr **attrs)
{
	bool over = get_be32(attrs[NFTA_QUOTA_FLAGS]) & NFT_QUOTA_F_INV;
	uint64_t used = get_be64(attrs[NFTA_QUOTA_CONSUMED]);
	const char *text = arena_printf(
		a, "quota %s%s", over ? "over " : "", amount(a, get_be64(attrs[NFTA_QUOTA_BYTES])));

	return used ? arena_printf(a, "%s used %s", text, amount(a, used)) : text;
}

const char *nft_text_of_connlimit(struct arena *a, const struct nlattr **attrs)
{
	bool over = get_be32(attrs[NFTA_CONNLIMIT_FLAGS]) & NFT_CONNLIMIT_F_INV;

	return arena_printf(
		a, "ct count %s%u", over ? "over " : "", get_be32(attrs[NFTA_CONNLIMIT_COUNT]));
}

static void add_log_flags(struct strbuf *out, uint32_t flags)
{
	uint32_t all = NF_LOG_TCPSEQ | NF_LOG_TCPOPT | NF_LOG_IPOPT | NF_LOG_UID | NF_LOG_MACDECODE;

	if ((flags & all) == all) {
		strbuf_add(out, " flags all");
		return;
	}
	if (flags & (NF_LOG_TCPSEQ | NF_LOG_TCPOPT))
		strbuf_addf(out, " flags tcp %s%s%s", flags & NF_LOG_TCPSEQ ? "sequence" : "",
			(flags & NF_LOG_TCPSEQ) && (flags & NF_LOG_TCPOPT) ? "," : "",
			flags & NF_LOG_TCPOPT ? "options" : "");
	if (flags & NF_LOG_IPOPT)
		strbuf_add(out, " flags ip options");
	if (flags & NF_LOG_UID)
		strbuf_add(out, " flags skuid");
	if (flags & NF_LOG_MACDECODE)
		strbuf_add(out, " flags ether");
}

const char *nft_text_of_log(struct arena *a, const struct nlattr **attrs)
{
	uint32_t level = get_be32(attrs[NFTA_LOG_LEVEL]);
	struct strbuf out = STRBUF_INIT;
	const char *text = NULL;

	strbuf_add(&out, "log");
	if (attrs[NFTA_LOG_PREFIX])
		strbuf_addf(&out, " prefix \"%s\"", nft_get_string(a, attrs[NFTA_LOG_PREFIX]));
	if (attrs[NFTA_LOG_GROUP])
		strbuf_addf(&out, " group %u", get_be16(attrs[NFTA_LOG_GROUP]));
	if (get_be32(attrs[NFTA_LOG_SNAPLEN]))
		strbuf_addf(&out, " snaplen %u", get_be32(attrs[NFTA_LOG_SNAPLEN]));
	if (get_be16(attrs[NFTA_LOG_QTHRESHOLD]))
		strbuf_addf(&out, " queue-threshold %u", get_be16(attrs[NFTA_LOG_QTHRESHOLD]));
	if (attrs[NFTA_LOG_LEVEL] && level != NFT_LOGLEVEL_WARNING && word_of(log_levels, level))
		strbuf_addf(&out, " level %s", word_of(log_levels, level));
	add_log_flags(&out, get_be32(attrs[NFTA_LOG_FLAGS]));
	if (out.len > strlen("log"))
		text = arena_strdup(a, strbuf_str(&out));
	strbuf_fini(&out);
	return text;
}

static const char *reject_with(
	struct arena *a, const char *what, const struct word *codes, uint8_t code)
{
	const char *word = word_of(codes, code);

	return word ? arena_printf(a, "reject with %s %s", what, word)
		    : arena_printf(a, "reject with %s %u", what, code);
}

const char *nft_text_of_reject(
	struct arena *a, const struct nlattr **attrs, enum nft_family family, bool v6)
{
	uint8_t code =
		attrs[NFTA_REJECT_ICMP_CODE] ? mnl_attr_get_u8(attrs[NFTA_REJECT_ICMP_CODE]) : 0;

	switch (get_be32(attrs[NFTA_REJECT_TYPE])) {
	case NFT_REJECT_TCP_RST:
		return "reject with tcp reset";
	case NFT_REJECT_ICMPX_UNREACH:
		return code == NFT_REJECT_ICMPX_PORT_UNREACH
			       ? NULL
			       : reject_with(a, "icmpx", icmpx_codes, code);
	case NFT_REJECT_ICMP_UNREACH:
		/* Where the table has both versions the bare word would be an icmpx. */
		if (family == FAMILY_IP6 || (family != FAMILY_IP && v6))
			return family == FAMILY_IP6 && code == 4
				       ? NULL
				       : reject_with(a, "icmpv6", icmpv6_codes, code);
		return family == FAMILY_IP && code == 3 ? NULL
							: reject_with(a, "icmp", icmp_codes, code);
	}
	return NULL;
}

const char *nft_text_of_queue(struct arena *a, const struct nlattr **attrs)
{
	uint16_t flags = get_be16(attrs[NFTA_QUEUE_FLAGS]), first = get_be16(attrs[NFTA_QUEUE_NUM]),
		 total = get_be16(attrs[NFTA_QUEUE_TOTAL]);
	struct strbuf out = STRBUF_INIT;
	const char *text;

	strbuf_add(&out, "queue");
	if (flags & NFT_QUEUE_FLAG_MASK)
		strbuf_addf(&out, " flags %s%s%s", flags & NFT_QUEUE_FLAG_BYPASS ? "bypass" : "",
			(flags & NFT_QUEUE_FLAG_MASK) == NFT_QUEUE_FLAG_MASK ? "," : "",
			flags & NFT_QUEUE_FLAG_CPU_FANOUT ? "fanout" : "");
	if (!attrs[NFTA_QUEUE_SREG_QNUM])
		strbuf_addf(&out, total > 1 ? " to %u-%u" : " to %u", first, first + total - 1);
	text = arena_strdup(a, strbuf_str(&out));
	strbuf_fini(&out);
	return text;
}

/* ---- stateful objects ---- */

static void read_helper(struct arena *a, const struct nlattr *data, struct nft_object *out)
{
	const struct nlattr *attrs[NFTA_CT_HELPER_MAX + 1];
	const char *proto;

	if (!data)
		return;
	kernel_attrs_in(attrs, NFTA_CT_HELPER_MAX, data);
	if (!attrs[NFTA_CT_HELPER_NAME] || !attrs[NFTA_CT_HELPER_L4PROTO])
		return;
	proto = ip_proto_name(mnl_attr_get_u8(attrs[NFTA_CT_HELPER_L4PROTO]));
	out->text = arena_printf(a, "type \"%s\" protocol %s;",
		nft_get_string(a, attrs[NFTA_CT_HELPER_NAME]), proto ? proto : "0");
}

void nft_read_object(
	struct arena *a, uint32_t type, const struct nlattr *data, struct nft_object *out)
{
	const struct nlattr *attrs[16] = {NULL};
	const char *text;

	if (data)
		kernel_attrs_in(attrs, 15, data);
	switch (type) {
	case NFT_OBJECT_QUOTA:
		out->kind = "quota";
		text = nft_text_of_quota(a, attrs);
		out->text = text ? text + strlen("quota ") : NULL;
		return;
	case NFT_OBJECT_LIMIT:
		out->kind = "limit";
		text = nft_text_of_limit(a, attrs);
		out->text = text ? text + strlen("limit ") : NULL;
		return;
	case NFT_OBJECT_CT_HELPER:
		out->kind = "ct helper";
		read_helper(a, data, out);
		return;
	case NFT_OBJECT_CT_TIMEOUT:
		out->kind = "ct timeout";
		return;
	case NFT_OBJECT_CT_EXPECT:
		out->kind = "ct expectation";
		return;
	case NFT_OBJECT_SECMARK:
		out->kind = "secmark";
		return;
	case NFT_OBJECT_SYNPROXY:
		out->kind = "synproxy";
		return;
	}
	out->kind = arena_printf(a, "object %u", type);
}

/* ---- text as the kernel's attributes ---- */

#define WORD_BYTES 160

/* Text being taken apart, a word at a time; quotes hold a word together. */
struct words {
	const char *at;
	char word[WORD_BYTES]; /* the one read last; "" at the end */
};

static const char *next_word(struct words *w)
{
	size_t n = 0;
	bool quoted;

	w->at += strspn(w->at, " \t");
	quoted = *w->at == '"';
	w->at += quoted;
	while (*w->at && (quoted ? *w->at != '"' : *w->at != ' ')) {
		if (n < sizeof(w->word) - 1)
			w->word[n++] = *w->at;
		w->at++;
	}
	w->at += quoted && *w->at;
	w->word[n] = '\0';
	return w->word;
}

/* Take the next word if it is this one. */
static bool take(struct words *w, const char *word)
{
	struct words ahead = *w;

	if (strcmp(next_word(&ahead), word) != 0)
		return false;
	*w = ahead;
	return true;
}

static bool take_number(struct words *w, uint64_t *n)
{
	char *end;

	next_word(w);
	*n = strtoull(w->word, &end, 10);
	return w->word[0] && !*end;
}

static bool take_unit(struct words *w, uint64_t *bytes)
{
	uint64_t factor;

	if (!value_of(units, next_word(w), &factor))
		return false;
	*bytes *= factor;
	return true;
}

struct nft_instruction nft_begin(struct nlmsghdr *nlh, const char *name)
{
	struct nft_instruction i;

	i.elem = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	mnl_attr_put_strz(nlh, NFTA_EXPR_NAME, name);
	i.data = mnl_attr_nest_start(nlh, NFTA_EXPR_DATA);
	return i;
}

void nft_end(struct nlmsghdr *nlh, struct nft_instruction i)
{
	mnl_attr_nest_end(nlh, i.data);
	mnl_attr_nest_end(nlh, i.elem);
}

static void put_be16(struct nlmsghdr *nlh, uint16_t type, uint16_t value)
{
	mnl_attr_put_u16(nlh, type, __builtin_bswap16(value));
}

/* "5/second", "10 kbytes/second" */
static bool take_rate(struct words *w, uint64_t *rate, bool *bytes, uint64_t *unit)
{
	char *slash, *end;
	uint64_t factor = 1;

	*rate = strtoull(next_word(w), &end, 10);
	if (end == w->word)
		return false;
	*bytes = !*end;
	if (*bytes)
		next_word(w);
	slash = strchr(w->word, '/');
	if (!slash)
		return false;
	*slash = '\0';
	if (*bytes && !value_of(units, w->word, &factor))
		return false;
	*rate *= factor;
	return value_of(times, slash + 1, unit);
}

static bool put_rate(struct nlmsghdr *nlh, struct words *w)
{
	uint64_t rate, unit, burst;
	struct nft_instruction i;
	bool over = take(w, "over"), bytes;

	if (!take_rate(w, &rate, &bytes, &unit))
		return false;
	burst = bytes ? 0 : 5;
	if (take(w, "burst") &&
		(!take_number(w, &burst) || (bytes ? !take_unit(w, &burst) : !take(w, "packets"))))
		return false;
	i = nft_begin(nlh, "limit");
	put_be64(nlh, NFTA_LIMIT_RATE, rate);
	put_be64(nlh, NFTA_LIMIT_UNIT, unit);
	put_be32(nlh, NFTA_LIMIT_BURST, (uint32_t)burst);
	put_be32(nlh, NFTA_LIMIT_TYPE, bytes ? NFT_LIMIT_PKT_BYTES : NFT_LIMIT_PKTS);
	put_be32(nlh, NFTA_LIMIT_FLAGS, over ? NFT_LIMIT_F_INV : 0);
	nft_end(nlh, i);
	return !*next_word(w);
}

static bool put_quota(struct nlmsghdr *nlh, struct words *w)
{
	bool over = take(w, "over");
	uint64_t bytes, used = 0;
	struct nft_instruction i;

	if (!take_number(w, &bytes) || !take_unit(w, &bytes))
		return false;
	if (take(w, "used") && (!take_number(w, &used) || !take_unit(w, &used)))
		return false;
	i = nft_begin(nlh, "quota");
	put_be32(nlh, NFTA_QUOTA_FLAGS, over ? NFT_QUOTA_F_INV : 0);
	put_be64(nlh, NFTA_QUOTA_BYTES, bytes);
	put_be64(nlh, NFTA_QUOTA_CONSUMED, used);
	nft_end(nlh, i);
	return !*next_word(w);
}

bool nft_put_limit(struct nlmsghdr *nlh, const char *text)
{
	struct words w = {.at = text};
	struct nft_instruction i;
	uint64_t count;
	bool over;

	if (take(&w, "limit"))
		return take(&w, "rate") && put_rate(nlh, &w);
	if (take(&w, "quota"))
		return put_quota(nlh, &w);
	if (!take(&w, "ct") || !take(&w, "count"))
		return false;
	over = take(&w, "over");
	if (!take_number(&w, &count) || *next_word(&w))
		return false;
	i = nft_begin(nlh, "connlimit");
	put_be32(nlh, NFTA_CONNLIMIT_COUNT, (uint32_t)count);
	put_be32(nlh, NFTA_CONNLIMIT_FLAGS, over ? NFT_CONNLIMIT_F_INV : 0);
	nft_end(nlh, i);
	return true;
}

/* What follows "flags" in a log. */
static bool take_log_flags(struct words *w, uint32_t *flags)
{
	static const struct word tcp[] = {{"sequence", NF_LOG_TCPSEQ}, {"options", NF_LOG_TCPOPT},
		{"sequence,options", NF_LOG_TCPSEQ | NF_LOG_TCPOPT},
		{"options,sequence", NF_LOG_TCPSEQ | NF_LOG_TCPOPT}, {NULL, 0}};
	uint64_t bits = 0;

	if (take(w, "all"))
		bits = NF_LOG_TCPSEQ | NF_LOG_TCPOPT | NF_LOG_IPOPT | NF_LOG_UID | NF_LOG_MACDECODE;
	else if (take(w, "skuid"))
		bits = NF_LOG_UID;
	else if (take(w, "ether"))
		bits = NF_LOG_MACDECODE;
	else if (take(w, "ip") && take(w, "options"))
		bits = NF_LOG_IPOPT;
	else if (!take(w, "tcp") || !value_of(tcp, next_word(w), &bits))
		return false;
	*flags |= (uint32_t)bits;
	return true;
}

bool nft_put_log(struct nlmsghdr *nlh, const char *text)
{
	struct words w = {.at = text ? text : "log"};
	struct nft_instruction i;
	uint32_t flags = 0;
	uint64_t n;

	if (!take(&w, "log"))
		return false;
	i = nft_begin(nlh, "log");
	while (*next_word(&w)) {
		if (strcmp(w.word, "prefix") == 0)
			mnl_attr_put_strz(nlh, NFTA_LOG_PREFIX, next_word(&w));
		else if (strcmp(w.word, "group") == 0 && take_number(&w, &n))
			put_be16(nlh, NFTA_LOG_GROUP, (uint16_t)n);
		else if (strcmp(w.word, "snaplen") == 0 && take_number(&w, &n))
			put_be32(nlh, NFTA_LOG_SNAPLEN, (uint32_t)n);
		else if (strcmp(w.word, "queue-threshold") == 0 && take_number(&w, &n))
			put_be16(nlh, NFTA_LOG_QTHRESHOLD, (uint16_t)n);
		else if (strcmp(w.word, "level") == 0 && value_of(log_levels, next_word(&w), &n))
			put_be32(nlh, NFTA_LOG_LEVEL, (uint32_t)n);
		else if (strcmp(w.word, "flags") != 0 || !take_log_flags(&w, &flags))
			return false;
	}
	if (flags)
		put_be32(nlh, NFTA_LOG_FLAGS, flags);
	nft_end(nlh, i);
	return true;
}

static bool take_code(struct words *w, const struct word *codes, uint64_t *code)
{
	struct words number;

	(void)take(w, "type"); /* nft 1.0.6 takes and lists the code with it or without */
	number = *w;
	if (take_number(&number, code))
		return true;
	return value_of(codes, next_word(w), code);
}

bool nft_put_reject(struct nlmsghdr *nlh, const char *text, enum nft_family family, bool v6)
{
	struct words w = {.at = text ? text : "reject"};
	bool both = family != FAMILY_IP && family != FAMILY_IP6;
	uint32_t type = both ? NFT_REJECT_ICMPX_UNREACH : NFT_REJECT_ICMP_UNREACH;
	uint64_t code = both ? NFT_REJECT_ICMPX_PORT_UNREACH : family == FAMILY_IP6 ? 4 : 3;
	struct nft_instruction i;
	bool good = take(&w, "reject");

	if (good && take(&w, "with")) {
		type = NFT_REJECT_ICMP_UNREACH;
		if (take(&w, "tcp")) {
			good = take(&w, "reset");
			type = NFT_REJECT_TCP_RST;
			code = 0;
		} else if (take(&w, "icmpx")) {
			type = NFT_REJECT_ICMPX_UNREACH;
			good = take_code(&w, icmpx_codes, &code);
		} else if (take(&w, "icmpv6")) {
			good = take_code(&w, icmpv6_codes, &code);
		} else {
			good = take(&w, "icmp") &&
			       take_code(&w, v6 ? icmpv6_codes : icmp_codes, &code);
		}
	}
	if (!good)
		return false;
	i = nft_begin(nlh, "reject");
	put_be32(nlh, NFTA_REJECT_TYPE, type);
	mnl_attr_put_u8(nlh, NFTA_REJECT_ICMP_CODE, (uint8_t)code);
	nft_end(nlh, i);
	return true;
}

bool nft_put_queue(struct nlmsghdr *nlh, const char *text)
{
	struct words w = {.at = text ? text : "queue"};
	unsigned int first = 0, last = 0;
	struct nft_instruction i;
	uint16_t flags = 0;

	if (!take(&w, "queue"))
		return false;
	if (take(&w, "flags")) {
		next_word(&w);
		flags |= strstr(w.word, "bypass") ? NFT_QUEUE_FLAG_BYPASS : 0;
		flags |= strstr(w.word, "fanout") ? NFT_QUEUE_FLAG_CPU_FANOUT : 0;
	}
	if (take(&w, "to")) {
		int n = sscanf(next_word(&w), "%u-%u", &first, &last);

		if (n < 1)
			return false;
		last = n == 1 ? first : last;
	}
	i = nft_begin(nlh, "queue");
	put_be16(nlh, NFTA_QUEUE_NUM, (uint16_t)first);
	put_be16(nlh, NFTA_QUEUE_TOTAL, (uint16_t)(last - first + 1));
	put_be16(nlh, NFTA_QUEUE_FLAGS, flags);
	nft_end(nlh, i);
	return true;
}
