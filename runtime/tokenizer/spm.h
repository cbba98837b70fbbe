/* SentencePiece's way of encoding: pieces with scores, cut by byte pair encoding or as a unigram model. It is
 * the second layout of tokenizer.json (docs/tokenizer.md); files of other programs are converted to it. */
#ifndef RUNTIME_TOKENIZER_SPM_H
#define RUNTIME_TOKENIZER_SPM_H

#include "base/json_tree.h"
#include "runtime/tokenizer/internal.h"

/* The numbers are those of sentencepiece_model.proto and of GGUF's token_type. */
typedef enum PieceKind {
    PIECE_NORMAL = 1,
    PIECE_UNKNOWN = 2,
    PIECE_CONTROL = 3,      /* a mark that stands for no text */
    PIECE_USER_DEFINED = 4, /* where it stands in a text it is one token, whatever the scores say */
    PIECE_UNUSED = 5,       /* may be merged on the way to another, but is no result */
    PIECE_BYTE = 6,         /* <0xNN>, for characters that are no piece */
    PIECE_KINDS
} PieceKind;
extern const char *const piece_kind_names[PIECE_KINDS]; /* [0]: NULL */

/* A piece of this many bytes at most is found in a text; real ones have under a hundred. */
enum { PIECE_MAX = 512 };

struct Spm {
    bool unigram;
    bool dummy_prefix;    /* a space is put before a text that is not empty */
    bool collapse_spaces; /* a run of spaces is one, at both ends of a text none */
    Slice space;          /* what pieces have for a space: U+2581 or " " */
    bool cut_words;       /* no piece reaches from another character into a space: words stand alone */
    bool has_unused;
    uint8_t *kinds; /* by id */
    float *scores;  /* by id */
    TokenSet user;  /* the user-defined pieces */

    /* BPE only: characters that are no piece but the first or last of one, which may merge. Their symbols are
     * t->size and up. */
    Slice *parts;
    size_t part_count, part_cap;
    PieceIndex part_index;

    /* unigram only */
    TokenSet normal; /* with the user-defined ones */
    float best_score, unknown_score;
};

/* Fills in t from the "model" of a file in the second layout. */
bool spm_read(Tokenizer *t, const JsonNode *model, Error *err);

/* Appends the text as its pieces have it: spaces collapsed, put in front and replaced. */
void spm_prepare(const Spm *s, const char *text, size_t size, Text *out);
/* The length of the first word of a prepared text; size where words don't stand alone. */
size_t spm_word(const Spm *s, const char *text, size_t size);
/* The longest user-defined piece that the text starts with, or NULL. */
const AddedToken *spm_user_piece(const Spm *s, const char *text, size_t size);

/* The symbol of a character that is a part of pieces but none itself; -1: it is not. */
int32_t spm_part(const Tokenizer *t, const char *text, size_t size);
/* What two neighbours merge to: the piece that their texts together are. False where they don't. */
bool spm_merge(const Tokenizer *t, int32_t left, int32_t right, Merge *merge);
/* The parts that are not in t's arena. */
void spm_close(Spm *s);

/* A piece of the best cut: it ends before byte `end`; id -1: a character that is no piece. */
typedef struct Cut {
    int32_t id;
    uint32_t end;
} Cut;
/* Cuts a prepared text into the pieces whose scores sum up to the most, as SentencePiece's encoder does to
 * the last bit. Returns their number; *cuts is malloc'ed. */
size_t unigram_cut(const Spm *s, const char *text, size_t size, Cut **cuts);

#endif
