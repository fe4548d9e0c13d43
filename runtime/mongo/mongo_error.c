/* SPDX-License-Identifier: Apache-2.0 */
#include "mongo_internal.h"

#include <stdio.h>
#include <string.h>

/* Classes by code, never by text (the old layer matched message texts and never entered its own
 * recovery). Server codes: MongoDB's error_codes.yml; which of them mean "the server's role
 * changed" and "transient": specifications/server-discovery-and-monitoring and retryable-writes. */
struct code_class {
    uint32_t code;
    enum mongo_error_class error_class;
};

static const struct code_class server_codes[] = {
    /* the server or its role goes away */
    {6, MONGO_RECONNECT},     /* HostUnreachable */
    {7, MONGO_RECONNECT},     /* HostNotFound */
    {89, MONGO_RECONNECT},    /* NetworkTimeout */
    {91, MONGO_RECONNECT},    /* ShutdownInProgress */
    {189, MONGO_RECONNECT},   /* PrimarySteppedDown */
    {9001, MONGO_RECONNECT},  /* SocketException */
    {10058, MONGO_RECONNECT}, /* LegacyNotPrimary */
    {10107, MONGO_RECONNECT}, /* NotWritablePrimary */
    {11600, MONGO_RECONNECT}, /* InterruptedAtShutdown */
    {11602, MONGO_RECONNECT}, /* InterruptedDueToReplStateChange */
    {13435, MONGO_RECONNECT}, /* NotPrimaryNoSecondaryOk */
    {13436, MONGO_RECONNECT}, /* NotPrimaryOrSecondary */
    /* transient, the connection is fine */
    {24, MONGO_RETRY},    /* LockTimeout */
    {43, MONGO_RETRY},    /* CursorNotFound: the read starts anew */
    {63, MONGO_RETRY},    /* StaleShardVersion */
    {64, MONGO_RETRY},    /* WriteConcernFailed */
    {112, MONGO_RETRY},   /* WriteConflict */
    {117, MONGO_RETRY},   /* ConflictingOperationInProgress */
    {133, MONGO_RETRY},   /* FailedToSatisfyReadPreference */
    {134, MONGO_RETRY},   /* ReadConcernMajorityNotAvailableYet */
    {150, MONGO_RETRY},   /* StaleEpoch */
    {175, MONGO_RETRY},   /* QueryPlanKilled: the collection was dropped under the query */
    {237, MONGO_RETRY},   /* CursorKilled */
    {246, MONGO_RETRY},   /* SnapshotUnavailable */
    {262, MONGO_RETRY},   /* ExceededTimeLimit */
    {365, MONGO_RETRY},   /* TemporarilyUnavailable */
    {11601, MONGO_RETRY}, /* Interrupted: somebody killed this operation */
    {13388, MONGO_RETRY}, /* StaleConfig */
    {14031, MONGO_RETRY}, /* OutOfDiskSpace: the caller looks at the code */
    {50, MONGO_TIMEOUT},  /* MaxTimeMSExpired */
    /* credentials and rights */
    {11, MONGO_AUTH},   /* UserNotFound */
    {13, MONGO_AUTH},   /* Unauthorized */
    {18, MONGO_AUTH},   /* AuthenticationFailed */
    {8000, MONGO_AUTH}, /* AtlasError: its authentication */
    {391, MONGO_AUTH},  /* ReauthenticationRequired */
    /* settings */
    {20, MONGO_CONFIG},  /* IllegalOperation: retryWrites on a standalone, say */
    {79, MONGO_CONFIG},  /* UnknownReplWriteConcern */
    {100, MONGO_CONFIG}, /* UnsatisfiableWriteConcern */
    {323, MONGO_CONFIG}, /* APIStrictError */
    /* an answer */
    {11000, MONGO_DUPLICATE},
    {11001, MONGO_DUPLICATE},
    {12582, MONGO_DUPLICATE},
    /* our own mistake */
    {59, MONGO_BUG}, /* CommandNotFound */
};

/* Codes of the driver's own domains. code 0 = every other code of that domain. */
struct domain_class {
    uint32_t domain;
    uint32_t code;
    enum mongo_error_class error_class;
};

static const struct domain_class driver_codes[] = {
    {MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_INVALID_TYPE, MONGO_BUG},
    {MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_INVALID_STATE, MONGO_BUG},
    {MONGOC_ERROR_STREAM, 0, MONGO_RECONNECT},
    {MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_BAD_WIRE_VERSION, MONGO_CONFIG},
    {MONGOC_ERROR_SERVER_SELECTION, 0, MONGO_RECONNECT},
    {MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_BAD_WIRE_VERSION, MONGO_CONFIG},
    {MONGOC_ERROR_PROTOCOL, 0, MONGO_RECONNECT}, /* the stream is out of step */
    {MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE, MONGO_AUTH},
    {MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_GETNONCE, MONGO_AUTH},
    {MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_TOO_BIG, MONGO_DATA},
    {MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_NO_ACCEPTABLE_PEER, MONGO_RECONNECT},
    {MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_NOT_READY, MONGO_RECONNECT},
    {MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_SESSION_FAILURE, MONGO_RECONNECT},
    {MONGOC_ERROR_CLIENT, 0, MONGO_BUG},
    {MONGOC_ERROR_SASL, 0, MONGO_AUTH},
    {MONGOC_ERROR_SCRAM, 0, MONGO_AUTH},
    {MONGOC_ERROR_BSON, 0, MONGO_DATA},
    {MONGOC_ERROR_CURSOR, 0, MONGO_RETRY}, /* a cursor lost its server: read anew */
    /* "Cannot assemble command for invalidated server": another thread's error made the server
     * unknown between selection and sending. The next try selects anew. */
    {MONGOC_ERROR_COMMAND, MONGOC_ERROR_COMMAND_INVALID_ARG, MONGO_RETRY},
    {MONGOC_ERROR_MATCHER, 0, MONGO_BUG},
    {MONGOC_ERROR_NAMESPACE, 0, MONGO_BUG},
    {MONGOC_ERROR_GRIDFS, 0, MONGO_BUG},
    {MONGOC_ERROR_TRANSACTION, 0, MONGO_BUG},
    {MONGOC_ERROR_CLIENT_SIDE_ENCRYPTION, 0, MONGO_CONFIG},
    {MONGOC_ERROR_POOL, 0, MONGO_BUG},
};

