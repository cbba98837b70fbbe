#include <string.h>

#include "check/internal.h"

static const RuleInfo rules[RULE_COUNT] = {
#define RULE(id, name, severity, text, why, fix, source)                                                     \
    [RULE_##id] = {name, SEVERITY_##severity, text, why, fix, source},
#include "check/rules.def"
};

const RuleInfo *rule_info(RuleId id)
{
    return &rules[id];
}

RuleId rule_find(const char *name)
{
    int i = 0;
    while (i < RULE_COUNT && strcmp(rules[i].name, name) != 0)
        i++;
    return (RuleId)i;
}

bool rule_of_engine(RuleId id)
{
    return strncmp(rules[id].name, "ane-", 4) == 0;
}

bool rule_of_interface(RuleId id)
{
    switch (id) {
    case RULE_ANE_LAST_AXIS:
    case RULE_ANE_LAYOUT:
    case RULE_ANE_IO_FP16:
    case RULE_ANE_IO_TYPE:
    case RULE_ANE_SINGLE_OUTPUT:
    case RULE_ANE_ORDER:
    case RULE_ANE_ORDER_NUMBERS:
    case RULE_ANE_DIALECT:
    case RULE_ANE_BUILD_INFO:
    case RULE_ANE_FUNCTIONS:
    case RULE_ANE_NAMED_CONSTANT:
    case RULE_ANE_CONCAT:
    case RULE_ANE_CONV_BIAS:
    case RULE_ANE_BLOBS:
    case RULE_ANE_BLOB_FILES:
    case RULE_ANE_EPSILON:
    case RULE_ANE_GELU: return true;
    default: return false;
    }
}

const char *severity_name(Severity s)
{
    static const char *const names[] = {"ignored", "note", "warning", "error"};
    return names[s];
}

void rules_list(Text *out, const Checker *c)
{
    for (int i = 0; i < RULE_COUNT; i++)
        text_printf(out, "%-24s %-8s %s\n", rules[i].name, severity_name(c->severity[i]), rules[i].text);
}

/* Words up to 100 columns, behind a heading of ten. */
static void wrapped(Text *out, const char *heading, const char *text)
{
    int column = 10;
    text_printf(out, "  %-8s", heading);
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (column + n > 100 && column > 10) {
            text_puts(out, "\n          ");
            column = 10;
        }
        text_printf(out, "%.*s%s", n, text, text[n] ? " " : "");
        column += n + 1;
        text += n + (text[n] == ' ');
    }
    text_putc(out, '\n');
}

void rule_explain(Text *out, RuleId id)
{
    const RuleInfo *r = &rules[id];
    text_printf(out, "%s (%s)\n", r->name, severity_name(r->severity));
    wrapped(out, "What", r->text);
    wrapped(out, "Why", r->why);
    wrapped(out, "Fix", r->fix);
    wrapped(out, "Source", r->source);
}
