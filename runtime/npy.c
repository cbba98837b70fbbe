#include "runtime/npy.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"

/* numpy's letters: kind and bytes. */
static const struct {
    DType dtype;
    char kind;
    int bytes;
} kinds[] = {
    {DT_BOOL, 'b', 1},   {DT_INT8, 'i', 1},  {DT_INT16, 'i', 2},  {DT_INT32, 'i', 4},
    {DT_INT64, 'i', 8},  {DT_UINT8, 'u', 1}, {DT_UINT16, 'u', 2}, {DT_UINT32, 'u', 4},
    {DT_UINT64, 'u', 8}, {DT_FP16, 'f', 2},  {DT_FP32, 'f', 4},   {DT_FP64, 'f', 8},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static bool big_endian_machine(void)
{
    const uint16_t one = 1;
    return *(const uint8_t *)&one == 0;
}

/* ---- the header: a Python dictionary of three keys ---- */

typedef struct Header {
    const char *at, *end;
    Type type;
    bool swapped, fortran;
    int seen; /* bits of the keys */
} Header;

static void skip_spaces(Header *h)
{
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n' || *h->at == '\t' || *h->at == '\r'))
        h->at++;
}

static bool take(Header *h, char c)
{
    skip_spaces(h);
    if (h->at == h->end || *h->at != c)
        return false;
    h->at++;
    return true;
}

static bool take_word(Header *h, const char *word)
{
    size_t n = strlen(word);
    skip_spaces(h);
    if ((size_t)(h->end - h->at) < n || memcmp(h->at, word, n) != 0)
        return false;
    h->at += n;
    return true;
}

/* A string in single or double quotes, without escapes, into out. */
static bool take_string(Header *h, char *out, size_t room)
{
    size_t n = 0;
    skip_spaces(h);
    if (h->at == h->end || (*h->at != '\'' && *h->at != '"'))
        return false;
    char quote = *h->at++;
    for (; h->at < h->end && *h->at != quote; h->at++) {
        if (n + 1 == room || *h->at == '\\')
            return false;
        out[n++] = *h->at;
    }
    out[n] = 0;
    return take(h, quote);
}

static bool take_length(Header *h, int64_t *out)
{
    const char *begin;
    int64_t n = 0;
    skip_spaces(h);
    for (begin = h->at; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++) {
        if (n > (INT64_MAX - 9) / 10)
            return false;
        n = 10 * n + (*h->at - '0');
    }
    *out = n;
    bool some = h->at > begin;
    take(h, 'L'); /* of Python 2 */
    return some;
}

static bool read_descr(Header *h, Error *err)
{
    char text[16];
    if (!take_string(h, text, sizeof text))
        return error_set(err, "its elements are of no simple type");
    char order = text[0];
    bool ordered = order == '<' || order == '>' || order == '=' || order == '|';
    const char *letters = text + ordered;
    for (int i = 0; i < KINDS; i++)
        if (letters[0] == kinds[i].kind && letters[1] == '0' + kinds[i].bytes && !letters[2]) {
            h->type.dtype = kinds[i].dtype;
            h->swapped = kinds[i].bytes > 1 &&
                         ((order == '<' && big_endian_machine()) || (order == '>' && !big_endian_machine()));
            return true;
        }
    return error_set(err,
                     "its elements are of the type \"%s\": bool, integers and floats of 16 to 64 bits "
                     "can be read",
                     error_quote((char[64]){0}, 64, text, (long)strlen(text)));
}

static bool read_shape(Header *h, Error *err)
{
    if (!take(h, '('))
        return error_set(err, "its shape is no tuple");
    while (!take(h, ')')) {
        int64_t n;
        if (!take_length(h, &n))
            return error_set(err, "its shape holds something else than lengths");
        if (h->type.rank == IR_MAX_RANK)
            return error_set(err, "it has more than %d axes", IR_MAX_RANK);
        h->type.dim[h->type.rank++] = n;
        if (!take(h, ',') && !(h->at < h->end && *h->at == ')'))
            return error_set(err, "its shape is no tuple of lengths");
    }
    return true;
}

enum { KEY_DESCR = 1, KEY_ORDER = 2, KEY_SHAPE = 4 };

static bool read_key(Header *h, Error *err)
{
    char key[32];
    if (!take_string(h, key, sizeof key) || !take(h, ':'))
        return error_set(err, "its header is no dictionary");
    int bit = strcmp(key, "descr") == 0           ? KEY_DESCR
              : strcmp(key, "fortran_order") == 0 ? KEY_ORDER
              : strcmp(key, "shape") == 0         ? KEY_SHAPE
                                                  : 0;
    if (!bit || (h->seen & bit))
        return error_set(err, "its header has the key \"%s\"%s",
                         error_quote((char[64]){0}, 64, key, (long)strlen(key)), bit ? " twice" : "");
    h->seen |= bit;
    if (bit == KEY_DESCR)
        return read_descr(h, err);
    if (bit == KEY_SHAPE)
        return read_shape(h, err);
    h->fortran = take_word(h, "True");
    return h->fortran || take_word(h, "False") ||
           error_set(err, "its fortran_order is neither True nor False");
}

static bool read_header(Header *h, Error *err)
{
    h->type = (Type){.kind = TY_TENSOR};
    if (!take(h, '{'))
        return error_set(err, "its header is no dictionary");
    while (!take(h, '}')) {
        if (!read_key(h, err))
            return false;
        if (!take(h, ',') && !(h->at < h->end && *h->at == '}'))
            return error_set(err, "its header is no dictionary");
    }
    skip_spaces(h);
    if (h->seen != (KEY_DESCR | KEY_ORDER | KEY_SHAPE) || h->at != h->end)
        return error_set(err, "its header is not descr, fortran_order and shape");
    h->type.bare = h->type.rank == 0;
    return true;
}

/* ---- the elements ---- */

static void swap_bytes(uint8_t *p, int64_t count, int width)
{
    for (int64_t i = 0; i < count; i++, p += width)
        for (int k = 0; k < width / 2; k++) {
            uint8_t byte = p[k];
            p[k] = p[width - 1 - k];
            p[width - 1 - k] = byte;
        }
}

/* From the first axis running fastest to the last one. */
static void to_row_major(const Type *t, const uint8_t *from, uint8_t *to, size_t width)
{
    int64_t index[IR_MAX_RANK] = {0}, stride[IR_MAX_RANK], step = 1, count = type_elements(t), at = 0;
    for (int i = 0; i < t->rank; i++) {
        stride[i] = step;
        step *= t->dim[i];
    }
    for (int64_t n = 0; n < count; n++, to += width) {
        memcpy(to, from + (size_t)at * width, width);
        for (int i = t->rank; i-- > 0;) {
            at += stride[i];
            if (++index[i] < t->dim[i])
                break;
            at -= stride[i] * t->dim[i];
            index[i] = 0;
        }
    }
}

static bool read_elements(const Header *h, const uint8_t *bytes, size_t size, Npy *out, Error *err)
{
    int64_t need = type_bytes(&h->type), count = type_elements(&h->type);
    int width = dtype_info[h->type.dtype].bits / 8;
    if (need < 0 || (uint64_t)need > size)
        return error_set(err, "it ends early: its header promises %lld elements, and %zu bytes follow",
                         (long long)count, size);
    if ((uint64_t)need < size)
        return error_set(err, "%zu bytes follow where its header promises %lld", size, (long long)need);
    out->type = h->type;
    out->data = xmalloc((size_t)need + 1);
    if (h->fortran && h->type.rank > 1)
        to_row_major(&h->type, bytes, out->data, (size_t)width);
    else if (need)
        memcpy(out->data, bytes, (size_t)need);
    if (h->swapped)
        swap_bytes(out->data, count, width);
    for (int64_t i = 0; h->type.dtype == DT_BOOL && i < count; i++)
        ((uint8_t *)out->data)[i] = ((uint8_t *)out->data)[i] != 0;
    return true;
}

bool npy_parse(const void *bytes, size_t size, Npy *out, Error *err)
{
    const uint8_t *p = bytes;
    *out = (Npy){.data = NULL};
    if (size < 10 || memcmp(p, "\x93NUMPY", 6) != 0)
        return error_set(err, "it is no .npy file");
    if (p[6] < 1 || p[6] > 3)
        return error_set(err, "it is of the .npy format's version %d: 1 to 3 can be read", p[6]);
    size_t start = p[6] == 1 ? 10 : 12, length = (size_t)p[8] | (size_t)p[9] << 8;
    if (p[6] > 1 && size >= 12)
        length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (size < start || length > size - start)
        return error_set(err, "it ends within its header");
    Header h = {.at = (const char *)p + start, .end = (const char *)p + start + length};
    return read_header(&h, err) && read_elements(&h, p + start + length, size - start - length, out, err);
}

bool npy_read(const char *path, Npy *out, Error *err)
{
    FileMap map;
    *out = (Npy){.data = NULL};
    if (!file_map(&map, path, err))
        return false;
    bool ok = npy_parse(map.data ? (const void *)map.data : "", map.size, out, err);
    file_unmap(&map);
    return ok || error_prefix(err, "%s", path);
}

void npy_free(Npy *n)
{
    free(n->data);
    n->data = NULL;
}

/* ---- writing ---- */

/* The dictionary, padded so that the elements begin at a multiple of 64. */
static bool write_header(Text *out, const Type *type, Error *err)
{
    int i = 0;
    while (i < KINDS && kinds[i].dtype != type->dtype)
        i++;
    if (i == KINDS)
        return error_set(err, "elements of type %s cannot stand in a .npy file",
                         dtype_info[type->dtype].name);
    text_printf(out, "{'descr': '%c%c%d', 'fortran_order': False, 'shape': (",
                kinds[i].bytes == 1 ? '|' : '<', kinds[i].kind, kinds[i].bytes);
    for (int d = 0; d < type->rank; d++)
        text_printf(out, "%s%lld", d ? ", " : "", (long long)type->dim[d]);
    text_puts(out, type->rank == 1 ? ",), }" : "), }");
    while ((10 + out->size) % 64 != 63)
        text_putc(out, ' ');
    text_putc(out, '\n');
    return true;
}

bool npy_write(const char *path, const Type *type, const void *data, Error *err)
{
    Text header = {0}, file = {0};
    int64_t bytes = type_bytes(type);
    bool ok = bytes >= 0 ? write_header(&header, type, err) : error_set(err, "a shape that is not known");
    if (ok) {
        const char start[] = {
            (char)0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)(header.size & 255), (char)(header.size >> 8)};
        text_add(&file, start, sizeof start);
        text_add(&file, header.data, header.size);
        text_add(&file, data, (size_t)bytes);
        int width = dtype_info[type->dtype].bits / 8;
        if (big_endian_machine())
            swap_bytes((uint8_t *)file.data + sizeof start + header.size, type_elements(type), width);
        ok = file_write_atomic(path, file.data, file.size, err);
    }
    text_free(&header);
    text_free(&file);
    return ok;
}
