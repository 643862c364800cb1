/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fast path, as it is: for the API and the metrics. */
#include <inttypes.h>

#include "daemon/fastpath_keeper.h"
#include "daemon/metrics.h"
#include "daemon/reconcile.h"

const struct fastpath_accounts *fastpath_accounts_now(const struct daemon *d, struct arena *a)
{
	const struct fastpath *path = fastpath_keeper_path(d);
	struct fastpath_accounts *all = arena_new_of(a, struct fastpath_accounts);

	if (!path)
		return NULL;
	fastpath_read_accounts(path, a, all);
	return all;
}

static json_t *passed_json(const struct fastpath *path)
{
	json_t *list = json_array();
	struct fastpath_passed one;

	for (size_t i = 0; path && fastpath_passed(path, i, &one, NULL); i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "reason", one.slug, "text",
						    one.text, "packets", (json_int_t)one.packets));
	return list;
}

json_t *fastpath_status(struct daemon *d)
{
	struct fastpath *path = fastpath_keeper_path(d);
	json_t *j = json_object(), *brief = fastpath_keeper_brief(d);
	bool wanted = json_is_object(brief), known;
	struct fastpath_totals totals;

	json_object_set_new(j, "wanted", json_boolean(wanted));
	json_object_set_new(j, "on", json_false());
	json_object_set_new(j, "problem", json_null());
	json_object_set_new(j, "interfaces", json_array());
	if (wanted)
		json_object_update(j, brief);
	json_object_set_new(j, "switched_off", json_boolean(fastpath_keeper_is_off(d)));
	known = path && fastpath_read_totals(path, &totals, NULL) == 0;
	json_object_set_new(
		j, "flows", known ? json_integer((json_int_t)totals.cached) : json_null());
	json_object_set_new(j, "room",
		wanted ? json_integer((json_int_t)d->config->model->fastpath_flows) : json_null());
	json_object_set_new(
		j, "room_per_cpu", path ? json_integer(fastpath_room_per_cpu(path)) : json_null());
	json_object_set_new(j, "bypassed",
		known ? json_pack("{s:I, s:I}", "packets", (json_int_t)totals.packets, "bytes",
				(json_int_t)totals.bytes)
		      : json_null());
	json_object_set_new(j, "passed", passed_json(path));
	json_decref(brief);
	return j;
}

/* ---- metrics ---- */

static void head(struct strbuf *out, const char *name, const char *type, const char *help)
{
	strbuf_addf(out, "# HELP portreeve_fastpath_%s %s\n# TYPE portreeve_fastpath_%s %s\n", name,
		help, name, type);
}

static void number(
	struct strbuf *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	strbuf_addf(out, "portreeve_fastpath_%s %" PRIu64 "\n", name, value);
}

static void print_interfaces(const json_t *list, struct strbuf *out)
{
	static const char *const labels[][2] = {
		{"interface", "name"}, {"wanted", "wanted"}, {"mode", "mode"}};
	const json_t *one;
	size_t i;

	head(out, "interface_info", "gauge", "Always 1; how an interface is, as labels.");
	json_array_foreach(list, i, one)
	{
		strbuf_add(out, "portreeve_fastpath_interface_info{");
		for (size_t k = 0; k < sizeof(labels) / sizeof(labels[0]); k++) {
			strbuf_add(out, k ? "," : "");
			metrics_label(out, labels[k][0],
				json_string_value(json_object_get(one, labels[k][1])));
		}
		strbuf_add(out, "} 1\n");
	}
}

static void print_passed(const struct fastpath *path, struct strbuf *out)
{
	struct fastpath_passed one;

	head(out, "passed_packets_total", "counter",
		"Packets left to the kernel's own path, by reason.");
	for (size_t i = 0; fastpath_passed(path, i, &one, NULL); i++) {
		strbuf_add(out, "portreeve_fastpath_passed_packets_total{");
		metrics_label(out, "reason", one.slug);
		strbuf_addf(out, "} %" PRIu64 "\n", one.packets);
	}
}

void fastpath_metrics(struct daemon *d, struct strbuf *out)
{
	struct fastpath *path = fastpath_keeper_path(d);
	json_t *brief = fastpath_keeper_brief(d);
	struct fastpath_totals totals;

	if (json_is_object(brief)) {
		number(out, "on", "gauge", "1 if packets may take the fast path.",
			json_is_true(json_object_get(brief, "on")));
		print_interfaces(json_object_get(brief, "interfaces"), out);
	}
	if (path)
		print_passed(path, out);
	if (path && fastpath_read_totals(path, &totals, NULL) == 0) {
		number(out, "flows", "gauge", "Directions of connections in the cache.",
			totals.cached);
		number(out, "bypassed_packets_total", "counter", "Packets that took the fast path.",
			totals.packets);
		number(out, "bypassed_bytes_total", "counter",
			"Bytes of IP packets that took the fast path.", totals.bytes);
	}
	json_decref(brief);
}
