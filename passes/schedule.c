/* Topological order with two kinds of nodes: single ops for the CPU as long as one is ready, then one group.
 */
#include "passes/schedule.h"

#include "passes/match.h"
#include "passes/users.h"

typedef struct Node {
    int group, waits, position;
    bool done;
    int ops, ops_cap;
    Op **op;
    int nexts, nexts_cap;
    int *next; /* nodes that wait for this one; once for each use */
} Node;

/* A heap of nodes, the one of the lowest position on top. */
typedef struct Heap {
    int *item;
    int count;
} Heap;

typedef struct Sorter {
    Arena *arena;
    Node *node;
    int nodes;
    int *node_of; /* by position of the op; -1: a constant */
    Heap cpu, ane;
} Sorter;

/* ---- heap ---- */

static void heap_swap(Heap *h, int a, int b)
{
    int t = h->item[a];
    h->item[a] = h->item[b];
    h->item[b] = t;
}

static void heap_push(const Sorter *s, Heap *h, int n)
{
    int i = h->count++;
    h->item[i] = n;
    while (i && s->node[h->item[(i - 1) / 2]].position > s->node[h->item[i]].position) {
        heap_swap(h, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

static int heap_pop(const Sorter *s, Heap *h)
{
    int top = h->item[0];
    h->item[0] = h->item[--h->count];
    for (int i = 0, least;; i = least) {
        least = i;
        for (int c = 2 * i + 1; c <= 2 * i + 2; c++)
            if (c < h->count && s->node[h->item[c]].position < s->node[h->item[least]].position)
                least = c;
        if (least == i)
            return top;
        heap_swap(h, i, least);
    }
}

/* ---- nodes ---- */

static void add_nodes(Sorter *s, const Func *f, int ops)
{
    int *of_group = arena_many(s->arena, (size_t)f->groups, int);
    s->node = arena_many(s->arena, (size_t)ops, Node);
    s->node_of = arena_many(s->arena, (size_t)ops, int);
    int position = 0;
    for (Op *op = f->first; op; op = op->next, position++) {
        s->node_of[position] = -1;
        if (op->results && is_known(op->result[0]))
            continue;
        int n = op->group ? of_group[op->group] - 1 : -1;
        if (n < 0) {
            n = s->nodes++;
            s->node[n].group = op->group;
            s->node[n].position = position;
            if (op->group)
                of_group[op->group] = n + 1;
        }
        s->node_of[position] = n;
        arena_push(s->arena, s->node[n].op, s->node[n].ops, s->node[n].ops_cap, op);
    }
}

static int node_of_value(const Sorter *s, const Value *v)
{
    return v->def && v->def->func ? s->node_of[info_of(v)->position] : -1;
}

static void add_edges(Sorter *s)
{
    for (int n = 0; n < s->nodes; n++)
        for (int i = 0; i < s->node[n].ops; i++)
            FOR_EACH_ARG(s->node[n].op[i], slot) {
                int from = node_of_value(s, *slot);
                if (from < 0 || from == n)
                    continue;
                arena_push(s->arena, s->node[from].next, s->node[from].nexts, s->node[from].nexts_cap, n);
                s->node[n].waits++;
            }
}

static void make_ready(Sorter *s, int n)
{
    heap_push(s, s->node[n].group ? &s->ane : &s->cpu, n);
}

/* ---- order ---- */

static void take(Sorter *s, int n, Run *run)
{
    Node *node = &s->node[n];
    node->done = true;
    for (int i = 0; i < node->ops; i++)
        arena_push(s->arena, run->op, run->ops, run->cap, node->op[i]);
    for (int i = 0; i < node->nexts; i++)
        if (--s->node[node->next[i]].waits == 0)
            make_ready(s, node->next[i]);
}

static void add_run(Sorter *s, Schedule *out, const Run *run)
{
    arena_push(s->arena, out->run, out->runs, out->cap, *run);
}

/* In turns: all that the CPU can do, then all the groups that are ready; so there are few turns. */
static void order(Sorter *s, Schedule *out)
{
    while (s->cpu.count || s->ane.count) {
        Run run = {0};
        while (s->cpu.count)
            take(s, heap_pop(s, &s->cpu), &run);
        if (run.ops)
            add_run(s, out, &run);
        while (s->ane.count) {
            int n = heap_pop(s, &s->ane);
            Run group = {.group = s->node[n].group};
            take(s, n, &group);
            add_run(s, out, &group);
        }
    }
}

/* Frees the ops of the first group that never became ready; false: there is none. */
static bool dissolve_stuck(Pipeline *p, Sorter *s)
{
    for (int n = 0; n < s->nodes; n++) {
        if (s->node[n].done || !s->node[n].group)
            continue;
        for (int i = 0; i < s->node[n].ops; i++)
            s->node[n].op[i]->group = 0;
        pipeline_left(p, s->node[n].op[0],
                      arena_printf(&p->arena, "%s and another program would wait for each other",
                                   p->graph->group[s->node[n].group].name));
        return true;
    }
    return false;
}

void schedule_make(Pipeline *p, Schedule *out, Arena *a)
{
    int ops = 0;
    for (Op *op = p->graph->first; op; op = op->next)
        ops++;
    Sorter s;
    do {
        s = (Sorter){.arena = a};
        *out = (Schedule){0};
        s.cpu.item = arena_many(a, (size_t)ops, int);
        s.ane.item = arena_many(a, (size_t)ops, int);
        add_nodes(&s, p->graph, ops);
        add_edges(&s);
        for (int n = 0; n < s.nodes; n++)
            if (!s.node[n].waits)
                make_ready(&s, n);
        order(&s, out);
    } while (dissolve_stuck(p, &s));
}
