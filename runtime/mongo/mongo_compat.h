/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only file that knows which libmongoc it is built with: 1.23 (Debian 12), 1.30 (Debian 13) or
 * 2.x (sid). Everything else in this room uses what all three have.
 *
 * What differs and how we avoid it, so that this file stays short:
 *   - gone in 2.0: mongoc_client_command, *_get_server_status, mongoc_client_pool_min_size,
 *     mongoc_collection_find, mongoc_collection_create_index*, bson_string_t. None is used here:
 *     indexes are made with the raw createIndexes command, text with base_buffer.
 *   - 2.0 gives callbacks the calling convention BSON_CALL (empty on every platform we build for).
 *   - 2.0 gives the last byte of bson_error_t.message to `reserved`: we copy at most
 *     sizeof(message) bytes and end the text ourselves.
 *   - mongoc_server_description_host() returns a const pointer in 2.0: used as one.
 *   - sockets of our own under the driver (mongo_stream.c) work with 1.x alone.
 */
#ifndef MONGO_COMPAT_H
#define MONGO_COMPAT_H

#include <mongoc/mongoc.h>

#if !MONGOC_CHECK_VERSION(1, 23, 0)
#error "libmongoc 1.23 or newer is needed"
#endif

#ifndef BSON_CALL
#define BSON_CALL
#endif

/* 2.0 refuses mongoc_client_set_stream_initiator() on a pooled client; before, it was allowed. */
#ifndef MONGO_COMPAT_STREAMS
#define MONGO_COMPAT_STREAMS !MONGOC_CHECK_VERSION(2, 0, 0)
#endif

#if MONGOC_CHECK_VERSION(2, 0, 0)
#define MONGO_COMPAT_DRIVER "libmongoc 2"
/* 2.3 and later label errors that came from connecting, and retry these by themselves: our own
 * retries stay, their number is budgeted in one place (reference: libmongoc fact 9). */
#else
#define MONGO_COMPAT_DRIVER "libmongoc 1"
#endif

#endif
