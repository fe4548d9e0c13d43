/* SPDX-License-Identifier: Apache-2.0 */
/* The address guard: which addresses a crawler may not connect to unless it was allowed to. */
#include "fetch_internal.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* Addresses are compared as 16 octets; IPv4 is written v4-mapped. */
struct block {
    uint8_t octets[16];
    unsigned bits; /* of 128 */
};

struct fetch_guard {
    struct block *allowed;
    size_t allowed_count;
};

#define V4(a, b, c, d, bits)                                                                       \
    {                                                                                              \
        {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, 96 + (bits)                        \
    }

/* Source: the list of the scraping reference (RFC 6890 and its successors). */
static const struct block refused[] = {
    V4(0, 0, 0, 0, 8),
    V4(10, 0, 0, 0, 8),
    V4(100, 64, 0, 0, 10),
    V4(127, 0, 0, 0, 8),
    V4(169, 254, 0, 0, 16),
    V4(172, 16, 0, 0, 12),
    V4(192, 0, 0, 0, 24),
    V4(192, 168, 0, 0, 16),
    V4(198, 18, 0, 0, 15),
    V4(224, 0, 0, 0, 3),
    {{0}, 128},                                              /* :: */
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128}, /* ::1 */
    {{0xfc}, 7},
    {{0xfe, 0x80}, 10},
    {{0xff}, 8},
};

/* IPv6 forms that carry an IPv4 address, and where. */
static const struct {
    struct block prefix;
    size_t at;
} embeddings[] = {
    {{{0}, 96}, 12},                   /* v4-compatible, deprecated */
    {{{0, 0x64, 0xff, 0x9b}, 96}, 12}, /* NAT64 */
    {{{0x20, 0x02}, 16}, 2},           /* 6to4 */
};

static bool block_has(const struct block *block, const uint8_t octets[16])
{
    size_t whole = block->bits / 8;
    unsigned rest = block->bits % 8;
    if (memcmp(block->octets, octets, whole) != 0) {
        return false;
    }
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return rest == 0 || ((block->octets[whole] ^ octets[whole]) & mask) == 0;
}

static void map_v4(const uint8_t v4[4], uint8_t out[16])
{
    memset(out, 0, 10);
    out[10] = out[11] = 0xff;
    memcpy(out + 12, v4, 4);
}

static bool is_refused(const uint8_t octets[16])
{
    for (size_t i = 0; i < BASE_ARRAY_LEN(refused); i++) {
        if (block_has(&refused[i], octets)) {
            return true;
        }
    }
    for (size_t i = 0; i < BASE_ARRAY_LEN(embeddings); i++) {
        uint8_t inner[16];
        if (!block_has(&embeddings[i].prefix, octets)) {
            continue;
        }
        map_v4(octets + embeddings[i].at, inner);
        for (size_t k = 0; k < BASE_ARRAY_LEN(refused); k++) {
            if (block_has(&refused[k], inner)) {
                return true;
            }
        }
    }
    return false;
}

static bool guard_allows(const struct fetch_guard *guard, const uint8_t octets[16])
{
    for (size_t i = 0; i < guard->allowed_count; i++) {
        if (block_has(&guard->allowed[i], octets)) {
            return true;
        }
    }
    return !is_refused(octets);
}

static bool parse_address(const char *text, uint8_t out[16], bool *is_v4)
{
    char copy[64];
    uint8_t v4[4];
    size_t len = strlen(text);
    if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *zone = strchr(copy, '%');
    if (zone != NULL) {
        *zone = '\0';
    }
    *is_v4 = inet_pton(AF_INET, copy, v4) == 1;
    if (*is_v4) {
        map_v4(v4, out);
        return true;
    }
    return inet_pton(AF_INET6, copy, out) == 1;
}

static bool parse_block(const char *text, struct block *out)
{
    char address[64];
    bool is_v4;
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(address)) {
        return false;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    if (!parse_address(address, out->octets, &is_v4)) {
        return false;
    }
    unsigned max = is_v4 ? 32 : 128;
    unsigned long bits = max;
    if (slash != NULL) {
        char *end;
        bits = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || bits > max) {
            return false;
        }
    }
    out->bits = (unsigned)bits + (is_v4 ? 96 : 0);
    return true;
}

enum gleaner_status fetch_guard_create(const char *const *allow_net, size_t count,
                                       struct fetch_guard **out, struct base_error *error)
{
    *out = NULL;
    struct fetch_guard *guard = calloc(1, sizeof(*guard));
    if (guard != NULL) {
        guard->allowed = calloc(count + 1, sizeof(*guard->allowed));
    }
    if (guard == NULL || guard->allowed == NULL) {
        free(guard);
        return base_error_set(error, GLEANER_E_NOMEM, "no memory for the address guard");
    }
    for (size_t i = 0; i < count; i++) {
        if (!parse_block(allow_net[i], &guard->allowed[guard->allowed_count++])) {
            fetch_guard_destroy(&guard);
            return base_error_set(error, GLEANER_E_CONFIG,
                                  "allow-net: \"%s\" is no address block; write it like "
                                  "10.1.0.0/16, 127.0.0.1 or fd00::/8",
                                  allow_net[i]);
        }
    }
    *out = guard;
    return GLEANER_OK;
}

void fetch_guard_destroy(struct fetch_guard **guard)
{
    if (*guard != NULL) {
        free((*guard)->allowed);
        free(*guard);
        *guard = NULL;
    }
}

bool fetch_guard_allows(const struct fetch_guard *guard, const char *address)
{
    uint8_t octets[16];
    bool is_v4;
    return parse_address(address, octets, &is_v4) && guard_allows(guard, octets);
}

bool fetch_guard_allows_socket(const struct fetch_guard *guard, const struct sockaddr *address)
{
    uint8_t octets[16];
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        map_v4((const uint8_t *)&in->sin_addr, octets);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        memcpy(octets, &in6->sin6_addr, 16);
    } else {
        return false;
    }
    return guard_allows(guard, octets);
}
