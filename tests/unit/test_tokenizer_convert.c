/* Other programs' tokenizers on small models: what they say about texts, and every message about a broken
 * file. test_tokenizer_convert_data.c has real ones. */
#include <math.h>

#include "base/file.h"
#include "runtime/tokenizer/convert.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/unit/check.h"

/* The ids of `text` as "1 2 3" ("-": none), or the error. */
static const char *ids_of(const Tokenizer *t, const char *text, size_t size, bool special)
{
    static char shown[1200];
    Error err;
    int32_t *ids = NULL;
    size_t count = 0;
    if (!tokenizer_encode(t, text, size, special, &ids, &count, &err))
        return strcpy(shown, err.text);
    int at = sprintf(shown, "%s", count ? "" : "-");
    for (size_t i = 0; i < count && at < 1000; i++)
        at += sprintf(shown + at, "%s%d", i ? " " : "", (int)ids[i]);
    free(ids);
    return shown;
}

#define IDS(text, special, expected) CHECK_TEXT(ids_of(t, text, sizeof text - 1, special), expected)

/* Opens what a converter wrote and frees it. */
static Tokenizer *open_made(bool made, Text *json, Error *err)
{
    Tokenizer *t = made ? tokenizer_open(text_cstr(json), json->size, err) : NULL;
    if (!t)
        printf("%s\n", err->text);
    CHECK(t != NULL);
    text_free(json);
    return t;
}

static Tokenizer *open_model(const char *name)
{
    char path[200], *data = NULL;
    size_t size = 0;
    Error err;
    Text json = {0};
    snprintf(path, sizeof path, "tests/data/tokenizer/spm/%s.model", name);
    bool ok = file_read(path, 0, &data, &size, &err) && tokenizer_json_from_spm(data, size, &json, &err);
    free(data);
    return open_made(ok, &json, &err);
}

/* ---- SentencePiece ---- */

static size_t unhex(const char *hex, char *out)
{
    size_t n = 0;
    for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        out[n++] = (char)byte;
    return n;
}

static void check_decoded(const Tokenizer *t, const char *ids, const char *hex)
{
    int32_t list[200];
    size_t count = 0;
    Text out = {0};
    char expected[400];
    for (int used; sscanf(ids, "%d%n", &list[count], &used) == 1; ids += used)
        count++;
    tokenizer_decode(t, list, count, &out);
    expected[unhex(hex, expected)] = 0;
    CHECK_TEXT(text_cstr(&out), expected);
    text_free(&out);
}

/* The file says where its answers come from. */
static void test_models(void)
{
    FILE *f = fopen("tests/data/tokenizer/spm/cases.tsv", "r");
    char line[1000], name[40], opened[40] = "", hex[400], ids[400], decoded[400], text[200];
    Tokenizer *t = NULL;
    int cases = 0;
    CHECK(f != NULL);
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%39[^#\t]\t%399[^\t]\t%399[^\t]\t%399[^\n]", name, hex, ids, decoded) != 4)
            continue;
        if (strcmp(name, opened) != 0) {
            tokenizer_close(t);
            t = open_model(strcpy(opened, name));
        }
        if (!t)
            break;
        size_t size = unhex(hex, text);
        CHECK_TEXT(ids_of(t, text, size, false), ids);
        check_decoded(t, ids, decoded);
        cases++;
    }
    tokenizer_close(t);
    if (f)
        fclose(f);
    CHECK(cases == 4 * 43);
}

static void test_control(void)
{
    Tokenizer *t = open_model("bpe");
    if (!t)
        return;
    CHECK(tokenizer_begin(t) == 1 && tokenizer_vocab_size(t) == 275);
    CHECK(tokenizer_is_special(t, 1) && tokenizer_is_special(t, 2) && !tokenizer_is_special(t, 0));
    CHECK(tokenizer_find(t, "</s>") == 2 && tokenizer_find(t, " a") == 262 && tokenizer_find(t, "\n") == 13);
    IDS("<s>a</s>", true, "1 262 2"); /* a stretch between control tokens is a text of its own */
    IDS("<s></s>", true, "1 2");
    IDS("\xff\x80", false, "268 258 131"); /* no UTF-8: bytes */
    IDS("a\0a", false, "262 3 269");
    tokenizer_close(t);
}

