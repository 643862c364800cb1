/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Client: asks the daemon, over its socket. */
#include "cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "daemon/api.h"

#define CONNECT_SECONDS 5L
#define ANSWER_SECONDS	120L /* a change of a large config, on a slow machine */
#define ANSWER_BYTES	(256u << 20)
#define LINE_BYTES	(256u << 10)
#define URL_PREFIX	"http://localhost"

/* ---- one transfer ---- */

struct transfer {
	CURL *curl;
	struct curl_slist *headers;
	struct strbuf text; /* of the answer, or the line that is not complete yet */
	bool too_long;
	bool (*line)(const char *text, void *data); /* of a stream */
	void *data;
	bool ended; /* by @line */
};

static size_t take_answer(char *bytes, size_t one, size_t n, void *data)
{
	struct transfer *t = data;

	t->too_long = t->text.len + n > ANSWER_BYTES;
	if (t->too_long)
		return 0;
	strbuf_addn(&t->text, bytes, n);
	return n;
}

static size_t take_lines(char *bytes, size_t one, size_t n, void *data)
{
	struct transfer *t = data;
	long status = 0;

	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) /* it says why there is none */
		return take_answer(bytes, one, n, data);
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != '\n') {
			if (t->text.len < LINE_BYTES)
				strbuf_addch(&t->text, bytes[i]);
			continue;
		}
		if (!t->line(strbuf_str(&t->text), t->data)) {
			t->ended = true;
			return 0;
		}
		strbuf_reset(&t->text);
	}
	return n;
}

static char *socket_path(struct cli_context *c)
{
	const char *run = secure_getenv("PORTREEVE_RUN_DIR");

	return run && *run ? arena_printf(c->arena, "%s/api.sock", run)
			   : arena_strdup(c->arena, API_SOCKET);
}

/* Which namespace we mean: a socket file does not belong to any. */
static void add_namespace(struct transfer *t)
{
	struct kernel *k = NULL;
	char line[64];

	if (kernel_open(&k, NULL) != 0)
		return;
	snprintf(line, sizeof(line), "Portreeve-Namespace: %" PRIu64, k->netns_cookie);
	t->headers = curl_slist_append(t->headers, line);
	kernel_close(k);
}

static void transfer_init(struct transfer *t, struct cli_context *c, const char *path)
{
	*t = (struct transfer){.curl = curl_easy_init()};
	if (!t->curl)
		abort();
	add_namespace(t);
	/* No waiting for a go-ahead: what is too large is refused all the same. */
	t->headers = curl_slist_append(t->headers, "Expect:");
	curl_easy_setopt(t->curl, CURLOPT_UNIX_SOCKET_PATH, socket_path(c));
	curl_easy_setopt(t->curl, CURLOPT_URL, arena_printf(c->arena, URL_PREFIX "%s", path));
	curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
}

static void transfer_fini(struct transfer *t)
{
	curl_slist_free_all(t->headers);
	curl_easy_cleanup(t->curl);
	strbuf_fini(&t->text);
}

/* ---- what came of it ---- */

void client_no_daemon(struct cli_context *c, enum diag_severity severity)
{
	static const char words[] = "no daemon runs here";

	if (severity == DIAG_ERROR)
		diag_error(&c->diag, NOWHERE, words);
	else
		diag_info(&c->diag, NOWHERE, words);
	diag_hint(&c->diag, "systemctl start portreeve, or portreeve run");
}

static enum client_result no_connection(
	struct cli_context *c, struct transfer *t, CURLcode got, enum cli_exit *code)
{
	long err = 0;

	curl_easy_getinfo(t->curl, CURLINFO_OS_ERRNO, &err);
	if (got == CURLE_COULDNT_CONNECT && (err == ENOENT || err == ECONNREFUSED))
		return CLIENT_NO_DAEMON;
	*code = CLI_SYSTEM;
	if (got == CURLE_COULDNT_CONNECT && (err == EACCES || err == EPERM)) {
		diag_error(
			&c->diag, NOWHERE, "no permission to ask the daemon at %s", socket_path(c));
		diag_hint(&c->diag,
			"be root, or a member of the group portreeve, who may look but not "
			"change:\n  sudo usermod -aG portreeve $USER    (and log in again)");
	} else if (t->too_long) {
		diag_error(&c->diag, NOWHERE, "the daemon's answer is too large");
	} else {
		diag_error(&c->diag, NOWHERE, "the daemon at %s did not answer: %s", socket_path(c),
			curl_easy_strerror(got));
		diag_hint(&c->diag, "journalctl -u portreeve says what it is doing");
	}
	return CLIENT_REFUSED;
}

