#include <string.h>

#include "runtime/cpu/plan.h"

View view_dense(int block, DType store, int rank, const int64_t *dim)
{
    View v = {.block = block, .store = store, .rank = rank};
    int64_t step = 1;
    for (int i = rank; i-- > 0;) {
        v.dim[i] = dim[i];
        v.stride[i] = step;
        step *= dim[i];
    }
    return v;
}

int64_t view_count(const View *v)
{
    int64_t n = 1;
    for (int i = 0; i < v->rank; i++)
        n *= v->dim[i];
    return n;
}

bool view_has_dims(const View *v, const Type *t)
{
    bool same = v->rank == t->rank;
    for (int i = 0; same && i < t->rank; i++)
        same = v->dim[i] == t->dim[i];
    return same;
}

size_t view_bytes(const View *v)
{
    return (size_t)view_count(v) * (size_t)(dtype_info[v->store].bits / 8);
}

bool view_is_dense(const View *v)
{
    int64_t step = 1;
    for (int i = v->rank; i-- > 0;) {
        if (v->dim[i] != 1 && v->stride[i] != step)
            return false;
        step *= v->dim[i];
    }
    return true;
}

static bool joins(View *const *v, const View *old, int n, int last, int axis)
{
    for (int k = 0; k < n; k++)
        if (v[k]->stride[last] != old[k].stride[axis] * old[k].dim[axis])
            return false;
    return true;
}

void views_squeeze(View *const *v, int n)
{
    View old[4] = {{0}};
    int rank = 0;
    for (int k = 0; k < n; k++)
        old[k] = *v[k];
    for (int i = 0; i < old[0].rank; i++) {
        if (old[0].dim[i] == 1)
            continue;
        bool join = rank > 0 && joins(v, old, n, rank - 1, i);
        rank += !join;
        for (int k = 0; k < n; k++) {
            v[k]->dim[rank - 1] = join ? v[k]->dim[rank - 1] * old[k].dim[i] : old[k].dim[i];
            v[k]->stride[rank - 1] = old[k].stride[i];
        }
    }
    for (int k = 0; k < n; k++)
        v[k]->rank = rank;
}

View view_squeeze(const View *v)
{
    View out = *v;
    views_squeeze((View *const[]){&out}, 1);
    return out;
}

/* Joined to as few axes as there can be, the old ones are cut into the new ones from the right. */
bool view_reshape(const View *v, int rank, const int64_t *dim, View *out)
{
    View joined = view_squeeze(v);
    int from = joined.rank - 1;
    int64_t left = from >= 0 ? joined.dim[from] : 1, step = from >= 0 ? joined.stride[from] : 1;
    *out = (View){.block = v->block, .store = v->store, .first = v->first, .rank = rank};
    for (int i = rank; i-- > 0;) {
        out->dim[i] = dim[i];
        if (dim[i] == 1) {
            out->stride[i] = step;
            continue;
        }
        if (left == 1 && from > 0) {
            from--;
            left = joined.dim[from];
            step = joined.stride[from];
        }
        if (dim[i] == 0 || left % dim[i] != 0)
            return false;
        out->stride[i] = step;
        step *= dim[i];
        left /= dim[i];
    }
    return left == 1 && from <= 0;
}

View view_like(const View *v)
{
    View out = *v;
    int axis[IR_MAX_RANK]; /* from the widest stride to the narrowest */
    for (int i = 0; i < v->rank; i++) {
        int at = i;
        for (; at > 0 && v->stride[axis[at - 1]] < v->stride[i]; at--)
            axis[at] = axis[at - 1];
        axis[at] = i;
    }
    int64_t step = 1;
    for (int i = v->rank; i-- > 0; step *= v->dim[axis[i]])
        out.stride[axis[i]] = step;
    out.first = 0;
    return out;
}

View view_transpose(const View *v, const int *perm)
{
    View out = *v;
    for (int i = 0; i < v->rank; i++) {
        out.dim[i] = v->dim[perm[i]];
        out.stride[i] = v->stride[perm[i]];
    }
    return out;
}

bool view_broadcast(const View *v, int rank, const int64_t *dim, View *out)
{
    if (v->rank > rank)
        return false;
    *out = (View){.block = v->block, .store = v->store, .first = v->first, .rank = rank};
    for (int i = 0; i < rank; i++) {
        int from = i - (rank - v->rank);
        out->dim[i] = dim[i];
        if (from < 0 || v->dim[from] == 1)
            continue;
        if (v->dim[from] != dim[i])
            return false;
        out->stride[i] = v->stride[from];
    }
    return true;
}
