/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What applying did, as JSON. */
#include "report/report.h"

json_t *report_apply(const struct apply_report *r)
{
	json_t *j = json_object();

	json_object_set_new(j, "changed", json_boolean(r->changed));
	json_object_set_new(j, "routes", json_integer((json_int_t)r->routes));
	json_object_set_new(j, "rules", json_integer((json_int_t)r->rules));
	json_object_set_new(j, "sysctls", json_integer((json_int_t)r->sysctls));
	json_object_set_new(j, "nft", json_integer((json_int_t)r->nft_changes));
	json_object_set_new(j, "elements", json_integer((json_int_t)r->elements));
	json_object_set_new(j, "connections_deleted", json_integer((json_int_t)r->connections));
	return j;
}
