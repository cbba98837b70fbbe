/* Probes of numbers: where sums end, and which products count. */
#include <math.h>

#include "base/half.h"
#include "tools/aneprobe/probes.h"

enum { TERMS = 64, LENGTH = 64, OUTPUTS = 4, MANY = 1024, HALVINGS = 20, LEAST_SUM = 1 };

static bool open_sum(Bench *x, Lab *lab, int terms, double weight, Error *err)
{
    Draft b = {0};
    Node in = draft_input(&b, "x", terms, LENGTH);
    Node w = draft_weight(&b, node4(OUTPUTS, terms, 1, 1), (Fill){FILL_EQUAL, weight}),
         y = draft_conv(&b, &in, &w);
    draft_output(&b, &y);
    return bench_open(x, lab, &b, err);
}

/* The first element of the result where every input is `value`. */
static bool sum_of(Bench *x, double value, double *out, Error *err)
{
    for (size_t i = 0; i < x->in_count[0]; i++)
        x->in[0][i] = half_from_float((float)value);
    if (!bench_run(x, err))
        return false;
    *out = half_to_float(x->out[0][0]);
    return true;
}

static bool is_near(double got, double want)
{
    return isfinite(got) && fabs(got - want) <= TOLERANCE * want;
}

/* The least sum, in steps of a 16th, that does not come out; 0 where all up to fp16's end do. */
static bool find_end(Bench *x, double *end, double *came, Error *err)
{
    double good = 0, bad = 0;
    for (double sum = LEAST_SUM; sum < 65504 && !bad; sum *= 2) {
        if (!sum_of(x, sum / TERMS, came, err))
            return false;
        *(is_near(*came, sum) ? &good : &bad) = sum;
    }
    if (!bad) {
        if (!sum_of(x, 64000.0 / TERMS, came, err))
            return false;
        *(is_near(*came, 64000) ? &good : &bad) = 64000;
    }
    for (int i = 0; bad > 0 && bad - good > bad / 1024 && i < HALVINGS; i++) {
        double middle = (good + bad) / 2, got;
        if (!sum_of(x, middle / TERMS, &got, err))
            return false;
        if (is_near(got, middle)) {
            good = middle;
        } else {
            bad = middle;
            *came = got;
        }
    }
    *end = bad;
    return true;
}

bool probe_accumulator(Lab *lab, Result *r, Error *err)
{
    Bench x;
    double end, came = 0;
    if (!open_sum(&x, lab, TERMS, 1, err))
        return false;
    bool ok = find_end(&x, &end, &came, err);
    bench_close(&x);
    if (!ok)
        return false;
    if (!end) {
        result_number(r, 64000, "magnitude", "sums of products are right up to 64000");
        result_line_number(r, true, "accumulator", 64000, "the largest sum that was tried");
        return true;
    }
    if (end <= LEAST_SUM) {
        result_yes(r, false, "not even sums of %d are right: %g", LEAST_SUM, came);
        return true;
    }
    bool zero = came == 0;
    result_number(r, end, "magnitude", "sums of products from %.5g on come out as %g", end, came);
    result_line_number(r, true, "accumulator", end, "");
    result_line(r, true, "overflow", zero ? "zero" : "inf", "");
    return true;
}

bool probe_products(Lab *lab, Result *r, Error *err)
{
    Bench x;
    double least = 0;
    bool ok = true, all = true;
    if (!open_sum(&x, lab, MANY, 0x1p-12, err))
        return false;
    int curve = result_series(r, "1024 equal products", "-log2 of the product", "sum as it should be");
    for (int power = 12; ok && power <= 24; power++) {
        double product = ldexp(1, -power), got = 0;
        ok = sum_of(&x, ldexp(1, 12 - power), &got, err);
        bool near = is_near(got, MANY * product);
        result_point(r, curve, power, got / (MANY * product));
        all &= near;
        least = near && all ? product : least;
    }
    bench_close(&x);
    if (!ok)
        return false;
    if (!least) {
        result_yes(r, false, "not even products of 2^-12 are right");
        return true;
    }
    result_number(r, least, "magnitude", "products down to 2^%.0f count%s", log2(least),
                  all ? ", smaller ones were not tried" : "");
    result_line_number(r, true, "smallest_product", least, "");
    return true;
}
