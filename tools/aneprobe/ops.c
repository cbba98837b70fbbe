/* Probes of the op table: a program for each op. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/aneprobe/probes.h"

typedef enum Family { UNARY_OPS, BINARY_OPS, REDUCTIONS, SHAPE_OPS, OTHER_OPS } Family;

/* statements: of a function of x, fp16 [1, 64, 1, 64]; the last makes y, fp16 of four axes. */
static const struct Row {
    Family family;
    const char *op, *statements;
    bool positive;
} rows[] = {
#define ROW(family, op, statements) {family, #op, statements, false},
#define POSITIVE_ROW(family, op, statements) {family, #op, statements, true},
#define NO_ROW(op, reason)
#include "tools/aneprobe/ops.def"
};
enum { ROWS = sizeof rows / sizeof *rows };

void result_op(const Lab *lab, Result *r, const char *op, Outcome outcome, const char *note)
{
    char key[80];
    bool apart = profile_op(lab->safe, op, NULL) == PROFILE_DECOMPOSE; /* by the compiler */
    const char *value = apart ? "decompose" : outcome == OUTCOME_WRONG ? "disputed" : "fails";
    if (outcome == OUTCOME_RIGHT)
        value = apart || profile_op(lab->base, op, NULL) == PROFILE_NATIVE ? "native" : "seen";
    snprintf(key, sizeof key, "op.%s", op);
    result_line(r, true, key, value, note);
}

/* "tensor<fp16, [2, 3]>(FILLED)" becomes a weight of that shape. */
static void add_statements(Draft *b, const char *text)
{
    static const char mark[] = "FILLED)", type[] = "tensor<fp16, [";
    Text out = {0};
    for (const char *at; (at = strstr(text, mark)) != NULL; text = at + strlen(mark)) {
        const char *start = at;
        Node shape = {0};
        while (start > text && strncmp(start, type, strlen(type)) != 0)
            start--;
        text_add(&out, text, (size_t)(start - text));
        for (char *end = (char *)(uintptr_t)(start + strlen(type)); *end != ']'; end += *end == ',')
            shape.dim[shape.rank++] = strtoll(end, &end, 10);
        draft_filled(b, shape, (Fill){FILL_RANDOM, 0.1}, &out);
    }
    text_puts(&out, text);
    draft_raw(b, text_cstr(&out));
    text_free(&out);
}

static bool try_row(Lab *lab, const struct Row *row, Outcome *o, Error *why, Error *err)
{
    Draft b = {0};
    Node y = {.name = "y"};
    draft_input(&b, "x", 64, 64);
    add_statements(&b, row->statements);
    draft_output(&b, &y);
    return try_inputs(lab, &b, 0, row->positive, o, why, err) || error_prefix(err, "%s", row->op);
}

static void add_name(Text *t, const char *name)
{
    text_printf(t, "%s%s", t->size ? " " : "", name);
}

static bool probe_family(Lab *lab, Result *r, Family family, Error *err)
{
    Text refused = {0}, wrong = {0};
    int right = 0, all = 0;
    bool ok = true;
    for (int i = 0; ok && i < ROWS; i++) {
        Outcome o;
        Error why;
        if (rows[i].family != family)
            continue;
        ok = try_row(lab, &rows[i], &o, &why, err);
        if (!ok)
            break;
        all++;
        right += o == OUTCOME_RIGHT;
        if (o != OUTCOME_RIGHT)
            add_name(o == OUTCOME_WRONG ? &wrong : &refused, rows[i].op);
        result_op(lab, r, rows[i].op, o, o == OUTCOME_WRONG ? why.text : "");
    }
    result_number(r, right, "ops", "%d of %d%s%s%s%s", right, all, refused.size ? "; refused: " : "",
                  text_cstr(&refused), wrong.size ? "; wrong: " : "", text_cstr(&wrong));
    text_free(&refused);
    text_free(&wrong);
    return ok;
}

bool probe_ops_unary(Lab *lab, Result *r, Error *err)
{
    return probe_family(lab, r, UNARY_OPS, err);
}

bool probe_ops_binary(Lab *lab, Result *r, Error *err)
{
    return probe_family(lab, r, BINARY_OPS, err);
}

bool probe_ops_reduce(Lab *lab, Result *r, Error *err)
{
    return probe_family(lab, r, REDUCTIONS, err);
}

bool probe_ops_shape(Lab *lab, Result *r, Error *err)
{
    return probe_family(lab, r, SHAPE_OPS, err);
}

bool probe_ops_other(Lab *lab, Result *r, Error *err)
{
    return probe_family(lab, r, OTHER_OPS, err);
}
