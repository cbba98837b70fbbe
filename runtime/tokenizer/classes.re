#include "runtime/tokenizer/classes.h"

/* The general categories come with re2c; white space is a property of its own (PropList.txt).
 * A byte past the end reads as NUL, which continues no UTF-8 sequence. */
/*!include:re2c "unicode_categories.re" */

CharClass char_class(const unsigned char *at, const unsigned char *end, int *length)
{
    const unsigned char *start = at, *marker = at;
    CharClass found = CHAR_OTHER;
    /*!re2c
        re2c:flags:8 = 1;
        re2c:flags:input = custom;
        re2c:api:style = free-form;
        re2c:yyfill:enable = 0;
        re2c:define:YYCTYPE = "unsigned char";
        re2c:define:YYPEEK = "(at < end ? *at : 0)";
        re2c:define:YYSKIP = "at++;";
        re2c:define:YYBACKUP = "marker = at;";
        re2c:define:YYRESTORE = "at = marker;";

        space = [\t-\r\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000];
        valid = [^] \ [\ud800-\udfff];

        L     { found = CHAR_LETTER; goto done; }
        N     { found = CHAR_NUMBER; goto done; }
        space { found = CHAR_SPACE; goto done; }
        valid { goto done; }
        *     { at = start + 1; goto done; }
    */
done:
    *length = (int)(at - start);
    return found;
}
