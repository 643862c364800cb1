/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Screen: a page that is drawn again and again, until somebody presses q. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Call @draw every @interval_ms until it returns false, q or Ctrl-C is pressed, or the terminal goes. On
 * a terminal the page takes the place of the one before and is cut to fit; elsewhere pages follow each
 * other. @draw gives the page's text (malloc()ed), or NULL to end.
 */
void screen_run(uint32_t interval_ms, char *(*draw)(void *data, unsigned int rows), void *data);

/* How many rows and columns there are; 24 and 80 where it cannot be told. */
void screen_size(unsigned int *rows, unsigned int *columns);

#endif