/* Quadratic time would take an hour; words don't stand alone in this model. */
static void test_long_text(const char *model)
{
    enum { SIZE = 1 << 20 };
    Tokenizer *t = open_model(model);
    char *text = malloc(SIZE);
    Error err;
    int32_t *ids = NULL;
    size_t count = 0;
    memset(text, 'a', SIZE);
    for (size_t i = 1; i < SIZE; i += 2)
        text[i] = 'b';
    CHECK(t && tokenizer_encode(t, text, SIZE, false, &ids, &count, &err) && count > SIZE / 5);
    free(ids);
    free(text);
    tokenizer_close(t);
}

/* A model of one message after the other; bytes and their number. */
static void check_spm_error(const char *model, size_t size, const char *expected)
{
    Error err = {""};
    Text out = {0};
    CHECK(!tokenizer_json_from_spm(model, size, &out, &err));
    CHECK_TEXT(err.text, expected);
    CHECK(out.size == 0);
    text_free(&out);
}
#define SPM_ERROR(model, expected) check_spm_error(model, sizeof(model) - 1, expected)

/* Pieces: "a" of the score 0; "<unk>". */
#define PIECE_A "\x0a\x08\x0a\x01\x61\x15\0\0\0\0"
#define PIECE_UNK "\x0a\x09\x0a\x05<unk>\x18\x02"
#define TRAINER_BPE "\x12\x02\x18\x02"

static void test_spm_errors(void)
{
    SPM_ERROR("", "not a SentencePiece model: it has no pieces");
    SPM_ERROR("\x12\x00", "not a SentencePiece model: it has no pieces");
    SPM_ERROR("{\"model\": 1}", "not a SentencePiece model: the file is cut short or damaged");
    SPM_ERROR("\x0a\x05\x0a", "not a SentencePiece model: the file is cut short or damaged");
    SPM_ERROR("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
              "not a SentencePiece model: the file is cut short or damaged");
    SPM_ERROR("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
              "not a SentencePiece model: the file is cut short or damaged");
    SPM_ERROR("\x0a\x02\x0a\x05", "not a SentencePiece model: a piece is cut short or damaged");
    SPM_ERROR(PIECE_A "\x12\x01\x18", "not a SentencePiece model: its trainer_spec is cut short or damaged");
    SPM_ERROR(PIECE_A "\x1a\x01\x0b",
              "not a SentencePiece model: its normalizer_spec is cut short or damaged");
    SPM_ERROR("\x0a\x05\x0a\x01\x61\x18\x07", "piece 0 is of the type 7, which is none");
    SPM_ERROR(PIECE_A "\x12\x02\x18\x03",
              "SentencePiece models of the kind \"word\" are not supported; BPE and unigram are");
    SPM_ERROR(PIECE_A "\x12\x02\x18\x63",
              "SentencePiece models of the kind \"unknown\" are not supported; BPE and unigram are");
    SPM_ERROR(PIECE_A "\x1a\x0b\x0a\x08nmt_nfkc\x12\x01x",
              "not a SentencePiece model: its normalizer_spec is cut short or damaged");
    SPM_ERROR(PIECE_A "\x1a\x0d\x0a\x08nmt_nfkc\x12\x01x",
              "SentencePiece's normalization \"nmt_nfkc\" is not supported; \"identity\" is");
    SPM_ERROR(PIECE_A "\x2a\x03\x12\x01x", "the model has a denormalizer, which is not supported");
    SPM_ERROR(PIECE_A "\x12\x03\xc0\x01\x01", "SentencePiece's treat_whitespace_as_suffix is not supported");
    SPM_ERROR(PIECE_A "\x12\x03\x98\x02\x01", "the model has 0 pieces for bytes, but byte_fallback is on");
    SPM_ERROR(PIECE_A "\x0a\x0a\x0a\x06<0x00>\x18\x06",
              "the model has 1 pieces for bytes, but byte_fallback is off");
    SPM_ERROR("\x0a\x0a\x0a\x06<0x00>\x18\x06\x12\x03\x98\x02\x01",
              "there are 1 pieces for single bytes; it must be all 256 or none");
    SPM_ERROR("\x0a\x0a\x0a\x06<0x0g>\x18\x06\x12\x03\x98\x02\x01",
              "piece 0, \"<0x0g>\", is of the kind \"byte\" but not called <0xNN>");
    SPM_ERROR(PIECE_A PIECE_A TRAINER_BPE, "piece 1, \"a\", is there twice");
    SPM_ERROR(PIECE_UNK PIECE_UNK, "piece 1, \"<unk>\", is a second unknown piece");
    SPM_ERROR("\x0a\x03\x0a\x01\xff", "piece 0, \"\\xff\", is no UTF-8 text");
    SPM_ERROR("\x0a\x04\x0a\x02"
              "a\0",
              "piece 0, \"a\\x00\", is no UTF-8 text");
    SPM_ERROR("\x0a\x08\x0a\x01\x61\x15\0\0\xc0\x7f", "piece 0, \"a\", has a score that is no number");
    SPM_ERROR("\x0a\x08\x0a\x01\x61\x15\0\0\x80\xff", "piece 0, \"a\", has a score that is no number");
    SPM_ERROR(PIECE_A "\x12\x04\xe2\x02\x01\xff", "the text for unknown characters is no UTF-8 text");
}

