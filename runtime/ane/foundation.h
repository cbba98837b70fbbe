/* Small makers and readers of CoreFoundation objects. What is made belongs to the caller (release it); what
 * is read belongs to its container. NULL in, NULL or false out. */
#ifndef RUNTIME_ANE_FOUNDATION_H
#define RUNTIME_ANE_FOUNDATION_H

#include "runtime/ane/objc.h"

CF cf_string(const Apple *a, const char *text);
CF cf_number(const Apple *a, int64_t value);
/* Copies nothing: `bytes` must stay until the object is gone. */
CF cf_data(const Apple *a, const void *bytes, size_t size);
CF cf_array(const Apple *a, const CF *values, size_t count);
CF cf_dictionary(const Apple *a, const CF *keys, const CF *values, size_t count);
void cf_release(const Apple *a, CF object); /* NULL is allowed */

/* The value of a key, where it is of the kind that is asked for. */
CF cf_find_array(const Apple *a, CF dictionary, const char *key);
CF cf_find_dictionary(const Apple *a, CF dictionary, const char *key);
bool cf_find_number(const Apple *a, CF dictionary, const char *key, int64_t *out);
bool cf_find_text(const Apple *a, CF dictionary, const char *key, char *out, size_t size);

size_t cf_count(const Apple *a, CF array);
CF cf_dictionary_at(const Apple *a, CF array, size_t i);
bool cf_number_at(const Apple *a, CF array, size_t i, int64_t *out);
bool cf_text_at(const Apple *a, CF array, size_t i, char *out, size_t size);
bool cf_text(const Apple *a, CF string, char *out, size_t size);

#endif
