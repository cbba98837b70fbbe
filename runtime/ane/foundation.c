#include "runtime/ane/foundation.h"

enum { UTF8 = 0x08000100, SINT64 = 4 };

CF cf_string(const Apple *a, const char *text)
{
    return a->CFStringCreateWithCString(NULL, text, UTF8);
}

CF cf_number(const Apple *a, int64_t value)
{
    return a->CFNumberCreate(NULL, SINT64, &value);
}

CF cf_data(const Apple *a, const void *bytes, size_t size)
{
    return a->CFDataCreateWithBytesNoCopy(NULL, bytes, (long)size, a->no_deallocator);
}

CF cf_array(const Apple *a, const CF *values, size_t count)
{
    return a->CFArrayCreate(NULL, values, (long)count, a->array_values);
}

CF cf_dictionary(const Apple *a, const CF *keys, const CF *values, size_t count)
{
    return a->CFDictionaryCreate(NULL, keys, values, (long)count, a->dictionary_keys, a->dictionary_values);
}

void cf_release(const Apple *a, CF object)
{
    if (object)
        a->CFRelease(object);
}

static bool is_a(const Apple *a, CF object, unsigned long type)
{
    return object && a->CFGetTypeID(object) == type;
}

static CF find(const Apple *a, CF dictionary, const char *key, unsigned long type)
{
    if (!is_a(a, dictionary, a->CFDictionaryGetTypeID()))
        return NULL;
    CF name = cf_string(a, key), value = a->CFDictionaryGetValue(dictionary, name);
    cf_release(a, name);
    return is_a(a, value, type) ? value : NULL;
}

CF cf_find_array(const Apple *a, CF dictionary, const char *key)
{
    return find(a, dictionary, key, a->CFArrayGetTypeID());
}

CF cf_find_dictionary(const Apple *a, CF dictionary, const char *key)
{
    return find(a, dictionary, key, a->CFDictionaryGetTypeID());
}

bool cf_find_number(const Apple *a, CF dictionary, const char *key, int64_t *out)
{
    CF number = find(a, dictionary, key, a->CFNumberGetTypeID());
    return number && a->CFNumberGetValue(number, SINT64, out);
}

bool cf_find_text(const Apple *a, CF dictionary, const char *key, char *out, size_t size)
{
    return cf_text(a, find(a, dictionary, key, a->CFStringGetTypeID()), out, size);
}

size_t cf_count(const Apple *a, CF array)
{
    return is_a(a, array, a->CFArrayGetTypeID()) ? (size_t)a->CFArrayGetCount(array) : 0;
}

static CF at(const Apple *a, CF array, size_t i, unsigned long type)
{
    CF value = i < cf_count(a, array) ? a->CFArrayGetValueAtIndex(array, (long)i) : NULL;
    return is_a(a, value, type) ? value : NULL;
}

CF cf_dictionary_at(const Apple *a, CF array, size_t i)
{
    return at(a, array, i, a->CFDictionaryGetTypeID());
}

bool cf_number_at(const Apple *a, CF array, size_t i, int64_t *out)
{
    CF number = at(a, array, i, a->CFNumberGetTypeID());
    return number && a->CFNumberGetValue(number, SINT64, out);
}

bool cf_text_at(const Apple *a, CF array, size_t i, char *out, size_t size)
{
    return cf_text(a, at(a, array, i, a->CFStringGetTypeID()), out, size);
}

bool cf_text(const Apple *a, CF string, char *out, size_t size)
{
    return string && a->CFStringGetCString(string, out, (long)size, UTF8);
}
