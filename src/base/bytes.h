/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers in network order, at any place in bytes. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdint.h>

static inline uint16_t be16_at(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t be32_at(const uint8_t *b)
{
	return (uint32_t)be16_at(b) << 16 | be16_at(b + 2);
}

static inline void be16_put(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 8);
	b[1] = (uint8_t)v;
}

static inline void be32_put(uint8_t *b, uint32_t v)
{
	be16_put(b, v >> 16);
	be16_put(b + 2, v);
}

#endif
