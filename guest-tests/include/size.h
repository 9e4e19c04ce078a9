/* SPDX-License-Identifier: GPL-2.0 */
/* Units of memory. */
#ifndef GUEST_TESTS_SIZE_H
#define GUEST_TESTS_SIZE_H

#define KiB	1024UL
#define MiB	(1024 * KiB)
#define GiB	(1024 * MiB)
#define PAGE	(4 * KiB)

#endif