/* ---- the second layout ---- */

static void check_open_error(const char *model, const char *expected)
{
    Error err = {""};
    Text json = {0};
    text_printf(&json, "{\"model\": {\"type\": \"SentencePiece\", %s}}", model);
    CHECK(tokenizer_open(json.data, json.size, &err) == NULL);
    CHECK_TEXT(err.text, expected);
    text_free(&json);
}

static void test_layout_errors(void)
{
    check_open_error("\"pieces\": [[\"a\", 0]]",
                     "the model's \"algorithm\" is neither \"BPE\" nor \"Unigram\"");
    check_open_error("\"algorithm\": \"WordPiece\"",
                     "the model's \"algorithm\" is neither \"BPE\" nor \"Unigram\"");
    check_open_error("\"algorithm\": \"BPE\"", "the model has no list of \"pieces\"");
    check_open_error("\"algorithm\": \"BPE\", \"pieces\": {\"a\": 0}", "the model has no list of \"pieces\"");
    check_open_error("\"algorithm\": \"BPE\", \"dummy_prefix\": 1",
                     "\"dummy_prefix\" is neither true nor false");
    check_open_error("\"algorithm\": \"BPE\", \"pieces\": [[\"a\", 0], [\"b\"]]",
                     "piece 1 is not [\"text\", score] or [\"text\", score, \"kind\"]");
    check_open_error("\"algorithm\": \"BPE\", \"pieces\": [[\"a\", 0, \"odd\"]]",
                     "piece 0 is not [\"text\", score] or [\"text\", score, \"kind\"]");
    check_open_error("\"algorithm\": \"BPE\", \"pieces\": [[\"a\", 1e40]]",
                     "piece 0, \"a\", has no score that can be used");
    check_open_error("\"algorithm\": \"BPE\", \"pieces\": [[\"a\", 0]], \"begin\": 1",
                     "the model's \"begin\" is no id of a piece");
    check_open_error(
        "\"algorithm\": \"Unigram\", \"pieces\": [[\"a\", 0, \"control\"], [\"a\", 0, \"control\"]]",
        "piece 1, \"a\", is there twice");
    char piece[1000];
    int at = sprintf(piece, "\"algorithm\": \"BPE\", \"pieces\": [[\"");
    memset(piece + at, 'x', 513);
    strcpy(piece + at + 513, "\", 0]]");
    check_open_error(piece, "piece 0 has 513 bytes; 512 can be used");
}

static void test_no_unknown(void)
{
    static const char json[] = "{\"model\": {\"type\": \"SentencePiece\", \"algorithm\": \"BPE\", "
                               "\"dummy_prefix\": false, \"pieces\": [[\"a\", 0]]}}";
    Error err;
    Tokenizer *t = tokenizer_open(json, sizeof json - 1, &err);
    CHECK(t != NULL);
    if (t) {
        CHECK(tokenizer_begin(t) == -1);
        IDS("aa", false, "0 0");
        IDS("ab", false, "the tokenizer has no token for \"b\", and no unknown token");
    }
    tokenizer_close(t);
}

