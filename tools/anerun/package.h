/* Opening a package and its tokenizer, for the commands of anerun. */
#ifndef TOOLS_ANERUN_PACKAGE_H
#define TOOLS_ANERUN_PACKAGE_H

#include "runtime/package.h"
#include "runtime/tokenizer/tokenizer.h"

/* Shows on a terminal how far its check is, unless quiet. */
MUST_USE Package *open_package(const char *path, bool quiet, Error *err);

/* The package's tokenizer, which has to be there; PATH is for the message. */
MUST_USE Tokenizer *open_tokenizer(const Package *p, const char *path, Error *err);

#endif
