/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of keys: every key that a config may hold, in one place. */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "config/config.h"

/* Keys of one mapping stand together: the loader looks only among those. */
enum config_key_id {
	KEY_UPLINKS,
	KEY_MAPS,
	KEY_GATEWAY,

	KEY_UPLINK,

	KEY_UPLINK_INTERFACE,
	KEY_UPLINK_ADDRESS,
	KEY_UPLINK_PUBLIC,
	KEY_UPLINK_GATEWAY,
	KEY_UPLINK_NUMBER,

	KEY_MAP,

	KEY_MAP_LISTEN,
	KEY_MAP_ON,
	KEY_MAP_TO,
	KEY_MAP_RETURN,
	KEY_MAP_FROM,
	KEY_MAP_ENABLED,

	KEY_RETURN_SNAT,

	KEY_GATEWAY_MARK,
	KEY_GATEWAY_RULES,
	KEY_GATEWAY_TABLES,
	KEY_GATEWAY_GUARD,

	KEY_COUNT_
};

const struct config_key *config_key(enum config_key_id id);

#endif
