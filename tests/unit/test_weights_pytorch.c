/* PyTorch zip checkpoints: the same model as safetensors, archives and pickles by hand, hostile ones too. */
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "frontend/weights/weights.h"
#include "tests/unit/check.h"

static void number(Text *t, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        text_putc(t, (char)(i < 8 ? v >> 8 * i : 0));
}

/* ---- archives by hand ---- */

typedef enum Twist { PLAIN, ZIP64, DEFLATED, ENCRYPTED, COMMENT, ADRIFT, TOO_LONG } Twist;

typedef struct Archive {
    Text file, directory;
    int count;
    Twist twist;
} Archive;

/* The part that local header and directory share. */
static void header(Archive *a, Text *t, const char *name, size_t size, size_t extra, bool wide)
{
    number(t, a->twist == ENCRYPTED, 2);
    number(t, a->twist == DEFLATED ? 8 : 0, 2);
    number(t, 0, 8); /* time, CRC-32 */
    for (int i = 0; i < 2; i++)
        number(t, wide ? UINT32_MAX : size + (a->twist == TOO_LONG ? 1000000 : 0), 4);
    number(t, strlen(name), 2);
    number(t, extra, 2);
}

static void entry(Archive *a, const char *name, const void *data, size_t size)
{
    const bool wide = a->twist == ZIP64;
    const size_t at = a->file.size;
    text_puts(&a->file, "PK\3\4");
    number(&a->file, 45, 2);
    header(a, &a->file, name, 0, 5, false); /* sizes are in the directory only; 5 bytes of padding */
    text_puts(&a->file, name);
    text_add(&a->file, "FB\1\0Z", 5);
    text_add(&a->file, data, size);
    Text *d = &a->directory;
    text_puts(d, "PK\1\2");
    number(d, 45, 2);
    number(d, 45, 2);
    header(a, d, name, size, wide ? 33 : 0, wide);
    number(d, 0, 10); /* comment, disk, attributes */
    number(d, wide ? UINT32_MAX : at + (a->twist == ADRIFT), 4);
    text_puts(d, name);
    if (wide) {
        text_add(d, "XX\1\0Z", 5);
        number(d, 1, 2);
        number(d, 24, 2);
        number(d, size, 8);
        number(d, size, 8);
        number(d, at, 8);
    }
    a->count++;
}

static void finish(Archive *a)
{
    Text *t = &a->file;
    const size_t at = t->size, size = a->directory.size, end = at + size;
    const bool wide = a->twist == ZIP64;
    text_add(t, text_cstr(&a->directory), size);
    if (wide) {
        text_puts(t, "PK\6\6");
        number(t, 44, 8);
        number(t, 0, 12);
        number(t, (uint64_t)a->count, 8);
        number(t, (uint64_t)a->count, 8);
        number(t, size, 8);
        number(t, at, 8);
        text_puts(t, "PK\6\7");
        number(t, 0, 4);
        number(t, end, 8);
        number(t, 1, 4);
    }
    text_puts(t, "PK\5\6");
    number(t, 0, 4);
    number(t, wide ? UINT16_MAX : (uint64_t)a->count, 2);
    number(t, wide ? UINT16_MAX : (uint64_t)a->count, 2);
    number(t, wide ? UINT32_MAX : size, 4);
    number(t, wide ? UINT32_MAX : at, 4);
    number(t, a->twist == COMMENT ? 9 : 0, 2);
    if (a->twist == COMMENT)
        text_puts(t, "a comment");
    text_free(&a->directory);
}

/* A pickle and one storage of 8 floats: 0, 1, ... 7. */
static Text archive(const Text *pickle, Twist twist)
{
    Archive a = {.twist = twist};
    float floats[8];
    for (int i = 0; i < 8; i++)
        floats[i] = (float)i;
    entry(&a, "archive/data.pkl", text_cstr(pickle), pickle->size);
    entry(&a, "archive/byteorder", "little", 6);
    entry(&a, "archive/data/0", floats, sizeof floats);
    finish(&a);
    return a.file;
}

/* ---- pickles by hand ---- */

static void word(Text *p, const char *s)
{
    text_putc(p, 'X');
    number(p, strlen(s), 4);
    text_puts(p, s);
}

static void whole(Text *p, int64_t v)
{
    text_puts(p, "\x8a\x08");
    number(p, (uint64_t)v, 8);
}

