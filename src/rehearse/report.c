/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The report: a table that a person likes to read.
 *
 * With the naive columns there are two tables. The first has a row per way of doing it and a column
 * per listener, as long as they fit the terminal, else per uplink; below each row stands what was
 * observed. The second has portreeve's own connections, a row each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rehearse/rehearse.h"

#define MAX_ROWS     40u /* connections listed; beyond, only those that fail */
#define MAX_REASONS  3u	 /* per way */
#define MAX_UPLINKS  8u	 /* with a line each */
#define MAX_FIELD    80u
#define NARROW	     40u /* no terminal is narrower than this for us */
#define TITLE_WIDTH  24u
#define RESULT_WIDTH 9u /* "x refused" */
#define GAP	     2u

enum paint { PAINT_NONE, PAINT_GOOD, PAINT_BAD, PAINT_DIM, PAINT_BOLD };

struct report {
	struct strbuf *out;
	const struct rehearse_result *r;
	const struct report_style *style;
	unsigned int width;
};

/* ---- text ---- */

static unsigned int display_width(const char *s)
{
	unsigned int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void painted(const struct report *p, enum paint paint, const char *text)
{
	static const char *const codes[] = {[PAINT_NONE] = "",
		[PAINT_GOOD] = "32",
		[PAINT_BAD] = "31",
		[PAINT_DIM] = "2",
		[PAINT_BOLD] = "1"};

	if (p->style->colour && paint != PAINT_NONE)
		strbuf_addf(p->out, "\033[%sm%s\033[0m", codes[paint], text);
	else
		strbuf_add(p->out, text);
}

/* Text, and blanks up to @width. */
static void field(const struct report *p, enum paint paint, const char *text, unsigned int width)
{
	unsigned int used = display_width(text);

	painted(p, paint, text);
	if (used < width)
		strbuf_fill(p->out, ' ', width - used);
}

/* End the line, without the blanks that fill its last field. */
static void end_line(const struct report *p)
{
	while (p->out->len && p->out->s[p->out->len - 1] == ' ')
		p->out->s[--p->out->len] = '\0';
	strbuf_add(p->out, "\n");
}

static void rule_line(const struct report *p, unsigned int width)
{
	strbuf_add(p->out, "  ");
	for (unsigned int i = 0; i < width; i++)
		strbuf_add(p->out, p->style->utf8 ? "─" : "-");
	strbuf_add(p->out, "\n");
}

/* Words wrapped to the terminal, each line behind @indent blanks. */
static void paragraph(
	const struct report *p, enum paint paint, unsigned int indent, const char *text)
{
	char *copy = strdup(text), *rest = copy, *word;
	struct strbuf line = STRBUF_INIT;

	if (!copy)
		abort();
	while ((word = strsep(&rest, " ")) != NULL) {
		if (line.len &&
			indent + display_width(strbuf_str(&line)) + 1 + display_width(word) >
				p->width) {
			strbuf_fill(p->out, ' ', indent);
			painted(p, paint, strbuf_str(&line));
			strbuf_add(p->out, "\n");
			strbuf_reset(&line);
		}
		strbuf_addf(&line, "%s%s", line.len ? " " : "", word);
	}
	strbuf_fill(p->out, ' ', indent);
	painted(p, paint, strbuf_str(&line));
	strbuf_add(p->out, "\n");
	strbuf_fini(&line);
	free(copy);
}

/* ---- pieces ---- */

static void endpoint(char *out, size_t size, const struct ip_addr *addr, unsigned int port)
{
	char text[IP_STRLEN];

	snprintf(out, size, addr->family == IP_V6 ? "[%s]:%u" : "%s:%u", ip_format(addr, text),
		port);
}

/* "1.1.1.1:80/tcp" */
static void listener(char out[MAX_FIELD], const struct rehearse_probe *p)
{
	char at[MAX_FIELD - 8];

	endpoint(at, sizeof(at), &p->address, p->port);
	snprintf(out, MAX_FIELD, "%s/%s", at, ip_proto_name(p->proto));
}

static const char *result_word(const struct rehearse_probe *p, enum probe_result result)
{
	switch (result) {
	case RESULT_UNTESTED:
		return "not tested";
	case RESULT_WORKS:
		return p->refused ? "refused" : "works";
	case RESULT_DEAD:
		return "dead";
	case RESULT_ASTRAY:
		return p->refused ? "let in" : "wrong";
	}
	return "";
}

static enum paint result_paint(enum probe_result result)
{
	switch (result) {
	case RESULT_UNTESTED:
		return PAINT_DIM;
	case RESULT_WORKS:
		return PAINT_GOOD;
	case RESULT_DEAD:
	case RESULT_ASTRAY:
		return PAINT_BAD;
	}
	return PAINT_NONE;
}

static const char *mark(const struct report *p, enum probe_result result)
{
	if (!p->style->utf8)
		return "";
	return result == RESULT_WORKS ? "✓ " : result == RESULT_UNTESTED ? "· " : "✗ ";
}

static void result_field(const struct report *p, const struct rehearse_probe *probe,
	enum probe_result result, unsigned int width)
{
	char text[32];

	snprintf(text, sizeof(text), "%s%s", mark(p, result), result_word(probe, result));
	field(p, result_paint(result), text, width);
}

/* ---- the first table: ways against listeners or uplinks ---- */

static unsigned int listener_width(const struct report *p, const struct rehearse_probe *probe)
{
	unsigned int width = display_width(p->r->uplink_names[probe->uplink]), w;
	char text[MAX_FIELD];

	listener(text, probe);
	w = display_width(text);
	width = w > width ? w : width;
	w = display_width(probe->map->name);
	width = w > width ? w : width;
	return width < 12 ? 12 : width;
}

static bool listeners_fit(const struct report *p)
{
	unsigned int width = 2 + TITLE_WIDTH;

	VEC_EACH (&p->r->probes, struct rehearse_probe, probe)
		width += GAP + listener_width(p, probe);
	return width <= p->width;
}

static bool several_maps(const struct rehearse_result *r)
{
	VEC_EACH (&r->probes, struct rehearse_probe, probe)
		if (probe->map != r->probes.items[0].map)
			return true;
	return false;
}

static void listener_heads(const struct report *p)
{
	/* uplink, then map where there are several, then listener */
	for (unsigned int line = 0; line < 3; line++) {
		if (line == 1 && !several_maps(p->r))
			continue;
		strbuf_fill(p->out, ' ', 2 + TITLE_WIDTH);
		VEC_EACH (&p->r->probes, struct rehearse_probe, probe) {
			char text[MAX_FIELD];

			listener(text, probe);
			strbuf_fill(p->out, ' ', GAP);
			field(p, line == 2 ? PAINT_BOLD : PAINT_NONE,
				line == 0   ? p->r->uplink_names[probe->uplink]
				: line == 1 ? probe->map->name
					    : text,
				listener_width(p, probe));
		}
		end_line(p);
	}
}

static unsigned int uplink_width(const struct report *p, size_t i)
{
	unsigned int width = display_width(p->r->uplink_names[i]);

	return width < 12 ? 12 : width;
}

static unsigned int uplinks_width(const struct report *p)
{
	unsigned int width = 2 + TITLE_WIDTH;

	for (size_t i = 0; i < p->r->model->uplinks.len; i++)
		width += GAP + uplink_width(p, i);
	return width;
}

static void uplink_heads(const struct report *p)
{
	strbuf_fill(p->out, ' ', 2 + TITLE_WIDTH);
	for (size_t i = 0; i < p->r->model->uplinks.len; i++) {
		strbuf_fill(p->out, ' ', GAP);
		field(p, PAINT_BOLD, p->r->uplink_names[i], uplink_width(p, i));
	}
	end_line(p);
}

/* "3 of 4" for one uplink, or for all (@uplink -1). */
static void count_field(
	const struct report *p, const struct rehearse_column *c, long uplink, unsigned int width)
{
	unsigned int works = 0, of = 0;
	char text[40];

	for (size_t i = 0; i < p->r->probes.len; i++) {
		if (uplink >= 0 && p->r->probes.items[i].uplink != (unsigned int)uplink)
			continue;
		of += c->cells[i].result != RESULT_UNTESTED;
		works += c->cells[i].result == RESULT_WORKS;
	}
	snprintf(text, sizeof(text), "%s%u of %u",
		mark(p, of == 0	      ? RESULT_UNTESTED
			: works == of ? RESULT_WORKS
				      : RESULT_DEAD),
		works, of);
	field(p, of == 0 ? PAINT_DIM : works == of ? PAINT_GOOD : PAINT_BAD, text, width);
}

static bool same_reason(const struct rehearse_cell *a, const struct rehearse_cell *b)
{
	return a->result == b->result && strcmp(a->reason, b->reason) == 0;
}

/* Each different thing that was observed, with where; but for which alone nothing else was seen. */
static void reasons(const struct report *p, const struct rehearse_column *c)
{
	size_t n = p->r->probes.len, distinct = 0;

	for (size_t i = 0; i < n; i++) {
		const struct rehearse_cell *cell = &c->cells[i];
		struct strbuf text = STRBUF_INIT;
		char where[MAX_FIELD];
		size_t same = 0;
		bool first = true;

		if (cell->result == RESULT_WORKS)
			continue;
		for (size_t j = 0; j < n; j++) {
			if (!same_reason(cell, &c->cells[j]))
				continue;
			first = first && j >= i;
			same++;
		}
		if (!first)
			continue;
		if (distinct++ == MAX_REASONS) {
			paragraph(p, PAINT_DIM, 6, "...");
			break;
		}
		listener(where, &p->r->probes.items[i]);
		if (same == 1 && n > 1)
			strbuf_addf(&text, "%s: ", where);
		else if (same < n)
			strbuf_addf(&text, "%s and %zu more: ", where, same - 1);
		strbuf_add(&text, cell->reason);
		paragraph(p, PAINT_DIM, 6, strbuf_str(&text));
		strbuf_fini(&text);
	}
}

static void way_row(
	const struct report *p, const struct rehearse_column *c, bool per_listener, bool per_uplink)
{
	strbuf_add(p->out, "  ");
	field(p, c->id == COLUMN_PORTREEVE ? PAINT_BOLD : PAINT_NONE, column_title(c->id),
		TITLE_WIDTH);
	strbuf_fill(p->out, ' ', GAP);
	if (c->status) {
		painted(p, PAINT_DIM, "not tried\n");
		paragraph(p, PAINT_DIM, 6, c->message);
		return;
	}
	for (size_t i = 0; per_listener && i < p->r->probes.len; i++) {
		strbuf_fill(p->out, ' ', i ? GAP : 0);
		result_field(p, &p->r->probes.items[i], c->cells[i].result,
			listener_width(p, &p->r->probes.items[i]));
	}
	for (size_t i = 0; per_uplink && i < p->r->model->uplinks.len; i++) {
		strbuf_fill(p->out, ' ', i ? GAP : 0);
		count_field(p, c, (long)i, uplink_width(p, i));
	}
	if (!per_listener && !per_uplink)
		count_field(p, c, -1, 0);
	end_line(p);
	reasons(p, c);
}

static void ways_table(const struct report *p)
{
	bool per_listener = listeners_fit(p);
	bool per_uplink = !per_listener && uplinks_width(p) <= p->width;

	painted(p, PAINT_BOLD, "The usual steps, each on top of those before, and portreeve:\n\n");
	if (per_listener)
		listener_heads(p);
	else if (per_uplink)
		uplink_heads(p);
	rule_line(p, p->width < 100 ? p->width - 2 : 98);
	VEC_EACH (&p->r->columns, struct rehearse_column, c)
		way_row(p, c, per_listener, per_uplink);
	strbuf_add(p->out, "\n");
}

/* ---- the second table: portreeve's connections ---- */

enum {
	FIELD_MAP,
	FIELD_UPLINK,
	FIELD_LISTENER,
	FIELD_BACKEND,
	FIELD_SAW,
	FIELD_LEFT,
	FIELD_COUNT_
};
static const char *const heads[] = {
	"map", "uplink", "listener", "backend", "saw client", "left by"};
/* What a narrow terminal goes without, first to last. */
static const unsigned int dispensable[] = {FIELD_BACKEND, FIELD_LEFT, FIELD_MAP};

static void fields_of(
	const struct report *p, size_t i, unsigned int more, char out[FIELD_COUNT_][MAX_FIELD])
{
	const struct rehearse_probe *probe = &p->r->probes.items[i];
	const struct rehearse_cell *cell = &rehearse_portreeve(p->r)->cells[i];
	char addr[IP_STRLEN];

	snprintf(out[FIELD_MAP], MAX_FIELD, "%s", probe->map->name);
	snprintf(out[FIELD_UPLINK], MAX_FIELD, "%s", p->r->uplink_names[probe->uplink]);
	listener(out[FIELD_LISTENER], probe);
	if (more) {
		size_t used = strlen(out[FIELD_LISTENER]);

		snprintf(out[FIELD_LISTENER] + used, MAX_FIELD - used, " and %u more", more);
	}
	if (cell->result == RESULT_WORKS && cell->at.family != IP_NONE)
		endpoint(out[FIELD_BACKEND], MAX_FIELD, &cell->at, cell->saw_port);
	else
		endpoint(out[FIELD_BACKEND], MAX_FIELD, &probe->backend, probe->backend_port);
	snprintf(out[FIELD_SAW], MAX_FIELD, "%s",
		cell->saw.family == IP_NONE ? "-" : ip_format(&cell->saw, addr));
	snprintf(out[FIELD_LEFT], MAX_FIELD, "%s",
		cell->left_by < 0 ? "-" : p->r->interfaces[cell->left_by]);
	if (probe->refused) /* who is turned away matters more than what nobody saw */
		snprintf(out[FIELD_BACKEND], MAX_FIELD, "from %s", ip_format(&probe->client, addr));
}

/* May the two share a row? Their listeners alone differ. */
static bool alike(const struct report *p, size_t i, size_t j)
{
	const struct rehearse_probe *a = &p->r->probes.items[i], *b = &p->r->probes.items[j];
	const struct rehearse_cell *x = &rehearse_portreeve(p->r)->cells[i];
	const struct rehearse_cell *y = &rehearse_portreeve(p->r)->cells[j];

	return a->map == b->map && a->uplink == b->uplink && a->refused == b->refused &&
	       ip_equal(&x->saw, &y->saw) && x->left_by == y->left_by && same_reason(x, y);
}

/* With many connections a row stands for all that are alike: *@more counts the others. False: an
 * earlier one has the row. */
static bool has_row(const struct report *p, size_t i, unsigned int *more)
{
	*more = 0;
	if (p->r->probes.len <= MAX_ROWS)
		return true;
	for (size_t j = 0; j < p->r->probes.len; j++) {
		if (j == i || !alike(p, i, j))
			continue;
		if (j < i)
			return false;
		(*more)++;
	}
	return true;
}

/* Where there are too many rows even so, those that work are left out. */
static bool is_listed(const struct report *p, size_t i, bool all, unsigned int *more)
{
	return has_row(p, i, more) &&
	       (all || rehearse_portreeve(p->r)->cells[i].result != RESULT_WORKS);
}

static bool all_fit(const struct report *p)
{
	unsigned int rows = 0, more;

	for (size_t i = 0; i < p->r->probes.len; i++)
		rows += has_row(p, i, &more);
	return rows <= MAX_ROWS;
}

static void connection_rows(
	const struct report *p, const unsigned int widths[FIELD_COUNT_], bool all)
{
	const struct rehearse_column *c = rehearse_portreeve(p->r);
	unsigned int listed = 0, more;

	for (size_t i = 0; i < p->r->probes.len; i++) {
		char texts[FIELD_COUNT_][MAX_FIELD];

		if (!is_listed(p, i, all, &more) || listed++ >= MAX_ROWS)
			continue;
		fields_of(p, i, more, texts);
		strbuf_add(p->out, "  ");
		for (unsigned int f = 0; f < FIELD_COUNT_; f++)
			if (widths[f])
				field(p, PAINT_NONE, texts[f], widths[f] + GAP);
		result_field(p, &p->r->probes.items[i], c->cells[i].result, 0);
		strbuf_add(p->out, "\n");
		if (c->cells[i].result != RESULT_WORKS)
			paragraph(p, PAINT_DIM, 6, c->cells[i].reason);
	}
	if (listed > MAX_ROWS)
		strbuf_addf(p->out, "  and %u more\n", listed - MAX_ROWS);
}

/* How wide each field has to be; 0: left out. The total. */
static unsigned int fit_fields(const struct report *p, unsigned int widths[FIELD_COUNT_], bool all)
{
	unsigned int total = 2 + RESULT_WIDTH, more;

	for (unsigned int f = 0; f < FIELD_COUNT_; f++)
		widths[f] = display_width(heads[f]);
	for (size_t i = 0; i < p->r->probes.len; i++) {
		char texts[FIELD_COUNT_][MAX_FIELD];

		if (!is_listed(p, i, all, &more))
			continue;
		fields_of(p, i, more, texts);
		for (unsigned int f = 0; f < FIELD_COUNT_; f++)
			if (display_width(texts[f]) > widths[f])
				widths[f] = display_width(texts[f]);
	}
	for (unsigned int f = 0; f < FIELD_COUNT_; f++)
		total += widths[f] + GAP;
	for (size_t i = 0; total > p->width && i < sizeof(dispensable) / sizeof(dispensable[0]);
		i++) {
		total -= widths[dispensable[i]] + GAP;
		widths[dispensable[i]] = 0;
	}
	return total;
}

static void connections_table(const struct report *p)
{
	unsigned int widths[FIELD_COUNT_], total, more;
	bool any = false, all = all_fit(p);

	for (size_t i = 0; i < p->r->probes.len; i++)
		any = any || is_listed(p, i, all, &more);
	painted(p, PAINT_BOLD, "Under portreeve:\n\n");
	if (!any)
		return;
	total = fit_fields(p, widths, all);
	strbuf_add(p->out, "  ");
	for (unsigned int f = 0; f < FIELD_COUNT_; f++)
		if (widths[f])
			field(p, PAINT_NONE, heads[f], widths[f] + GAP);
	end_line(p);
	rule_line(p, (total < p->width ? total : p->width) - 2);
	connection_rows(p, widths, all);
	strbuf_add(p->out, "\n");
}

/* Per uplink: how many work. With many uplinks only those where something does not. */
static void uplink_lines(const struct report *p)
{
	const struct rehearse_column *c = rehearse_portreeve(p->r);
	unsigned int fine = 0;

	for (size_t u = 0; u < p->r->model->uplinks.len; u++) {
		unsigned int works = 0, of = 0, untested = 0;

		for (size_t i = 0; i < p->r->probes.len; i++) {
			if (p->r->probes.items[i].uplink != u)
				continue;
			of += c->cells[i].result != RESULT_UNTESTED;
			untested += c->cells[i].result == RESULT_UNTESTED;
			works += c->cells[i].result == RESULT_WORKS;
		}
		if (of == 0 && untested == 0)
			continue;
		if (works == of && untested == 0 && p->r->model->uplinks.len > MAX_UPLINKS) {
			fine++;
			continue;
		}
		strbuf_addf(p->out, "  %s (%s): ", p->r->uplink_names[u], p->r->interfaces[u]);
		if (of)
			strbuf_addf(p->out, "%u of %u as the file says", works, of);
		if (untested)
			strbuf_addf(p->out, "%s%u not tested", of ? ", " : "", untested);
		strbuf_add(p->out, "\n");
	}
	if (fine)
		strbuf_addf(p->out, "  on %u uplinks: all as the file says\n", fine);
	strbuf_addf(p->out, "  replies that left by another line than home: %llu\n\n",
		(unsigned long long)c->misrouted);
}

static void verdict(const struct report *p)
{
	const struct rehearse_column *c = rehearse_portreeve(p->r);
	bool works = rehearse_works(p->r);
	char text[160];

	if (c->status)
		snprintf(text, sizeof(text), "%sNot rehearsed: %.120s", mark(p, RESULT_DEAD),
			c->message);
	else if (c->tested == 0)
		snprintf(text, sizeof(text), "%sNothing to try: no map listens on any uplink",
			mark(p, RESULT_UNTESTED));
	else if (works)
		snprintf(text, sizeof(text), "%sEverything works under portreeve: %u of %u",
			mark(p, RESULT_WORKS), c->works, c->tested);
	else
		snprintf(text, sizeof(text), "%sNot everything works under portreeve: %u of %u",
			mark(p, RESULT_DEAD), c->works, c->tested);
	painted(p, works ? PAINT_GOOD : PAINT_BAD, text);
	strbuf_add(p->out, "\n");
}

void rehearse_report(
	struct strbuf *out, const struct rehearse_result *r, const struct report_style *style)
{
	struct report p = {out, r, style, style->width < NARROW ? NARROW : style->width};

	painted(&p, PAINT_BOLD, "Rehearsal of ");
	painted(&p, PAINT_BOLD, r->options->source);
	strbuf_add(out, "\n\n");
	VEC_EACH (&r->setting, const char *, line)
		paragraph(&p, PAINT_NONE, 2, *line);
	strbuf_add(out, "\n");
	if (r->columns.len > 1 && r->probes.len)
		ways_table(&p);
	if (rehearse_portreeve(r)->status == 0) {
		connections_table(&p);
		uplink_lines(&p);
	}
	VEC_EACH (&r->notes, const char *, note)
		paragraph(&p, PAINT_DIM, 2, *note);
	if (r->options->as_is && rehearse_portreeve(r)->status == 0 && !rehearse_works(r))
		paragraph(&p, PAINT_NONE, 2,
			"'portreeve check --live' names what of this machine stands in the way");
	if (r->notes.len)
		strbuf_add(out, "\n");
	verdict(&p);
}
