// SPDX-License-Identifier: MIT
#ifndef BAIL_OUT_H
#define BAIL_OUT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the test, which fails. */
static inline void __attribute__((noreturn, format(printf, 1, 2))) bail_out(const char *format, ...)
{
	va_list values;

	printf("Bail out! ");
	va_start(values, format);
	vprintf(format, values);
	va_end(values);
	printf("\n");
	exit(1);
}

#endif