static void wholes(Text *p, const int64_t *v, int count)
{
    text_putc(p, '(');
    for (int i = 0; i < count; i++)
        whole(p, v[i]);
    text_putc(p, 't');
}

typedef struct View {
    const char *name, *key, *type;
    int64_t elements, offset;
    int rank;
    int64_t shape[3], strides[3];
} View;

static void view(Text *p, const View *v)
{
    word(p, v->name);
    text_puts(p, "ctorch._utils\n_rebuild_tensor_v2\n((");
    word(p, "storage");
    text_printf(p, "ctorch\n%s\n", v->type);
    word(p, v->key);
    word(p, "cpu");
    whole(p, v->elements);
    text_puts(p, "tQ");
    whole(p, v->offset);
    wholes(p, v->shape, v->rank);
    wholes(p, v->strides, v->rank);
    text_puts(p, "\x89"
                 "ccollections\nOrderedDict\n)RtR");
}

static Weights *open_pickle(Text *pickle, Twist twist, Text *file, Error *err)
{
    *file = archive(pickle, twist);
    text_free(pickle);
    return weights_open_memory(file->data, file->size, "f", err);
}

static void refused(Text *pickle, const char *message)
{
    Error err;
    Text file;
    Weights *w = open_pickle(pickle, PLAIN, &file, &err);
    CHECK(!w);
    CHECK(!w && strstr(err.text, message));
    if (!w && !strstr(err.text, message))
        printf("  got \"%s\", expected \"%s\"\n", err.text, message);
    weights_close(w);
    text_free(&file);
}

/* ---- good ones ---- */

static void one_tensor(Text *p)
{
    text_puts(p, "\x80\2}(");
    view(p, &(View){"x", "0", "FloatStorage", 8, 2, 2, {2, 3}, {3, 1}});
    text_puts(p, "u.");
}

static void check_one(const Weights *w)
{
    float f[6];
    TensorIssue issue;
    const Tensor *t = w ? weights_find(w, "x") : NULL;
    CHECK(t && weights_count(w) == 1 && t->rank == 2 && t->shape[0] == 2 && t->shape[1] == 3);
    CHECK(t && tensor_to_f32(t, false, f, 0, 6, &issue) && f[0] == 2 && f[5] == 7);
}

static void test_archives(void)
{
    static const Twist twists[] = {PLAIN, ZIP64, COMMENT};
    for (size_t i = 0; i < sizeof twists / sizeof *twists; i++) {
        Text p = {0}, file;
        Error err;
        one_tensor(&p);
        Weights *w = open_pickle(&p, twists[i], &file, &err);
        check_one(w);
        CHECK(w && strcmp(weights_format(w), "PyTorch") == 0);
        weights_close(w);
        for (size_t n = 0; n < file.size; n++) { /* the comment may be missing from a cut file, no more */
            char *copy = xmalloc(n ? n : 1);
            memcpy(copy, file.data, n);
            w = weights_open_memory(copy, n, "f", &err);
            CHECK(!w);
            weights_close(w);
            free(copy);
        }
        text_free(&file);
    }
}

/* Shared storages, every kind of view, and what is no tensor. */
static void test_views(void)
{
    static const View views[] = {
        {"all", "0", "FloatStorage", 8, 0, 3, {2, 2, 2}, {4, 2, 1}},
        {"scalar", "0", "FloatStorage", 8, 7, 0, {0}, {0}},
        {"empty", "0", "FloatStorage", 8, 8, 2, {0, 5}, {9, 9}},
        {"ones", "0", "FloatStorage", 8, 1, 3, {1, 4, 1}, {77, 1, 99}},
        {"half", "0", "HalfStorage", 16, 1, 1, {15}, {1}},
        {"long", "0", "LongStorage", 4, 0, 1, {4}, {1}},
    };
    static const char *const types[] = {"F32", "F32", "F32", "F32", "F16", "I64"};
    const size_t count = sizeof views / sizeof *views;
    Text p = {0}, file;
    Error err;
    float f[8];
    TensorIssue issue;
    text_puts(&p, "\x80\2ccollections\nOrderedDict\n)R(");
    for (size_t i = 0; i < count; i++)
        view(&p, &views[i]);
    word(&p, "nothing");
    text_puts(&p, "N");
    word(&p, "float");
    text_puts(&p, "G????????");
    text_puts(&p, "u}");
    word(&p, "_metadata");
    text_puts(&p, "Nsb.");
    Weights *w = open_pickle(&p, PLAIN, &file, &err);
    CHECK(w && weights_count(w) == count);
    for (size_t i = 0; w && i < count; i++) {
        const Tensor *t = weights_find(w, views[i].name);
        CHECK(t && t->rank == views[i].rank && strcmp(t->type_name, types[i]) == 0);
    }
    const Tensor *ones = w ? weights_find(w, "ones") : NULL, *scalar = w ? weights_find(w, "scalar") : NULL;
    CHECK(ones && tensor_to_f32(ones, false, f, 0, 4, &issue) && f[0] == 1 && f[3] == 4);
    CHECK(scalar && tensor_to_f32(scalar, false, f, 0, 1, &issue) && f[0] == 7);
    weights_close(w);
    text_free(&file);
}

