/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page: the files of the daemon's web page. */
#include "daemon/page.h"

#include <string.h>

/* A browser asks each time, and is told that nothing changed. Nothing may come from elsewhere, nothing be
 * sent elsewhere, nothing run that is not a file of ours, and no other page frame this one. */
#define HEADERS                                                                                    \
	"Cache-Control: no-cache\r\n"                                                              \
	"Vary: Accept-Encoding\r\n"                                                                \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "       \
	"img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "                \
	"frame-ancestors 'none'\r\n"                                                               \
	"Cross-Origin-Resource-Policy: same-origin\r\n"                                            \
	"Referrer-Policy: no-referrer\r\n"

static const char no_page[] =
	"This build of portreeve has no page: there was no npm, or it could not get what the page "
	"is built with.\n"
	"To have it, configure with -Dpage=enabled and build again. Everything else is here:\n"
	"portreeve status, portreeve top, /v1/status, /metrics.\n";

static const struct page_asset *find(const struct page_asset *assets, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(assets[i].path, path) == 0)
			return &assets[i];
	return NULL;
}

void page_answer(struct http_exchange *x, const struct http_request *r,
	const struct page_asset *assets, size_t n)
{
	const struct page_asset *asset = find(assets, n, r->path);
	struct strbuf headers = STRBUF_INIT;
	const struct page_form *form;
	bool packed;

	if (!asset) {
		http_reply_static(
			x, 404, "text/plain; charset=utf-8", no_page, sizeof(no_page) - 1);
		return;
	}
	packed = http_takes_gzip(r->accept_encoding);
	form = packed ? &asset->gzip : &asset->plain;
	strbuf_addf(&headers, HEADERS "ETag: %s\r\n%s", form->tag,
		packed ? "Content-Encoding: gzip\r\n" : "");
	http_set_headers(x, strbuf_str(&headers));
	if (http_has_tag(r->if_none_match, form->tag))
		http_reply_unchanged(x);
	else
		http_reply_static(x, 200, asset->type, form->bytes, form->len);
	strbuf_fini(&headers);
}

char *page_url(struct arena *a, const struct ip_addr *addr, uint16_t port)
{
	static const struct ip_addr none;
	char text[IP_STRLEN];

	/* On all addresses: the one that is always there. */
	if (memcmp(addr->bytes, none.bytes, sizeof(none.bytes)) == 0)
		return arena_printf(a, "http://localhost:%u/", port);
	ip_format(addr, text);
	return arena_printf(
		a, addr->family == IP_V6 ? "http://[%s]:%u/" : "http://%s:%u/", text, port);
}
