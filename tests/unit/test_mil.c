/* MIL text: real programs come back byte for byte, every form that the text has, and what errors look like.
 */
#include <dirent.h>

#include "base/file.h"
#include "frontend/mil/blob.h"
#include "frontend/mil/mil.h"
#include "tests/unit/check.h"

typedef Module *ReadFn(const Source *src, Diags *diags);

/* What printing gives after reading, or the messages. Owned by the caller. */
static char *read_and_print(ReadFn *read, const char *name, const char *text, size_t size, bool warnings)
{
    char *messages = NULL;
    size_t length;
    Source source = {name, text, size};
    Diags diags = {.out = open_memstream(&messages, &length), .quiet = !warnings};
    Module *m = read(&source, &diags);
    fclose(diags.out);
    if (!m || (warnings && *messages)) {
        module_free(m);
        return messages;
    }
    free(messages);
    Text out = {0};
    module_print(&out, m);
    module_free(m);
    return out.data;
}

static void check_same(ReadFn *read, const char *text)
{
    char *got = read_and_print(read, "t", text, strlen(text), false);
    CHECK_TEXT(got, text);
    free(got);
}

static void check_reads_as(const char *text, const char *expected)
{
    char *got = read_and_print(mil_read, "t", text, strlen(text), false);
    CHECK_TEXT(got, expected);
    free(got);
}

/* ---- real programs ---- */

static void check_file(const char *path)
{
    char *text;
    size_t size;
    Error err;
    if (!file_read(path, 0, &text, &size, &err)) {
        printf("%s\n", err.text);
        CHECK(false);
        return;
    }
    char *got = read_and_print(mil_read, path, text, size, false);
    if (strcmp(got, text) != 0)
        printf("%s does not come back as it was\n", path);
    CHECK(strcmp(got, text) == 0);
    free(got);
    free(text);
}

static void test_corpus(void)
{
    const char *data = check_data();
    char *folder = data ? path_join(data, "mil-corpus") : NULL;
    DIR *dir = folder ? opendir(folder) : NULL;
    int files = 0;
    if (!dir) {
        SKIP("no real programs: set ANEC_TEST_DATA");
        free(folder);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        char *program = path_join(folder, entry->d_name), *path = path_join(program, "model.mil");
        if (entry->d_name[0] != '.' && file_exists(path)) {
            check_file(path);
            files++;
        }
        free(path);
        free(program);
    }
    closedir(dir);
    free(folder);
    CHECK(files >= 19);
}

/* ---- forms ---- */

#define HEAD "program(1.3)\n[buildInfo = dict<string, string>({{\"a\", \"1\"}, {\"b\", \"\"}})]\n{\n"
#define FUNC "    func main<ios18>(tensor<fp16, [1, 64]> x) {\n"
#define LINE "            "
#define TAIL "        } -> (y);\n}"
#define Y "tensor<fp16, [1, 64]> y"

