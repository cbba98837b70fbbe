/* Work on texts that filters and methods share. */
#ifndef RUNTIME_CHAT_TEXT_H
#define RUNTIME_CHAT_TEXT_H

#include "runtime/chat/interp.h"

typedef enum TextCase { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_CAPITAL } TextCase;

Value text_cased(Interp *in, Str s, TextCase how);
/* At most `most` of them; -1: all. what and with must be texts. */
Value text_replaced(Interp *in, Str s, Value what, Value with, int64_t most);
Value text_join(Interp *in, Str between, Value list);
/* [[key, value], ...] */
Value dict_items(Interp *in, Value dict);

#endif
