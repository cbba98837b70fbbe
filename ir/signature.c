#include "ir/signature.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "ir/infer.h"

typedef struct Form {
    OpCode op;
    int opset;
    const char *operands; /* "x:f1 alpha:f1" */
} Form;

/* By op, and the opsets of an op from old to new. */
static const Form forms[] = {
#define SIGNATURE(op, opset, operands) {OP_##op, opset, operands},
#include "ir/signatures.def"
};
enum { FORMS = sizeof forms / sizeof *forms };

static const struct {
    char letter;
    const char *names;
} types[] = {
#define TYPES(letter, names) {letter, names},
#include "ir/signatures.def"
};

/* ---- the table ---- */

static int first_form[OP_COUNT]; /* FORMS: none */
static uint64_t allowed[128];    /* bits of element types, by letter */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void index_table(void)
{
    for (int i = 0; i < OP_COUNT; i++)
        first_form[i] = FORMS;
    for (int i = FORMS; i-- > 0;)
        first_form[forms[i].op] = i;
    allowed['*'] = ~(uint64_t)0;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (const char *name = types[i].names; *name; name += strspn(name, " ")) {
            size_t n = strcspn(name, " ");
            allowed[(unsigned char)types[i].letter] |= (uint64_t)1 << dtype_from_name(name, n);
            name += n;
        }
}

/* What a form says of an operand: "f1" of "x:f1"; NULL where it does not have it. */
static const char *find_operand(const Form *form, const char *name)
{
    size_t n = strlen(name);
    for (const char *s = form->operands; *s; s += strspn(s, " ")) {
        if (strncmp(s, name, n) == 0 && s[n] == ':')
            return s + n + 1;
        s += strcspn(s, " ");
    }
    return NULL;
}

/* The number behind the letter; 0: none. */
static char number_of(const char *types_text)
{
    return types_text && types_text[1] >= '1' && types_text[1] <= '9' ? types_text[1] : 0;
}

static bool form_takes(const char *types_text, DType d)
{
    return allowed[(unsigned char)types_text[*types_text == '@'] & 127] >> d & 1;
}

/* The type that a form speaks of: the operand's own, or the one that it names. */
static DType spoken_type(const Op *op, const char *types_text, int i)
{
    const char *name = *types_text == '@' ? arg_string(op, op->arg[i].key) : NULL;
    return name ? dtype_from_name(name, strlen(name)) : op->arg[i].values[0]->type->dtype;
}

/* ---- one operand ---- */

/* The newest form that the opset has; the oldest where it has none. */
static int form_of(OpCode code, int opset)
{
    int i = first_form[code];
    while (i + 1 < FORMS && forms[i + 1].op == code && forms[i + 1].opset <= opset)
        i++;
    return i;
}

static SignatureFault missing_operand(const Op *op, const char *name, int now, Error *err)
{
    for (int i = now + 1; i < FORMS && forms[i].op == op->code; i++)
        if (find_operand(&forms[i], name)) {
            infer_fail(op, err, "operand %s needs opset ios%d", name, forms[i].opset);
            return SIGNATURE_EARLY;
        }
    infer_fail(op, err, "operand %s is of an older form, gone since ios%d", name, forms[now].opset);
    return SIGNATURE_GONE;
}

static SignatureFault wrong_type(const Op *op, const char *name, DType d, int now, Error *err)
{
    for (int i = now + 1; i < FORMS && forms[i].op == op->code; i++) {
        const char *later = find_operand(&forms[i], name);
        if (later && form_takes(later, d)) {
            infer_fail(op, err, "%s is %s, which needs opset ios%d", name, dtype_info[d].name,
                       forms[i].opset);
            return SIGNATURE_TYPE;
        }
    }
    return SIGNATURE_FITS;
}

/* The first operand of the op that must have the element type of operand `name`. */
static const Type *same_type(const Op *op, const Form *form, const char *name, const char **key)
{
    char number = number_of(find_operand(form, name));
    for (int i = 0; number && i < op->args; i++) {
        *key = op->arg[i].key;
        if (op->arg[i].count && number_of(find_operand(form, *key)) == number)
            return op->arg[i].values[0]->type;
    }
    return NULL;
}

SignatureFault signature_check(const Op *op, int i, int opset, Error *err)
{
    pthread_once(&once, index_table);
    const char *name = op->arg[i].key, *key;
    if (op->code == OP_UNKNOWN || !op->arg[i].count || first_form[op->code] == FORMS)
        return SIGNATURE_FITS;
    int now = form_of(op->code, opset);
    const char *takes = find_operand(&forms[now], name);
    if (!takes)
        return missing_operand(op, name, now, err);
    const Type *t = op->arg[i].values[0]->type;
    DType spoken = spoken_type(op, takes, i);
    if (!form_takes(takes, spoken))
        return wrong_type(op, name, spoken, now, err);
    const Type *other = same_type(op, &forms[now], name, &key);
    if (!other || other->dtype == t->dtype)
        return SIGNATURE_FITS;
    char before[32] = "";
    if (now + 1 < FORMS && forms[now + 1].op == op->code)
        snprintf(before, sizeof before, " before ios%d", forms[now + 1].opset);
    infer_fail(op, err, "%s is %s and %s is %s: their element types must be the same%s", key,
               shown_type(other).text, name, shown_type(t).text, before);
    return SIGNATURE_MIXED;
}
