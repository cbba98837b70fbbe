/* lstm, gru and rnn, step by step. Gates lie one below the other in the weights: lstm input, forget, output,
 * cell; gru reset, output, update (coremltools ops/defs/iOS15/recurrent.py). The output gate of a gru sees
 * the state after the reset gate (that is what the tests of coremltools and its NeuralNetwork.proto say; the
 * formula in recurrent.py is that of reset_after, which is PyTorch's). */
#include <math.h>
#include <string.h>

#include "runtime/eval/eval.h"

typedef double Activation(double x);

static double of_tanh(double x)
{
    return tanh(x);
}

static double of_scaled_tanh(double x)
{
    return 1.7159 * tanh(2.0 / 3.0 * x);
}

static double of_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double of_hard_sigmoid(double x)
{
    double v = 0.2 * x + 0.5;
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static double of_relu(double x)
{
    return x > 0 ? x : 0;
}

static double of_linear(double x)
{
    return x;
}

static Activation *activation(const EvalCall *c, const char *key, const char *otherwise)
{
    static const struct {
        const char *name;
        Activation *f;
    } known[] = {{"tanh", of_tanh},       {"scaled_tanh", of_scaled_tanh},
                 {"sigmoid", of_sigmoid}, {"hard_sigmoid", of_hard_sigmoid},
                 {"relu", of_relu},       {"linear", of_linear}};
    const char *name = call_string(c, key, otherwise);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].f;
    return of_tanh;
}

/* One direction of a layer. */
typedef struct Layer {
    const Tensor *x, *ih, *hh, *bias, *input_bias, *peephole;
    Activation *gate, *cell, *end;
    int64_t steps, batch, in, hidden;
    int gates;
    bool reverse, sequence, reset_after;
    double clip;       /* of the cell gate; infinite: none */
    double *h, *c;     /* [batch, hidden] now */
    double *sum;       /* gates * hidden of one item: what comes from x and the bias */
    double *recurrent; /* the same from h */
    int64_t first;     /* of this direction in an output row */
} Layer;

static void add_inputs(const Layer *l, int64_t step, int64_t item)
{
    const double *h = l->h + item * l->hidden;
    for (int64_t r = 0; r < l->gates * l->hidden; r++) {
        double bias = l->bias ? tensor_get(l->bias, r) : 0, from_h = l->reset_after ? bias : 0;
        double sum = (l->input_bias ? tensor_get(l->input_bias, r) : 0) + (l->reset_after ? 0 : bias);
        for (int64_t k = 0; k < l->in; k++)
            sum += tensor_get(l->ih, r * l->in + k) * tensor_get(l->x, (step * l->batch + item) * l->in + k);
        for (int64_t k = 0; k < l->hidden; k++)
            from_h += tensor_get(l->hh, r * l->hidden + k) * h[k];
        l->sum[r] = sum;
        l->recurrent[r] = from_h;
    }
}

static double peep(const Layer *l, int gate, int64_t k, double c)
{
    return l->peephole ? tensor_get(l->peephole, gate * l->hidden + k) * c : 0;
}

static void lstm_item(const Layer *l, int64_t item)
{
    int64_t n = l->hidden;
    for (int64_t k = 0; k < n; k++) {
        double *h = &l->h[item * n + k], *c = &l->c[item * n + k];
        double i = l->gate(l->sum[k] + l->recurrent[k] + peep(l, 0, k, *c));
        double f = l->gate(l->sum[n + k] + l->recurrent[n + k] + peep(l, 1, k, *c));
        double z = l->cell(l->sum[3 * n + k] + l->recurrent[3 * n + k]);
        double next = f * *c + i * z;
        *c = next > l->clip ? l->clip : next < -l->clip ? -l->clip : next;
        double o = l->gate(l->sum[2 * n + k] + l->recurrent[2 * n + k] + peep(l, 2, k, *c));
        *h = o * l->end(*c);
    }
}

/* What the output gate gets from h, after reset gate k: r * (W h + b), or W (r * h). */
static double gru_recurrent(const Layer *l, const double *reset, const double *h, int64_t k)
{
    int64_t n = l->hidden;
    double sum = 0;
    if (l->reset_after)
        return reset[k] * l->recurrent[n + k];
    for (int64_t i = 0; i < n; i++)
        sum += tensor_get(l->hh, (n + k) * n + i) * (reset[i] * h[i]);
    return sum;
}