/* Protocol 4: frames, short texts, names from the stack, the memo without numbers; a Parameter; one dict
 * further in. */
static void test_newer_protocol(void)
{
    Text p = {0}, file;
    Error err;
    static const char head[] = "\x80\4\x95\0\1\0\0\0\0\0\0}\x94(\x8c\5epochK\7\x8c\5model}\x94(\x8c\1x\x94"
                               "\x8c\14torch._utils\x94\x8c\22_rebuild_parameter\x93\x94"
                               "\x8c\14torch._utils\x8c\22_rebuild_tensor_v2\x93\x94((\x8c\7storage"
                               "\x8c\5torch\x8c\14FloatStorage\x93\x8c\1";
    static const char tail[] = "0\x8c\3cpuK\10tQK\2K\2K\3\x86K\3K\1\x86\x88N}\x94tR\x88}\x94\x87Ruu.";
    text_add(&p, head, sizeof head - 1);
    text_add(&p, tail, sizeof tail - 1);
    Weights *w = open_pickle(&p, PLAIN, &file, &err);
    check_one(w);
    weights_close(w);
    text_free(&file);
}

/* ---- hostile pickles ---- */

static void test_calls_refused(void)
{
    static const struct {
        const char *pickle, *message;
    } rows[] = {
        {"\x80\2cos\nsystem\nX\2",
         "f: pickle wants to call os.system: refused; only tensors are read"}, /* refused before the rest */
        {"cposix\nsystem\n(S'true'\ntR.", "f: pickle wants to call posix.system: refused"},
        {"\x80\4\x8c\2os\x8c\6system\x93\x8c\4true\x85R.", "f: pickle wants to call os.system: refused"},
        {"(S'true'\nios\nsystem\n.", "f: pickle: opcode 0x53 at byte 1 is none that tensors are saved with"},
        {"(K\1ios\nsystem\n.", "f: pickle wants to call os.system: refused"},
        {"(iccollections\nOrderedDict\n.", "f: pickle wants to call ccollections.OrderedDict: refused"},
        {"(icollections\nOrderedDict\n.", "f: pickle: opcode 0x69 at byte 1 is none"},
        {"\x80\2}X\1", "f: pickle: cut short"},
        {"\x80\2cbuiltins\neval\n.", "f: pickle wants to call builtins.eval: refused"},
        {"\x80\2c__builtin__\neval\n.", "f: pickle wants to call __builtin__.eval: refused"},
        {"\x80\2ctorch\nload\n.", "f: pickle wants to call torch.load: refused"},
        {"\x80\2ctorch._utils\n_rebuild_tensor_v2.__globals__\n.", "_rebuild_tensor_v2.__globals__: refused"},
        {"\x80\2c\x1b[31m\nx\n.", "f: pickle wants to call \\x1b[31m.x: refused"},
        {"\x80\2\x82\1.", "f: pickle: opcode 0x82 at byte 2 is none that tensors are saved with: refused"},
        {"\x80\2)\x81.", "f: pickle: opcode 0x81 at byte 3 is none"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Text p = {0};
        text_puts(&p, rows[i].pickle);
        refused(&p, rows[i].message);
    }
}

static void test_machine_refused(void)
{
    static const struct {
        const char *pickle, *message;
    } rows[] = {
        {"", "f: pickle: cut short (at byte 0)"},
        {"\x80\1.", "f: pickle: its protocol is none of 2 to 5"},
        {"\x80\2.", "f: pickle: a value is missing on the stack"},
        {"\x80\2(.", "f: pickle: a value is missing on the stack"},
        {"\x80\2Nt.", "f: pickle: a mark is missing on the stack"},
        {"\x80\2(R.", "f: pickle: a value is missing on the stack"},
        {"\x80\2NNR.", "f: pickle: a call of something that is no callable"},
        {"\x80\2)NR.", "f: pickle: a call of something that is no callable"},
        {"\x80\2ctorch\nFloatStorage\n)R.", "f: pickle: a call with unexpected arguments"},
        {"\x80\2ccollections\nOrderedDict\nN\x85R.", "f: pickle: a call with unexpected arguments"},
        {"\x80\2NNa.", "f: pickle: items are put into something that takes none"},
        {"\x80\2](Nu.", "f: pickle: items are put into something that takes none"},
        {"\x80\2}(Nu.", "f: pickle: items are put into something that takes none"},
        {"\x80\2)(Ne.", "f: pickle: items are put into something that takes none"},
        {"\x80\2h\1.", "f: pickle: a value of the memo is missing"},
        {"\x80\2Nq\2h\1.", "f: pickle: a value of the memo is missing"},
        {"\x80\2Nr\xff\xff\xff\xff.", "f: pickle: its memo is too large"},
        {"\x80\2NQ.", "f: pickle: a persistent id is no tuple"},
        {"\x80\2NN\x93.", "f: pickle: the name of a callable is no text"},
        {"\x80\2X\xff\xff\xff\xff", "f: pickle: cut short"},
        {"\x80\2\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "f: pickle: cut short"},
        {"\x80\2ccollections", "f: pickle: cut short"},
        {"\x80\2N.", "f: no dict from names to tensors in the pickle: save model.state_dict()"},
        {"\x80\2}.", "f: no dict from names to tensors"},
        {"\x80\2]q\1h\1a.", "f: no dict from names to tensors"}, /* a list that holds itself */
        {"\x80\2}q\1(U\5modelh\1u.", "f: no dict from names to tensors"},
        {"\x80\2ctorch._utils\n_rebuild_tensor_v2\n)R.", "f: no dict from names to tensors"},
        {"\x80\2}U\1xctorch._utils\n_rebuild_tensor_v2\n)Rs.", "f: no dict from names to tensors"},
        {"\x80\2}U\1xctorch._utils\n_rebuild_tensor_v2\nN\x85Rs.",
         "f: tensor \"x\": it is described in a way that torch.save does not write"},
        {"\x80\2}Nctorch._utils\n_rebuild_tensor_v2\nN\x85Rs.", "f: a tensor's name is no text"},
        {"\x80\2}U\1\nctorch._utils\n_rebuild_tensor_v2\nN\x85Rs.",
         "f: tensor \"\\x0a\": a name is 1 to 1024"},
        {"\x80\2}U\1xctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtRs.",
         "f: tensor \"x\": its storage is described in a way that torch.save does not write"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Text p = {0};
        text_puts(&p, rows[i].pickle);
        refused(&p, rows[i].message);
    }
}

/* Nothing recurses, and numbers of values are bounded. */
static void test_depth(void)
{
    static const struct {
        const char *begin, *repeated, *message;
        int times;
    } rows[] = {
        {"N", "\x85", "f: pickle: cut short", 1000000}, /* a tuple of a tuple of ... */
        {"", "]", "f: pickle: cut short", 1000000},
        {"", "(", "f: pickle: its stack is too deep", 5000000},
        {"", "N0", "f: pickle: opcode 0x30", 1},
        {"N", "Nb", "f: pickle: too many values", 5000000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Text p = {0};
        text_puts(&p, "\x80\2");
        text_puts(&p, rows[i].begin);
        for (int k = 0; k < rows[i].times; k++)
            text_puts(&p, rows[i].repeated);
        refused(&p, rows[i].message);
    }
}

/* ---- broken tensors ---- */

static void test_tensors_refused(void)
{
    static const struct {
        View view;
        const char *message;
    } rows[] = {
        {{"x", "1", "FloatStorage", 8, 0, 1, {8}, {1}}, "its storage data/1 is not in the archive"},
        {{"x", "../data.pkl", "FloatStorage", 8, 0, 1, {8}, {1}}, "is not in the archive"},
        {{"x", "0", "FloatStorage", 9, 0, 1, {8}, {1}},
         "cut short: tensor \"x\": its storage data/0 should have 9 elements, but has 8"},
        {{"x", "0", "DoubleStorage", 8, 0, 1, {8}, {1}}, "should have 8 elements, but has 4"},
        {{"x", "0", "FloatStorage", -1, 0, 1, {8}, {1}}, "should have -1 elements, but has 8"},
        {{"x", "0", "FloatStorage", INT64_MAX, 0, 1, {8}, {1}}, "should have 9223372036854775807 elements"},
        {{"x", "0", "FloatStorage", 8, 1, 1, {8}, {1}},
         "tensor \"x\": F32 [8] from element 1 on ends behind its storage, which has 8 elements"},
        {{"x", "0", "FloatStorage", 4, 0, 1, {8}, {1}}, "which has 4 elements"},
        {{"x", "0", "FloatStorage", 8, 9, 1, {0}, {1}}, "from element 9 on ends behind its storage"},
        {{"x", "0", "FloatStorage", 8, INT64_MAX, 1, {1}, {1}}, "on ends behind its storage"},
        {{"x", "0", "FloatStorage", 8, -1, 1, {1}, {1}}, "not up to 8 whole numbers from 0 up each"},
        {{"x", "0", "FloatStorage", 8, 0, 1, {-1}, {1}}, "not up to 8 whole numbers from 0 up each"},
        {{"x", "0", "FloatStorage", 8, 0, 1, {8}, {-1}}, "not up to 8 whole numbers from 0 up each"},
        {{"x", "0", "FloatStorage", 8, 0, 2, {INT64_MAX, 3}, {3, 1}}, "its shape has too many elements"},
        {{"x", "0", "FloatStorage", 8, 0, 2, {2, 4}, {1, 2}},
         "tensor \"x\": F32 [2, 4] is stored transposed or with gaps (strides [1, 2]); call .contiguous()"},
        {{"x", "0", "FloatStorage", 8, 0, 1, {4}, {2}}, "is stored transposed or with gaps (strides [2])"},
        {{"x", "0", "FloatStorage", 8, 0, 2, {8, 8}, {1, 0}}, "is stored transposed or with gaps"},
        {{"x", "0", "ComplexFloatStorage", 8, 0, 1, {1}, {1}},
         "pickle wants to call torch.ComplexFloatStorage: refused"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Text p = {0};
        text_puts(&p, "\x80\2}(");
        view(&p, &rows[i].view);
        text_puts(&p, "u.");
        refused(&p, rows[i].message);
    }
    Text p = {0};
    text_puts(&p, "\x80\2}(");
    for (int i = 0; i < 2; i++)
        view(&p, &(View){"x", "0", "FloatStorage", 8, 0, 1, {8}, {1}});
    text_puts(&p, "u.");
    refused(&p, "f: tensor \"x\" is there twice");
}

/* ---- broken archives ---- */

static void refused_bytes(Text *file, const char *message)
{
    Error err;
    Weights *w = weights_open_memory(file->data, file->size, "f", &err);
    CHECK(!w);
    CHECK(!w && strstr(err.text, message));
    if (!w && !strstr(err.text, message))
        printf("  got \"%s\", expected \"%s\"\n", err.text, message);
    weights_close(w);
    text_free(file);
}

static void test_archives_refused(void)
{
    static const struct {
        Twist twist;
        const char *message;
    } rows[] = {
        {DEFLATED, "f: zip entry \"archive/data.pkl\" is compressed, which torch.save never does: unpack"},
        {ENCRYPTED, "f: zip entry \"archive/data.pkl\" is encrypted"},
        {ADRIFT, "f: zip entry \"archive/data.pkl\" is not where the directory says"},
        {TOO_LONG, "f: zip entry \"archive/data.pkl\" ends behind the end of the file"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Text p = {0};
        one_tensor(&p);
        Text file = archive(&p, rows[i].twist);
        text_free(&p);
        refused_bytes(&file, rows[i].message);
    }
    Archive twice = {0}, other = {0}, big = {0}, none = {0};
    entry(&twice, "a/data.pkl", "N.", 2);
    entry(&twice, "a/data.pkl", "N.", 2);
    finish(&twice);
    refused_bytes(&twice.file, "f: zip entry \"a/data.pkl\" is there twice");
    entry(&other, "x.npy", "N.", 2);
    finish(&other);
    refused_bytes(&other.file, "f: a zip archive without a data.pkl in it: torch.save did not write it");
    entry(&big, "a/data.pkl", "N.", 2);
    entry(&big, "a/byteorder", "big", 3);
    finish(&big);
    refused_bytes(&big.file, "f: saved on a machine of another byte order");
    finish(&none);
    refused_bytes(&none.file, "f: a zip archive without a data.pkl in it");
}

static void test_no_archive(void)
{
    Text t = {0};
    text_puts(&t, "\x80\2\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.");
    refused_bytes(&t, "f: a PyTorch checkpoint in the form before 1.6, which is no zip archive");
    text_puts(&t, "\x80\2cos\nsystem\nN\x85R.");
    refused_bytes(&t, "f: pickle wants to call os.system: refused; only tensors are read");
    text_puts(&t, "\x80\4N.");
    refused_bytes(&t, "f: a pickle alone, without the zip archive that torch.save puts around it");
}

/* ---- real files ---- */

static bool same_tensor(const Tensor *a, const Tensor *b)
{
    return a->type == b->type && a->rank == b->rank && memcmp(a->shape, b->shape, sizeof a->shape) == 0 &&
           a->size == b->size && memcmp(a->data, b->data, (size_t)a->size) == 0;
}

static void compare(const char *path, const char *reference)
{
    Error err;
    Weights *a = weights_open(path, &err);
    if (!a)
        printf("  %s\n", err.text);
    Weights *b = weights_open(reference, &err);
    size_t same = 0;
    CHECK(a && b && weights_count(a) == weights_count(b) && weights_count(b) > 20);
    for (size_t i = 0; a && b && i < weights_count(b); i++) {
        const Tensor *x = weights_find(a, weights_at(b, i)->name);
        same += x && same_tensor(x, weights_at(b, i));
    }
    CHECK(b && same == weights_count(b));
    weights_close(a);
    weights_close(b);
}

/* A folder with `from` in it as `name`. */
static void link_into(const char *folder, const char *data, const char *from, const char *name)
{
    Error err;
    char *source = path_join(data, from), *to = path_join(folder, name), *bytes;
    size_t size;
    bool ok = file_read(source, 0, &bytes, &size, &err) && file_write_atomic(to, bytes, size, &err);
    CHECK(ok);
    if (ok)
        free(bytes);
    free(source);
    free(to);
}

static void remove_from(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    unlink(path);
    free(path);
}

static void test_folders(const char *data, const char *reference)
{
    static const char *const shards[] = {"tiny_gpt2-00001-of-00002.bin", "tiny_gpt2-00002-of-00002.bin"};
    char folder[] = "/tmp/pytorch-XXXXXX";
    CHECK(mkdtemp(folder));
    link_into(folder, data, "tiny_gpt2.bin", "pytorch_model.bin");
    compare(folder, reference);
    remove_from(folder, "pytorch_model.bin");
    for (int i = 0; i < 2; i++)
        link_into(folder, data, shards[i], shards[i]);
    link_into(folder, data, "tiny_gpt2.bin.index.json", "pytorch_model.bin.index.json");
    compare(folder, reference);
    remove_from(folder, "pytorch_model.bin.index.json");
    for (int i = 0; i < 2; i++)
        remove_from(folder, shards[i]);
    CHECK(rmdir(folder) == 0);
}

static void test_every_cut(const char *path)
{
    Error err;
    char *bytes;
    size_t size, opened = 0;
    CHECK(file_read(path, 0, &bytes, &size, &err));
    for (size_t n = 0; n < size; n += 7) {
        char *copy = xmalloc(n ? n : 1);
        memcpy(copy, bytes, n);
        Weights *w = weights_open_memory(copy, n, "f", &err);
        opened += w != NULL;
        weights_close(w);
        free(copy);
    }
    CHECK(opened == 0);
    free(bytes);
}

static void test_files(const char *folder)
{
    char *reference = path_join(folder, "tiny_gpt2.safetensors"), *one = path_join(folder, "tiny_gpt2.bin");
    char *index = path_join(folder, "tiny_gpt2.bin.index.json");
    compare(one, reference);
    compare(index, reference);
    test_folders(folder, reference);
    test_every_cut(one);
    free(reference);
    free(one);
    free(index);
}

int main(void)
{
    const char *data = check_data();
    test_archives();
    test_views();
    test_newer_protocol();
    test_calls_refused();
    test_machine_refused();
    test_depth();
    test_tensors_refused();
    test_archives_refused();
    test_no_archive();
    if (!data) {
        SKIP("no test data");
        return check_report();
    }
    char *fixtures = path_join(data, "hf-fixtures");
    test_files(fixtures);
    free(fixtures);
    return check_report();
}
