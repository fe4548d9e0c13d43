/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include <stddef.h>
#include <stdint.h>

/* States what only our own mistake can break. Stays on in release; the expression has no effects.
 * Input, network and memory are never asserted. */
#define BASE_ASSERT(expr) ((expr) ? (void)0 : base_assert_fail(#expr, __FILE__, __LINE__, __func__))

/**
 * Print place and expression to standard error and abort.
 *
 * Thread: [any]. Does not return.
 */
_Noreturn void base_assert_fail(const char *expr, const char *file, int line, const char *func);

/* Objects that cross a `void *` start with a magic number, checked on the way back. */
#define BASE_CHECK_MAGIC(obj, value) BASE_ASSERT((obj) != NULL && (obj)->magic == (value))

#define BASE_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BASE_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define BASE_CACHE_LINE 64
#define BASE_CACHE_ALIGNED _Alignas(BASE_CACHE_LINE)

#define BASE_NS_PER_US UINT64_C(1000)
#define BASE_NS_PER_MS UINT64_C(1000000)
#define BASE_NS_PER_S UINT64_C(1000000000)

#endif
