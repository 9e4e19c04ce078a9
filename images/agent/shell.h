// SPDX-License-Identifier: MIT
#ifndef SHELL_H
#define SHELL_H

/* kiln.mode=shell: a login shell on the serial console instead of the protocol;
 * the guest goes when the shell does. */
_Noreturn void shell_run(void);

#endif
