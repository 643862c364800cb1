/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page: the daemon's web page, from the binary. What it shows it asks of the API (docs/openapi.yaml) by
 * itself, in the browser.
 */
#ifndef DAEMON_PAGE_H
#define DAEMON_PAGE_H

#include "daemon/http.h"

/* A file of it, as it is sent; @tag, in its quotes, is another when the bytes are. */
struct page_form {
	const char *tag, *bytes;
	size_t len;
};
struct page_asset {
	const char *path, *type;
	struct page_form plain, gzip;
};

/* Those that were built in (tools/page makes them); none where the build has no page. */
extern const struct page_asset page_assets[];
extern const size_t page_n_assets;

/* Answer with the one of @n @assets that is asked for; where there is none, with a few words that say what
 * this build lacks. */
void page_answer(struct http_exchange *x, const struct http_request *r,
	const struct page_asset *assets, size_t n);

/* Where a browser on this machine finds the page that a listener on @addr and @port serves. */
char *page_url(struct arena *a, const struct ip_addr *addr, uint16_t port);

#endif
