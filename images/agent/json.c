// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"

/* `at` is the next byte to read. `error` keeps the first error. */
struct parser {
	char *at;
	const char *error;
	struct json_object *object;
};

static void parse_member(struct parser *parser);
static void parse_value(struct parser *parser, struct json_field *field);
static void parse_array(struct parser *parser, struct json_field *field);
static char *parse_string(struct parser *parser);
static char *parse_escape(struct parser *parser, char *to);
static unsigned int parse_hex4(struct parser *parser);
static int64_t parse_integer(struct parser *parser);
static void skip_space(struct parser *parser);
static bool accept(struct parser *parser, char wanted);
static bool accept_word(struct parser *parser, const char *word);
static void expect(struct parser *parser, char wanted, const char *error);
static void fail(struct parser *parser, const char *error);
static size_t encode_utf8(char *to, unsigned int code);
static size_t utf8_length(const char *text);
static const struct json_field *find(const struct json_object *object, const char *key);
static void add_key(struct json_writer *writer, const char *key);
static void add_quoted(struct json_writer *writer, const char *value);
static void add(struct json_writer *writer, const char *bytes, size_t length);

const char *json_parse(struct json_object *object, char *text)
{
	struct parser parser = { .at = text, .object = object };

	object->count = 0;
	object->item_count = 0;
	expect(&parser, '{', "an object should begin here");
	if (!accept(&parser, '}')) {
		do
			parse_member(&parser);
		while (!parser.error && accept(&parser, ','));
		expect(&parser, '}', "a comma or } is missing");
	}
	skip_space(&parser);
	if (!parser.error && *parser.at != '\0')
		fail(&parser, "there is something after the object");
	return parser.error;
}

static void parse_member(struct parser *parser)
{
	struct json_object *object = parser->object;
	struct json_field *field = &object->fields[object->count];

	if (object->count == JSON_FIELDS) {
		fail(parser, "too many fields");
		return;
	}
	skip_space(parser);
	field->key = parse_string(parser);
	if (!parser->error && find(object, field->key))
		fail(parser, "a duplicate key");
	expect(parser, ':', "a colon is missing");
	if (parser->error)
		return;
	parse_value(parser, field);
	object->count++;
}

static void parse_value(struct parser *parser, struct json_field *field)
{
	skip_space(parser);
	if (*parser->at == '"') {
		field->kind = JSON_STRING;
		field->string = parse_string(parser);
	} else if (*parser->at == '[') {
		field->kind = JSON_STRINGS;
		parse_array(parser, field);
	} else if (*parser->at == '-' || isdigit((unsigned char)*parser->at)) {
		field->kind = JSON_INTEGER;
		field->integer = parse_integer(parser);
	} else {
		field->kind = JSON_BOOLEAN;
		field->integer = accept_word(parser, "true");
		if (!field->integer && !accept_word(parser, "false"))
			fail(parser, "a value is missing or has an unsupported type");
	}
}

static void parse_array(struct parser *parser, struct json_field *field)
{
	struct json_object *object = parser->object;

	field->first = object->item_count;
	field->count = 0;
	expect(parser, '[', "expected an array");
	if (accept(parser, ']'))
		return;
	do {
		char *string;

		skip_space(parser);
		string = parse_string(parser);
		if (object->item_count == JSON_ITEMS)
			fail(parser, "too many strings");
		if (parser->error)
			return;
		object->items[object->item_count++] = string;
		field->count++;
	} while (accept(parser, ','));
	expect(parser, ']', "a comma or ] is missing");
}

/* Decoding never makes a string longer, so it is done in place. */
static char *parse_string(struct parser *parser)
{
	char *string, *to;

	if (parser->error)
		return NULL;
	if (*parser->at != '"') {
		fail(parser, "expected a string");
		return NULL;
	}
	string = to = ++parser->at;
	while (!parser->error && *parser->at != '"') {
		size_t length = utf8_length(parser->at);

		if (*parser->at == '\\') {
			to = parse_escape(parser, to);
		} else if ((unsigned char)*parser->at < 0x20) {
			fail(parser, "a string is unterminated or contains a control character");
		} else if (length == 0) {
			fail(parser, "a string isn't UTF-8");
		} else {
			memmove(to, parser->at, length);
			to += length;
			parser->at += length;
		}
	}
	if (!parser->error)
		parser->at++;
	*to = '\0';
	return string;
}

static char *parse_escape(struct parser *parser, char *to)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *name;
	unsigned int code;

	parser->at++;
	if (*parser->at != 'u') {
		name = *parser->at ? strchr(names, *parser->at) : NULL;
		if (!name) {
			fail(parser, "unknown escape");
			return to;
		}
		parser->at++;
		*to++ = values[name - names];
		return to;
	}
	parser->at++;
	code = parse_hex4(parser);
	if (code >= 0xd800 && code < 0xdc00 && parser->at[0] == '\\' && parser->at[1] == 'u') {
		unsigned int low;

		parser->at += 2;
		low = parse_hex4(parser);
		/* Without a low surrogate, `code` stays a surrogate, which is refused below. */
		if (low >= 0xdc00 && low < 0xe000)
			code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	if (code == 0 || (code >= 0xd800 && code < 0xe000))
		fail(parser, "an escape is not a valid character");
	if (parser->error)
		return to;
	return to + encode_utf8(to, code);
}

static unsigned int parse_hex4(struct parser *parser)
{
	unsigned int value = 0;

	for (int i = 0; i < 4; i++) {
		unsigned char digit = (unsigned char)*parser->at;

		if (!isxdigit(digit)) {
			fail(parser, "\\u needs four hexadecimal digits");
			return 0;
		}
		value = value * 16 + (unsigned int)(isdigit(digit) ? digit - '0' : tolower(digit) - 'a' + 10);
		parser->at++;
	}
	return value;
}

