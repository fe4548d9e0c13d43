/* SPDX-License-Identifier: Apache-2.0 */
/* The cache on disk: a magic line, then per entry a CRC-32C and a BSON document
 * {n: name, t: when the primary last said so (UTC ms), d: the profile}. A record that does not
 * check out ends the reading: it is a cache. */
#include "profile_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char magic[] = "gleaner-profiles-1\n";

#define MAGIC_LEN (sizeof(magic) - 1)
#define CRC_LEN 4
#define AGE_MAX_MS (INT64_C(100) * 365 * 86400000) /* in ns it still fits */

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- saving
 * -------------------------------------------------------------------------------------------------
 */

static bool write_entry(FILE *file, const struct profile_entry *entry)
{
    bson_t record = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&record, "n", entry->name);
    BSON_APPEND_DATE_TIME(&record, "t", wall_ms() - (int64_t)profile_entry_age_ms(entry));
    BSON_APPEND_DOCUMENT(&record, "d", entry->document);
    uint32_t crc = base_crc32c(0, bson_get_data(&record), record.len);
    bool ok = fwrite(&crc, CRC_LEN, 1, file) == 1 &&
              fwrite(bson_get_data(&record), record.len, 1, file) == 1;
    bson_destroy(&record);
    return ok;
}

static bool write_all(FILE *file, struct profile_cache *cache)
{
    bool ok = fwrite(magic, MAGIC_LEN, 1, file) == 1;
    for (size_t set = 0; set < cache->set_count; set++) {
        struct profile_entry *entries[PROFILE_WAYS];
        size_t count = profile_cache_look(cache, set, entries);
        for (size_t i = 0; i < count; i++) {
            ok = ok && write_entry(file, entries[i]);
            profile_entry_unref(entries[i]);
        }
    }
    return ok && fflush(file) == 0 && fsync(fileno(file)) == 0;
}

bool profile_file_save(struct profile_cache *cache, const char *path)
{
    char temporary[4096];
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    bool ok = file != NULL && write_all(file, cache);
    int failure = ok ? 0 : errno; /* of the first step that failed */
    if (file != NULL) {
        ok = fclose(file) == 0 && ok;
    } else if (fd >= 0) {
        close(fd);
    }
    ok = ok && rename(temporary, path) == 0;
    if (!ok) {
        base_log_warn("profile", "event=cache_not_saved path=\"%s\" why=\"%s\"", path,
                      strerror(failure != 0 ? failure : errno));
        (void)unlink(temporary);
    }
    return ok;
}

/* ---- loading
 * ------------------------------------------------------------------------------------------------
 */

static void take_record(struct profile_cache *cache, const bson_t *record)
{
    bson_iter_t iter;
    bson_t document;
    const char *name = NULL;
    const uint8_t *data = NULL;
    uint32_t len = 0;
    int64_t said_ms = 0;
    if (bson_iter_init_find(&iter, record, "n") && BSON_ITER_HOLDS_UTF8(&iter)) {
        name = bson_iter_utf8(&iter, NULL);
    }
    if (bson_iter_init_find(&iter, record, "t") && BSON_ITER_HOLDS_DATE_TIME(&iter)) {
        said_ms = bson_iter_date_time(&iter);
    }
    if (bson_iter_init_find(&iter, record, "d") && BSON_ITER_HOLDS_DOCUMENT(&iter)) {
        bson_iter_document(&iter, &len, &data);
    }
    if (name == NULL || data == NULL || !bson_init_static(&document, data, len)) {
        return;
    }
    int64_t now_ms = wall_ms();
    int64_t age_ms = said_ms >= now_ms ? 0 /* the clock was set back: it is not from the future */
                     : said_ms < now_ms - AGE_MAX_MS ? AGE_MAX_MS
                                                     : now_ms - said_ms;
    int64_t fresh_ns = (int64_t)base_mono_ns() - age_ms * (int64_t)BASE_NS_PER_MS;
    struct profile_entry *entry = profile_entry_create(name, &document, 0, fresh_ns);
    if (entry != NULL) {
        profile_cache_put(cache, entry);
    }
}

/* The length of the record at `at`, 0 when there is none that checks out. */
static size_t check_record(const uint8_t *at, size_t left, bson_t *record)
{
    uint32_t crc;
    int32_t len;
    if (left < CRC_LEN + sizeof(len)) {
        return 0;
    }
    memcpy(&crc, at, CRC_LEN);
    memcpy(&len, at + CRC_LEN, sizeof(len));
    len = (int32_t)BSON_UINT32_FROM_LE((uint32_t)len);
    if (len < 5 || (size_t)len > left - CRC_LEN ||
        base_crc32c(0, at + CRC_LEN, (size_t)len) != crc ||
        !bson_init_static(record, at + CRC_LEN, (size_t)len) ||
        !bson_validate(record, BSON_VALIDATE_NONE, NULL)) {
        return 0;
    }
    return CRC_LEN + (size_t)len;
}

static void take_all(struct profile_cache *cache, const char *path, const uint8_t *data,
                     size_t size)
{
    size_t at = MAGIC_LEN;
    bson_t record;
    if (size < MAGIC_LEN || memcmp(data, magic, MAGIC_LEN) != 0) {
        base_log_warn("profile", "event=cache_not_read path=\"%s\" why=\"not a profile cache\"",
                      path);
        return;
    }
    while (at < size) {
        size_t len = check_record(data + at, size - at, &record);
        if (len == 0) {
            base_log_warn("profile", "event=cache_cut path=\"%s\" at=%zu", path, at);
            return;
        }
        take_record(cache, &record);
        at += len;
    }
}

/* At most twice what the cache may hold: records carry names and dates besides. */
static uint8_t *read_file(int fd, size_t most, size_t *size)
{
    struct stat about;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size <= 0) {
        return NULL;
    }
    size_t wanted = (size_t)about.st_size < most ? (size_t)about.st_size : most;
    uint8_t *data = malloc(wanted);
    *size = 0;
    while (data != NULL && *size < wanted) {
        ssize_t got = read(fd, data + *size, wanted - *size);
        if (got <= 0) {
            break;
        }
        *size += (size_t)got;
    }
    return data;
}

void profile_file_load(struct profile_cache *cache, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno != ENOENT) {
            base_log_warn("profile", "event=cache_not_read path=\"%s\" why=\"%s\"", path,
                          strerror(errno));
        }
        return;
    }
    size_t size = 0;
    uint8_t *data = read_file(fd, 2 * cache->max_bytes + MAGIC_LEN, &size);
    close(fd);
    if (data != NULL) {
        take_all(cache, path, data, size);
    }
    free(data);
}
