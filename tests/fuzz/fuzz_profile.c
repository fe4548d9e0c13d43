/* SPDX-License-Identifier: Apache-2.0 */
/* The profiles' cache file: whole files, and records whose checksum fits (a fuzzer finds no
 * CRC-32C). */
#include "fuzz.h"
#include "profile_internal.h"
#include <string.h>

static const char magic[] = "gleaner-profiles-1\n";

static void load(const uint8_t *data, size_t size)
{
    struct profile_cache cache = {0};
    char path[64];
    int file = fuzz_file(data, size, path);
    FUZZ_CHECK(profile_cache_init(&cache, 64, 1 << 20) == GLEANER_OK);
    profile_file_load(&cache, path);
    FUZZ_CHECK(atomic_load_explicit(&cache.entries, memory_order_relaxed) <= 64);
    profile_cache_fini(&cache);
    fuzz_file_close(file);
}

static void load_record(const uint8_t *data, size_t size)
{
    size_t head = sizeof magic - 1;
    uint32_t crc = base_crc32c(0, data, size);
    uint8_t *whole = malloc(head + sizeof crc + size);
    FUZZ_CHECK(whole != NULL);
    memcpy(whole, magic, head);
    memcpy(whole + head, &crc, sizeof crc);
    if (size > 0) {
        memcpy(whole + head + sizeof crc, data, size);
    }
    load(whole, head + sizeof crc + size);
    free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool is_ready;
    if (!is_ready) {
        sync_init();
        base_log_set_level(BASE_LOG_ERROR);
        is_ready = true;
    }
    load(data, size);
    load_record(data, size);
    return 0;
}