/* ---- llama2.c ---- */

static void put_u32(Text *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        text_putc(out, (char)(value >> 8 * i));
}

static void put_piece(Text *out, float score, const char *piece)
{
    uint32_t bits;
    memcpy(&bits, &score, sizeof bits);
    put_u32(out, bits);
    put_u32(out, (uint32_t)strlen(piece));
    text_puts(out, piece);
}

/* Six pieces behind the bytes: ids 259 to 264. */
enum { SMALL_COUNT = 265 };
static void make_small(Text *out)
{
    char name[8];
    put_u32(out, 7);
    put_piece(out, 0, "<unk>");
    put_piece(out, 0, "\n<s>\n");
    put_piece(out, 0, "\n</s>\n");
    for (int i = 0; i < 256; i++) {
        sprintf(name, "<0x%02X>", (unsigned)i);
        put_piece(out, 0, name);
    }
    put_piece(out, -4, " ");
    put_piece(out, -5, "a");
    put_piece(out, -6, "b");
    put_piece(out, -1, " a");
    put_piece(out, -0.5, "ab");
    put_piece(out, -2, " ab");
}

static void check_llama2c_error(const char *data, size_t size, size_t count, const char *expected)
{
    Error err = {""};
    Text out = {0};
    CHECK(!tokenizer_json_from_llama2c(data, size, count, &out, &err));
    CHECK_TEXT(err.text, expected);
    CHECK(out.size == 0);
    text_free(&out);
}

static void test_llama2c_errors(const Text *file)
{
    char *data = malloc(file->size + 1);
    memcpy(data, file->data, file->size);
    check_llama2c_error(data, 3, SMALL_COUNT, "a tokenizer.bin has at least 4 bytes, this has 3");
    check_llama2c_error(data, file->size, 258,
                        "a file of 3686 bytes does not hold the model's 258 pieces (at least 259)");
    check_llama2c_error(data, file->size, 461,
                        "a file of 3686 bytes does not hold the model's 461 pieces (at least 259)");
    check_llama2c_error(data, file->size - 1, SMALL_COUNT,
                        "the file of 3685 bytes ends before piece 264 of 265");
    check_llama2c_error(data, file->size, SMALL_COUNT - 1,
                        "11 bytes follow piece 263, the last of the model");
    data[8] = (char)0xff; /* the first length */
    data[11] = (char)0xff;
    check_llama2c_error(data, file->size, SMALL_COUNT, "the file of 3686 bytes ends before piece 0 of 265");
    memcpy(data, file->data, file->size);
    data[52] = '['; /* the first letter of piece 3 */
    check_llama2c_error(data, file->size, SMALL_COUNT, "piece 3 is \"[0x00>\", where llama2.c has <0x00>");
    free(data);
}

static void test_llama2c(void)
{
    Text file = {0}, json = {0};
    Error err;
    make_small(&file);
    Tokenizer *t =
        open_made(tokenizer_json_from_llama2c(file.data, file.size, SMALL_COUNT, &json, &err), &json, &err);
    if (t) {
        IDS("", false, "-");
        IDS("a", false, "262"); /* a space is put in front */
        IDS("ab", false, "264");
        IDS(" ab", false, "259 264");
        IDS("ab  ", false, "264 259 259");
        IDS("\xe2\x96\x81z", false, "259 229 153 132 125"); /* U+2581 is a character like others */
        IDS("<s>", true, "1");
        CHECK(tokenizer_begin(t) == 1 && tokenizer_is_special(t, 2));
        size_t size;
        const char *piece = tokenizer_piece(t, 0, &size);
        CHECK(size == 5 && memcmp(piece, "<unk>", 5) == 0);
    }
    tokenizer_close(t);
    test_llama2c_errors(&file);
    text_free(&file);
}

/* ---- arrays ---- */

#define STRING(text)                                                                                         \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }
#define COUNT(list) (sizeof(list) / sizeof *(list))

static const TokenizerString bytes_tokens[] = {
    STRING("a"),      STRING("b"),     STRING("1"),     STRING("\xc4\xa0"), STRING("ab"), STRING("11"),
    STRING("<|im|>"), STRING("<|x|>"), STRING("\"\\a"), STRING("!"),        STRING("aab")};
