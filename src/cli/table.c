/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Table: rows in columns that are as wide as they must be; and amounts in words. */
#include "cli/table.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define GAP "  "

void table_add(struct table *t, const char *const cells[TABLE_COLUMNS])
{
	struct table_row *row = vec_add(t->arena, &t->rows);

	for (unsigned int i = 0; i < TABLE_COLUMNS && cells[i]; i++)
		row->cells[i] = cells[i];
}

size_t table_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void add_plain(struct strbuf *out, const char *text)
{
	for (; *text; text++)
		strbuf_addch(out, (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static void measure(const struct table *t, size_t widths[TABLE_COLUMNS])
{
	memset(widths, 0, TABLE_COLUMNS * sizeof(*widths));
	VEC_EACH (&t->rows, const struct table_row, row)
		for (unsigned int i = 0; i < TABLE_COLUMNS && row->cells[i]; i++)
			if (!(t->hidden & 1u << i) && table_width(row->cells[i]) > widths[i])
				widths[i] = table_width(row->cells[i]);
}

size_t table_total(const struct table *t)
{
	size_t widths[TABLE_COLUMNS], total = 0;

	measure(t, widths);
	for (unsigned int i = 0; i < TABLE_COLUMNS; i++)
		total += widths[i] ? strlen(GAP) + widths[i] : 0;
	return total;
}

void table_print(const struct table *t, struct strbuf *out)
{
	size_t widths[TABLE_COLUMNS];

	measure(t, widths);
	VEC_EACH (&t->rows, const struct table_row, row) {
		for (unsigned int i = 0; i < TABLE_COLUMNS && row->cells[i]; i++) {
			bool last = i + 1 == TABLE_COLUMNS || !row->cells[i + 1];
			size_t space;

			if (t->hidden & 1u << i)
				continue;
			space = widths[i] - table_width(row->cells[i]);
			strbuf_add(out, GAP);
			if (t->right & 1u << i)
				strbuf_fill(out, ' ', space);
			add_plain(out, row->cells[i]);
			if (!last && !(t->right & 1u << i))
				strbuf_fill(out, ' ', space);
		}
		strbuf_addch(out, '\n');
	}
}

char *table_duration(struct arena *a, uint64_t seconds)
{
	uint64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (days)
		return arena_printf(a, "%" PRIu64 " d %" PRIu64 " h", days, hours % 24);
	if (hours)
		return arena_printf(a, "%" PRIu64 " h %" PRIu64 " min", hours, minutes % 60);
	if (minutes)
		return arena_printf(a, "%" PRIu64 " min", minutes);
	return arena_printf(a, "%" PRIu64 " s", seconds);
}

static char *scaled(struct arena *a, double n, const char *unit)
{
	static const char *const prefixes[] = {"", "k", "M", "G", "T", "P"};
	size_t i = 0;

	for (; n >= 1000 && i + 1 < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		n /= 1000;
	return arena_printf(a, i && n < 100 ? "%.1f %s%s" : "%.0f %s%s", n, prefixes[i], unit);
}

char *table_bytes(struct arena *a, uint64_t bytes)
{
	return scaled(a, (double)bytes, "B");
}

char *table_rate(struct arena *a, double bytes_per_second)
{
	return scaled(a, bytes_per_second * 8, "bit/s");
}