static void test_forms(void)
{
    check_same(mil_read, HEAD FUNC LINE Y " = relu(x = x)[name = string(\"op_1\")];\n" TAIL);
    check_same(
        mil_read,
        "program(1.0)\n{\n    func main<ios15>(tensor<fp16, [1, 64]> x) {\n" LINE
        "tensor<int32, []> a = const()[name = tensor<string, []>(\"a\"), val = tensor<int32, []>(-1)];\n" LINE
            Y " = softmax(axis = a, x = x)[name = tensor<string, []>(\"y\")];\n" TAIL);
    /* in-place constants, lists, several results, strings */
    check_same(mil_read, HEAD FUNC LINE
               "tensor<fp16, [1, 32]> a, tensor<fp16, [1, 32]> b = split(axis = int32(-1), "
               "num_splits = int32(2), x = x)[name = string(\"a \\\"b\\\" \\\\ \\n\\t\")];\n" LINE Y
               " = concat(axis = int32(1), interleave = bool(false), values = (b, a));\n" TAIL);
    /* numbers */
    check_same(mil_read, HEAD FUNC LINE
               "tensor<fp16, [2, 3]> c = const()[val = tensor<fp16, [2, 3]>([[0x1p-24, "
               "-0x0p+0, 0x1.ffcp+15], [-inf, inf, nan]])];\n" LINE
               "tensor<uint64, [2]> d = const()[val = tensor<uint64, [2]>([18446744073709551615, 0])];\n" LINE
               "tensor<int64, [2]> e = const()[val = tensor<int64, [2]>([-9223372036854775808, "
               "9223372036854775807])];\n" LINE "fp64 f = const()[val = fp64(0x1p-1074)];\n" LINE
               "tensor<bool, [1, 2]> g = const()[val = tensor<bool, [1, 2]>([[true, false]])];\n" LINE
               "tensor<fp16, [2, 0]> h = const()[val = tensor<fp16, [2, 0]>([[], []])];\n" LINE
               "tensor<string, [2]> s = const()[val = tensor<string, [2]>([\"a\", \"\"])];\n" LINE Y
               " = relu(x = x);\n" TAIL);
    /* weights in files, named and in place; sub-byte types */
    check_same(
        mil_read, HEAD FUNC LINE
        "tensor<fp16, [64]> w = const()[val = tensor<fp16, [64]>(BLOBFILE(path = "
        "string(\"@model_path/w.bin\"), offset = uint64(64)))];\n" LINE
        "tensor<fp16, [64, 64]> q = constexpr_lut_to_dense(indices = tensor<uint4, [64, 64]>("
        "BLOBFILE(path = string(\"w\"), offset = uint64(18446744073709551615))), lut = tensor<fp16, "
        "[1, 1, 16, 1]>(BLOBFILE(path = string(\"w\"), offset = uint64(0))))[name = string(\"q\")];\n" LINE Y
        " = linear(bias = w, weight = q, x = x);\n" TAIL);
    /* operands among the attributes, as in iOS 16 */
    check_same(mil_read,
               "program(1.0)\n{\n    func main<ios16>(tensor<fp16, [1, 64]> x) {\n" LINE
               "tensor<fp16, [64]> q = constexpr_affine_dequantize()[axis = tensor<int32, []>(0), name = "
               "tensor<string, []>(\"q\"), quantized_data = tensor<int8, [64]>(BLOBFILE(path = "
               "tensor<string, []>(\"w\"), offset = tensor<uint64, []>(64))), scale = tensor<fp16, []>("
               "0x1p-3), zero_point = tensor<int8, []>(0)];\n" LINE Y " = mul(x = x, y = q);\n" TAIL);
}

static void test_functions(void)
{
    /* two functions with a name in common, states, statements without results, no parameters */
    check_same(mil_read,
               HEAD "    func step<ios18>(state<tensor<fp16, [4, 8]>> k, tensor<fp16, [4, 8]> x) {\n" LINE
                    "write_state(data = x, input = k)[name = string(\"w\")];\n" LINE
                    "tensor<fp16, [4, 8]> y = read_state(input = k)[name = string(\"r\")];\n"
                    "        } -> (y, x);\n    func none<ios17>() {\n" LINE
                    "int32 y = const()[val = int32(0)];\n" TAIL);
    /* attributes of functions; nested types without a type at each level; decimals within a dict */
    check_same(
        mil_read,
        HEAD "    func main<ios17>(tensor<fp32, [?, 4]> x) [FlexibleShapeInformation = tuple<tuple<string, "
             "dict<string, tensor<int32, [?]>>>, tuple<string, dict<string, list<tensor<int32, [2]>, ?>>>>((("
             "\"DefaultShapes\", {{\"x\", [1, 4]}}), (\"RangeDims\", {{\"x\", [[0, 4], [4, 4]]}}))), ms = "
             "fp64(0x1p-3)] {\n" LINE
             "tensor<fp32, [?, 4]> y = relu<ios15>(x = x)[Backends = list<string, 2>([\"a\","
             " \"b\"]), Empty = dict<string, string>({}), Runtime = dict<string, fp64>({{\"ane\", "
             "0.0046742807655237523}, {\"cpu\", 0}, {\"gpu\", inf}})];\n" TAIL);
    check_same(mil_read, HEAD "    func main<ios18>(tensor_buffer<fp16, shape=[1, 32], strides=[32, 1], "
                              "interleave_factors=[1, 1]> b) {\n" LINE
                              "tensor<fp16, [1, 32]> y = tensor_buffer_to_tensor<ios17>(input = b);\n" TAIL);
    /* words that mean something elsewhere, as names */
    check_same(mil_read,
               HEAD "    func list<ios18>(tensor<fp16, [2]> int32, tensor<fp16, [2]> tensor) {\n" LINE
                    "tensor<fp16, [2]> S = add(x = int32, y = tensor)[func = string(\"f\")];\n" LINE
                    "tensor<fp16, [2]> y = concat(axis = int32(0), values = (tensor<fp16, [1]>([0x1p+0]), "
                    "tensor<fp16, [1]>([0x1p+1])));\n        } -> (S, y);\n}");
}

