/* Whether json_tree_read and jansson say the same of a text. */
#ifndef TESTS_SUPPORT_LIBJSON_H
#define TESTS_SUPPORT_LIBJSON_H

#include <stdbool.h>
#include <stddef.h>

/* Both take the text and find the same values in it, or neither takes it. *taken says which. A text with a
 * NUL is for neither. */
bool json_readers_agree(const char *text, size_t size, bool *taken);

#endif
