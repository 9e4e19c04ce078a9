// SPDX-License-Identifier: MIT
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * The kernel's command line, as the kernel itself takes it apart: what is in double
 * quotes belongs to one word. The agent and the tests' runtime share this.
 */

/* The number of the kernel's generation. The harness counts on no other word after a kexec. */
#define GENERATION_WORD "kiln.generation"

/* Words are separated by white space outside of quotes. */
static inline const char *command_line_word_end(const char *word)
{
	bool is_quoted = false;

	for (; *word && (is_quoted || !isspace((unsigned char)*word)); word++)
		is_quoted ^= *word == '"';
	return word;
}

static inline const char *command_line_skip_space(const char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

/* What follows `name=` if the word begins with that, else NULL. A whole word may be in quotes. */
static inline const char *command_line_word_value(const char *word, const char *name)
{
	size_t length = strlen(name);

	word += *word == '"';
	return strncmp(word, name, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

/* The rest of the line after the first word `name=`; NULL if there is none. */
static inline const char *command_line_value(const char *line, const char *name)
{
	const char *value = NULL;

	for (line = command_line_skip_space(line); *line && !value;
	     line = command_line_skip_space(command_line_word_end(line)))
		value = command_line_word_value(line, name);
	return value;
}

/*
 * Writes the command line for the next kernel: the current one byte for byte, but
 * with the next kernel's number in front. A crash kernel has no memory for another
 * one, so crashkernel= is left out. Returns the size with the final NUL, or -E2BIG.
 */
static inline int command_line_next(char *line, size_t size, const char *current, unsigned int generation,
				    bool for_panic)
{
	size_t length = (size_t)snprintf(line, size, GENERATION_WORD "=%u", generation), first = length;

	while (*current) {
		const char *word = command_line_skip_space(current), *end = command_line_word_end(word);
		bool is_dropped = command_line_word_value(word, GENERATION_WORD) ||
				  (for_panic && command_line_word_value(word, "crashkernel"));

		if (is_dropped && length == first)
			end += *end != '\0';
		if (!is_dropped && length < size)
			length += (size_t)snprintf(line + length, size - length, "%s%.*s", length == first ? " " : "",
						   (int)(end - current), current);
		current = end;
	}
	return length < size ? (int)length + 1 : -E2BIG;
}

#endif
