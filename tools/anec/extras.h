/* The files that a package carries beside its programs: the tokenizer, the config, the licence. */
#ifndef TOOLS_ANEC_EXTRAS_H
#define TOOLS_ANEC_EXTRAS_H

#include "backend/package.h"
#include "tools/anec/inputs.h"

typedef struct Extras {
    PackageFile file[16];
    int count;
} Extras;

/* Reads them from the checkpoint's folder and its metadata. False where one is there and cannot be read. */
MUST_USE bool extras_collect(Extras *e, const Inputs *in, const Plan *plan, Error *err);
void extras_free(Extras *e);

/* For the collectors. Reads FOLDER/NAME of at most `limit` bytes where it exists: *data is NULL otherwise.
 * False only on a read error. */
MUST_USE bool extras_read(const char *folder, const char *name, size_t limit, char **data, size_t *size,
                          Error *err);
/* E takes the malloc'ed data. */
void extras_add(Extras *e, const char *name, char *data, size_t size);

/* tokenizer.json as it is, after a look whether it can be read; else one made from the other kinds of files:
 * vocab.json and merges.txt, tokenizer.model, tokenizer.bin; else from a GGUF file's metadata. */
MUST_USE bool extras_tokenizer(Extras *e, const Inputs *in, const Plan *plan, Error *err);

/* chat_template.jinja and chat.json (docs/package.md), of what the checkpoint says about conversations;
 * nothing where it says nothing. */
MUST_USE bool extras_chat(Extras *e, const Inputs *in, Error *err);

#endif
