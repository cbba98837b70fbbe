/* Probes of inputs and outputs: how many, in what order, and how small. */
#include <stdio.h>

#include "tools/aneprobe/probes.h"

enum { C = 64, S = 64, WIDE = 1024, UNIT = 65536, MOST_OUTPUTS = 6 };

static const char *outcome_text(Outcome o, const Error *why)
{
    return o == OUTCOME_RIGHT ? "right" : why->text;
}

/* b before a in the text: the difference tells which is which. Of one size, or a half as large. */
static void build_difference(Draft *b, bool unequal)
{
    Node y = draft_input(b, "b", WIDE, S), x = draft_input(b, "a", unequal ? WIDE / 2 : WIDE, S);
    if (unequal) {
        Node zero = draft_ints(b, (int64_t[]){0, 0, 0, 0}, 4),
             size = draft_ints(b, (int64_t[]){1, WIDE / 2, 1, S}, 4);
        y = draft_op(b, x, "slice_by_size(begin = %s, size = %s, x = %s)", zero.name, size.name, y.name);
    }
    Node d = draft_binary(b, "sub", &x, &y);
    draft_output(b, &d);
}

bool probe_inputs(Lab *lab, Result *r, Error *err)
{
    Outcome equal, unequal;
    Error why, why_not;
    Draft b = {0}, u = {0};
    build_difference(&b, false);
    build_difference(&u, true);
    if (!try_program(lab, &b, 0, &equal, &why, err) || !try_program(lab, &u, UNIT, &unequal, &why_not, err))
        return false;
    if (equal != OUTCOME_RIGHT) {
        result_yes(r, false, "two inputs: %s", why.text);
        return true;
    }
    result_yes(r, true, "two inputs, in the alphabet's order; surfaces of two sizes: %s",
               outcome_text(unequal, &why_not));
    result_line(r, true, "equal_surfaces", unequal == OUTCOME_RIGHT ? "false" : "true", "");
    return true;
}

/* Output i is (i + 1) times the input: in one tensor, or in as many. */
static void build_outputs(Draft *b, int count, bool joined)
{
    Node x = draft_input(b, "x", C, S), part[MOST_OUTPUTS];
    Text list = {0};
    for (int i = 0; i < count; i++) {
        Node factor = draft_weight(b, node4(1, C, 1, 1), (Fill){FILL_EQUAL, 0.5 * (i + 1)});
        part[i] = draft_binary(b, "mul", &x, &factor);
        text_printf(&list, "%s%s", i ? ", " : "", part[i].name);
        if (!joined)
            draft_output(b, &part[i]);
    }
    if (joined) {
        Node axis = draft_value(b, "int32", "1"), no = draft_value(b, "bool", "false");
        Node y = draft_op(b, node4(1, C * count, 1, S), "concat(axis = %s, interleave = %s, values = (%s))",
                          axis.name, no.name, list.data);
        draft_output(b, &y);
    }
    text_free(&list);
}

bool probe_outputs(Lab *lab, Result *r, Error *err)
{
    int most = 1;
    Outcome o = OUTCOME_RIGHT, joined;
    Error why = {{0}}, no_concat = {{0}};
    for (int n = 2; o == OUTCOME_RIGHT && n <= MOST_OUTPUTS; n++) {
        Draft b = {0};
        build_outputs(&b, n, false);
        if (!try_program(lab, &b, 0, &o, &why, err))
            return false;
        most = o == OUTCOME_RIGHT ? n : most;
    }
    Draft b = {0};
    build_outputs(&b, 3, true);
    if (!try_program(lab, &b, 0, &joined, &no_concat, err))
        return false;
    result_number(r, most, "outputs", "%s%d outputs are right%s%s; joined by concat: %s",
                  most == MOST_OUTPUTS ? "at least " : "", most,
                  o == OUTCOME_RIGHT ? "" : ", with one more: ", o == OUTCOME_RIGHT ? "" : why.text,
                  outcome_text(joined, &no_concat));
    bool separate = most >= 3 && joined != OUTCOME_RIGHT;
    const char *note = most < 3 && joined != OUTCOME_RIGHT ? "neither works for attention, which has three"
                       : separate                          ? "concat does not work"
                                                           : "";
    result_line(r, true, "outputs", separate ? "separate" : "concat", note);
    return true;
}

bool probe_surface(Lab *lab, Result *r, Error *err)
{
    static const size_t sizes[] = {1024, 4096, 16384, 32768, 49152, 65536};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    size_t least = 0;
    Error why = {{0}};
    for (int i = SIZES - 1; i >= 0; i--) {
        Draft b = {0};
        Outcome o;
        b.names = i; /* programs of one text would be one program */
        Node x = draft_input(&b, "x", 4, S), y = draft_unary(&b, "relu", &x);
        draft_output(&b, &y);
        if (!try_program(lab, &b, sizes[i], &o, &why, err))
            return false;
        if (o != OUTCOME_RIGHT)
            break;
        least = sizes[i];
    }
    if (!least) {
        result_yes(r, false, "surfaces of 64 KiB: %s", why.text);
        return true;
    }
    result_number(r, (double)least, "bytes", "%zu bytes do; smaller ones: %s", least,
                  least == sizes[0] ? "not tried" : why.text);
    result_line_number(r, true, "surface_bytes", (double)least, "");
    return true;
}

bool probe_sequence(Lab *lab, Result *r, Error *err)
{
    static const int lengths[] = {1, 2, 4, 8, 16, 24, 32, 40, 48, 64, 96};
    enum { LENGTHS = sizeof lengths / sizeof *lengths };
    Outcome o[LENGTHS];
    Error why[LENGTHS];
    int curve = result_series(r, "relu over 64 channels", "length", "right");
    for (int i = 0; i < LENGTHS; i++) {
        Draft b = {0};
        Node x = draft_input(&b, "x", C, lengths[i]), y = draft_unary(&b, "relu", &x);
        draft_output(&b, &y);
        if (!try_program(lab, &b, 0, &o[i], &why[i], err))
            return false;
        result_point(r, curve, lengths[i], o[i] == OUTCOME_RIGHT);
    }
    for (int unit = 1; unit <= 64; unit *= 2) {
        bool right = true;
        int wrong = -1;
        for (int i = 0; i < LENGTHS; i++) {
            right &= lengths[i] % unit != 0 || o[i] == OUTCOME_RIGHT;
            wrong = lengths[i] < unit && o[i] != OUTCOME_RIGHT ? i : wrong;
        }
        if (!right)
            continue;
        result_number(r, unit, "elements", "multiples of %d are right%s%s", unit,
                      wrong < 0 ? "" : "; others: ", wrong < 0 ? "" : why[wrong].text);
        result_line_number(r, true, "last_axis", unit, "");
        return true;
    }
    result_yes(r, false, "not even a length of 64: %s", why[LENGTHS - 2].text);
    return true;
}
