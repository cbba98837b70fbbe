#include "tools/shared/draft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/half.h"
#include "frontend/mil/blob.h"

void draft_free(Draft *b)
{
    text_free(&b->functions);
    text_free(&b->params);
    text_free(&b->body);
    text_free(&b->outputs);
    text_free(&b->blob);
}

/* ---- shapes ---- */

Node node_of(int rank, const int64_t *dim)
{
    Node n = {.rank = rank};
    memcpy(n.dim, dim, (size_t)rank * sizeof *dim);
    return n;
}

Node node4(int64_t n, int64_t c, int64_t h, int64_t w)
{
    return node_of(4, (int64_t[]){n, c, h, w});
}

int64_t node_elements(const Node *n)
{
    int64_t count = 1;
    for (int i = 0; i < n->rank; i++)
        count *= n->dim[i];
    return count;
}

static void print_type(Text *out, DType dtype, const Node *n)
{
    text_printf(out, "tensor<%s, [", dtype_info[dtype].name);
    for (int i = 0; i < n->rank; i++)
        text_printf(out, "%s%lld", i ? ", " : "", (long long)n->dim[i]);
    text_puts(out, "]>");
}

static Node fresh(Draft *b, Node shape)
{
    snprintf(shape.name, sizeof shape.name, "v%02d", b->names++);
    return shape;
}

/* ---- inputs, outputs, ops ---- */

Node draft_input4(Draft *b, const char *name, Node shape)
{
    snprintf(shape.name, sizeof shape.name, "%s", name);
    if (b->params_count++)
        text_puts(&b->params, ", ");
    print_type(&b->params, DT_FP16, &shape);
    text_printf(&b->params, " %s", name);
    return shape;
}

Node draft_input(Draft *b, const char *name, int64_t channels, int64_t length)
{
    return draft_input4(b, name, node4(1, channels, 1, length));
}

void draft_output(Draft *b, const Node *n)
{
    text_printf(&b->outputs, "%s%s", b->outputs.size ? ", " : "", n->name);
}

static Node add_op(Draft *b, DType dtype, Node shape, const char *fmt, va_list ap)
{
    Node n = fresh(b, shape);
    text_puts(&b->body, "        ");
    print_type(&b->body, dtype, &n);
    text_printf(&b->body, " %s = ", n.name);
    text_vprintf(&b->body, fmt, ap);
    text_printf(&b->body, "[name = string(\"%s\")];\n", n.name);
    return n;
}

Node draft_op(Draft *b, Node shape, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    Node n = add_op(b, DT_FP16, shape, fmt, ap);
    va_end(ap);
    return n;
}

Node draft_typed(Draft *b, DType dtype, Node shape, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    Node n = add_op(b, dtype, shape, fmt, ap);
    va_end(ap);
    return n;
}

/* ---- constants ---- */

Node draft_value(Draft *b, const char *type, const char *value)
{
    Node n = fresh(b, (Node){0});
    text_printf(&b->body, "        %s %s = const()[name = string(\"%s\"), val = %s(%s)];\n", type, n.name,
                n.name, type, value);
    return n;
}

Node draft_ints(Draft *b, const int64_t *value, int count)
{
    char type[40];
    Text list = {0};
    snprintf(type, sizeof type, "tensor<int32, [%d]>", count);
    for (int i = 0; i < count; i++)
        text_printf(&list, "%s%lld", i ? ", " : "[", (long long)value[i]);
    text_putc(&list, ']');
    Node n = draft_value(b, type, list.data);
    text_free(&list);
    return n;
}

/* Little-endian; what is beyond eight bytes is zero. */
static void put_number(Text *t, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        text_putc(t, (char)(i < 8 ? v >> 8 * i & 255 : 0));
}

static void pad_to_record(Text *t)
{
    while (t->size % BLOB_HEADER)
        text_putc(t, 0);
}

void draft_literal(Draft *b, DType dtype, Node shape, const void *bytes, size_t size, Text *out)
{
    Text *t = &b->blob;
    if (!t->size) /* the file's header is written last: it counts the records */
        put_number(t, 0, BLOB_HEADER);
    pad_to_record(t);
    uint64_t offset = t->size;
    put_number(t, BLOB_SENTINEL, 4);
    put_number(t, (uint64_t)dtype_info[dtype].blob_code, 4);
    put_number(t, size, 8);
    put_number(t, offset + BLOB_HEADER, 8);
    put_number(t, 0, BLOB_HEADER - 24);
    text_add(t, bytes, size);
    b->records++;
    print_type(out, dtype, &shape);
    text_printf(out, "(BLOBFILE(path = string(\"%s\"), offset = uint64(%llu)))", DRAFT_WEIGHTS_PATH,
                (unsigned long long)offset);
}

/* name = const() up to its value, which is to follow. */
static Node begin_const(Draft *b, DType dtype, Node shape)
{
    Node n = fresh(b, shape);
    text_puts(&b->body, "        ");
    print_type(&b->body, dtype, &n);
    text_printf(&b->body, " %s = const()[name = string(\"%s\"), val = ", n.name, n.name);
    return n;
}

Node draft_bytes(Draft *b, DType dtype, Node shape, const void *bytes, size_t size)
{
    Node n = begin_const(b, dtype, shape);
    draft_literal(b, dtype, shape, bytes, size, &b->body);
    text_puts(&b->body, "];\n");
    return n;
}

Node draft_attributed(Draft *b, Node shape, const char *op, const char *attributes)
{
    Node n = fresh(b, shape);
    text_puts(&b->body, "        ");
    print_type(&b->body, DT_FP16, &n);
    text_printf(&b->body, " %s = %s()[%s, name = string(\"%s\")];\n", n.name, op, attributes, n.name);
    return n;
}

