// SPDX-License-Identifier: MIT
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Only the JSON that the protocol uses: one flat object whose values are strings,
 * integers, booleans and arrays of strings. Everything else is an error, and so
 * are duplicate keys, invalid UTF-8 and "\u0000".
 */

#define JSON_FIELDS 16
#define JSON_ITEMS 4096

struct json_field {
	const char *key;
	enum { JSON_STRING, JSON_INTEGER, JSON_BOOLEAN, JSON_STRINGS } kind;
	const char *string;
	int64_t integer;	/* also 0 or 1 for a boolean */
	size_t first, count;	/* an array's strings: items[first ...] */
};

struct json_object {
	struct json_field fields[JSON_FIELDS];
	size_t count;
	const char *items[JSON_ITEMS];
	size_t item_count;
};

/* Parses in place: `text` is overwritten and must live as long as the object.
 * Returns NULL or an error message. */
const char *json_parse(struct json_object *object, char *text);

const char *json_string(const struct json_object *object, const char *key);
bool json_integer(const struct json_object *object, const char *key, int64_t *value);
/* Returns the number of strings, or -1 if there is no such array. */
int json_strings(const struct json_object *object, const char *key, const char *const **strings);

/* If a value does not fit, it is not written and `overflow` is set. */
struct json_writer {
	char *text;
	size_t size, length;
	bool overflow;
};

void json_begin(struct json_writer *writer, char *text, size_t size);
void json_add_string(struct json_writer *writer, const char *key, const char *value);
void json_add_integer(struct json_writer *writer, const char *key, int64_t value);
void json_add_boolean(struct json_writer *writer, const char *key, bool value);
/* Closes the object and ends the line. */
void json_end(struct json_writer *writer);

#endif
