/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report for programs. */
#include "rehearse/rehearse.h"

static json_t *text_or_null(const char *s)
{
	return s && s[0] ? json_string(s) : json_null();
}

static json_t *addr_json(const struct ip_addr *addr)
{
	char text[IP_STRLEN];

	return addr->family == IP_NONE ? json_null() : json_string(ip_format(addr, text));
}

static const char *const result_names[] = {
	[RESULT_UNTESTED] = "untested",
	[RESULT_WORKS] = "works",
	[RESULT_DEAD] = "dead",
	[RESULT_ASTRAY] = "wrong",
};

static json_t *probe_json(
	const struct rehearse_result *r, const struct rehearse_column *c, size_t i)
{
	const struct rehearse_probe *p = &r->probes.items[i];
	const struct rehearse_cell *cell = &c->cells[i];
	json_t *j = json_object();

	json_object_set_new(j, "column", json_string(column_name(c->id)));
	json_object_set_new(j, "map", json_string(p->map->name));
	json_object_set_new(j, "uplink", json_string(r->uplink_names[p->uplink]));
	json_object_set_new(j, "address", addr_json(&p->address));
	json_object_set_new(j, "called", addr_json(&p->world));
	json_object_set_new(j, "port", json_integer(p->port));
	json_object_set_new(j, "proto", json_string(ip_proto_name(p->proto)));
	json_object_set_new(j, "client", addr_json(&p->client));
	json_object_set_new(j, "may_connect", json_boolean(!p->refused));
	json_object_set_new(j, "backend", addr_json(&p->backend));
	json_object_set_new(j, "backend_port", json_integer(p->backend_port));
	json_object_set_new(j, "answered_by", addr_json(&cell->at));
	json_object_set_new(j, "result", json_string(result_names[cell->result]));
	json_object_set_new(j, "saw", addr_json(&cell->saw));
	json_object_set_new(j, "left_by",
		cell->left_by < 0 ? json_null() : json_string(r->uplink_names[cell->left_by]));
	json_object_set_new(j, "reason", text_or_null(cell->reason));
	return j;
}

static json_t *column_json(const struct rehearse_column *c)
{
	json_t *j = json_object();

	json_object_set_new(j, "name", json_string(column_name(c->id)));
	json_object_set_new(j, "title", json_string(column_title(c->id)));
	json_object_set_new(j, "works", json_integer(c->works));
	json_object_set_new(j, "tested", json_integer(c->tested));
	json_object_set_new(j, "error", c->status ? text_or_null(c->message) : json_null());
	json_object_set_new(j, "milliseconds", json_integer(c->elapsed_ms));
	if (c->id == COLUMN_PORTREEVE)
		json_object_set_new(j, "misrouted", json_integer((json_int_t)c->misrouted));
	return j;
}

json_t *rehearse_report_json(const struct rehearse_result *r)
{
	json_t *j = json_object(), *columns = json_array(), *probes = json_array();
	json_t *setting = json_array(), *notes = json_array();

	VEC_EACH (&r->columns, struct rehearse_column, c) {
		json_array_append_new(columns, column_json(c));
		for (size_t i = 0; i < r->probes.len; i++)
			json_array_append_new(probes, probe_json(r, c, i));
	}
	VEC_EACH (&r->setting, const char *, line)
		json_array_append_new(setting, json_string(*line));
	VEC_EACH (&r->notes, const char *, line)
		json_array_append_new(notes, json_string(*line));
	json_object_set_new(j, "verdict", json_string(rehearse_works(r) ? "works" : "broken"));
	json_object_set_new(j, "columns", columns);
	json_object_set_new(j, "probes", probes);
	json_object_set_new(j, "setting", setting);
	json_object_set_new(j, "notes", notes);
	return j;
}