/* Any layout and order is read; printing is canonical. */
static void test_layout(void)
{
    check_reads_as(
        "//a comment\nprogram ( 1.3 ) {func main < ios18 > (\r\n\ttensor<fp16,[1,64]>x){fp16 h=const()[val="
        "fp16(0.5),name=string(\"h\")];" Y "=mul(y=h,x=x);}->(y);}\n\n",
        "program(1.3)\n{\n" FUNC LINE "fp16 h = const()[name = string(\"h\"), val = fp16(0x1p-1)];\n" LINE Y
        " = mul(x = x, y = h);\n" TAIL "\n");
    /* an integer where floats are declared, digits beyond the type, trailing zeros, capitals */
    check_reads_as(
        "program(1.3) { func main<ios18>() { tensor<fp16, [5]> y = const()[val = tensor<fp16, [5]>([3, "
        "0x1.1000000000000p-20, 0.1, 1e-30, 0X1.8P1])]; } -> (y); }",
        "program(1.3)\n{\n    func main<ios18>() {\n" LINE "tensor<fp16, [5]> y = const()[val = "
        "tensor<fp16, [5]>([0x1.8p+1, 0x1.1p-20, 0x1.998p-4, 0x0p+0, 0x1.8p+1])];\n" TAIL);
    /* both spellings of scalars are one type */
    check_reads_as(
        "program(1.3) { func main<ios18>() { tensor<int32, []> y = const()[val = int32(3)]; } -> (y); }",
        "program(1.3)\n{\n    func main<ios18>() {\n" LINE
        "tensor<int32, []> y = const()[val = tensor<int32, []>(3)];\n" TAIL);
}

