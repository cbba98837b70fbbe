#include "passes/pipeline.h"

bool pass_dce(Pipeline *p)
{
    pipeline_count(p, "operations dropped", func_sweep(p->graph));
    return true;
}
