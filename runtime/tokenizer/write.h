/* Writing tokenizer.json. The same input gives the same bytes. */
#ifndef RUNTIME_TOKENIZER_WRITE_H
#define RUNTIME_TOKENIZER_WRITE_H

#include "runtime/tokenizer/spm.h"

/* Appends a JSON string. The text is valid UTF-8. */
void write_quoted(Text *out, const char *text, size_t size);

/* Whether the text can be in a JSON file: valid UTF-8 without NUL. */
bool write_possible(const char *text, size_t size);

/* Appends one entry of "added_tokens". */
void write_added(Text *out, int32_t id, const char *text, size_t size, bool special);

/* A vocabulary of the second layout; docs/tokenizer.md says what its members mean. */
typedef struct SourcePiece {
    Slice text; /* any bytes */
    float score;
    PieceKind kind;
} SourcePiece;
typedef struct SourceModel {
    bool unigram, dummy_prefix, collapse_spaces, escape_spaces;
    int32_t begin;      /* -1: none */
    Slice unknown_text; /* any bytes */
    const SourcePiece *pieces;
    size_t count;
} SourceModel;

/* Appends the file, on success only. Fails on what tokenizer_open would not take. */
MUST_USE bool write_spm(const SourceModel *model, Text *out, Error *err);

/* Appends `json` to `out` if tokenizer_open takes it. */
MUST_USE bool write_checked(const Text *json, Text *out, Error *err);

#endif
