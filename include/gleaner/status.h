/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file status.h
 * One vocabulary of outcomes for the library, the modules and the process.
 *
 * Values are part of the ABI: numbers are never reused, new ones are appended.
 */
#ifndef GLEANER_STATUS_H
#define GLEANER_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GLEANER_MUST_CHECK __attribute__((warn_unused_result))
#define GLEANER_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define GLEANER_API __attribute__((visibility("default")))
#else
#define GLEANER_MUST_CHECK
#define GLEANER_PRINTF(fmt, args)
#define GLEANER_API
#endif

enum gleaner_status {
    GLEANER_OK = 0,
    GLEANER_E_INVALID = 1, /**< an argument or input is wrong; the detail names it */
    GLEANER_E_NOMEM = 2,   /**< memory could not be had */
    GLEANER_E_IO = 3,      /**< a file operation failed; the detail carries errno's text */
    GLEANER_E_BUSY = 4,    /**< taken or locked now; retry later */
    GLEANER_E_TIMEOUT = 5, /**< the deadline passed */
    GLEANER_E_DOWN = 6,    /**< the published state says that the target is down */
    GLEANER_E_CLOSED = 7,  /**< the object is closed or draining */
    GLEANER_E_STALE = 8,   /**< generation, ticket or fencing token is older than the present one */
    GLEANER_E_NOT_FOUND = 9, /**< no such thing */
    GLEANER_E_EXISTS = 10,   /**< the key is there already */
    GLEANER_E_FULL = 11,   /**< a size limit is reached, or the disk is full; nothing was written */
    GLEANER_E_LIMIT = 12,  /**< input exceeds a configured limit */
    GLEANER_E_AUTH = 13,   /**< authentication or authorisation was refused */
    GLEANER_E_CONFIG = 14, /**< a setting is wrong; retrying cannot help */
    GLEANER_E_NETWORK = 15,     /**< the transport failed; retrying may help */
    GLEANER_E_REFUSED = 16,     /**< policy forbids it (address guard, robots.txt, scope) */
    GLEANER_E_CORRUPT = 17,     /**< stored bytes do not check out */
    GLEANER_E_UNSUPPORTED = 18, /**< version or feature is not known here */
    GLEANER_E_CANCELLED = 19,   /**< given up because the process stops */
    GLEANER_E_INTERNAL = 20,    /**< our own mistake, survived */
    GLEANER_STATUS_COUNT
};

/**
 * Name of a status, such as "timeout", for logs and machine output.
 *
 * Thread: [any]. Never NULL; an unknown value gives "unknown".
 */
GLEANER_API const char *gleaner_status_name(enum gleaner_status status);

#ifdef __cplusplus
}
#endif
#endif
