/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every subcommand does: reads the config, opens the kernel, reports what is wrong. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "kernel/nft.h"
#include "report/report.h"

/* First read of what has no size of its own (pipes, terminals). */
#define READ_BYTES 65536u

static size_t option_index(const struct cli_context *c, const char *name)
{
	size_t i = 0;

	while (i < CLI_MAX_OPTIONS && c->command->options[i].name &&
		strcmp(c->command->options[i].name, name) != 0)
		i++;
	if (i == CLI_MAX_OPTIONS || !c->command->options[i].name)
		abort(); /* a command asked for an option that it does not declare */
	return i;
}

bool cli_given(const struct cli_context *c, const char *option)
{
	return c->values[option_index(c, option)] != NULL;
}

const char *cli_value(const struct cli_context *c, const char *option)
{
	return c->values[option_index(c, option)];
}

bool cli_number(
	struct cli_context *c, const char *option, uint32_t min, uint32_t max, uint32_t *out)
{
	const char *s = cli_value(c, option);
	uint64_t n = 0;
	size_t i = 0;

	if (!s)
		return true;
	for (; s[i] >= '0' && s[i] <= '9' && n <= UINT32_MAX; i++)
		n = n * 10 + (uint64_t)(s[i] - '0');
	if (i == 0 || s[i] || n < min || n > max) {
		diag_error(&c->diag, NOWHERE,
			"--%s needs a number from %" PRIu32 " to %" PRIu32 ", not '%s'", option,
			min, max, s);
		return false;
	}
	*out = (uint32_t)n;
	return true;
}

bool cli_file_given(const struct cli_context *c)
{
	return c->n_args > c->command->file_arg;
}

static const char *file_path(const struct cli_context *c)
{
	return cli_file_given(c) ? c->args[c->command->file_arg] : CLI_DEFAULT_FILE;
}

const char *cli_file(const struct cli_context *c)
{
	return strcmp(file_path(c), "-") == 0 ? "standard input" : file_path(c);
}

int cli_read_fd(struct arena *a, int fd, size_t limit, char **text, size_t *len)
{
	struct stat st;
	size_t cap = READ_BYTES;
	char *buf;

	*len = 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= 0) {
		if (st.st_size > (off_t)limit)
			return -EFBIG;
		cap = (size_t)st.st_size + 1; /* so that one read more finds the end */
	}
	buf = arena_alloc(a, cap);
	for (;;) {
		ssize_t n = read(fd, buf + *len, cap - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		*len += (size_t)n;
		if (*len > limit)
			return -EFBIG;
		if (*len == cap) {
			buf = arena_grow(a, buf, cap, cap * 2);
			cap *= 2;
		}
	}
	*text = buf;
	return 0;
}

char *cli_read(struct cli_context *c, const char *path, size_t *len)
{
	bool standard_input = strcmp(path, "-") == 0;
	const char *name = standard_input ? "standard input" : path;
	char *text = NULL;
	int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? -errno : cli_read_fd(c->arena, fd, LIMIT_CONFIG_BYTES, &text, len);

	if (fd >= 0 && !standard_input)
		close(fd);
	if (err == 0)
		return text;
	if (err == -EFBIG)
		diag_error(&c->diag, NOWHERE, "%s is larger than %u MiB", name,
			LIMIT_CONFIG_BYTES >> 20);
	else
		diag_error(&c->diag, NOWHERE, "cannot read %s: %s", name, strerror(-err));
	if (err == -ENOENT && !cli_file_given(c))
		diag_hint(&c->diag,
			"name a file (portreeve %s FILE), or write this one; "
			"portreeve.yaml(5) shows the five lines it takes",
			c->command->name);
	return NULL;
}

struct model *cli_load(struct cli_context *c)
{
	size_t len = 0;
	char *text = cli_read(c, file_path(c), &len);

	if (!text)
		return NULL;
	diag_source(&c->diag, cli_file(c), text, len);
	return config_load(c->arena, text, len, &c->diag);
}

void cli_kernel_error(struct cli_context *c, const char *what, const struct kernel_error *e)
{
	if (e->text[0])
		diag_error(
			&c->diag, NOWHERE, "cannot %s: %s (%s)", what, strerror(e->err), e->text);
	else
		diag_error(&c->diag, NOWHERE, "cannot %s: %s", what, strerror(e->err));
}

struct kernel *cli_kernel(struct cli_context *c, bool privileged)
{
	struct kernel *k = NULL;
	struct kernel_error e = {0};
	uint32_t generation;
	int err = kernel_open(&k, &e);

	if (err) {
		cli_kernel_error(c, "open a netlink socket", &e);
		return NULL;
	}
	/* Even asking for the generation takes the right to administer the network. */
	err = privileged ? kernel_nft_generation(k, &generation, &e) : 0;
	if (err == 0)
		return k;
	kernel_close(k);
	if (err == -EPERM || err == -EACCES) {
		diag_error(&c->diag, NOWHERE,
			"'portreeve %s' needs root: the right to administer the network",
			c->command->name);
		diag_hint(&c->diag,
			"run it through sudo; 'check', 'show' and 'rehearse' work without");
	} else {
		cli_kernel_error(c, "talk to nftables", &e);
		if (err == -EOPNOTSUPP || err == -EINVAL || err == -EPROTONOSUPPORT)
			diag_hint(&c->diag, "is nftables in this kernel? try: modprobe nf_tables");
	}
	return NULL;
}

int cli_finish(struct cli_context *c, json_t *answer, enum cli_exit code)
{
	struct strbuf text = STRBUF_INIT;

	if (c->json) {
		if (!answer)
			answer = json_object();
		json_object_set_new(answer, "diagnostics", report_diag(&c->diag));
		json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		fputc('\n', stdout);
		json_decref(answer);
		return code;
	}
	diag_render(&c->diag, &text, c->colour_err);
	fflush(stdout);
	fputs(strbuf_str(&text), stderr);
	strbuf_fini(&text);
	return code;
}
