/* Characters and stop texts that arrive in pieces. */
#include "base/text.h"
#include "runtime/sampler.h"
#include "runtime/tokenizer/stream.h"
#include "tests/unit/check.h"

#define X "\xef\xbf\xbd"

/* All at once, and byte by byte. */
static void check_utf8(const char *bytes, size_t size, const char *expected)
{
    Utf8Stream s = {0};
    Text whole = {0}, single = {0};
    utf8_stream_feed(&s, bytes, size, &whole);
    utf8_stream_flush(&s, &whole);
    CHECK_TEXT(text_cstr(&whole), expected);
    for (size_t i = 0; i < size; i++)
        utf8_stream_feed(&s, bytes + i, 1, &single);
    utf8_stream_flush(&s, &single);
    CHECK_TEXT(text_cstr(&single), expected);
    text_free(&whole);
    text_free(&single);
}

#define UTF8(bytes, expected) check_utf8(bytes, sizeof bytes - 1, expected)

/* The tables are those of the Unicode Standard 15, section 3.9. */
static void test_utf8(void)
{
    UTF8("", "");
    UTF8("plain", "plain");
    UTF8("h\xc3\xa9 \xe4\xb8\x96 \xf0\x9f\x98\x80", "h\xc3\xa9 \xe4\xb8\x96 \xf0\x9f\x98\x80");
    UTF8("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", X X X X X X X X "A");   /* table 3-8 */
    UTF8("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", X X X X X X X X "A");   /* table 3-9 */
    UTF8("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", X X X X X "A" X X "B"); /* table 3-10 */
    UTF8("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", X X X X "A");           /* table 3-11 */
    UTF8("\xf0\x9f\x98", X);
    UTF8("\xf4\x8f\xbf\xbf\xf5", "\xf4\x8f\xbf\xbf" X);
}

static void test_utf8_holds(void)
{
    Utf8Stream s = {0};
    Text out = {0};
    utf8_stream_feed(&s, "a\xf0\x9f", 3, &out);
    CHECK_TEXT(text_cstr(&out), "a");
    utf8_stream_feed(&s, "\x98", 1, &out);
    CHECK_TEXT(text_cstr(&out), "a");
    utf8_stream_feed(&s, "\x80z", 2, &out);
    CHECK_TEXT(text_cstr(&out), "a\xf0\x9f\x98\x80z");
    text_free(&out);
}

static void test_stops(void)
{
    static const char *const stops[] = {"", "\n\nUser:", "<end>", "end>"};
    Text out = {0};
    StopMatcher *m = stop_matcher_new(stops, 4);
    CHECK(!stop_matcher_feed(m, "text <e", 7, &out));
    CHECK_TEXT(text_cstr(&out), "text ");
    CHECK(!stop_matcher_feed(m, "n", 1, &out));
    CHECK(!stop_matcher_feed(m, "t\n", 2, &out));
    CHECK_TEXT(text_cstr(&out), "text <ent");
    CHECK(!stop_matcher_feed(m, "\n\nUse", 5, &out));
    CHECK_TEXT(text_cstr(&out), "text <ent\n");
    CHECK(stop_matcher_feed(m, "r: more", 7, &out));
    CHECK_TEXT(text_cstr(&out), "text <ent\n");
    CHECK(stop_matcher_found(m) == 1);
    CHECK(stop_matcher_feed(m, "and more", 8, &out));
    stop_matcher_flush(m, &out);
    CHECK_TEXT(text_cstr(&out), "text <ent\n");

    stop_matcher_reset(m); /* of two that end at one byte the longest */
    text_clear(&out);
    CHECK(stop_matcher_found(m) == -1);
    CHECK(stop_matcher_feed(m, "x<end>y", 7, &out));
    CHECK(stop_matcher_found(m) == 2);
    CHECK_TEXT(text_cstr(&out), "x");

    stop_matcher_reset(m);
    text_clear(&out);
    CHECK(!stop_matcher_feed(m, "x<end", 5, &out));
    CHECK_TEXT(text_cstr(&out), "x");
    stop_matcher_flush(m, &out);
    CHECK_TEXT(text_cstr(&out), "x<end");
    stop_matcher_free(m);

    text_clear(&out);
    m = stop_matcher_new(NULL, 0);
    CHECK(!stop_matcher_feed(m, "all", 3, &out));
    CHECK_TEXT(text_cstr(&out), "all");
    stop_matcher_free(m);
    text_free(&out);
}

/* What a search of the whole text finds: the first end of a stop text, the longest that ends there. */
static size_t search(const char *text, size_t size, const char *const *stops, int count, int *found)
{
    for (size_t end = 1; end <= size; end++) {
        size_t longest = 0;
        for (int i = 0; i < count; i++) {
            size_t length = strlen(stops[i]);
            if (length <= end && length > longest && memcmp(text + end - length, stops[i], length) == 0) {
                longest = length;
                *found = i;
            }
        }
        if (longest)
            return end - longest;
    }
    *found = -1;
    return size;
}

static void test_stops_at_random(void)
{
    static const char *const stops[] = {"abab", "abaac", "bcbb", "aaaab", "ca"};
    Pcg32 random;
    pcg32_seed(&random, 3, 4);
    int wrong = 0, met = 0;
    for (int n = 0; n < 3000; n++) {
        char text[40];
        size_t size = pcg32_next(&random) % sizeof text, fed = 0;
        for (size_t i = 0; i < size; i++)
            text[i] = (char)('a' + pcg32_next(&random) % 16 % 9 % 3);
        int count = 1 + (int)(pcg32_next(&random) % 5), expected;
        size_t kept = search(text, size, stops, count, &expected);
        StopMatcher *m = stop_matcher_new(stops, (size_t)count);
        Text out = {0};
        while (fed < size) {
            size_t some = 1 + pcg32_next(&random) % 5;
            some = some < size - fed ? some : size - fed;
            stop_matcher_feed(m, text + fed, some, &out);
            fed += some;
        }
        stop_matcher_flush(m, &out);
        wrong += stop_matcher_found(m) != expected || out.size != kept ||
                 (kept && memcmp(out.data, text, kept) != 0);
        met += expected >= 0;
        text_free(&out);
        stop_matcher_free(m);
    }
    CHECK(wrong == 0);
    CHECK(met > 500 && met < 2900);
}

int main(void)
{
    test_utf8();
    test_utf8_holds();
    test_stops();
    test_stops_at_random();
    return check_report();
}