static const TokenizerString bytes_merges[] = {STRING("a b"), STRING("1 1")};
static const int32_t bytes_types[] = {1, 1, 1, 1, 1, 1, 3, 4, 5, 1, 1};

static Tokenizer *open_bytes(const char *pre, int add_begin)
{
    TokenizerArrays a = {"gpt2", pre, 11, bytes_tokens, NULL, bytes_types, bytes_merges,
                         2,      6,   -1, add_begin,    -1,   -1};
    Text json = {0};
    Error err;
    return open_made(tokenizer_json_from_arrays(&a, &json, &err), &json, &err);
}

static void test_bytes_arrays(void)
{
    Tokenizer *t = open_bytes("gpt-2", -1);
    if (t) {
        IDS("ab 11", false, "4 3 5");
        IDS("a<|x|><|im|>", true, "0 7 6");
        IDS("a<|x|>", false, "0 7");
        CHECK(tokenizer_is_special(t, 6) && !tokenizer_is_special(t, 7) && !tokenizer_is_special(t, 8));
        CHECK(tokenizer_begin(t) == -1);
    }
    tokenizer_close(t);
    if ((t = open_bytes("smollm", 1)) != NULL) {
        IDS("11", false, "2 2");
        CHECK(tokenizer_begin(t) == 6);
    }
    tokenizer_close(t);
    if ((t = open_bytes("llama-bpe", -1)) != NULL) {
        IDS("aab aba", false, "10 3 4 0"); /* a word that is a token */
        IDS("1111", false, "5 2 2");       /* three digits at a time: 11 1, 1 */
        CHECK(tokenizer_begin(t) == 6);
    }
    tokenizer_close(t);
    if ((t = open_bytes("qwen2", 0)) != NULL) {
        IDS("11aab!", false, "2 2 0 4 9");
        CHECK(tokenizer_begin(t) == -1);
    }
    tokenizer_close(t);
}

static const TokenizerString piece_tokens[] = {STRING("<unk>"),
                                               STRING("<s>"),
                                               STRING("\xe2\x96\x81"),
                                               STRING("a"),
                                               STRING("  "),
                                               STRING("\xe2\x96\x81"
                                                      "a")};
static const float piece_scores[] = {0, 0, -3, -2, 0, -1};
static const int32_t piece_types[] = {2, 3, 1, 1, 4, 1};

static void test_piece_arrays(void)
{
    TokenizerArrays a = {"llama", NULL, 6, piece_tokens, piece_scores, piece_types, NULL,
                         0,       1,    0, -1,           -1,           -1};
    Text json = {0};
    Error err;
    Tokenizer *t = open_made(tokenizer_json_from_arrays(&a, &json, &err), &json, &err);
    if (t) {
        IDS("a a", false, "5 5");
        IDS("a   a", false, "5 4 5"); /* the user-defined run of two spaces */
        IDS("azza", false, "5 0 3");
        CHECK(tokenizer_begin(t) == 1 && tokenizer_find(t, "  ") == 4);
    }
    tokenizer_close(t);

    a.dummy_prefix = a.add_begin = 0;
    a.collapse_spaces = 1;
    json = (Text){0};
    t = open_made(tokenizer_json_from_arrays(&a, &json, &err), &json, &err);
    if (t) {
        IDS("a a ", false, "3 5");
        CHECK(tokenizer_begin(t) == -1);
    }
    tokenizer_close(t);

    /* No types, no scores: all pieces are alike, and the leftmost pair goes first. */
    TokenizerString plain[] = {STRING("a"), STRING("b"), STRING("ab"), STRING("ba"), STRING("?")};
    a = (TokenizerArrays){"llama", NULL, 5, plain, NULL, NULL, NULL, 0, -1, 4, -1, 0, -1};
    json = (Text){0};
    t = open_made(tokenizer_json_from_arrays(&a, &json, &err), &json, &err);
    if (t)
        IDS("bab\xc3\xa9z", false, "3 1 4");
    tokenizer_close(t);
}

