// SPDX-License-Identifier: MIT
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdbool.h>

/* Handles all messages that have arrived from the host. */
void commands_handle(void);

/* False while messages stay unread on purpose, so that the host waits. */
bool commands_can_receive(void);

#endif
