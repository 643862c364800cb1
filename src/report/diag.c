/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts, addresses and diagnostics as JSON. */
#include "report/report.h"

static const char *severity_name(enum diag_severity s)
{
	switch (s) {
	case DIAG_ERROR:
		return "error";
	case DIAG_WARNING:
		return "warning";
	case DIAG_INFO:
		return "info";
	}
	return "";
}

json_t *report_text(const char *s)
{
	struct strbuf b = STRBUF_INIT;
	json_t *j;

	if (!s)
		return json_null();
	j = json_string(s);
	if (j)
		return j;
	for (; *s; s++)
		strbuf_addch(&b, (unsigned char)*s < 0x80 ? *s : '?');
	j = json_string(strbuf_str(&b));
	strbuf_fini(&b);
	return j;
}

static int add_bytes(const char *bytes, size_t len, void *data)
{
	strbuf_addn(data, bytes, len);
	return 0;
}

void report_add(struct strbuf *out, json_t *j)
{
	json_dump_callback(j, add_bytes, out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
	json_decref(j);
}

json_t *report_addr(const struct ip_addr *a)
{
	char ip[IP_STRLEN];

	return a->family == IP_NONE ? json_null() : json_string(ip_format(a, ip));
}

/* One message and its place. Without a place, line and col are 0 and file is null. */
static json_t *message_json(const struct diag *d, struct span at, const char *text)
{
	json_t *j = json_object();

	json_object_set_new(j, "file", report_text(at.line ? d->source : NULL));
	json_object_set_new(j, "line", json_integer(at.line));
	json_object_set_new(j, "col", json_integer(at.col));
	json_object_set_new(j, "message", report_text(text));
	return j;
}

json_t *report_diag(const struct diag *d)
{
	json_t *list = json_array();

	VEC_EACH (&d->entries, struct diag_entry, e) {
		json_t *one = json_object(), *notes = json_array();

		json_object_set_new(one, "severity", json_string(severity_name(e->severity)));
		json_object_update_new(one, message_json(d, e->at, e->text));
		json_object_set_new(one, "hint", report_text(e->hint));
		VEC_EACH (&e->notes, struct diag_note, n)
			json_array_append_new(notes, message_json(d, n->at, n->text));
		json_object_set_new(one, "notes", notes);
		json_array_append_new(list, one);
	}
	return list;
}
