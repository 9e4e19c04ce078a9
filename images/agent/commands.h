// SPDX-License-Identifier: MIT
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdbool.h>

/* Carries out the host's messages that have come. */
void commands_handle(void);

/* False while messages are left unread, on purpose: the host has to wait. */
bool commands_can_receive(void);

#endif
