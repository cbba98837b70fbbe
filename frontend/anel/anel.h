/* The .anel language: text -> tree -> graph. docs/language.md describes the language itself.
 *
 *     AnelModel model;
 *     Module *m = anel_compile(&source, &options, &model, diags);   // NULL: diags has said why
 *     ... m->func[0] is the graph; model says what else the file and the parameters fix ...
 *     module_free(m);
 *
 * The graph has one function, named like the model. Parameters: `token` and `position`, int32 [S]. Output:
 * `logits`, fp32 [S, vocab]. Everything in between is fp32; weights are OP_CONST with LIT_WEIGHT, one for
 * each tensor. The names of values come from ops and tensors, never from the names in the .anel file. */
#ifndef FRONTEND_ANEL_ANEL_H
#define FRONTEND_ANEL_ANEL_H

#include "base/diag.h"
#include "base/text.h"
#include "ir/ir.h"

/* ---- values that are known when a model is compiled ---- */

typedef enum AnelKind {
    ANEL_NONE,
    ANEL_BOOL,
    ANEL_INT,
    ANEL_FLOAT,
    ANEL_TEXT,
    ANEL_LIST,
    ANEL_TENSOR, /* a node of the graph; never outside the front end */
    ANEL_ERROR   /* has been reported; never outside the front end */
} AnelKind;

typedef struct AnelValue AnelValue;
struct AnelValue {
    AnelKind kind;
    union {
        bool boolean;
        int64_t integer;
        double number;
        const char *text; /* NUL-terminated */
        struct {
            const AnelValue *item;
            int count;
        } list;
        struct AnelTensor *tensor;
    };
};

/* As it is written in .anel: `none`, `true`, `12`, `1e-05`, `"gelu"`, `[1, 2]`. */
void anel_value_print(Text *out, const AnelValue *v);

/* ---- what surrounds a model ---- */

typedef enum AnelFound {
    ANEL_ABSENT, /* no such key */
    ANEL_NULL,   /* null, which counts as absent where the model does not say what it means */
    ANEL_OTHER,  /* there, but nothing that the language has a value for (an object) */
    ANEL_FOUND
} AnelFound;

typedef struct AnelOptions {
    /* Looks up a key of the checkpoint's config; texts and lists are made in `arena`. NULL: no config.
     * `config_name` is what messages call it ("models/tales/config.json"; NULL: "config.json"). */
    AnelFound (*config)(void *context, const char *key, Arena *arena, AnelValue *out);
    void *config_context;
    const char *config_name;
    /* Whether the checkpoint has a tensor. NULL: there is no checkpoint; `weight ... else` then takes what
     * behind `else` is another weight, and the weight itself where it is `none`. */
    bool (*has_tensor)(void *context, const char *name);
    void *tensor_context;
    /* NAME=VALUE, by model parameter or by config key. */
    const char *const *sets;
    int set_count;
    /* Folders searched for imports, after the importing file's own and those of $ANEC_MODELS. */
    const char *const *search;
    int search_count;
} AnelOptions;

/* An AnelOptions.config for a json_t object (jansson): the key itself, else a path with dots and list
 * indices, "rope_scaling.factor". `context` is the json_t *; NULL is an empty config. */
AnelFound anel_config_json(void *context, const char *key, Arena *arena, AnelValue *out);

/* ---- the result; all of it lives in the Module ---- */

typedef struct AnelParam {
    const char *name;
    AnelValue value;
    const char *origin; /* "--set", "config.json: n_layer", "default" */
} AnelParam;

/* One `weight` that was reached, in the order of declaration; one entry for each tensor. */
typedef struct AnelWeight {
    const char *name; /* in the checkpoint, without prefixes such as "transformer." */
    Type declared;    /* fp32, as the file declares it, which is the checkpoint's layout */
    bool used;        /* some value depends on it */
    bool fallback;    /* declared with `else`: another file may do without it */
    Span span;
} AnelWeight;

typedef struct AnelModel {
    const char *name;
    int64_t context, vocab;
    int buckets; /* rising, none above the context; at least one */
    const int64_t *bucket;
    int params, weights;
    const AnelParam *param;
    const AnelWeight *weight;
    int ignored; /* names of tensors that the model leaves alone begin so */
    const char *const *ignore;
} AnelModel;

/* Reads, checks and elaborates the one `model` of `source`. NULL where there were errors; warnings may
 * remain. `source` and its texts must outlive the module (spans point into them); imported files are kept in
 * the module. */
MUST_USE Module *anel_compile(const Source *source, const AnelOptions *options, AnelModel *out, Diags *diags);

/* ---- the tree ---- */

typedef struct AnelFile AnelFile;

/* One file by itself: imports are not followed. Never NULL: what could be understood is in the tree even
 * where there were errors (count them in diags). Free with anel_file_free. */
AnelFile *anel_parse(const Source *source, Diags *diags);
void anel_file_free(AnelFile *file); /* NULL is allowed */
/* An indented tree, one node a line. */
void anel_print_ast(Text *out, const AnelFile *file);
/* Adds the file in the usual layout (docs/language.md). Comments and line ends are kept, and the tree is the
 * same. False with the file's errors in diags; out is then left alone. */
MUST_USE bool anel_format(const Source *source, Text *out, Diags *diags);

#endif