static void check_arrays_error(const TokenizerArrays *a, const char *expected)
{
    Error err = {""};
    Text out = {0};
    CHECK(!tokenizer_json_from_arrays(a, &out, &err));
    CHECK_TEXT(err.text, expected);
    CHECK(out.size == 0);
    text_free(&out);
}

static void test_arrays_errors(void)
{
    TokenizerArrays a = {NULL, NULL, 11, bytes_tokens, NULL, bytes_types, bytes_merges,
                         2,    -1,   -1, -1,           -1,   -1},
                    b;
    check_arrays_error(&a, "the file has no tokenizer (tokenizer.ggml.model)");
    a.model = "bert";
    check_arrays_error(
        &a, "tokenizers of the kind \"bert\" (tokenizer.ggml.model) are not supported; gpt2 and llama are");
    a.model = "gpt2";
    a.pre = "gpt-4o";
    check_arrays_error(&a, "the pre-tokenizer \"gpt-4o\" (tokenizer.ggml.pre) is not known");
    a.pre = "";
    check_arrays_error(&a, "the pre-tokenizer \"\" (tokenizer.ggml.pre) is not known");
    a.pre = "gpt-2 phi-2";
    check_arrays_error(&a, "the pre-tokenizer \"gpt-2 phi-2\" (tokenizer.ggml.pre) is not known");
    a.pre = "gpt-2";
    b = a, b.count = 0;
    check_arrays_error(&b, "the file has no list of tokens (tokenizer.ggml.tokens)");
    b = a, b.begin = 11;
    check_arrays_error(&b, "bos_token_id is 11, but there are 11 tokens");
    b = a, b.unknown = -2;
    check_arrays_error(&b, "unknown_token_id is -2, but there are 11 tokens");
    b = a, b.merges = NULL;
    check_arrays_error(&b, "the file has no tokenizer.ggml.merges, which a \"gpt2\" tokenizer needs");
    TokenizerString bad = STRING("a\xff"), wrong = STRING("a c");
    b = a, b.merges = &bad, b.merge_count = 1;
    check_arrays_error(&b, "merge 1 is no UTF-8 text");
    b.merges = &wrong;
    check_arrays_error(&b, "merge 1 needs the token \"c\", which the vocabulary does not have");
    b = a, b.tokens = &bad, b.count = 1;
    check_arrays_error(&b, "token 0, \"a\\xff\", is no UTF-8 text");
    int32_t types[] = {7};
    b = a, b.types = types, b.count = 1;
    check_arrays_error(&b, "token 0, \"a\", is of the type 7, which is none");
    float scores[] = {0, 0, NAN, 0, 0, 0};
    b = (TokenizerArrays){"llama", NULL, 6, piece_tokens, scores, piece_types, NULL, 0, 1, 0, -1, -1, -1};
    check_arrays_error(&b, "piece 2, \"\\xe2\\x96\\x81\", has a score that is no number");
}

/* A template of Hugging Face's that begins with a token. */
static void test_template(void)
{
    static const char format[] =
        "{\"pre_tokenizer\": {\"type\": \"ByteLevel\"}, \"post_processor\": {\"type\": \"Sequence\", "
        "\"processors\": [{\"type\": \"ByteLevel\"}, {\"type\": \"TemplateProcessing\", \"single\": "
        "[{\"SpecialToken\": {\"id\": \"<s>\"}}], \"special_tokens\": {\"<s>\": {\"ids\": [%d]}}}]}, "
        "\"model\": {\"vocab\": {\"a\": 0, \"<s>\": 1}, \"merges\": []}}";
    char json[600];
    Error err;
    Tokenizer *t = tokenizer_open(json, (size_t)sprintf(json, format, 1), &err);
    CHECK(t && tokenizer_begin(t) == 1);
    tokenizer_close(t);
    CHECK(tokenizer_open(json, (size_t)sprintf(json, format, 2), &err) == NULL);
    CHECK_TEXT(err.text, "the token 2 that texts begin with is none");
}

int main(void)
{
    test_models();
    test_control();
    test_long_text("bpe");
    test_long_text("bpe-kinds");
    test_long_text("unigram");
    test_spm_errors();
    test_layout_errors();
    test_no_unknown();
    test_llama2c();
    test_bytes_arrays();
    test_piece_arrays();
    test_arrays_errors();
    test_template();
    return check_report();
}
