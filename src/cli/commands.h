/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands, each defined in the file of its name; main.c lists them. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct cli_command command_init;
extern const struct cli_command command_check;
extern const struct cli_command command_show;
extern const struct cli_command command_diff;
extern const struct cli_command command_apply;
extern const struct cli_command command_confirm;
extern const struct cli_command command_rollback;
extern const struct cli_command command_run;
extern const struct cli_command command_remove;
extern const struct cli_command command_rehearse;
extern const struct cli_command command_snapshot;
extern const struct cli_command command_explain;
extern const struct cli_command command_trace;
extern const struct cli_command command_import;
extern const struct cli_command command_doctor;
extern const struct cli_command command_probe;
extern const struct cli_command command_fastpath;
extern const struct cli_command command_status;
extern const struct cli_command command_reload;
extern const struct cli_command command_flows;
extern const struct cli_command command_top;
extern const struct cli_command command_events;

#endif
