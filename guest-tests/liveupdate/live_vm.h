/* SPDX-License-Identifier: GPL-2.0 */
#ifndef LIVEUPDATE_LIVE_VM_H
#define LIVEUPDATE_LIVE_VM_H

/* The whole program, for a machine with so many processors. */
int live_vm(unsigned int cpus);

#endif
