/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that are nothing but their number. */
#include "cmap_runner.h"

#include <stdlib.h>

static bool mock_open(void *ctx, const bson_t *test)
{
    (void)ctx;
    (void)test;
    return true;
}

static bool mock_connect(void *ctx, const struct pool_connect_job *job, void **client)
{
    (void)ctx;
    uint64_t *id = malloc(sizeof(*id));
    if (id != NULL) {
        *id = job->connection_id;
    }
    *client = id;
    return id != NULL;
}

static void mock_close(void *ctx, void *client)
{
    (void)ctx;
    free(client);
}

static void mock_finish(void *ctx)
{
    (void)ctx;
}

const struct cmap_connector cmap_mock = {.name = "mock",
                                         .style = "unit",
                                         .open = mock_open,
                                         .connect = mock_connect,
                                         .close = mock_close,
                                         .finish = mock_finish};
