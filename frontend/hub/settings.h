/* The environment that the hub's own tools read too. */
#ifndef FRONTEND_HUB_SETTINGS_H
#define FRONTEND_HUB_SETTINGS_H

#include "base/error.h"

typedef struct HubSettings {
    char *endpoint; /* HF_ENDPOINT, without a slash at the end */
    char *cache;    /* HF_HUB_CACHE, else HF_HOME/hub */
    char *token;    /* HF_TOKEN, else the file of HF_TOKEN_PATH; NULL: none */
    bool offline;   /* HF_HUB_OFFLINE */
    long timeout;   /* seconds without a byte: HF_HUB_DOWNLOAD_TIMEOUT */
    long pause;     /* milliseconds before the first retry: ANEC_HUB_PAUSE */
} HubSettings;

MUST_USE bool hub_settings_read(HubSettings *s, Error *err);
void hub_settings_free(HubSettings *s);

#endif
