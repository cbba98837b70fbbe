/* The inside of a Tokenizer, shared by the files of this folder only. */
#ifndef RUNTIME_TOKENIZER_INTERNAL_H
#define RUNTIME_TOKENIZER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "runtime/tokenizer/split.h"
#include "runtime/tokenizer/tokenizer.h"

typedef struct Slice {
    const char *data; /* NULL: nothing here */
    uint32_t size;
} Slice;

/* Piece -> id, open addressing. Hashes start from a seed that differs between runs, so that no file can be
 * made whose pieces all meet in one slot; no result depends on it. */
typedef struct PieceIndex {
    uint64_t seed;
    uint32_t mask;
    int32_t *slots; /* id, or -1 */
} PieceIndex;

/* (left id, right id) -> rank and id of what they merge to. */
typedef struct Merge {
    int32_t left, right;
    int32_t rank; /* lower merges first */
    int32_t id;
} Merge;
typedef struct MergeTable {
    uint64_t seed;
    uint32_t mask;
    uint32_t *slots; /* of merges, counted from 1; 0: empty */
    Merge *merges;   /* in the order in which they were added */
    uint32_t count;
} MergeTable;

void piece_index_init(PieceIndex *index, size_t pieces);
void piece_index_free(PieceIndex *index);
/* False where the piece (keys[id]) is there already. */
bool piece_index_add(PieceIndex *index, const Slice *keys, int32_t id);
int32_t piece_index_find(const PieceIndex *index, const Slice *keys, const char *data, size_t size);

void merge_table_init(MergeTable *table, size_t merges); /* room for so many */
void merge_table_free(MergeTable *table);
/* False where the pair is there already. */
bool merge_table_add(MergeTable *table, Merge merge);
/* NULL where the pair does not merge. */
const Merge *merge_table_find(const MergeTable *table, int32_t left, int32_t right);

typedef enum TokenFlags {
    TOKEN_SPECIAL = 1,
    TOKEN_ADDED = 2,
    TOKEN_INDEXED = 4, /* its key is in the index */
} TokenFlags;

/* A token that is found in the text before it is split. */
typedef struct AddedToken {
    Slice text;
    int32_t id;
    bool special;
    bool left, right; /* takes the white space before, after it (lstrip, rstrip) */
} AddedToken;

/* Tokens of at least one byte each, sorted by text. */
typedef struct TokenSet {
    AddedToken *tokens;
    int count;
    int first[257]; /* those that start with byte b: first[b] up to first[b + 1] */
} TokenSet;

/* Sorts the tokens and fills in `first`. Returns a token whose text another one has, or NULL. */
const AddedToken *token_set_index(TokenSet *set);

/* The tokens that a text starts with, shorter ones first. */
typedef struct PrefixWalk {
    const TokenSet *set;
    const char *text;
    size_t size, depth;
    int low, high;
} PrefixWalk;
PrefixWalk prefix_walk(const TokenSet *set, const char *text, size_t size);
const AddedToken *prefix_walk_next(PrefixWalk *w); /* NULL: no more */

/* What the symbols are that merging starts from. */
typedef enum TokenizerKind {
    TOKENIZER_BYTES,      /* the bytes of a word, in the alphabet of alphabet.h (GPT-2, Llama 3, Qwen) */
    TOKENIZER_CHARACTERS, /* characters, " " being U+2581; unknown ones as bytes <0xNN> (Llama 2, Mistral) */
} TokenizerKind;

/* Where a space is put before the text. */
typedef enum PrefixSpace {
    PREFIX_NEVER,
    PREFIX_UNLESS_THERE, /* before every stretch between added tokens that does not start with a space */
    PREFIX_FIRST,        /* the same, at the start of the text only */
    PREFIX_ALWAYS,       /* before every stretch that is not empty */
} PrefixSpace;

/* What is cut out before the split pattern is applied (the Digits pre-tokenizer). */
typedef enum DigitSplit { DIGITS_STAY, DIGITS_RUNS, DIGITS_SINGLE } DigitSplit;

typedef struct Spm Spm;

struct Tokenizer {
    Arena arena; /* everything but the text and the two tables */
    char *text;  /* of the file: keys and pieces are in it where they can */
    TokenizerKind kind;
    int size;       /* ids are below */
    Slice *keys;    /* by id: what symbols are matched with (TOKENIZER_CHARACTERS: as in the file, U+2581) */
    Slice *pieces;  /* by id: the bytes the token stands for; the same array as keys where all are the same */
    uint8_t *flags; /* by id: TokenFlags */
    PieceIndex index;      /* of keys */
    MergeTable merges;     /* spm: empty, it looks at texts and scores */
    int32_t byte_ids[256]; /* the token of each byte (TOKENIZER_CHARACTERS: <0xNN>), or -1 */
    int32_t unknown;       /* the token of what has none, or -1 */
    bool fuse_unknown;     /* one for a whole run */
    bool whole_words;      /* a word that is a piece is that token, whatever the merges say (ignore_merges) */

    bool nfc; /* the text is brought to normalization form C first */
    PrefixSpace prefix;
    DigitSplit digits;
    const SplitPattern *pattern; /* NULL: none */
    bool split_spaces;           /* a word starts at every U+2581 (Metaspace) */

    TokenSet added;
    int32_t begin; /* the token that texts begin with, or -1 */
    Spm *spm;      /* what is particular to SentencePiece's vocabularies; NULL: not one of them */
};

/* U+2581, which TOKENIZER_CHARACTERS vocabularies write for a space. */
#define METASPACE "\xe2\x96\x81"
#define METASPACE_SIZE 3

/* The working memory of one call of tokenizer_encode. */
typedef struct Symbol {
    int32_t id; /* -1: merged into another */
    int32_t previous, next;
} Symbol;
typedef struct Candidate {
    Merge merge;
    int32_t at; /* the left symbol */
} Candidate;
typedef struct Bpe {
    Symbol *symbols;
    size_t symbol_cap;
    Candidate *heap;
    size_t heap_count, heap_cap;
    Merge *undo; /* by id: the last pair that could have become it; NULL: not wanted */
} Bpe;

/* Room for `count` symbols, of which the caller fills in the ids. */
Symbol *bpe_symbols(Bpe *b, size_t count);
/* Merges the first `count` symbols until no merge applies, lowest rank first, of equal ranks the leftmost,
 * and moves what remains to the front. Returns its number. Takes count * log(count) steps. */
size_t bpe_merge(Bpe *b, const Tokenizer *t, size_t count);
void bpe_free(Bpe *b);

#endif