static void test_model(void)
{
    static const char text[] =
        "program(1.3)\n{\n    func gpt2<ios18>(tensor<int32, [S]> position, tensor<int32, [S]> token) "
        "{\n" LINE "tensor<fp32, [50, 8]> wte = const()[val = tensor<fp32, [50, 8]>(WEIGHT(name = "
        "\"wte.\\\"weight\"))];\n" LINE
        "tensor<fp32, [8, 8]> w = const()[val = tensor<fp32, [8, 8]>(WEIGHT(name = \"w\", transposed = "
        "true, scale = -3))];\n" LINE
        "tensor<fp16, [1, 1, S, S]> mask = const()[val = tensor<fp16, [1, 1, S, S]>(CAUSAL_MASK(window = "
        "0))];\n" LINE "tensor<fp32, [S, 8]> x = gather(axis = int32(0), indices = token, x = wte);\n" LINE
        "tensor<int32, [3]> shape = const()[val = tensor<int32, [3]>([S, 2, 4])];\n" LINE
        "tensor<fp32, [S, 2, 4]> h = reshape(shape = shape, x = x);\n" LINE
        "tensor<fp32, [2, S, 4]> q = transpose(perm = tensor<int32, [3]>([1, 0, 2]), x = h);\n" LINE
        "tensor<fp32, [2, T, 4]> k = cache(x = q);\n" LINE
        "tensor<fp32, [2, S, T]> s = matmul(transpose_y = bool(true), x = q, y = k);\n" LINE
        "tensor<fp32, [2, S, T]> y = causal(x = s);\n" TAIL;
    check_same(mil_read_model, text);
    char *got = read_and_print(mil_read, "t", text, strlen(text), false);
    CHECK(strncmp(got, "t:3:37: error: unexpected 'S', expected a number, ']' or '?'\n", 60) == 0);
    free(got);
    /* lengths in place of S and T */
    char *messages = NULL;
    size_t size;
    Source source = {"t", text, sizeof text - 1};
    Diags diags = {.out = open_memstream(&messages, &size)};
    Module *m = mil_read_model(&source, &diags);
    CHECK(m != NULL);
    if (m) {
        func_specialise(m->func[0], 3, 7);
        Text line = {0};
        op_print(&line, m->func[0]->last);
        CHECK_TEXT(text_cstr(&line), "tensor<fp32, [2, 3, 7]> y = causal(x = s);");
        CHECK(module_verify(m, "specialised", &diags));
        text_free(&line);
    }
    module_free(m);
    fclose(diags.out);
    free(messages);
}

/* New names do not meet those that were read. */
static void test_fresh_names(void)
{
    static const char text[] =
        "program(1.3) { func main<ios18>(fp16 x_7) { fp16 y_99999999999 = relu(x = x_7); fp16 "
        "z_12 = relu(x = x_7); } -> (z_12); }";
    Source source = {"t", text, sizeof text - 1};
    Diags diags = {0};
    Module *m = mil_read(&source, &diags);
    CHECK(m && strcmp(func_fresh_name(m->func[0], "z"), "z_13") == 0);
    module_free(m);
}

/* ---- errors ---- */

/* The statement is line 3 of a program with parameters x [1, 64] and i int32. */
static void check_error(const char *statement, const char *expected)
{
    Text program = {0};
    text_printf(&program,
                "program(1.3) {\nfunc main<ios18>(tensor<fp16, [1, 64]> x, int32 i) {\n%s\n} -> (x); }",
                statement);
    char *got = read_and_print(mil_read, "t", text_cstr(&program), program.size, true);
    CHECK_TEXT(got, expected);
    free(got);
    text_free(&program);
}

