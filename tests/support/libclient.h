/* Inside the stand-in: the classes that only aneprobe asks for. */
#ifndef TESTS_SUPPORT_LIBCLIENT_H
#define TESTS_SUPPORT_LIBCLIENT_H

#include "tests/support/libapple.h"

/* libane.c: evaluates by the real-time path; fills in an error and returns false. */
bool standin_evaluate_real_time(Id model, Id request, Id *error);
bool standin_error(Id *error, const char *text);

/* Whether the script's framework is without a method. */
bool client_lacks(const char *class_name, const char *selector);

Id client_model(Id self, Sel selector);
void client_set_mask(Id self, Sel selector, unsigned mask);
/* The system's cache, as the script has it. */
bool cache_keeps(const char *identifier);
void cache_keep(const char *identifier);
bool client_keeps(Id self, Sel selector, Id hash);
void client_purge(Id self, Sel selector, Id hash);
Id client_shared(Id self, Sel selector);
bool client_begin(Id self, Sel selector);
bool client_end(Id self, Sel selector);
bool client_evaluate(Id self, Sel selector, Id model, Id options, Id request, Id *error);
bool client_prepare(Id self, Sel selector, Id model, Id options, Id chain, unsigned qos, Id *error);
Id stats_with(Id self, Sel selector, uint64_t ns);
uint64_t stats_time(Id self, Sel selector);
Id buffer_with(Id self, Sel selector, Id surface, Id index, int64_t source);
Id output_sets_with(Id self, Sel selector, Surface statistics, Id buffers);
Id chain_with(Id self, Sel selector, Id inputs, Id sets, Id in, Id out, Id procedure, Id events, Id handle,
              Id delay, Id pool);
Id info_architecture(Id self, Sel selector);
Id info_build(Id self, Sel selector);

#endif
