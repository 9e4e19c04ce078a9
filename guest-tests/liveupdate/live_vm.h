/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LIVEUPDATE_LIVE_VM_H
#define LIVEUPDATE_LIVE_VM_H

/* The program, for a machine with this many processors. */
int live_vm(unsigned int cpus);

#endif