static void test_errors(void)
{
    check_error(
        "tensor<fp16, [1, 64]> y = rellu(x = x);",
        "t:3:27: warning: the op rellu is not known here and is only carried through; did you mean relu?\n"
        "    tensor<fp16, [1, 64]> y = rellu(x = x);\n"
        "                              ^~~~~\n");
    check_error("fp16 y = cache(x = x);", "t:3:10: error: cache stands in models only, it is no op of MIL\n"
                                          "    fp16 y = cache(x = x);\n"
                                          "             ^~~~~\n");
    check_error("tensor<fp16, [1, 64]> y = relu(z = x);", "t:3:32: error: relu has no operand z: it takes x\n"
                                                          "    tensor<fp16, [1, 64]> y = relu(z = x);\n"
                                                          "                                   ^\n");
    check_error("tensor<fp16, [1, 64]> y = layer_norm(gama = x, x = x);",
                "t:3:38: error: layer_norm has no operand gama; did you mean gamma?\n"
                "    tensor<fp16, [1, 64]> y = layer_norm(gama = x, x = x);\n"
                "                                         ^~~~\n");
    check_error("tensor<fp16, [1, 64]> y = add(x = x);", "t:3:27: error: add: operand y is missing\n"
                                                         "    tensor<fp16, [1, 64]> y = add(x = x);\n"
                                                         "                              ^~~\n");
    check_error("tensor<fp16, [1, 64]> total = relu(x = x); fp16 y = relu(x = totl);",
                "t:3:62: error: totl is not defined before this; did you mean total?\n"
                "    tensor<fp16, [1, 64]> total = relu(x = x); fp16 y = relu(x = totl);\n"
                "                                                                 ^~~~\n");
    check_error("fp16 x = const()[val = fp16(0x1p+0)];",
                "t:3:6: error: x is defined already\n"
                "    fp16 x = const()[val = fp16(0x1p+0)];\n"
                "         ^\n"
                "t:2:40: note: it is defined here\n"
                "    func main<ios18>(tensor<fp16, [1, 64]> x, int32 i) {\n"
                "                                           ^\n");
    check_error("tensor<fp16, [64]> y = relu(x = x);",
                "t:3:20: error: y is declared as tensor<fp16, [64]>, but relu gives tensor<fp16, [1, 64]>\n"
                "    tensor<fp16, [64]> y = relu(x = x);\n"
                "                       ^\n");
    check_error("tensor<int32, [2]> a = const()[val = tensor<int32, [2]>([1, 2, 3])];",
                "t:3:65: error: there are 3 elements here, expected 2\n"
                "    tensor<int32, [2]> a = const()[val = tensor<int32, [2]>([1, 2, 3])];\n"
                "                                                                    ^\n");
    check_error("int32 a = const()[val = int32(2147483648)];",
                "t:3:25: error: 2147483648 does not fit int32\n"
                "    int32 a = const()[val = int32(2147483648)];\n"
                "                            ^~~~~~~~~~~~~~~~~\n");
    check_error("fp16 a = const()[val = fp16(70000)];", "t:3:29: error: the number is too large for fp16\n"
                                                        "    fp16 a = const()[val = fp16(70000)];\n"
                                                        "                                ^~~~~\n");
    check_error("uint64 a = const()[val = uint64(-1)];", "t:3:33: error: uint64 holds no negative numbers\n"
                                                         "    uint64 a = const()[val = uint64(-1)];\n"
                                                         "                                    ^~\n");
    check_error(
        "int32 a = const()[val = int32(-1000000001)];",
        "t:3:31: error: this number stands for a symbolic length inside the compiler and cannot be read\n"
        "    int32 a = const()[val = int32(-1000000001)];\n"
        "                                  ^~~~~~~~~~~\n");
    check_error("int32 a = const()[val = int32(0.5)];", "t:3:31: error: this cannot be an element of int32\n"
                                                        "    int32 a = const()[val = int32(0.5)];\n"
                                                        "                                  ^~~\n");
    check_error("int32 a = const()[val = fp16(1)];",
                "t:3:25: error: a is declared as int32, but its value is fp16\n"
                "    int32 a = const()[val = fp16(1)];\n"
                "                            ^~~~~~~\n");
    check_error("int32 a = const()[name = string(\"a\")];",
                "t:3:11: error: a constant needs a value: [val = TYPE(..)]\n"
                "    int32 a = const()[name = string(\"a\")];\n"
                "              ^~~~~\n");
    check_error("tensor<fp16, [1, 64]> y = relu(x = x, x = x);",
                "t:3:39: error: x is given twice\n"
                "    tensor<fp16, [1, 64]> y = relu(x = x, x = x);\n"
                "                                          ^\n");
    check_error("tensor<fp16, [1, 64]> y = relu(x = (x));", "t:3:32: error: x takes one value, not a list\n"
                                                            "    tensor<fp16, [1, 64]> y = relu(x = (x));\n"
                                                            "                                   ^\n");
    check_error("string a = const()[val = string(\"a\\q\")];",
                "t:3:35: error: there is no such escape in strings\n"
                "    string a = const()[val = string(\"a\\q\")];\n"
                "                                      ^~\n");
    check_error("tensor<fp16, [1, 1, 1, 1, 1, 1, 1, 1, 2]> a = relu(x = x);",
                "t:3:39: error: a tensor has at most 8 axes\n"
                "    tensor<fp16, [1, 1, 1, 1, 1, 1, 1, 1, 2]> a = relu(x = x);\n"
                "                                          ^\n");
    check_error("tensor<fp16, [-1]> a = relu(x = x);", "t:3:15: error: a length cannot be negative\n"
                                                       "    tensor<fp16, [-1]> a = relu(x = x);\n"
                                                       "                  ^~\n");
    check_error(
        "tensor<fp16, [1]> a = const()[val = tensor<fp16, [1]>(BLOBFILE(path = string(\"w\")))];",
        "t:3:37: error: expected BLOBFILE(path = .., offset = ..)\n"
        "    tensor<fp16, [1]> a = const()[val = tensor<fp16, [1]>(BLOBFILE(path = string(\"w\")))];\n"
        "                                        ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n");
    check_error(
        "tensor<bool, [1]> a = const()[val = tensor<bool, [1]>(BLOBFILE(path = string(\"w\"), offset = "
        "uint64(0)))];",
        "t:3:37: error: elements of type bool cannot stand in a weight file\n"
        "    tensor<bool, [1]> a = const()[val = tensor<bool, [1]>(BLOBFILE(path = string(\"w\"), offset = "
        "uint64(0)))];\n"
        "                                        "
        "^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n");
}

