/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Findings: asked of this machine, and as JSON. */
#include "report/report.h"

#include "kernel/facts.h"

void report_judge(
	struct kernel *k, struct arena *a, const struct gateway_state *s, struct findings *out)
{
	struct foreign_facts facts = {0};

	kernel_facts(k, a, &facts);
	kernel_foreign_sets(k, a, &s->seen.ruleset);
	walk_findings(a, s->plan, &s->seen, &facts, out);
}

static json_t *string_list(const char *const *items, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(items[i]));
	return list;
}

json_t *report_findings(const struct findings *f)
{
	static const char *const severities[] = {
		[DIAG_ERROR] = "error", [DIAG_WARNING] = "warning", [DIAG_INFO] = "info"};
	json_t *list = json_array();

	VEC_EACH (&f->items, const struct finding, it) {
		json_t *j = json_pack("{s:s, s:i, s:i, s:s, s:s, s:b, s:s, s:s?, s:s?, s:s?, s:b}",
			"id", it->id, "pitfall", it->pitfall, "number", it->pitfall, "name",
			pitfalls[it->pitfall - 1].name, "severity", severities[it->severity],
			"blocks", it->blocks, "title", it->title, "evidence", it->evidence,
			"consequence", it->consequence, "advice", it->advice, "withheld",
			it->withheld);
		json_t *maps = json_array();

		VEC_EACH (&it->maps, const struct plan_map *, m)
			json_array_append_new(maps, json_string((*m)->map->name));
		json_object_set_new(j, "maps", maps);
		json_object_set_new(
			j, "forwards", string_list(it->forwards.items, it->forwards.len));
		json_object_set_new(j, "uplink",
			it->uplink ? json_string(it->uplink->uplink->name) : json_null());
		json_object_set_new(j, "remedy", string_list(it->remedy.items, it->remedy.len));
		json_object_set(j, "fix", json_object_get(j, "remedy"));
		json_object_set_new(j, "keep", string_list(it->keep.items, it->keep.len));
		json_array_append_new(list, j);
	}
	return list;
}
