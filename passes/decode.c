#include "passes/lower_decode.h"
#include "passes/pipeline.h"

bool pass_decode(Pipeline *p)
{
    Error err;
    int64_t tokens = p->options->stateful ? DIM_UNKNOWN : 1;
    if (!lower_decode(p->graph, p->plan->model.context, tokens, p->options->decode_int8, p->plan, &err)) {
        diag_error(p->diags, p->graph->span, "decode: %s", err.text);
        return false;
    }
    pipeline_count(p, "states", p->plan->states);
    return true;
}