/* One bad statement does not hide the next; what cannot be read at all ends at its `;`. */
static void test_several_errors(void)
{
    check_error("fp16 a = relu(x = );\nfp16 b = relu(x = nope);\nfp16 c = $;",
                "t:3:19: error: unexpected ')'\n"
                "    fp16 a = relu(x = );\n"
                "                      ^\n"
                "t:4:19: error: nope is not defined before this\n"
                "    fp16 b = relu(x = nope);\n"
                "                      ^~~~\n"
                "t:5:10: error: '$' means nothing here\n"
                "    fp16 c = $;\n"
                "             ^\n");
    check_reads_as("", "t:1:1: error: unexpected the end of the text, expected program\n    \n    ^\n");
    check_reads_as("program(2.0) {}", "t:1:9: error: there is no program version 2.0: 1.0 to 1.3 are known\n"
                                      "    program(2.0) {}\n"
                                      "            ^~~\n");
    check_reads_as("program(1.3) {}", "t:1:1: error: the program has no function\n"
                                      "    program(1.3) {}\n"
                                      "    ^\n");
    check_reads_as("program(1.3) { func a<ios18>() {} -> (); func a<ios18>() {} -> (); }",
                   "t:1:47: error: function a is defined twice\n"
                   "    program(1.3) { func a<ios18>() {} -> (); func a<ios18>() {} -> (); }\n"
                   "                                                  ^\n");
    check_reads_as("program(1.3) [a = string(\"b", "t:1:26: error: the string does not end on its line\n"
                                                   "    program(1.3) [a = string(\"b\n"
                                                   "                             ^\n");
}

/* A zero byte, and nesting that would overflow a stack. */
static void test_hostile(void)
{
    static const char zero[] = "program(1.3) {\0}";
    char *got = read_and_print(mil_read, "t", zero, sizeof zero - 1, false);
    CHECK(strncmp(got, "t:1:15: error: a zero byte stands in the text\n", 46) == 0);
    free(got);
    static const char *const openings[] = {"list<", "[", "(", "{{", "tuple<"};
    for (int k = 0; k < 5; k++) {
        Text t = {0};
        text_puts(&t, k == 0 || k == 4 ? "program(1.3) [a = " : "program(1.3) [a = int32(");
        for (int i = 0; i < 200000; i++)
            text_puts(&t, openings[k]);
        got = read_and_print(mil_read, "t", t.data, t.size, false);
        CHECK(strstr(got, "error: ") != NULL);
        free(got);
        text_free(&t);
    }
    Text t = {0};
    text_puts(&t, "program(1.3) [a = ");
    for (int i = 0; i < 40; i++)
        text_puts(&t, "tuple<");
    text_puts(&t, "int32");
    for (int i = 0; i < 40; i++)
        text_puts(&t, ">");
    text_puts(&t, "(1)] { func f<ios18>() {} -> (); }");
    got = read_and_print(mil_read, "t", t.data, t.size, false);
    CHECK(strstr(got, "error: types are nested more than 16 deep\n") != NULL);
    free(got);
    text_free(&t);
}