static const char *text_of(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static struct span place_of(const json_t *j)
{
	json_int_t line = json_integer_value(json_object_get(j, "line"));
	json_int_t col = json_integer_value(json_object_get(j, "col"));

	return (struct span){.line = (uint32_t)line, .col = (uint16_t)col, .len = line ? 1 : 0};
}

/* Places are in the file that the daemon has read: with its lines, if we may read it too. */
static void take_source(struct cli_context *c, const char *file)
{
	int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char *text = NULL;
	size_t len = 0;

	if (fd < 0 || cli_read_fd(c->arena, fd, LIMIT_CONFIG_BYTES, &text, &len) < 0)
		text = NULL;
	if (fd >= 0)
		close(fd);
	diag_source(&c->diag, arena_strdup(c->arena, file), text, text ? len : 0);
}

/* The daemon's diagnostics become ours. */
static void take_diagnostics(struct cli_context *c, const json_t *list)
{
	const json_t *one, *note;
	size_t i, n;

	json_array_foreach(list, i, one)
	{
		const char *severity = text_of(one, "severity"), *message = text_of(one, "message");
		const char *hint = text_of(one, "hint"), *file = text_of(one, "file");

		if (!severity || !message)
			continue;
		if (file && !c->diag.source)
			take_source(c, file);
		if (strcmp(severity, "error") == 0)
			diag_error(&c->diag, place_of(one), "%s", message);
		else if (strcmp(severity, "warning") == 0)
			diag_warning(&c->diag, place_of(one), "%s", message);
		else
			diag_info(&c->diag, place_of(one), "%s", message);
		if (hint)
			diag_hint(&c->diag, "%s", hint);
		json_array_foreach(json_object_get(one, "notes"), n, note)
		{
			if (text_of(note, "message"))
				diag_note(&c->diag, place_of(note), "%s", text_of(note, "message"));
		}
	}
}

static enum cli_exit exit_for(long status)
{
	switch (status) {
	case 404: /* there is no such thing */
	case 409: /* not as things stand */
		return CLI_NO;
	case 400:
	case 413:
	case 422:
		return CLI_USAGE;
	default:
		return CLI_SYSTEM;
	}
}

static enum client_result refused(
	struct cli_context *c, long status, const json_t *answer, enum cli_exit *code)
{
	const char *error = text_of(answer, "error"), *hint = text_of(answer, "hint");
	size_t errors = c->diag.errors;

	*code = exit_for(status);
	take_diagnostics(c, json_object_get(answer, "diagnostics"));
	if (c->diag.errors > errors) /* the error only sums these up */
		return CLIENT_REFUSED;
	if (error)
		diag_error(&c->diag, NOWHERE, "%s", error);
	else
		diag_error(&c->diag, NOWHERE, "the daemon refused (HTTP status %ld)", status);
	if (hint)
		diag_hint(&c->diag, "%s", hint);
	return CLIENT_REFUSED;
}

#define STATUS_OTHER_NAMESPACE 421L

enum client_result client_ask(struct cli_context *c, const struct client_question *q,
	json_t **answer, enum cli_exit *code)
{
	enum client_result result;
	struct transfer t;
	long status = 0;
	json_t *j = NULL;
	CURLcode got;

	*answer = NULL;
	*code = CLI_OK;
	transfer_init(&t, c, q->path);
	curl_easy_setopt(t.curl, CURLOPT_TIMEOUT, ANSWER_SECONDS);
	curl_easy_setopt(t.curl, CURLOPT_WRITEFUNCTION, take_answer);
	if (q->post) {
		curl_easy_setopt(t.curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->len);
		curl_easy_setopt(t.curl, CURLOPT_POSTFIELDS, q->body ? q->body : "");
	}
	got = curl_easy_perform(t.curl);
	if (got == CURLE_OK) {
		curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
		j = json_loadb(t.text.s ? t.text.s : "", t.text.len, 0, NULL);
	}
	if (got != CURLE_OK) {
		result = no_connection(c, &t, got, code);
	} else if (status == STATUS_OTHER_NAMESPACE) {
		result = CLIENT_NO_DAEMON;
	} else if (status != 200 || !j) {
		result = refused(c, status, j, code);
	} else {
		take_diagnostics(c, json_object_get(j, "diagnostics"));
		json_object_del(j, "diagnostics");
		*answer = json_incref(j);
		result = CLIENT_ANSWERED;
	}
	json_decref(j);
	transfer_fini(&t);
	return result;
}

static enum client_result stream_refused(
	struct cli_context *c, const struct transfer *t, long status, enum cli_exit *code)
{
	json_t *j = json_loadb(t->text.s ? t->text.s : "", t->text.len, 0, NULL);
	enum client_result result = refused(c, status, j, code);

	json_decref(j);
	return result;
}

enum client_result client_follow(struct cli_context *c, const char *path,
	bool (*line)(const char *text, void *data), void *data, enum cli_exit *code)
{
	enum client_result result = CLIENT_ANSWERED;
	struct transfer t;
	long status = 0;
	CURLcode got;

	*code = CLI_OK;
	transfer_init(&t, c, path);
	t.line = line;
	t.data = data;
	curl_easy_setopt(t.curl, CURLOPT_WRITEFUNCTION, take_lines);
	got = curl_easy_perform(t.curl);
	curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == STATUS_OTHER_NAMESPACE)
		result = CLIENT_NO_DAEMON;
	else if (!status)
		result = no_connection(c, &t, got, code);
	else if (status != 200)
		result = stream_refused(c, &t, status, code);
	transfer_fini(&t);
	return result;
}

char *client_param(struct cli_context *c, const char *key, const char *value)
{
	char *encoded = curl_easy_escape(NULL, value, 0), *out;

	if (!encoded)
		abort();
	out = arena_printf(c->arena, "%s=%s", key, encoded);
	curl_free(encoded);
	return out;
}
