/* Checkpoints from the Hugging Face hub, by its own conventions: the same cache folder, the same environment
 * variables, so that what is there already is not fetched again. Source of the conventions: huggingface_hub's
 * file_download.py and its guide "manage-cache". */
#ifndef FRONTEND_HUB_HUB_H
#define FRONTEND_HUB_HUB_H

#include <signal.h>
#include <stdint.h>

#include "base/error.h"

/* What --from names: OWNER/NAME[@REVISION][:FILE]. */
typedef struct HubName {
    char repo[256];
    char revision[256]; /* branch, tag or commit; "main" where none is named */
    char file[512];     /* "" where none is named */
} HubName;

MUST_USE bool hub_name_parse(const char *text, HubName *out, Error *err);

/* Called now and then, and at the end of each file. */
typedef struct HubProgress {
    void (*show)(void *context, const char *file, int index, int files, uint64_t done, uint64_t total);
    void *context;
    const volatile sig_atomic_t *interrupted; /* NULL: never. What was fetched so far is kept. */
} HubProgress;

/* Fetches what is not in the cache yet: config, tokenizer, licence, and one form of the weights. Returns
 * (malloc'ed) the folder of the snapshot, or the path of the file that was named or is the only GGUF file.
 * Everything is checked: names, sizes, and contents against the hub's hashes. progress may be NULL. */
MUST_USE char *hub_fetch(const HubName *name, const HubProgress *progress, Error *err);

#endif
