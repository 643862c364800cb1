/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What --version prints. */
#include "cli/version.h"

#include <stdio.h>
#include <sys/utsname.h>

#include <bpf/libbpf.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <jansson.h>
#include <libfyaml.h>
#include <seccomp.h>

#include "base/version.h"
#include "cli/built.h"
#include "daemon/page.h"
#include "kernel/features.h"
#include "report/report.h"

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

struct library {
	const char *name, *version;
};

/* libbpf says "v1.1". */
static const char *without_v(const char *version)
{
	return version[0] == 'v' ? version + 1 : version;
}

static json_t *libraries(void)
{
	const struct scmp_version *seccomp = seccomp_version();
	/* As they are loaded; the two that do not tell, as they were built against. */
	const struct library all[] = {
		{"libbpf", without_v(libbpf_version_string())},
		{"libcap-ng", BUILT_WITH_LIBCAP_NG},
		{"libcurl", curl_version_info(CURLVERSION_NOW)->version},
		{"libevent", event_get_version()},
		{"libfyaml", fy_library_version()},
		{"libjansson", jansson_version_str()},
		{"libmnl", BUILT_WITH_LIBMNL},
	};
	json_t *j = json_object();

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		json_object_set_new(j, all[i].name, report_text(all[i].version));
	json_object_set_new(j, "libseccomp",
		json_sprintf("%u.%u.%u", seccomp->major, seccomp->minor, seccomp->micro));
	return j;
}

static json_t *features(const struct kernel_feature all[FEATURE_COUNT_])
{
	json_t *j = json_array();

	for (unsigned int i = 0; i < FEATURE_COUNT_; i++) {
		const struct kernel_feature *f = &all[i];

		json_array_append_new(j,
			json_pack("{s:s, s:s, s:o, s:o}", "name", f->name, "text", f->text, "has",
				f->has == FEATURE_UNKNOWN ? json_null()
							  : json_boolean(f->has == FEATURE_YES),
				"why", report_text(f->why[0] ? f->why : NULL)));
	}
	return j;
}

static json_t *describe(const char *release, const struct kernel_feature all[FEATURE_COUNT_])
{
	return json_pack("{s:s, s:{s:s, s:b, s:b, s:o}, s:{s:o, s:o}, s:[]}", "version",
		PORTREEVE_VERSION, "build", "compiler", COMPILER, "page", page_n_assets > 0,
		"fastpath", true, "libraries", libraries(), "kernel", "release",
		report_text(release), "features", features(all), "diagnostics");
}

static void print_text(const json_t *j, const char *release, const struct kernel_feature *all)
{
	static const char *const words[] = {
		[FEATURE_NO] = "no", [FEATURE_YES] = "yes", [FEATURE_UNKNOWN] = "unknown"};
	json_t *list = json_object_get(json_object_get(j, "build"), "libraries"), *version;
	const char *name;

	printf("portreeve " PORTREEVE_VERSION "\n\nBuilt with:\n");
	printf("  %-14s %s\n", "compiler", COMPILER);
	printf("  %-14s %s\n", "page", page_n_assets ? "yes" : "no");
	printf("  %-14s %s\n", "fast path", "yes");
	json_object_foreach(list, name, version)
	{
		printf("  %-14s %s\n", name, json_string_value(version));
	}
	printf("\nThis kernel, Linux %s, offers:\n", release);
	for (unsigned int i = 0; i < FEATURE_COUNT_; i++)
		printf("  %-56s %s%s%s\n", all[i].text, words[all[i].has],
			all[i].why[0] ? ": " : "", all[i].why);
}

void version_print(bool json)
{
	struct kernel_feature all[FEATURE_COUNT_];
	struct utsname name = {.release = "unknown"};
	json_t *j;

	(void)uname(&name);
	kernel_features("", name.release, all);
	j = describe(name.release, all);
	if (json) {
		json_dumpf(j, stdout, JSON_INDENT(2));
		printf("\n");
	} else {
		print_text(j, name.release, all);
	}
	json_decref(j);
}
