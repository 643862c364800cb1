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

	return path && fastpath_read_accounts(path, a, all, NULL) == 0 ? all : NULL;
}

/* Of all connections that are remembered. */
static void add_up(const struct fastpath_accounts *accounts, uint64_t *packets, uint64_t *bytes)
{
	*packets = *bytes = 0;
	VEC_EACH (&accounts->items, const struct fastpath_account, a) {
		*packets += a->packets;
		*bytes += a->bytes;
	}
}

static json_t *bypassed_json(const struct fastpath_accounts *accounts)
{
	uint64_t packets, bytes;

	if (!accounts)
		return json_null();
	add_up(accounts, &packets, &bytes);
	return json_pack("{s:I, s:I}", "packets", (json_int_t)packets, "bytes", (json_int_t)bytes);
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
	const struct fastpath *path = fastpath_keeper_path(d);
	struct arena *a = arena_new();
	const struct fastpath_accounts *accounts = fastpath_accounts_now(d, a);
	json_t *j = json_object(), *brief = fastpath_keeper_brief(d);
	bool wanted = json_is_object(brief);

	json_object_set_new(j, "wanted", json_boolean(wanted));
	json_object_set_new(j, "on", json_false());
	json_object_set_new(j, "problem", json_null());
	json_object_set_new(j, "interfaces", json_array());
	if (wanted)
		json_object_update(j, brief);
	json_object_set_new(j, "switched_off", json_boolean(fastpath_keeper_is_off(d)));
	json_object_set_new(
		j, "flows", accounts ? json_integer((json_int_t)accounts->cached) : json_null());
	json_object_set_new(j, "room",
		wanted ? json_integer((json_int_t)d->config->model->fastpath_flows) : json_null());
	json_object_set_new(j, "bypassed", bypassed_json(accounts));
	json_object_set_new(j, "passed", passed_json(path));
	json_decref(brief);
	arena_free(a);
	return j;
}

/* ---- metrics ---- */

static void head(struct strbuf *out, const char *name, const char *type, const char *help)
{
	strbuf_addf(out, "# HELP portreeve_fastpath_%s %s\n# TYPE portreeve_fastpath_%s %s\n", name,
		help, name, type);
}

static void gauge(struct strbuf *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "gauge", help);
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

void fastpath_metrics(
	struct daemon *d, const struct fastpath_accounts *accounts, struct strbuf *out)
{
	const struct fastpath *path = fastpath_keeper_path(d);
	json_t *brief = fastpath_keeper_brief(d);
	uint64_t packets, bytes;

	if (json_is_object(brief)) {
		gauge(out, "on", "1 if packets may take the fast path.",
			json_is_true(json_object_get(brief, "on")));
		print_interfaces(json_object_get(brief, "interfaces"), out);
	}
	if (path)
		print_passed(path, out);
	if (accounts) {
		add_up(accounts, &packets, &bytes);
		gauge(out, "flows", "Directions of connections in the cache.", accounts->cached);
		gauge(out, "bypassed_packets",
			"Packets of the connections it remembers that took the fast path.",
			packets);
		gauge(out, "bypassed_bytes",
			"Bytes of the connections it remembers that took the fast path.", bytes);
	}
	json_decref(brief);
}