static enum mongo_error_class class_of_server_code(uint32_t code)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(server_codes); i++) {
        if (server_codes[i].code == code) {
            return server_codes[i].error_class;
        }
    }
    return MONGO_DATA; /* the server understood us and refused this one thing */
}

static enum mongo_error_class class_of(uint32_t domain, uint32_t code)
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(driver_codes); i++) {
        if (driver_codes[i].domain == domain &&
            (driver_codes[i].code == code || driver_codes[i].code == 0)) {
            return driver_codes[i].error_class;
        }
    }
    return class_of_server_code(code); /* SERVER, QUERY, COLLECTION, WRITE_CONCERN, ... */
}

/* "not authorized on app to execute command { insert: ...", "dup key: { url: ..."}: the server
 * quotes what it was given. No document in a message. */
static void cut_document(char *text, size_t size)
{
    char *brace = strchr(text, '{');
    if (brace != NULL) {
        snprintf(brace, size - (size_t)(brace - text), "...");
    }
}

void mongo_classify(const bson_error_t *error, const bson_t *reply, struct mongo_error *out)
{
    memset(out, 0, sizeof *out);
    if (error == NULL || (error->domain == 0 && error->code == 0)) {
        return;
    }
    out->domain = error->domain;
    out->code = error->code;
    out->error_class = class_of(error->domain, error->code);
    bool is_socket =
        error->domain == MONGOC_ERROR_STREAM && error->code == MONGOC_ERROR_STREAM_SOCKET;
    if (is_socket && mongo_stream_was_silent()) {
        out->error_class = MONGO_TIMEOUT; /* the driver has one code for broken and silent */
    }
    if (error->code == MONGO_CODE_OVER_TIME && mongo_stream_was_given_up()) {
        out->domain =
            MONGOC_ERROR_STREAM; /* of ours: no answer of the server, it costs the client */
        out->code = MONGOC_ERROR_STREAM_SOCKET;
    }
    if (reply != NULL && reply->len > 5) {
        out->retryable_write = mongoc_error_has_label(reply, "RetryableWriteError");
        out->overloaded = mongoc_error_has_label(reply, "SystemOverloadedError");
        bool transient = out->retryable_write || mongoc_error_has_label(reply, "RetryableError");
        if (transient && out->error_class == MONGO_DATA) {
            out->error_class = MONGO_RETRY;
        }
    }
    char text[sizeof error->message];
    memcpy(text, error->message, sizeof text);
    text[sizeof text - 1] = '\0';
    cut_document(text, sizeof text);
    base_redact_uri(text, out->message, sizeof out->message);
}

enum mongo_error_class mongo_classify_code(uint32_t server_code)
{
    return server_code == 0 ? MONGO_OK : class_of_server_code(server_code);
}

const char *mongo_error_class_name(enum mongo_error_class error_class)
{
    static const char *const names[] = {
        [MONGO_OK] = "ok",
        [MONGO_RETRY] = "retry",
        [MONGO_RECONNECT] = "reconnect",
        [MONGO_TIMEOUT] = "timeout",
        [MONGO_AUTH] = "auth",
        [MONGO_CONFIG] = "configuration",
        [MONGO_DUPLICATE] = "duplicate",
        [MONGO_DATA] = "data",
        [MONGO_BUG] = "bug",
    };
    return (size_t)error_class < BASE_ARRAY_LEN(names) ? names[error_class] : "unknown";
}

enum gleaner_status mongo_error_status(enum mongo_error_class error_class)
{
    static const enum gleaner_status statuses[] = {
        [MONGO_OK] = GLEANER_OK,
        [MONGO_RETRY] = GLEANER_E_BUSY,
        [MONGO_RECONNECT] = GLEANER_E_NETWORK,
        [MONGO_TIMEOUT] = GLEANER_E_TIMEOUT,
        [MONGO_AUTH] = GLEANER_E_AUTH,
        [MONGO_CONFIG] = GLEANER_E_CONFIG,
        [MONGO_DUPLICATE] = GLEANER_E_EXISTS,
        [MONGO_DATA] = GLEANER_E_INVALID,
        [MONGO_BUG] = GLEANER_E_INTERNAL,
    };
    return (size_t)error_class < BASE_ARRAY_LEN(statuses) ? statuses[error_class]
                                                          : GLEANER_E_INTERNAL;
}