/* ---- weight files ---- */

static void put(uint8_t *at, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(v >> 8 * i);
}

/* The example at the end of Apple's format: one fp16 tensor, its data at 128. */
static void make_blob(uint8_t *file, uint32_t code, uint64_t size)
{
    memset(file, 0, 256);
    put(file, 1, 4);
    put(file + 4, 2, 4);
    put(file + 64, 0xDEADBEEF, 4);
    put(file + 68, code, 4);
    put(file + 72, size, 8);
    put(file + 80, 128, 8);
}

static void check_blob(const FileMap *map, uint64_t offset, DType dtype, int64_t elements,
                       const char *expected)
{
    Error err = {""};
    const uint8_t *data = NULL;
    bool ok = blob_find(map, offset, dtype, elements, &data, &err);
    CHECK(ok == (*expected == 0));
    CHECK_TEXT(err.text, expected);
    CHECK(!ok || data == map->data + 128);
}

static void test_blob(void)
{
    static uint8_t file[256];
    FileMap map = {.data = file, .size = 128 + 14};
    make_blob(file, 1, 14);
    check_blob(&map, 64, DT_FP16, 7, "");
    check_blob(&map, 64, DT_FP16, 8, "weight record at offset 64 has 14 bytes, 8 elements of fp16 need 16");
    check_blob(&map, 64, DT_FP32, 7, "weight record at offset 64 holds fp16, expected fp32");
    check_blob(&map, 64, DT_BOOL, 7, "elements of type bool cannot stand in a weight file");
    check_blob(&map, 0, DT_FP16, 7, "no weight record at offset 0 of a file of 142 bytes");
    check_blob(&map, 128, DT_FP16, 7, "no weight record at offset 128 of a file of 142 bytes");
    check_blob(&map, UINT64_MAX - 63, DT_FP16, 7,
               "no weight record at offset 18446744073709551552 of a file of 142 bytes");
    check_blob(&map, 65, DT_FP16, 7,
               "no weight record at offset 65: found 0x01deadbe where 0xdeadbeef marks one");
    check_blob(&map, 64, DT_FP16, -1, "weight record at offset 64: a count of -1 elements cannot be");
    map.size--;
    check_blob(&map, 64, DT_FP16, 7,
               "weight record at offset 64: 14 bytes at 128 lie outside of a file of 141 bytes");
    map.size = 20;
    check_blob(&map, 64, DT_FP16, 7, "weight file is too short: 20 bytes, its header alone has 64");
    map.size = sizeof file;
    put(file + 80, UINT64_MAX - 3, 8);
    check_blob(
        &map, 64, DT_FP16, 7,
        "weight record at offset 64: 14 bytes at 18446744073709551612 lie outside of a file of 256 bytes");
    put(file + 80, 129, 8);
    check_blob(&map, 64, DT_FP16, 7,
               "weight record at offset 64: its data at 129 are not aligned to 2 bytes");
    put(file + 4, 1, 4);
    check_blob(&map, 64, DT_FP16, 7, "weight file has format version 1, expected 2");
    make_blob(file, 8, 4); /* int4: 7 elements in 4 bytes */
    check_blob(&map, 64, DT_INT4, 7,
               "weight record at offset 64 says that 0 bits at its end are unused, expected 4");
    put(file + 88, 4, 8);
    check_blob(&map, 64, DT_INT4, 7, "");
    check_blob(&map, 64, DT_INT4, 8,
               "weight record at offset 64 says that 4 bits at its end are unused, expected 0");
}

int main(void)
{
    test_corpus();
    test_forms();
    test_functions();
    test_layout();
    test_model();
    test_fresh_names();
    test_errors();
    test_several_errors();
    test_hostile();
    test_blob();
    return check_report();
}
