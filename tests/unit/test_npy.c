/* .npy files: what numpy writes, byte by byte, and what no reader should believe. */
#include "runtime/npy.h"

#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "tests/unit/check.h"

/* A file of the version with this dictionary and these bytes behind it. */
static bool parse(int version, const char *header, const void *bytes, size_t size, Npy *out, Error *err)
{
    Text file = {0};
    size_t n = strlen(header);
    const char start[] = {(char)0x93,     'N', 'U', 'M', 'P', 'Y', (char)version, 0, (char)n,
                          (char)(n >> 8), 0,   0};
    text_add(&file, start, version == 1 ? 10 : 12);
    text_add(&file, header, n);
    text_add(&file, bytes, size);
    char *exact = xmalloc(file.size); /* so that reading behind the end is seen */
    memcpy(exact, file.data, file.size);
    bool ok = npy_parse(exact, file.size, out, err);
    free(exact);
    text_free(&file);
    return ok;
}

#define HEAD(descr, order, shape)                                                                            \
    "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }   \n"

static void test_orders(void)
{
    static const uint8_t little[] = {1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0},
                         big[] = {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6};
    static const int16_t rows[] = {1, 2, 3, 4, 5, 6}, columns[] = {1, 3, 5, 2, 4, 6};
    Npy n;
    Error err;
    CHECK(parse(1, HEAD("<i2", "False", "(2, 3)"), little, 12, &n, &err) && memcmp(n.data, rows, 12) == 0);
    CHECK(n.type.dtype == DT_INT16 && n.type.rank == 2 && n.type.dim[0] == 2 && n.type.dim[1] == 3);
    npy_free(&n);
    CHECK(parse(2, HEAD(">i2", "False", "(2, 3)"), big, 12, &n, &err) && memcmp(n.data, rows, 12) == 0);
    npy_free(&n);
    CHECK(parse(3, HEAD("<u2", "True", "(2, 3)"), little, 12, &n, &err) && memcmp(n.data, columns, 12) == 0);
    CHECK(n.type.dtype == DT_UINT16);
    npy_free(&n);
    CHECK(parse(1, HEAD(">i2", "True", "(2, 3)"), big, 12, &n, &err) && memcmp(n.data, columns, 12) == 0);
    npy_free(&n);
    CHECK(parse(1, HEAD("|b1", "False", "(3,)"), "\0\1\7", 3, &n, &err) && memcmp(n.data, "\0\1\1", 3) == 0);
    npy_free(&n);
    CHECK(parse(1, HEAD("<f2", "False", "()"), "\0\x3c", 2, &n, &err) && n.type.rank == 0);
    npy_free(&n);
    CHECK(parse(1, HEAD("<f8", "True", "(0, 9)"), "", 0, &n, &err) && type_elements(&n.type) == 0);
    npy_free(&n);
    CHECK(parse(1, "{\"shape\": (1L,), \"descr\": \"<u8\", \"fortran_order\": False}", "12345678", 8, &n,
                &err));
    npy_free(&n);
}

static void test_hostile(void)
{
    static const struct {
        const char *header, *expected;
    } cases[] = {
        {HEAD("<c8", "False", "(1,)"), "its elements are of the type \"<c8\""},
        {HEAD("|O", "False", "(1,)"), "its elements are of the type \"|O\""},
        {HEAD("<f4", "Maybe", "(1,)"), "neither True nor False"},
        {HEAD("<f4", "False", "(-1,)"), "something else than lengths"},
        {HEAD("<f4", "False", "(1 2)"), "no tuple of lengths"},
        {HEAD("<f4", "False", "7"), "its shape is no tuple"},
        {HEAD("<f4", "False", "(1,1,1,1,1,1,1,1,1)"), "more than 8 axes"},
        {HEAD("<f4", "False", "(99999999999999999999,)"), "something else than lengths"},
        {HEAD("<f4", "False", "(4611686018427387904, 4611686018427387904)"), "it ends early"},
        {HEAD("<f4", "False", "(2,)"), "it ends early"},
        {HEAD("|u1", "False", "(2,)"), "4 bytes follow where its header promises 2"},
        {"{'descr': '<f4', 'descr': '<f4'}", "\"descr\" twice"},
        {"{'descr': '<f4', 'fortran_order': False}", "not descr, fortran_order and shape"},
        {"{'descr': [('a', '<f4')]}", "no simple type"},
        {"{'colour': 'red'}", "the key \"colour\""},
        {"{'descr", "no dictionary"},
        {"", "no dictionary"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } x", "not descr, fortran_order and shape"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Npy n;
        Error err = {""};
        CHECK(!parse(1, cases[i].header, "abcd", 4, &n, &err) && n.data == NULL);
        CHECK(strstr(err.text, cases[i].expected));
        if (!strstr(err.text, cases[i].expected))
            printf("%s: %s\n", cases[i].header, err.text);
    }
    Npy n;
    Error err;
    CHECK(!npy_parse("\x93NUMPY\x01\x00\xff\xff{", 11, &n, &err) &&
          strstr(err.text, "ends within its header"));
    CHECK(!npy_parse("\x93NUMPY\x04\x00\x00\x00{", 11, &n, &err) && strstr(err.text, "version 4"));
    CHECK(!npy_parse("\x93NUMPY\x02\x00\x00\x00", 10, &n, &err) &&
          strstr(err.text, "ends within its header"));
    CHECK(!npy_parse("NUMPY", 5, &n, &err) && strstr(err.text, "no .npy file"));
}

static void test_back(void)
{
    static const DType types[] = {DT_BOOL,   DT_INT8,  DT_UINT8,  DT_INT16, DT_UINT16, DT_INT32,
                                  DT_UINT32, DT_INT64, DT_UINT64, DT_FP16,  DT_FP32,   DT_FP64};
    static const uint8_t bytes[48] = {1, 0, 1, 1, 0, 1, 9, 8};
    char folder[] = "/tmp/test_npy.XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    char *path = path_join(folder, "x.npy");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        int64_t dim[2] = {2, 3};
        Type t = type_tensor(types[i], 2, dim);
        Npy n;
        Error err;
        CHECK(npy_write(path, &t, bytes, &err) && npy_read(path, &n, &err));
        CHECK(type_equal(&n.type, &t) && memcmp(n.data, bytes, (size_t)type_bytes(&t)) == 0);
        npy_free(&n);
    }
    Type packed = type_scalar(DT_UINT4);
    Error err;
    CHECK(!npy_write(path, &packed, bytes, &err) && strstr(err.text, "uint4 cannot stand"));
    free(path);
    CHECK(dir_remove(folder, &err));
}

int main(void)
{
    test_orders();
    test_hostile();
    test_back();
    return check_report();
}
