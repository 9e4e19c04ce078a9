// SPDX-License-Identifier: MIT
/*
 * Linked into every test: its output is line buffered, as kselftest's runner makes it with stdbuf(1). Otherwise what
 * a child inherits of the buffer is printed twice, and what is in it when the kernel dies is lost.
 */
#include <stdio.h>

__attribute__((constructor)) static void line_buffered(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
}