static void gru_item(const Layer *l, int64_t item)
{
    int64_t n = l->hidden;
    double *h = l->h + item * n, *reset = l->recurrent, *next = l->sum;
    for (int64_t k = 0; k < n; k++)
        reset[k] = l->gate(l->sum[k] + l->recurrent[k]);
    for (int64_t k = 0; k < n; k++) {
        double z = l->gate(l->sum[2 * n + k] + l->recurrent[2 * n + k]);
        double o = l->end(l->sum[n + k] + gru_recurrent(l, reset, h, k));
        next[k] = (1 - z) * o + z * h[k];
    }
    memcpy(h, next, (size_t)n * sizeof *h);
}

static void rnn_item(const Layer *l, int64_t item)
{
    for (int64_t k = 0; k < l->hidden; k++)
        l->h[item * l->hidden + k] = l->end(l->sum[k] + l->recurrent[k]);
}

static void store_h(const Layer *l, Tensor *out, int64_t row, int64_t item, const double *from)
{
    int64_t width = out->dim[out->rank - 1];
    for (int64_t k = 0; k < l->hidden; k++)
        tensor_put(out, (row * l->batch + item) * width + l->first + k, from[item * l->hidden + k]);
}

static void run_layer(const EvalCall *call, const Layer *l)
{
    for (int64_t s = 0; s < l->steps; s++) {
        int64_t step = l->reverse ? l->steps - 1 - s : s;
        for (int64_t item = 0; item < l->batch; item++) {
            add_inputs(l, step, item);
            if (l->gates == 4)
                lstm_item(l, item);
            else if (l->gates == 3)
                gru_item(l, item);
            else
                rnn_item(l, item);
            if (l->sequence)
                store_h(l, call->result[0], step, item, l->h);
        }
    }
    for (int64_t item = 0; item < l->batch; item++) {
        if (!l->sequence)
            store_h(l, call->result[0], 0, item, l->h);
        store_h(l, call->result[1], 0, item, l->h);
        if (call->results > 2)
            store_h(l, call->result[2], 0, item, l->c);
    }
}

static void load_state(const Layer *l, const Tensor *from, double *to)
{
    int64_t width = from->dim[1];
    for (int64_t item = 0; item < l->batch; item++)
        for (int64_t k = 0; k < l->hidden; k++)
            to[item * l->hidden + k] = tensor_get(from, item * width + l->first + k);
}

static bool recurrent(const EvalCall *call, int gates, Error *err)
{
    const Tensor *x = call_operand(call, "x"), *h = call_operand(call, "initial_h"),
                 *c = call_operand(call, "initial_c"), *hh = call_operand(call, "weight_hh");
    const char *direction = call_string(call, "direction", "forward");
    int directions = strcmp(direction, "bidirectional") == 0 ? 2 : 1;
    Arena arena = {0};
    Layer l = {.x = x,
               .steps = x->dim[0],
               .batch = x->dim[1],
               .in = x->dim[2],
               .hidden = hh->dim[1],
               .gates = gates,
               .clip = call_number(call, "clip", INFINITY)};
    l.sequence = call_bool(call, "output_sequence", false);
    l.reset_after = call_bool(call, "reset_after", false);
    l.input_bias = call_operand(call, "input_bias");
    l.gate = activation(call, "recurrent_activation", "sigmoid");
    l.cell = activation(call, "cell_activation", "tanh");
    l.end = activation(call, "activation", "tanh");
    if (hh->dim[0] != gates * l.hidden || h->count != l.batch * directions * l.hidden)
        return call_error(call, err, "the weights and the initial state do not fit");
    l.h = arena_many(&arena, (size_t)(l.batch * l.hidden) + 1, double);
    l.c = arena_many(&arena, (size_t)(l.batch * l.hidden) + 1, double);
    l.sum = arena_many(&arena, (size_t)(gates * l.hidden) + 1, double);
    l.recurrent = arena_many(&arena, (size_t)(gates * l.hidden) + 1, double);
    for (int d = 0; d < directions; d++) {
        l.ih = call_operand(call, d ? "weight_ih_back" : "weight_ih");
        l.hh = call_operand(call, d ? "weight_hh_back" : "weight_hh");
        l.bias = call_operand(call, d ? "bias_back" : "bias");
        l.peephole = call_operand(call, d ? "peephole_back" : "peephole");
        l.reverse = d || strcmp(direction, "reverse") == 0;
        l.first = d * l.hidden;
        load_state(&l, h, l.h);
        if (c)
            load_state(&l, c, l.c);
        run_layer(call, &l);
    }
    arena_free(&arena);
    return true;
}

bool eval_lstm(const EvalCall *c, Error *err)
{
    return recurrent(c, 4, err);
}

bool eval_gru(const EvalCall *c, Error *err)
{
    return recurrent(c, 3, err);
}

bool eval_rnn(const EvalCall *c, Error *err)
{
    return recurrent(c, 1, err);
}
