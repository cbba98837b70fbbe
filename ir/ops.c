#include "ir/ir.h"

#include <pthread.h>
#include <string.h>

/* ops.def, with the operand lists still as text. */
static const struct {
    const char *id, *spelling;
    int opset, flags;
    const char *operands;
    int results;
} rows[OP_COUNT] = {
    [OP_UNKNOWN] = {"UNKNOWN", "", 15, F_EFFECT, "", -1},
#define OP(id, spelling, opset, flags, infer, eval, operands, results)                              \
    [OP_##id] = {#id, spelling, opset, flags, operands, results},
#include "ir/ops.def"
};

static OpInfo infos[OP_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* "x weight bias? values*" */
static void parse_operands(OpInfo *info, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, " ");
        OperandInfo *o = &info->operand[info->operands++];
        size_t name = strcspn(text, "*? ");
        o->optional = memchr(text, '?', n) != NULL;
        o->list = memchr(text, '*', n) != NULL;
        memcpy(o->name, text, name);
        text += n;
        text += strspn(text, " ");
    }
}

static void expand(void)
{
    for (int i = 0; i < OP_COUNT; i++) {
        infos[i] = (OpInfo){
            .id = rows[i].id,
            .spelling = rows[i].spelling,
            .opset = rows[i].opset,
            .flags = rows[i].flags,
            .results = rows[i].results,
        };
        parse_operands(&infos[i], rows[i].operands);
    }
}

const OpInfo *op_info(OpCode code)
{
    pthread_once(&once, expand);
    return &infos[code];
}

OpCode op_from_spelling(const char *spelling, size_t length)
{
    for (int i = OP_UNKNOWN + 1; i < OP_COUNT; i++)
        if (strlen(rows[i].spelling) == length && memcmp(rows[i].spelling, spelling, length) == 0)
            return (OpCode)i;
    return OP_UNKNOWN;
}

int op_operand_index(OpCode code, const char *name)
{
    const OpInfo *info = op_info(code);
    for (int i = 0; i < info->operands; i++)
        if (strcmp(info->operand[i].name, name) == 0)
            return i;
    return -1;
}