void draft_raw(Draft *b, const char *statements)
{
    text_puts(&b->body, statements);
}

static double number_at(const Fill *fill, int64_t i, int64_t row, uint32_t *state)
{
    switch (fill->kind) {
    case FILL_EQUAL: return fill->scale;
    case FILL_DIAGONAL: return i / row == i % row ? fill->scale : 0;
    case FILL_RANDOM: break;
    }
    *state = *state * 1664525u + 1013904223u;
    return ((double)(*state >> 8) / 0x1p23 - 1) * fill->scale;
}

void draft_filled(Draft *b, Node shape, Fill fill, Text *out)
{
    int64_t n = node_elements(&shape), row = n / shape.dim[0];
    uint32_t state = (uint32_t)b->records * 2654435761u + 1;
    uint16_t *h = xmalloc((size_t)n * sizeof *h);
    for (int64_t i = 0; i < n; i++)
        h[i] = half_from_float((float)number_at(&fill, i, row, &state));
    draft_literal(b, DT_FP16, shape, h, (size_t)n * sizeof *h, out);
    free(h);
}

Node draft_weight(Draft *b, Node shape, Fill fill)
{
    Node n = begin_const(b, DT_FP16, shape);
    draft_filled(b, shape, fill, &b->body);
    text_puts(&b->body, "];\n");
    return n;
}

/* ---- the usual ops ---- */

Node draft_unary(Draft *b, const char *op, const Node *x)
{
    return draft_op(b, *x, "%s(x = %s)", op, x->name);
}

Node draft_binary(Draft *b, const char *op, const Node *x, const Node *y)
{
    return draft_op(b, *x, "%s(x = %s, y = %s)", op, x->name, y->name);
}

static void keep(char *name, Node n)
{
    memcpy(name, n.name, sizeof n.name);
}

Node draft_conv(Draft *b, const Node *x, const Node *weight)
{
    if (!*b->stride) {
        keep(b->stride, draft_ints(b, (int64_t[]){1, 1}, 2));
        keep(b->pad, draft_ints(b, (int64_t[]){0, 0, 0, 0}, 4));
        keep(b->valid, draft_value(b, "string", "\"valid\""));
        keep(b->one, draft_value(b, "int32", "1"));
    }
    return draft_op(b, node4(1, weight->dim[0], x->dim[2], x->dim[3]),
                    "conv(dilations = %s, groups = %s, pad = %s, pad_type = %s, strides = %s, weight = %s, "
                    "x = %s)",
                    b->stride, b->one, b->pad, b->valid, b->stride, weight->name, x->name);
}

Node draft_matmul(Draft *b, const Node *x, const Node *y, bool transpose_y)
{
    Node no = draft_value(b, "bool", "false"), ty = draft_value(b, "bool", transpose_y ? "true" : "false");
    Node shape = *x;
    shape.dim[shape.rank - 1] = y->dim[y->rank - (transpose_y ? 2 : 1)];
    return draft_op(b, shape, "matmul(transpose_x = %s, transpose_y = %s, x = %s, y = %s)", no.name, ty.name,
                    x->name, y->name);
}

Node draft_reshape(Draft *b, const Node *x, Node shape)
{
    Node to = draft_ints(b, shape.dim, shape.rank);
    return draft_op(b, shape, "reshape(shape = %s, x = %s)", to.name, x->name);
}

Node draft_transpose(Draft *b, const Node *x, const int64_t *perm)
{
    Node shape = *x, order = draft_ints(b, perm, x->rank);
    for (int i = 0; i < x->rank; i++)
        shape.dim[i] = x->dim[perm[i]];
    return draft_op(b, shape, "transpose(perm = %s, x = %s)", order.name, x->name);
}

/* ---- the whole ---- */

static void print_function(const Draft *b, const char *name, Text *out)
{
    text_printf(out, "    func %s<ios18>(%s) {\n%s    } -> (%s);\n", name, text_cstr(&b->params),
                text_cstr(&b->body), text_cstr(&b->outputs));
}

void draft_function(Draft *b, const char *name)
{
    print_function(b, name, &b->functions);
    text_free(&b->params);
    text_free(&b->body);
    text_free(&b->outputs);
    b->params_count = 0;
    *b->stride = *b->valid = *b->pad = *b->one = '\0';
}

void draft_print(const Draft *b, Text *out)
{
    text_puts(out,
              "program(1.3)\n[buildInfo = dict<string, string>({{\"coremlc-component-MIL\", "
              "\"3510.2.1\"}, {\"coremlc-version\", \"3505.4.1\"}, "
              "{\"coremltools-component-milinternal\", \"\"}, {\"coremltools-version\", \"9.0\"}})]\n{\n");
    text_puts(out, text_cstr(&b->functions));
    if (b->outputs.size)
        print_function(b, "main", out);
    text_puts(out, "}\n");
}

void draft_weights(const Draft *b, Text *out)
{
    if (!b->records)
        return;
    put_number(out, (uint64_t)b->records, 4);
    put_number(out, BLOB_VERSION, 4);
    text_add(out, b->blob.data + 8, b->blob.size - 8);
}

bool draft_find_blob(void *weights, const char *path, uint64_t offset, DType dtype, int64_t elements,
                     const void **data, Error *err)
{
    const Text *file = weights;
    const uint8_t *found;
    FileMap map = {.data = (const uint8_t *)file->data, .size = file->size};
    if (!blob_find(&map, offset, dtype, elements, &found, err))
        return false;
    *data = found;
    return true;
}