static int64_t parse_integer(struct parser *parser)
{
	bool negative = *parser->at == '-';
	int64_t value = 0;

	if (negative)
		parser->at++;
	if (!isdigit((unsigned char)*parser->at) || (parser->at[0] == '0' && isdigit((unsigned char)parser->at[1])))
		fail(parser, "a number is malformed");
	while (!parser->error && isdigit((unsigned char)*parser->at)) {
		int digit = *parser->at++ - '0';

		if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value))
			fail(parser, "a number is too large");
	}
	/* Accumulated as a negative number, because INT64_MIN has no positive counterpart. */
	if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
		fail(parser, "a number is too large");
	if (*parser->at == '.' || *parser->at == 'e' || *parser->at == 'E')
		fail(parser, "a number isn't an integer");
	return value;
}

static void skip_space(struct parser *parser)
{
	parser->at += strspn(parser->at, " \t\r\n");
}

/* Consumes `wanted` if it is the next character after white space. */
static bool accept(struct parser *parser, char wanted)
{
	skip_space(parser);
	if (parser->error || *parser->at != wanted)
		return false;
	parser->at++;
	return true;
}

static bool accept_word(struct parser *parser, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(parser->at, word, length) != 0)
		return false;
	parser->at += length;
	return true;
}

static void expect(struct parser *parser, char wanted, const char *error)
{
	if (!accept(parser, wanted))
		fail(parser, error);
}

static void fail(struct parser *parser, const char *error)
{
	if (!parser->error)
		parser->error = error;
}

const char *json_string(const struct json_object *object, const char *key)
{
	const struct json_field *field = find(object, key);

	return field && field->kind == JSON_STRING ? field->string : NULL;
}

bool json_integer(const struct json_object *object, const char *key, int64_t *value)
{
	const struct json_field *field = find(object, key);

	if (!field || field->kind != JSON_INTEGER)
		return false;
	*value = field->integer;
	return true;
}

int json_strings(const struct json_object *object, const char *key, const char *const **strings)
{
	const struct json_field *field = find(object, key);

	if (!field || field->kind != JSON_STRINGS)
		return -1;
	*strings = &object->items[field->first];
	return (int)field->count;
}

static const struct json_field *find(const struct json_object *object, const char *key)
{
	for (size_t i = 0; i < object->count; i++)
		if (strcmp(object->fields[i].key, key) == 0)
			return &object->fields[i];
	return NULL;
}

void json_begin(struct json_writer *writer, char *text, size_t size)
{
	*writer = (struct json_writer){ .text = text, .size = size };
	add(writer, "{", 1);
}

void json_add_string(struct json_writer *writer, const char *key, const char *value)
{
	add_key(writer, key);
	add_quoted(writer, value);
}

void json_add_integer(struct json_writer *writer, const char *key, int64_t value)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRId64, value);

	add_key(writer, key);
	add(writer, digits, (size_t)length);
}

void json_add_boolean(struct json_writer *writer, const char *key, bool value)
{
	add_key(writer, key);
	add(writer, value ? "true" : "false", value ? 4 : 5);
}

void json_end(struct json_writer *writer)
{
	add(writer, "}\n", 2);
}

static void add_key(struct json_writer *writer, const char *key)
{
	if (writer->length > 1)
		add(writer, ",", 1);
	add_quoted(writer, key);
	add(writer, ":", 1);
}

/* Invalid UTF-8 becomes U+FFFD, because the host rejects a line that is not UTF-8. */
static void add_quoted(struct json_writer *writer, const char *value)
{
	char escape[8];

	add(writer, "\"", 1);
	while (*value) {
		size_t length = utf8_length(value);

		if (*value == '"' || *value == '\\') {
			add(writer, "\\", 1);
			add(writer, value, 1);
		} else if ((unsigned char)*value < 0x20) {
			snprintf(escape, sizeof(escape), "\\u%04x", (unsigned int)*value);
			add(writer, escape, 6);
		} else if (length == 0) {
			add(writer, "\xef\xbf\xbd", 3);
			length = 1;
		} else {
			add(writer, value, length);
		}
		value += length;
	}
	add(writer, "\"", 1);
}

static void add(struct json_writer *writer, const char *bytes, size_t length)
{
	if (writer->overflow || length > writer->size - writer->length) {
		writer->overflow = true;
		return;
	}
	memcpy(writer->text + writer->length, bytes, length);
	writer->length += length;
}

static size_t encode_utf8(char *to, unsigned int code)
{
	if (code < 0x80) {
		to[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (char)(0xc0 | code >> 6);
		to[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		to[0] = (char)(0xe0 | code >> 12);
		to[1] = (char)(0x80 | (code >> 6 & 0x3f));
		to[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | code >> 18);
	to[1] = (char)(0x80 | (code >> 12 & 0x3f));
	to[2] = (char)(0x80 | (code >> 6 & 0x3f));
	to[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* Returns the length of the character at `text` in bytes, 0 if it is not valid. */
static size_t utf8_length(const char *text)
{
	static const unsigned int smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *bytes = (const unsigned char *)text;
	size_t length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xc2 ? 0 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 :
			bytes[0] < 0xf5 ? 4 : 0;
	unsigned int code;

	if (length < 2)
		return length;
	code = bytes[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		/* Stops at the terminating zero, which is not a continuation byte. */
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (bytes[i] & 0x3f);
	}
	if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return length;
}
