/* Profiles: those in profiles/ and what is wrong with others. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "ir/profile.h"

/* Every line of a built-in profile has its confidence and a source; every other line of it says something. */
static void test_built_in(void)
{
    Arena a = {0};
    Error err;
    int count = 0, untaken = 0;
    for (; profile_name(count); count++) {
        const Profile *p = profile_load(&a, profile_name(count), &err);
        CHECK(p != NULL);
        if (!p)
            continue;
        CHECK_TEXT(p->name, profile_name(count));
        CHECK(*p->about && p->program_version && p->opset);
        CHECK(p->last_axis == 32 && p->rank == 5 && p->compiles >= 110);
        for (int i = 0; i < p->lines; i++) {
            untaken += !p->line[i].taken && !p->line[i].replaced;
            if (!p->line[i].confidence || !*p->line[i].source)
                CHECK_TEXT(p->line[i].key, "a line without a source");
        }
    }
    CHECK(count == 8 && untaken > 100);
    CHECK(profile_name(-1) == NULL && profile_name(count) == NULL);
    arena_free(&a);
}

static void test_safe(void)
{
    Arena a = {0};
    Error err;
    const Profile *safe = profile_load(&a, "safe", &err), *m5 = profile_load(&a, "m5", &err);
    CHECK(safe && safe->op[OP_GELU] == PROFILE_DECOMPOSE && safe->op[OP_LAYER_NORM] == PROFILE_SEEN);
    CHECK(safe && safe->op[OP_GATHER] == PROFILE_CPU && safe->op[OP_READ_STATE] == PROFILE_FAILS);
    CHECK(safe && safe->surface_bytes == 49152 && safe->concat_outputs && safe->slice_clamp == 4094);
    CHECK(m5 && m5->op[OP_GELU] == PROFILE_NATIVE && m5->op[OP_SOFTMAX] == PROFILE_NATIVE);
    CHECK(m5 && m5->axis == 65536 && m5->slice_clamp == 0 && m5->kernel_width == 15);
    const char *source = NULL;
    CHECK(safe && profile_op(safe, "lstm", &source) == PROFILE_CPU && source && strstr(source, "ANEForge"));
    CHECK(safe && profile_op(safe, "no_such_op", &source) == PROFILE_UNLISTED && !source);
    arena_free(&a);
}

/* A line that is not taken changes nothing, and a profile's own lines come over its base's. */
static void test_lines(void)
{
    Arena a = {0};
    Error err;
    const Profile *p = profile_parse(&a,
                                     "# mine\n\nop.softmax = none # why\noutputs=separate\naxis = 7 # B: me\n"
                                     "axis ~ 9 # C: you\nops.seen = gelu  silu # B: me\nslice_clamp = none\n",
                                     "mine", &err);
    CHECK(p != NULL);
    if (p) {
        CHECK(p->op[OP_SOFTMAX] == PROFILE_UNLISTED && !p->concat_outputs && p->conv_outputs == 16384);
        CHECK(p->op[OP_GELU] == PROFILE_SEEN && p->op[OP_SILU] == PROFILE_SEEN && p->slice_clamp == 0);
        CHECK_TEXT(p->op_source[OP_SOFTMAX], "why");
        CHECK_TEXT(p->about, "mine");
        CHECK(p->axis == 7);
        const ProfileLine *line = profile_line(p, "axis");
        CHECK(line && line->confidence == 'B');
        CHECK_TEXT(line->source, "me");
        CHECK_TEXT(line->profile, "mine");
        Text t = {0};
        profile_show(&t, p);
        const char *own = strstr(t.data, "axis "), *other = strstr(t.data, "~ 9");
        CHECK(own && other && own < other);
        CHECK(strstr(t.data, "16384") && strstr(t.data, "(replaced)  [safe]"));
        text_free(&t);
    }
    arena_free(&a);
}

static void test_errors(void)
{
    Arena a = {0};
    Error err;
    static const char *const wrong[][2] = {
        {"nothing", "x:1: expected `key = value`: \"nothing\""},
        {"a = b", "x:1: there is no such setting: \"a\""},
        {"\nop.gelu = maybe",
         "x:2: native, decompose, seen, disputed, cpu, fails or none is expected: \"maybe\""},
        {"op.gellu = native", "x:1: there is no such op: \"gellu\""},
        {"ops.native = add gellu", "x:1: there is no such op: \"gellu\""},
        {"last_axis = 4096", "x:1: too large: \"4096\""},
        {"rank = 9", "x:1: too large: \"9\""},
        {"axis ~ many", "x:1: a number from 1 to 2^40 is expected: \"many\""},
        {"axis = none", "x:1: a number from 1 to 2^40 is expected: \"none\""},
        {"base = none", "x:1: there is no built-in profile of this name: \"none\""},
        {"program = 2.0", "x:1: 1.0 or 1.3 is expected: \"2.0\""},
        {"outputs = two", "x:1: this is neither of the two choices: \"two\""},
        {"accumulator = -1", "x:1: a number above 0 is expected: \"-1\""},
        {"cost.tflops = inf", "x:1: a number above 0 is expected: \"inf\""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!profile_parse(&a, wrong[i][0], "x", &err));
        CHECK_TEXT(err.text, wrong[i][1]);
    }
    arena_free(&a);
}

/* dispatch + max(flops / rate, bytes / bandwidth), by hand. */
static void test_cost(void)
{
    Arena a = {0};
    Error err;
    const Profile *p = profile_parse(&a,
                                     "cost.dispatch_us = 100\ncost.tflops = 2\ncost.weight_gbs = 50\n"
                                     "cost.activation_gbs = 10\n",
                                     "x", &err);
    CHECK(p && fabs(profile_time_us(p, 4e9, 0, 0) - 2100) < 1e-6);
    CHECK(p && fabs(profile_time_us(p, 4e9, 2e8, 1e6) - 4200) < 1e-6);
    CHECK(p && fabs(profile_time_us(p, 0, 0, 0) - 100) < 1e-9);
    p = profile_parse(&a,
                      "cost.dispatch_us = 1\ncost.tflops = 1\ncost.ramp_flops = 1e6\ncost.ramp_power = 0.5\n",
                      "x", &err);
    CHECK(p && fabs(profile_time_us(p, 250000, 0, 0) - 1.5) < 1e-9);
    p = profile_load(&a, "cpu", &err);
    CHECK(p && !p->engine && profile_time_us(p, 1, 1, 1) == -1);
    arena_free(&a);
}

int main(void)
{
    test_built_in();
    test_safe();
    test_lines();
    test_errors();
    test_cost();
    return check_report();
}
