/* The scanner. The text ends with a NUL, which no rule passes over, so that no length has to be checked. */
#include "frontend/mil/reader.h"

#include "frontend/mil/mil.y.h"

static Span span_between(const Reader *r, const char *from, const char *to)
{
    return (Span){r->src, (uint32_t)(from - r->src->text), (uint32_t)(to - from)};
}

/* An element type or a plain name. The spellings of types are short. */
static int word(union MIL_YYSTYPE *value, const char *from, size_t length)
{
    DType d = length <= 6 ? dtype_from_name(from, length) : DT_NONE;
    if (d == DT_NONE)
        return NAME;
    value->dtype = d;
    return DTYPE;
}

static int stray(Reader *r, Span at)
{
    unsigned char c = (unsigned char)r->src->text[at.start];
    if (c == '"')
        diag_error(r->diags, at, "the string does not end on its line");
    else if (c >= 0x20 && c < 0x7f)
        diag_error(r->diags, at, "'%c' means nothing here", c);
    else
        diag_error(r->diags, at, "the byte 0x%02x means nothing here", c);
    return MIL_YYUNDEF;
}

/* The next token: its kind, with *from where it begins and r->cursor behind it. -1: no token begins so. */
static int scan(Reader *r, union MIL_YYSTYPE *value, const char **from)
{
    const char *cursor = r->cursor, *marker;
    for (;;) {
        *from = cursor;
#define TOKEN(kind) return r->cursor = cursor, (kind)
        /*!re2c
            re2c:define:YYCTYPE = "unsigned char";
            re2c:define:YYCURSOR = cursor;
            re2c:define:YYMARKER = marker;
            re2c:yyfill:enable = 0;

            digits = [0-9]+;
            hex = [0-9a-fA-F]+;
            name = [A-Za-z_][A-Za-z0-9_]*;

            [ \t\r\n]+              { continue; }
            "//" [^\n\x00]*         { continue; }
            "\x00"                  { TOKEN(0); }

            "->"                    { TOKEN(ARROW); }
            [(){}[\]<>,;=?]         { TOKEN(**from); }

            "program"               { TOKEN(PROGRAM); }
            "func"                  { TOKEN(FUNC); }
            "tensor"                { TOKEN(TENSOR); }
            "tensor_buffer"         { TOKEN(TENSOR_BUFFER); }
            "state"                 { TOKEN(STATE); }
            "list"                  { TOKEN(LIST); }
            "dict"                  { TOKEN(DICT); }
            "tuple"                 { TOKEN(TUPLE); }
            "true" | "false"        { TOKEN(BOOLEAN); }
            "inf" | "nan"           { TOKEN(UNBOUNDED); }
            "BLOBFILE"              { TOKEN(BLOBFILE); }
            "WEIGHT"                { TOKEN(r->model ? WEIGHT : NAME); }
            "INT8"                  { TOKEN(r->model ? INT8 : NAME); }
            "SCALES"                { TOKEN(r->model ? SCALES : NAME); }
            "CAUSAL_MASK"           { TOKEN(r->model ? CAUSAL_MASK : NAME); }
            "DISTANCE"              { TOKEN(r->model ? DISTANCE : NAME); }
            "S" | "T"               { TOKEN(r->model ? SYMBOL : NAME); }
            name                    { TOKEN(word(value, *from, (size_t)(cursor - *from))); }

            "-inf" | "-nan"         { TOKEN(NEGATIVE); }
            "-"? digits             { TOKEN(INTEGER); }
            "-"? digits ("." [0-9]*)? ([eE] [+-]? digits)?         { TOKEN(REAL); }
            "-"? "0" [xX] hex ("." [0-9a-fA-F]*)? [pP] [+-]? digits { TOKEN(REAL); }
            ["] ([^"\\\n\x00] | [\\] [^\n\x00])* ["]               { TOKEN(STRING); }

            *                       { TOKEN(-1); }
        */
#undef TOKEN
    }
}

int mil_yylex(union MIL_YYSTYPE *value, Span *at, Reader *r)
{
    const char *from;
    int token = scan(r, value, &from);
    *at = span_between(r, from, r->cursor);
    if (token < 0)
        return stray(r, *at);
    if (token == 0) {
        if (at->start < r->src->size)
            diag_error(r->diags, *at, "a zero byte stands in the text");
        r->cursor = from; /* the end is the end, however often it is asked for */
        at->length = 0;
    }
    return token;
}
